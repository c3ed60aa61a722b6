"""Which tracks an evaluation is on, by the split of a model, and what they are to each system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soundkin.catalog.splits import SplitRule
from soundkin.catalog.table import Catalog
from soundkin.errors import ArtefactError, UsageError
from soundkin.evaluation.systems import System, split_rule

SPLIT_NOTES = {
    "test": "The tracks are by artists that {name} was not trained on.",
    "valid": "Training of {name} was stopped by these tracks: scores are a little too good. Use test.",
    "train": "{name} was trained on these very tracks: scores say how well it remembers, not what it learnt.",
    "all": "{name} was trained on most of these tracks, so scores are too good. Use the test split to judge.",
}
ELSEWHERE_NOTE = (
    "{name} was trained on another catalog, or on this one before it changed. Should these tracks have been "
    "in it, scores are too good: use the test split to judge."
)
UNKNOWN_NOTE = (
    "Nothing is known of what {names} learnt from: these tracks, artists and labels may have been among it, "
    "and scores too good for that. The vectors are compared as they are, by cosine."
)
NO_RULE_NOTE = "No model says which tracks it was not trained on, so all tracks are judged on."
OWN_RULE_NOTE = (
    "No model says which tracks it was not trained on: the {split} split is one made now, and these vectors "
    "may have been trained on any of it."
)
CAVEATS = {
    "all": "on all tracks, those of training too",
    "train": "on the tracks that it was trained on",
    "valid": "on the tracks that its weights were chosen by",
}
UNKNOWN_CAVEAT = "nobody knows whether these tracks were trained on"
LOST_HINT = (
    "Put the model back or say where it is (--model), or give --split all to judge on all tracks, those of "
    "training too."
)


@dataclass(frozen=True, eq=False)
class EvaluatedSplit:
    """The tracks to judge, `catalog`, out of `whole`, whose checksum is `sha256`.

    `places` gives each track's split by `rule`, that of the first model; it is empty where nobody has to
    know.
    """

    name: str
    rule: SplitRule
    places: Mapping[str, str]
    whole: Catalog
    catalog: Catalog
    sha256: str

    def caveat(self, systems: Sequence[System]) -> str:
        """What the headline has to say of tracks that were not held out."""
        first = next((system for system in systems if system.bundle), None)
        if first is None or (self.name == "all" and not first.may_know(self.sha256)):
            return UNKNOWN_CAVEAT
        return CAVEATS.get(self.name, "")

    def notes(self, systems: Sequence[System], judged: Catalog) -> list[str]:
        """What the `judged` tracks are to each system: held out, or what it was trained on."""
        models = [system for system in systems if system.bundle is not None]
        unknown = [system.name for system in systems if system.bundle is None]
        notes = (
            [] if models else [NO_RULE_NOTE if self.name == "all" else OWN_RULE_NOTE.format(split=self.name)]
        )
        notes += [f"{system.name}: {system.lost}." for system in systems if system.lost]
        notes += [
            f"{system.name} began with {start}, trained on this catalog: its scores may be too good."
            for system in models
            for start in system.starts_that_know(self.sha256)
        ]
        for system in models[:1]:
            held_out = self.name in ("test", "valid") or system.may_know(self.sha256)
            notes.append((SPLIT_NOTES[self.name] if held_out else ELSEWHERE_NOTE).format(name=system.name))
        for system in models[1:]:
            trained = self._trained_on(system, judged)
            if trained and system.may_know(self.sha256):
                notes.append(
                    f"{system.name} was trained on {trained} of the {len(judged)} tracks: its scores are too "
                    "good."
                )
            elif trained:
                notes.append(ELSEWHERE_NOTE.format(name=system.name))
        if len(models) > 1:
            notes += [
                f"{system.name} was trained on {', '.join(sorted(system.trained_labels)) or 'nothing'}."
                for system in models
            ]
        return [*notes, UNKNOWN_NOTE.format(names=" and ".join(unknown))] if unknown else notes

    def _trained_on(self, system: System, judged: Catalog) -> int:
        rule = system.rule(self.whole)
        places = dict(zip(self.whole.track_ids, rule.assign(self.whole), strict=True)) if rule else {}
        return sum(places.get(track_id) == "train" for track_id in judged.track_ids)


def choose_split(
    systems: Sequence[System], whole: Catalog, sha256: str, split: str | None, users: bool
) -> EvaluatedSplit:
    """The tracks of a split by the rule of the first model: `test` by default, or all if there is no model.

    Where no model has a rule, one is made from this catalog. `users` says that train and test tracks are
    needed for a cold start.
    """
    if split != "all":
        _refuse_unknown_split(systems, sha256)
    rules = (system.rule(whole) for system in systems)
    rule = next((rule for rule in rules if rule is not None), None) or split_rule({}, whole)
    has_model = any(system.bundle for system in systems)
    split = split or ("test" if has_model else "all")
    needed = has_model or split != "all" or users
    places = dict(zip(whole.track_ids, rule.assign(whole), strict=True)) if needed else {}
    catalog = whole
    if split != "all":
        catalog = whole.select(
            np.array([places[track_id] == split for track_id in whole.track_ids], dtype=bool)
        )
    if not len(catalog):
        raise UsageError(
            f"{whole.source}: no track is in the {split} split. Add artists, or give --split all."
        )
    return EvaluatedSplit(split, rule, places, whole, catalog, sha256)


def _refuse_unknown_split(systems: Sequence[System], sha256: str) -> None:
    first = next((system for system in systems if system.bundle is not None or system.lost), None)
    if first is None:
        return
    first.refuse_lost(LOST_HINT)
    if not first.knows_split(sha256):
        raise ArtefactError(
            f"{first.path}: this model does not say which tracks were held out from its training. Train it "
            "again, or give --split all to judge on all tracks, those of training too."
        )

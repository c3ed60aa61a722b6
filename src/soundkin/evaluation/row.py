"""One row of an evaluation's table: a measure of all systems, and what it says."""

from soundkin.evaluation.label_questions import FILTERED_BY
from soundkin.statistics.bootstrap import Compared, Interval, compare
from soundkin.statistics.measure import Measure


class Row(Compared, frozen=True):
    """One measure of all systems, on draws of artists.

    `trained` says whether a system was taught the label, None where nobody knows.
    """

    protocol: str
    label: str
    metric: str
    filtered_by: str | None
    trained: bool | None
    items: int

    @property
    def least_gain(self) -> Interval:
        """The gain over the best of the others."""
        return min(self.gains, key=lambda gain: gain.mean)

    @property
    def gain_in_words(self) -> str:
        """`+0.27 [+0.20, +0.33] over MFCC`: how far ours is above the best of the others, and which that is."""
        gain = self.least_gain
        return f"{gain:+.2f} over {gain.system}"

    @property
    def verdict(self) -> str:
        """One line: what was learnt, or that it was not shown."""
        ours, *others = self.scores
        level = [system for system in self.unbeaten if system not in self.better]
        found = ", ".join(
            [
                *([f"not shown to beat {' or '.join(level)}"] if level else []),
                *([f"below {' and '.join(self.better)}"] if self.better else []),
            ]
        )
        found = self.too_few or found or "what was learnt"
        against = ", ".join(f"{other.system} {other.mean:.2f}" for other in others)
        left_out = self.filtered_by or FILTERED_BY.get(self.label) or "artist"
        return (
            f"{found}: {self.label} {self.metric} {ours} against {against}; "
            f"{left_out} filter {'on' if self.filtered_by else 'off'}"
        )


def make_row(measure: Measure, trained: bool | None, resamples: int, random_seed: int) -> Row:
    """The means and intervals of one measure."""
    return Row(
        protocol=measure.protocol,
        label=measure.label,
        metric=measure.metric,
        filtered_by=measure.filtered_by,
        trained=trained,
        items=int(measure.asked.sum()),
        **dict(compare(measure, resamples, random_seed)),
    )


def table_row(row: Row) -> dict[str, str]:
    """Cells by column: ours with its interval, the others' means, the gain over the best of them."""
    ours, *others = row.scores
    return {
        "label": row.label,
        "trained on": {True: "yes", False: "no", None: "unknown"}[row.trained],
        "measure": f"{row.protocol.removesuffix(' probe')} {row.metric}",
        "filter": row.filtered_by or "off",
        **size_cell(row.items, row.groups, row.unit),
        ours.system: str(ours),
        **{other.system: f"{other.mean:.2f}" for other in others},
        "gain over the best": row.gain_in_words,
    }


def size_cell(tracks: int, groups: int, unit: str) -> dict[str, str]:
    """What a figure is made of, as a cell of a table."""
    return {"tracks": str(tracks)} if unit == "tracks" else {f"tracks ({unit})": f"{tracks} ({groups})"}

"""How soon bad annotators are found out, how often careful ones are wronged, and what weighting by
reliability gains.

    python benchmarks/assessment.py [RUNS]

Simulated annotators go through the real sessions; bad ones are careful until they are let in. Prints two
tables.
"""

import sys

import numpy as np

from simulated_annotators import KINDS, World, agreement_with_truth, make_world, simulate
from soundkin.assess.annotator_state import SessionConfig, reliabilities
from soundkin.catalog.annotators import training_weights

STEPS = 200
TEAM = ("careful", "careful", "sloppy", "sloppy", "random", "adversarial")
TEAM_STEPS, TEAM_QUESTIONS = 80, 60


def main() -> None:
    """Print both tables."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    world = make_world()
    _found_out(world, runs)
    _weighted(world, max(1, runs // 4))


def _found_out(world: World, runs: int) -> None:
    print(f"{runs} of each kind, {STEPS} questions each unless suspended\n")
    print("| kind | suspended | after questions: median | 95% within | all within |\n|---|---|---|---|---|")
    for kind in KINDS:
        outcomes = [simulate(world, [kind], STEPS, random_seed=seed) for seed in range(runs)]
        stopped = [one.steps[f"{kind} 1"] for one in outcomes if one.stood[f"{kind} 1"] == "suspended"]
        after = (
            [f"{np.quantile(stopped, share):.0f}" for share in (0.5, 0.95, 1.0)] if stopped else ["", "", ""]
        )
        print(f"| {kind} | {len(stopped)} of {runs} | {' | '.join(after)} |")


def _weighted(world: World, runs: int) -> None:
    team = f"{runs} teams of {len(TEAM)}: {', '.join(TEAM)}"
    print(f"\n{team}; nobody is suspended, all answer the same questions\n")
    lenient = SessionConfig(lowest_reliability=0.001, most_fast=1_000_000, judges=len(TEAM))
    found: dict[str, list[float]] = {kind: [] for kind in TEAM}
    plain, weighted = [], []
    for seed in range(runs):
        outcome = simulate(world, TEAM, TEAM_STEPS, lenient, seed, TEAM_QUESTIONS, shared_share=1.0)
        reliability = reliabilities(outcome.rows(), outcome.gold)
        for name, share in reliability.items():
            found[outcome.kinds[name]].append(share)
        names = list(reliability)
        weights = dict(
            zip(names, training_weights(np.array([reliability[name] for name in names])), strict=True)
        )
        plain.append(agreement_with_truth(world, outcome.rows(["main"]), dict.fromkeys(names, 1.0)))
        weighted.append(agreement_with_truth(world, outcome.rows(["main"]), weights))
    print("| kind | estimated reliability: mean | lowest | highest |\n|---|---|---|---|")
    for kind, shares in found.items():
        print(f"| {kind} | {np.mean(shares):.2f} | {min(shares):.2f} | {max(shares):.2f} |")
    gains = np.subtract(weighted, plain)
    print(
        "\nAgreement of the majority with the truth on disputed questions: "
        f"{np.mean(plain):.3f} counting everybody alike, {np.mean(weighted):.3f} weighted by reliability; "
        f"better in {np.mean(gains > 0):.0%} of teams."
    )


if __name__ == "__main__":
    main()

"""`soundkin assess`."""

from pathlib import Path

import click

from soundkin.cli.output import print_rows, say

HELP = """Ask people on a page: which of these two sounds more like this one?

With --embeddings, most questions are those where the model is least sure. People learn by examples, pass a qualifier,
and are checked by questions whose answer is known; who clicks at random is stopped, and their answers are set aside.
Answers to learn from go to OUTPUT, all others to a .checks.csv beside it. Run the same command again to go on.

\b
Examples:
  soundkin assess catalog.csv --embeddings runs/first/embeddings -o triplets.csv
  soundkin assess catalog.csv -o triplets.csv --gold gold.csv --port 9000
  soundkin assess catalog.csv -o triplets.csv --host 0.0.0.0     for others in this network
"""


@click.command(help=HELP)
@click.argument("catalog", type=click.Path(path_type=Path))
@click.option(
    "--embeddings", type=click.Path(path_type=Path), help="Embeddings folder; without it, random questions."
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Triplets, .csv; what is there is kept.",
)
@click.option(
    "--gold", type=click.Path(path_type=Path), help="Triplets whose answer is known; default: from the audio."
)
@click.option(
    "--questions", type=click.IntRange(min=1), default=300, show_default=True, help="Different ones to ask."
)
@click.option(
    "--judges",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="People a shared question gets.",
)
@click.option("--random-seed", type=int, default=0, show_default=True)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets others in; they need no password."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free one."
)
def command(
    catalog: Path,
    embeddings: Path | None,
    output: Path,
    gold: Path | None,
    questions: int,
    judges: int,
    random_seed: int,
    host: str,
    port: int,
) -> None:
    from soundkin.assess.annotator_state import SessionConfig
    from soundkin.assess.triplet_questions import QuestionConfig
    from soundkin.pipelines.assess import open_assessment
    from soundkin.service.assess_page import serve

    assessment = open_assessment(
        catalog,
        output,
        embeddings,
        gold,
        QuestionConfig(questions=questions),
        SessionConfig(judges=judges),
        random_seed,
    )
    try:
        serve(assessment, host, port, announce=lambda address: say(f"Open {address} (Ctrl-C ends)"))
        found = assessment.summary()
    finally:
        assessment.close()
    if found.annotators:
        print_rows("annotators", found.annotators)
    say(
        f"{output} has {found.answers} answers to learn from; {found.checks} others are in {assessment.checks}"
    )

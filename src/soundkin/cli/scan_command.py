"""`soundkin scan`."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from soundkin.cli.output import SHOWN, end, note, say
from soundkin.cli.verbs import command_of
from soundkin.pipelines.scan import ScanResult, scan


@command_of(scan)
def command(**options: Any) -> int:
    result = scan(**options)
    if result.changes:
        _name("gone", result.changes.gone)
    _name("passed over", [f"{item.path}: {item.reason}" for item in result.passed_over])
    if result.waiting:
        note(f"{result.waiting} row(s) of files that are gone wait in {result.gone_table}")
    code = end(result.skipped)
    say(f"{options['output']}: {_summary(result)}")
    return code


def _name(kind: str, items: Sequence[str]) -> None:
    for item in items[:SHOWN]:
        note(f"{kind} {item}")
    if len(items) > SHOWN:
        note(f"... and {len(items) - SHOWN} more {kind}")


def _summary(result: ScanResult) -> str:
    """`480 tracks (3 new, 2 gone), 2 passed over: hidden (1), a broken link (1); 12 other files`."""
    text = f"{len(result.catalog)} tracks"
    if result.changes:
        changes = ", ".join(f"{len(paths)} {kind}" for kind, paths in vars(result.changes).items() if paths)
        text += f" ({changes or 'no changes'})"
    passed = [*result.skipped, *result.passed_over]
    if passed:
        kinds = Counter(item.reason.partition(",")[0].partition(":")[0].partition(";")[0] for item in passed)
        counts = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common())
        text += f", {len(passed)} passed over: {counts}"
    return text + (f"; {result.others} other file{'s' * (result.others > 1)}" if result.others else "")

"""Groups of what pairs connect; without scipy, which not every install has."""

from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item", str, int)


def connected(pairs: Iterable[tuple[Item, Item]]) -> list[tuple[Item, ...]]:
    """Connected components of pairs: the largest first, members in order."""
    group_of: dict[Item, list[Item]] = {}
    for pair in pairs:
        first, second = (group_of.setdefault(item, [item]) for item in pair)
        if first is not second:
            smaller, larger = sorted((first, second), key=len)
            larger += smaller
            group_of.update(dict.fromkeys(smaller, larger))
    groups = {id(group): tuple(sorted(group)) for group in group_of.values()}
    return sorted(groups.values(), key=lambda group: (-len(group), group))

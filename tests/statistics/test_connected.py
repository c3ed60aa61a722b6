from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import DisjointSet

from soundkin.statistics.connected import connected


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20))
def test_groups_are_those_of_a_disjoint_set(pairs: list[tuple[int, int]]) -> None:
    sets = DisjointSet(item for pair in pairs for item in pair)
    for pair in pairs:
        sets.merge(*pair)
    groups = connected(pairs)
    assert {frozenset(group) for group in groups} == set(map(frozenset, sets.subsets()))
    assert [list(group) for group in groups] == [sorted(group) for group in groups]
    assert groups == sorted(groups, key=lambda group: (-len(group), group))

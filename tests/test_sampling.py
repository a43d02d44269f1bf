"""Of three parameters, a sample of a third has every pair of values, and `make slow` the rest."""

from __future__ import annotations

from itertools import combinations, product

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
from tests import sampling

def pytest_configure(config):
    config.addinivalue_line("markers", "sampled(n): …")
    config.addinivalue_line("markers", "slow: …")

def pytest_itemcollected(item):
    sampling.leave_out([item])
"""
TEST = """
import pytest

@pytest.mark.sampled(3)
@pytest.mark.parametrize("a", [0, 1, 2])
@pytest.mark.parametrize("b", [0, 1, 2])
@pytest.mark.parametrize(("c", "d"), [(0, "x"), (1, "x"), (2, "x"), (3, "x")])
def test_it(a, b, c, d):
    print(f"ran {a} {b} {c}")
"""


def ran(pytester: pytest.Pytester, marked: str) -> set[tuple[int, ...]]:
    found = pytester.runpytest_inprocess("-s", "-m", marked, "-p", "no:cacheprovider")
    lines = (line.partition("ran ")[2] for line in found.outlines if "ran " in line)
    return {tuple(map(int, line.split())) for line in lines}


def test_every_pair_of_values_is_in_the_sample_and_the_rest_is_slow(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TEST)
    sizes = (3, 3, 4)
    quick, slow = ran(pytester, "not slow"), ran(pytester, "slow")
    assert len(quick) == 12
    assert quick | slow == set(product(*map(range, sizes)))
    assert not quick & slow
    for one, two in combinations(range(3), 2):
        pairs = {(case[one], case[two]) for case in quick}
        assert pairs == set(product(range(sizes[one]), range(sizes[two])))

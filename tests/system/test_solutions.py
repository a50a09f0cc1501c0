"""A part of what `attack_solutions.py` tries, and all of it where time allows."""

import pytest
from attack_solutions import attack, cases

BOUND = 100  # In units of what was asked.


def test_a_few_solutions():
    # The smallest sigma, with constant gains, in both dtypes.
    assert max(attack(cases()[0]).worst.values()) < BOUND


@pytest.mark.slow
def test_all_solutions():
    for case in cases():
        assert max(attack(case).worst.values()) < BOUND, case.text()

"""Bad arguments are refused by name; the whole attack is `attack_arguments.py`."""

import jax
import pytest
from attack_arguments import cases, outcome

# Quick to call, and with one argument at least of every kind.
QUICK = ("ornstein_uhlenbeck", "unroll", "ORGaNICs.random", "Bounded", "jacobian", "simulate")


def check(some):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        found = {case: outcome(*case) for case in some}
    assert {k: v for k, v in found.items() if v not in ("refused", "accepted")} == {}


@pytest.mark.parametrize("name", QUICK)
def test_bad_arguments_are_refused_by_name(name, unchecked):
    check(cases([name], most=30))


@pytest.mark.slow
def test_bad_arguments_of_every_function_are_refused_by_name(unchecked):
    check(cases(most=22))

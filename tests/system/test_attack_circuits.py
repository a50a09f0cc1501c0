"""Circuits of users: what is called solved, stable or proved is so."""

import attack_circuits as attack
import numpy as np
import pytest


def check(kind, n, each):
    found = attack.attack(kind, n, each)
    assert found.circuits == each
    assert (found.wrong, found.misjudged, found.false) == (0, 0, 0), f"{kind}, n = {n}: {found}"
    return found


def test_the_judge_tells_a_wrong_point():
    circuit, x = attack.KINDS["own, rates over 6 decades"](2, np.random.default_rng(0)), np.ones(2)
    truth = attack.Truth(circuit, x)
    right = np.asarray(attack.ravel_pytree(attack.oo.fixed_point(circuit, x).state)[0])
    assert truth.near(right)[0] < 1e-9
    assert truth.near(right * (1 + 1e-3 * np.arange(4)))[0] > 1e-4


def test_a_circuit_without_a_point_gets_none():
    assert check("own, no point of rest", 2, 1).solved == 0


def test_float32_blurs_no_variable_to_the_size_of_another():
    # A response of 1e-4 beside one of 100 was once allowed a hundredfold residual.
    check("own, sizes over 12 decades", 2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("n", attack.SIZES)
@pytest.mark.parametrize("kind", attack.KINDS)
def test_nothing_wrong_is_called_right(kind, n):
    found = check(kind, n, attack.EACH)
    if "unchanged" in kind:
        assert found.certified == found.circuits

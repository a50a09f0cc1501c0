"""A part of what `attack_linear.py` tries, and all of it where time allows."""

import pytest
from attack_linear import DTYPES, FAMILIES, PRODUCTS, attack_covariances, attack_exponents

# Of a covariance what rounding may leave, 1 %; of exponents what it does, at most.
EXPONENTS = {"float64": 1e-9, "float32": 1e-2}


def check(family, dtype, count, sizes):
    """None NaN, none wrong, and what is refused is what rounding changes."""
    found = attack_covariances(family, dtype, count, sizes)
    assert found.nan == 0 and found.worst < 1e-2
    assert found.refused < count or "other axes" in family


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_few_covariances(dtype):
    check("feedforward chain in other axes", dtype, 6, (5,))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_covariances(family, dtype):
    check(family, dtype, 52, (5, 10))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PRODUCTS)
def test_exponents(name, dtype):
    assert attack_exponents(name, dtype, PRODUCTS[name]) < EXPONENTS[dtype]

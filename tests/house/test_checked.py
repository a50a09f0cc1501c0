"""The tests' own checker of types: what it leaves out has nothing to check."""

from collections.abc import Callable
from typing import TypeVar

import beartype.roar
import checked
import jax.numpy as jnp
import jaxtyping
import pytest
from jaxtyping import Array, Float, PyTree

decorated = jaxtyping.jaxtyped(typechecker=checked.when_called)
Tree = TypeVar("Tree", bound=PyTree[Float[Array, "..."]])


def add(x: Float[Array, " n"], y: Float[Array, " n"]) -> Float[Array, " n"]:
    return x + y


def half(k: int) -> int:
    return k / 2 if k % 2 else k // 2


def anything(x, *, y=0):
    return x, y


def test_dimensions_are_those_of_all_arguments_together():
    check = decorated(add)
    assert check(jnp.ones(2), jnp.ones(2)).shape == (2,)
    with pytest.raises(jaxtyping.TypeCheckError):
        check(jnp.ones(2), jnp.ones(1))


def test_arguments_and_results_without_arrays_are_checked_too_unless_told_not_to(request):
    check = decorated(half)
    assert check(4) == 2 and check.__name__ == "half" and check.__wrapped__ is half
    for wrong in ("four", 3):
        with pytest.raises(beartype.roar.BeartypeCallHintViolation):
            check(wrong)
    request.getfixturevalue("unchecked")
    assert check(3) == 1.5


def test_a_function_without_annotations_stays_itself():
    assert decorated(anything) is anything


@pytest.mark.parametrize(
    "annotation",
    [
        Float[Array, ""],
        Float[Array, " n"] | None,
        list[Float[Array, " n"]],
        Callable[[Float[Array, " n"]], float],
        dict[str, PyTree],
        "Float[Array, ' n']",
        Tree,
    ],
    ids=str,
)
def test_dimensions_are_found_wherever_they_stand(annotation):
    assert checked.has_dimensions(annotation)


@pytest.mark.parametrize("annotation", [int | None, Callable[[int], str], None, TypeVar("T")])
def test_other_annotations_have_none(annotation):
    assert not checked.has_dimensions(annotation)

"""Circuits whose weights may be operators, for code that needs their entries."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from .._checks import counted, refuse
from ._operator import AbstractOperator

# Numbers of entries: up to the first a matrix is cheaper for solving; up to the second it fits.
FEW, MOST = 2**18, 2**26


def with_matrices(circuit: PyTree, name: str = "circuit", *, most: int | None = None) -> PyTree:
    """The circuit, resolved, with arrays in place of operators.

    If one of them has more than `most` entries, operators are kept; unless `most` is given, the
    circuit is refused if the matrices would not fit.
    """
    sizes = [W.shape[0] * W.shape[1] for W in _operators(circuit)]
    largest = max(sizes, default=0)
    if largest > (MOST if most is None else most):
        if most is not None:
            return circuit
        n = counted(int(MOST**0.5), "unit")
        must = f"have weights of at most {n} here, where operators are made matrices"
        refuse(name, must, f"one of them has {largest} entries")
    dense = lambda W: W.as_matrix() if isinstance(W, AbstractOperator) else W  # noqa: E731
    return jax.tree.map(dense, circuit, is_leaf=_is_operator)


def has_operators(circuit: PyTree) -> bool:
    """Whether some weights are operators."""
    return bool(_operators(circuit))


def is_zero(W: Array | AbstractOperator) -> Bool[Array, ""]:
    """Whether all weights are 0; for an operator, whether its numbers make it 0."""
    if isinstance(W, AbstractOperator):
        return jnp.all(abs(W) @ jnp.ones(W.shape[1], W.dtype) == 0)
    return jnp.all(W == 0)


def products(x: Array, *weights: Any) -> list[Array]:
    """W @ x for each of some weights with equal numbers of rows; for arrays in one product."""
    if has_operators(weights):
        return [W @ x for W in weights]
    return jnp.split(jnp.concatenate(weights) @ x, len(weights))


def _operators(tree: PyTree) -> list[AbstractOperator]:
    return [leaf for leaf in jax.tree.leaves(tree, is_leaf=_is_operator) if _is_operator(leaf)]


def _is_operator(leaf: object) -> bool:
    return isinstance(leaf, AbstractOperator)

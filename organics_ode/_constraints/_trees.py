"""Operations on all nodes of a tree at once."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import paramax
from jaxtyping import PyTree

from ._nodes import AbstractProjected, Frozen


def resolve(tree: PyTree) -> PyTree:
    """The same tree (circuit, cell, model) with every node replaced by its value.

    Every public function accepts either form. Gradients with respect to a resolved circuit are
    with respect to the values themselves (∂/∂τ, not ∂/∂θ).
    """
    # Finding that there is no node takes a quarter of the time of rebuilding the tree.
    is_node = lambda part: isinstance(part, paramax.AbstractUnwrappable)  # noqa: E731
    if not any(map(is_node, jax.tree.leaves(tree, is_leaf=is_node))):
        return tree
    return paramax.unwrap(tree)


def project(tree: PyTree) -> PyTree:
    """The tree with every projected node put back into its set.

    Call it after each update: `oo.fit` does so, and a training loop of your own must.
    """
    return jax.tree.map(
        lambda x: x.project() if isinstance(x, AbstractProjected) else x,
        tree,
        is_leaf=lambda x: isinstance(x, AbstractProjected),
    )


def trainable(tree: PyTree) -> PyTree:
    """True for each leaf that may be trained, False for frozen, integer and other leaves.

    The result is a filter for `eqx.partition(tree, oo.trainable(tree))`; an optimizer that sees
    only the first part cannot decay a frozen value.
    """
    return _arrays_but_in(lambda x: isinstance(x, Frozen), tree)


def weight_decay_mask(tree: PyTree) -> PyTree:
    """True for each trained leaf that weight decay may shrink, False for the others.

    An optimizer takes the function itself: `optax.adamw(1e-3, mask=oo.weight_decay_mask)`. It is
    True for weights and biases that are stored as their value: plain arrays, and projected nodes
    (`NonNegative`, `Connectivity`, `SpectralBound`, `SymmetricPart`), which `project` puts back
    into their sets. It is False for reparametrised nodes (`Positive`, `Bounded`,
    `IdentityPlusSkew`, `SkewSymmetric`, nodes of paramax): θ = 0 is not a small time constant, but
    one of 1 in the user's unit, so that the result of decay would depend on the unit.
    """
    stands_for_another = lambda x: (  # noqa: E731
        isinstance(x, paramax.AbstractUnwrappable) and not isinstance(x, AbstractProjected)
    )
    return _arrays_but_in(stands_for_another, tree)


def _arrays_but_in(left_out: Callable[[Any], bool], tree: PyTree) -> PyTree:
    """True for each floating array that is not inside a part that is left out."""
    return jax.tree.map(
        lambda x: jax.tree.map(lambda _: False, x) if left_out(x) else eqx.is_inexact_array(x),
        tree,
        is_leaf=left_out,
    )

"""Values that a program uses and does not differentiate."""

from typing import TypeVar

import equinox as eqx
import jax

Tree = TypeVar("Tree")


def detached(tree: Tree) -> Tree:
    """The same tree, whose arrays have no derivatives; its functions and numbers stay."""
    stop = lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf  # noqa: E731
    return jax.tree.map(stop, tree, is_leaf=lambda leaf: leaf is None)

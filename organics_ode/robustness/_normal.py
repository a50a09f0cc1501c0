"""Normalization: the fixed point for W_r = I."""

from typing import Any

from .._nonlinearities import Rectification


def normalized(xp: Any, z: Any, sizes: Any, beta: Any, rectification: Rectification) -> tuple:
    """y (n, columns) and the common a (columns,) for W_r = I and W all ones, for inputs
    b‖z‖ = `sizes` (columns,) in the direction z (n,); `xp` is numpy or jax.numpy."""
    if rectification is Rectification.NONE:
        a = beta + sizes**2
        return z[:, None] * (sizes / xp.sqrt(a))[None], a
    up = xp.maximum(z, 0)
    a = beta + sizes**2 * xp.sum(up**2)
    y = up[:, None] * (sizes / xp.sqrt(a))[None]
    # With rectification before the weights, a negative drive passes unchanged.
    below = xp.minimum(z, 0) if rectification is Rectification.BEFORE else 0 * z
    return y + below[:, None] * sizes[None], a

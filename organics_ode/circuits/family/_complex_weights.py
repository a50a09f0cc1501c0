import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import as_complex_parts, check_finite, check_flag, refuse
from ..._types import Numbers


def complex_weights(W: Numbers, *, of_real: bool = False) -> Float[Array, "rows columns"]:
    """The real matrix that acts on real and imaginary parts as a complex matrix on their sum.

        [[Re W, −Im W], [Im W, Re W]] (Re v, Im v) = (Re W v, Im W v)

    Pure (jit, vmap, grad).

    Args:
        W: (n, k), complex or real.
        of_real: whether it acts on real vectors, such as inputs: then only [[Re W], [Im W]].

    Returns:
        (2n, 2k), or (2n, k) with `of_real`: the real parts first, then the imaginary parts.

    Raises:
        ValueError: W is not a matrix, or has NaN or infinite values.
    """
    of_real = check_flag("of_real", of_real)
    real, imaginary = (check_finite("W", part) for part in as_complex_parts("W", W))
    if real.ndim != 2:
        refuse("W", "have shape (n, k)", f"it has shape {real.shape}")
    columns = jnp.concatenate([real, imaginary])
    if of_real:
        return columns
    return jnp.concatenate([columns, jnp.concatenate([-imaginary, real])], axis=1)

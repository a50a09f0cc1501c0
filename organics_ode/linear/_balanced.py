import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# The number of corrections of the scales, and their largest power of 2, whose square is finite in
# float32.
_ROUNDS, _FURTHEST = 24, 30


@jax.jit
def balanced(J: Float[Array, "d d"]) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
    """D⁻¹JD with rows as large as columns, and the diagonal of D, which holds powers of 2.

    The eigenvalues do not depend on the units of the variables, and neither should their rounding:
    for a strong input a may be 10⁷ where y is 1.
    """
    size = jnp.abs(jax.lax.stop_gradient(J))
    size = size - jnp.diag(jnp.diag(size))
    # A variable without inputs or outputs fits any scale: it must not set the scale of others.
    is_open = (jnp.sum(size, axis=1) == 0) | (jnp.sum(size, axis=0) == 0)
    between = jnp.where(is_open[:, None] | is_open[None, :], 0, size)

    def sums(size: Array, logs: Array) -> tuple[Array, Array]:
        scaled = size * jnp.exp2(logs[None, :] - logs[:, None])
        return jnp.sum(scaled, axis=1), jnp.sum(scaled, axis=0)

    def once(_: int | Array, logs: Array) -> Array:
        rows, columns = sums(between, logs)
        is_known = (rows > 0) & (columns > 0) & jnp.isfinite(rows) & jnp.isfinite(columns)
        # A quarter: both variables of a pair move, each by half of one half.
        ratio = jnp.where(is_known, rows, 1) / jnp.where(is_known, columns, 1)
        return logs + jnp.clip(jnp.log2(ratio) / 4, -_FURTHEST, _FURTHEST)

    logs = jax.lax.fori_loop(0, _ROUNDS, once, jnp.zeros(J.shape[0], J.dtype))
    rows, columns = sums(size, logs)
    fitting = jnp.where(rows > 0, rows, 1) / jnp.where(columns > 0, columns, 1)
    logs = logs + jnp.where(is_open & jnp.isfinite(fitting) & (fitting > 0), jnp.log2(fitting), 0)
    logs = jnp.clip(jnp.round(logs - jnp.mean(logs)), -_FURTHEST, _FURTHEST)
    scale = jnp.exp2(logs)
    return J * jnp.exp2(logs[None, :] - logs[:, None]), scale

"""Principal components of responses."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cards import carded
from .._checks import as_float_array, check_finite, check_positive_integer, is_traced, refuse
from .._types import Numbers
from ..programs import in_full_precision
from ._share import share


@carded
class PrincipalComponents(eqx.Module):
    """The directions in which the responses of n units vary most.

    - `mean`: (n,), which is subtracted.
    - `components`: (k, n), orthonormal rows; in each, the entry of largest magnitude is positive.
    - `explained`: (k,), the share of the total variance along each, in descending order; 0 if
      nothing varies.

    `project`, `reconstruct` and `captured` accept any other responses of the same units, such as
    those of the same network with skips, or in another task.
    """

    mean: Float[Array, " n"]
    components: Float[Array, "k n"]
    explained: Float[Array, " k"]

    @in_full_precision
    def project(self, responses: Numbers) -> Float[Array, "*batch k"]:
        """(r − mean) · components, (…, k): the coordinates of responses (…, n) in these axes."""
        responses = as_float_array("responses", responses, self.mean.dtype)
        return (responses - self._centre(responses.ndim)) @ self.components.T

    @in_full_precision
    def reconstruct(self, projections: Numbers) -> Float[Array, "*batch n"]:
        """mean + p · components, (…, n): the responses with coordinates p (…, k) in the space of
        the components."""
        projections = as_float_array("projections", projections, self.mean.dtype)
        return self._centre(projections.ndim) + projections @ self.components

    @in_full_precision
    def captured(self, responses: Numbers) -> Float[Array, ""]:
        """The share of the variance of responses (…, n), about their own mean, that lies in the
        space of the components; 0 if they never vary."""
        rows = as_float_array("responses", responses, self.mean.dtype).reshape(-1, self.mean.size)
        deviations = rows - jnp.mean(rows, axis=0, keepdims=True)
        inside = jnp.sum((deviations @ self.components.T) ** 2)
        return share(inside, jnp.sum(deviations**2), jnp.sum(rows**2))

    def _centre(self, axes: int) -> Array:
        return self.mean.reshape((1,) * (axes - 1) + (-1,))


def principal_components(responses: Numbers, count: int | None = None) -> PrincipalComponents:
    """The principal components of responses over all trials and times.

    They are the right singular vectors of the responses minus their mean. Pure (jit, vmap; grad
    where the variances differ).

    Args:
        responses: (…, n), such as (trials, time, n) or their `condition_means`.
        count: k, how many to keep; by default all.

    Returns:
        A `PrincipalComponents`.

    Raises:
        ValueError: an argument is bad.
    """
    responses = as_float_array("responses", responses)
    if responses.ndim < 2 or responses.size < 2 * responses.shape[-1]:
        must = "have axes (..., n) with at least two samples"
        refuse("responses", must, f"its shape is {responses.shape}")
    if not is_traced(responses):
        check_finite("responses", responses)
    rows = responses.reshape(-1, responses.shape[-1])
    k = check_positive_integer("count", min(rows.shape) if count is None else count)
    if k > min(rows.shape):
        refuse("count", f"be at most {min(rows.shape)}", f"it is {count}")
    return _decompose(rows, k)


@functools.partial(jax.jit, static_argnums=1)
def _decompose(rows: Float[Array, "samples n"], k: int) -> PrincipalComponents:
    mean = jnp.mean(rows, axis=0)
    _, s, V = jnp.linalg.svd(rows - mean[None, :], full_matrices=False)
    largest = jnp.take_along_axis(V, jnp.argmax(jnp.abs(V), axis=1)[:, None], axis=1)
    components = V * jnp.where(largest < 0, -1, 1).astype(V.dtype)
    explained = share(s**2, jnp.sum(s**2), jnp.sum(rows**2))
    return PrincipalComponents(mean, components[:k], explained[:k])

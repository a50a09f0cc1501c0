import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._checks import as_complex_parts, as_known_array, check_finite, plain, refuse
from ..._types import Numbers


def communication(covariance: Numbers, source: Numbers, target: Numbers) -> Float[Array, " ranks"]:
    """The share of the target's variance that the best linear prediction of each rank explains.

        performance(r) = Σ_{j≤r} λ_j / tr C₂,   λ_j the eigenvalues of C₃ᵀ C₁⁻¹ C₃

    C₁ and C₂ are the covariances of source and target, C₃ the cross-covariance between them. This
    is the limit of reduced-rank regression for infinite data. With a matrix from `power_spectrum`
    or `cross_spectrum` at one frequency in place of the covariance, it is the share of the power at
    that frequency. Pure in the covariance (jit, vmap, grad).

    Args:
        covariance: (d, d), of all variables, real or Hermitian, such as that of `oo.covariance`.
        source: (k,), the indices of the variables that predict.
        target: (l,), the indices of those that are predicted.

    Returns:
        (min(k, l),), for ranks 1, 2, …: nondecreasing, at most 1.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Semedo et al., "Cortical areas interact through a communication subspace", Neuron 102
        (2019); Pal, Rawat, Heeger, Martiniani (2025), PMC12338607, for the theory of circuits.
    """
    real, imaginary = (
        check_finite("covariance", part) for part in as_complex_parts("covariance", covariance)
    )
    C = jax.lax.complex(real, imaginary) if np.iscomplexobj(plain(covariance)) else real
    if C.ndim != 2 or C.shape[0] != C.shape[1]:
        refuse("covariance", "be a square matrix", f"it has shape {C.shape}")
    i, j = (_numbers(n, v, len(C)) for n, v in (("source", source), ("target", target)))
    if np.intersect1d(i, j).size:
        refuse("target", "have no variable of `source`", "both have some")
    C1, C2, C3 = C[np.ix_(i, i)], C[np.ix_(j, j)], C[np.ix_(i, j)]
    explained = C3.conj().T @ jnp.linalg.solve(C1, C3)
    values = jnp.linalg.eigvalsh((explained + explained.conj().T) / 2)[::-1]
    total = jnp.trace(C2).real
    return jnp.cumsum(jnp.maximum(values, 0))[: min(len(i), len(j))] / total


def _numbers(name: str, given: Numbers, d: int) -> np.ndarray:
    found = np.asarray(as_known_array(name, given))
    if found.ndim != 1 or not found.size or found.dtype.kind not in "iu":
        must = "be the numbers of some variables, (k,)"
        refuse(name, must, f"it has shape {found.shape} and the dtype {found.dtype}")
    if found.min() < 0 or found.max() >= d or np.unique(found).size < found.size:
        must = f"be different numbers from 0 to {d - 1}"
        refuse(name, must, f"they reach from {found.min()} to {found.max()}")
    return found

"""The angles between feedback, input and readout of a network."""

import enum
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cards import carded
from .._checks import is_traced, refuse
from .._types import Numbers

# Numbers of the theory, for one network or for many.
Value = Float[Array | np.ndarray, "..."] | float


class ReadoutClass(enum.Enum):
    """The direction of a readout, of the three that it may lie along.

    - INPUT, η_I alone: one state at rest, stable while its radius is below 1.
    - FEEDBACK, η_m alone: states at rest {A, 0, −A − 2σ_mI/σ_m²}, so A is never the only one.
    - OVERLAP, ξ alone: one state at rest for small targets above A*, more for large ones.
    - MIXTURE: a combination of them.

    For any readout, a state of radius g√⟨φ′²⟩ ≥ 1 is not stable: the network is chaotic there.
    """

    INPUT = "input"
    FEEDBACK = "feedback"
    OVERLAP = "overlap"
    MIXTURE = "mixture"


@carded
class Moments(NamedTuple):
    """The five numbers by which a geometry and a readout enter the theory, and ⟨n²⟩."""

    sigma_m2: Any
    sigma_I2: Any
    sigma_mI: Any
    n_m: Any
    n_I: Any
    n2: Any


@carded
class Geometry(eqx.Module):
    """The directions of a feedback network with readout n, in the limit of many units.

        m = σ_m (ρξ + √(1−ρ²) η_m),   I = σ_I (ρξ + √(1−ρ²) η_I),   n = c (pξ + p_m η_m + p_I η_I)

    with ξ, η_m, η_I orthogonal and of unit variance. The fields may also be arrays, all of the same
    shape, for `phase_map` and `jax.vmap`; values traced by jax are not checked.

    Args:
        sigma_m, sigma_I: standard deviations ≥ 0 of the feedback m and the input I.
        rho: 0 ≤ ρ ≤ 1, the share of the common direction ξ in both; ⟨mI⟩ = ρ² σ_m σ_I.
        p, p_m, p_I: the components of the readout along ξ, η_m, η_I, before it is scaled by c.

    Raises:
        ValueError: an argument is bad, or p = p_m = p_I = 0.
    """

    sigma_m: Float[Array | np.ndarray, "*batch"]
    sigma_I: Float[Array | np.ndarray, "*batch"]
    rho: Float[Array | np.ndarray, "*batch"]
    p: Float[Array | np.ndarray, "*batch"]
    p_m: Float[Array | np.ndarray, "*batch"]
    p_I: Float[Array | np.ndarray, "*batch"]

    def __init__(
        self,
        sigma_m: Numbers,
        sigma_I: Numbers,
        rho: Numbers,
        p: Numbers,
        p_m: Numbers,
        p_I: Numbers,
    ):
        given = {"sigma_m": sigma_m, "sigma_I": sigma_I, "rho": rho, "p": p, "p_m": p_m, "p_I": p_I}
        read = {name: _read(name, value) for name, value in given.items()}
        _check(read)
        np_or_jnp = jnp if any(map(is_traced, read.values())) else np
        fields = np_or_jnp.broadcast_arrays(*read.values())
        for name, value in zip(read, fields, strict=True):
            setattr(self, name, value)

    @property
    def sigma_mI(self) -> Value:
        """⟨mI⟩ = ρ² σ_m σ_I."""
        return self.rho**2 * self.sigma_m * self.sigma_I

    def overlaps(self, c: Value) -> Moments:
        """n_m = ⟨nm⟩ and n_I = ⟨nI⟩ of the readout scaled by c, together with the second moments.

        n_m = c σ_m (pρ + p_m√(1−ρ²)),   n_I = c σ_I (pρ + p_I√(1−ρ²))
        """
        own = (1 - self.rho**2) ** 0.5
        n_m = c * self.sigma_m * (self.p * self.rho + self.p_m * own)
        n_I = c * self.sigma_I * (self.p * self.rho + self.p_I * own)
        n2 = c * c * (self.p**2 + self.p_m**2 + self.p_I**2)
        return Moments(self.sigma_m**2, self.sigma_I**2, self.sigma_mI, n_m, n_I, n2)

    @property
    def singular_target(self) -> Value:
        """A* = −n_I/n_m, a target that no finite readout can hold; infinite where n_m = 0."""
        o = self.overlaps(1.0)
        xp = jnp if is_traced(o.n_m) else np
        return xp.where(o.n_m == 0, xp.inf, -o.n_I / xp.where(o.n_m == 0, 1.0, o.n_m))

    @property
    def readout_class(self) -> ReadoutClass:
        """Along which direction the readout lies (host, for one geometry)."""
        used = (float(self.p) != 0, float(self.p_m) != 0, float(self.p_I) != 0)
        names = {
            (True, False, False): ReadoutClass.OVERLAP,
            (False, True, False): ReadoutClass.FEEDBACK,
            (False, False, True): ReadoutClass.INPUT,
        }
        return names.get(used, ReadoutClass.MIXTURE)


def _read(name: str, value: object) -> Array | np.ndarray:
    """As 64-bit numbers, whatever the precision of jax: the host functions compute in 64 bits."""
    if is_traced(value):
        return value
    try:
        array = np.asarray(value)
        is_real = array.dtype.kind in "fiu" or (
            array.dtype.kind == "V" and array.dtype.names is None
        )
        array = array.astype(np.float64) if is_real else None
    except (TypeError, ValueError):
        array = None
    if array is None:
        refuse(name, "be a real number or an array of them", f"it is {value!r}")
    if not np.all(np.isfinite(array)):
        refuse(name, "be finite", "it holds NaN or infinite values")
    return array


def _check(read: dict[str, Any]) -> None:
    shapes = {np.shape(value) for value in read.values()} - {()}
    if len(shapes) > 1:
        refuse("sigma_m", "have the shape of the other arguments, or none", f"shapes are {shapes}")
    for name in ("sigma_m", "sigma_I"):
        if not is_traced(read[name]) and np.any(read[name] < 0):
            refuse(name, "not be negative", f"its smallest value is {np.min(read[name])}")
    rho = read["rho"]
    if not is_traced(rho) and np.any((rho < 0) | (rho > 1)):
        refuse("rho", "lie between 0 and 1", f"it runs from {np.min(rho)} to {np.max(rho)}")
    readout = [read[name] for name in ("p", "p_m", "p_I")]
    if not any(map(is_traced, readout)) and np.any(sum(v * v for v in readout) == 0):
        refuse("p", "not be 0 together with p_m and p_I", "the readout has no direction")

import functools
from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._checks import (
    as_float_array,
    check_nonnegative,
    check_positive_integer,
    check_shape,
    is_traced,
    read_key,
    refuse,
    shape_of,
)
from .._constraints import resolve
from .._types import KeyLike, Numbers, ParameterLike, Scalar
from ._circuit import AbstractCircuit
from ._parameters import Kind, Parameter, check_elementwise, read_parameters, size_of_square
from ._time import Time

# ξ, η_m and η_I.
_DIRECTIONS = 3


class FeedbackNetworkState(NamedTuple):
    """The currents x, (n,)."""

    x: Float[Array, "*batch n"]


@runtime_checkable
class Geometry(Protocol):
    """The numbers of a `mean_field.Geometry`."""

    sigma_m: float
    sigma_I: float
    rho: float
    p: float
    p_m: float
    p_I: float


class FeedbackNetwork(AbstractCircuit[FeedbackNetworkState]):
    """A random network with feedback from a readout.

        ẋ = −x + g χ φ(x) + m z + I + W_x u,      z = (1/N) nᵀ φ(x)

    u is the circuit's input. Time is measured in the time constant of the units (1 "ms" of this
    library). With m and n of shape (N, R) the feedback has rank R; with (N,) it has rank one.
    `feedback` trains the readout n; `mean_field` solves the network for large N.

    Args:
        chi: (N, N), the recurrent weights: random with variance 1/N in the theory.
        m: (N,) or (N, R), feedback weights; zero for a network without feedback. The theory, and
            therefore `random`, needs m ≠ 0.
        n: same shape as m, readout weights; zero for a network that is not yet trained.
        I: (N,), the constant input.
        g: scalar ≥ 0, the strength of the recurrent weights.
        W_x: (N, k), weights of the input u (k,); without them k = 0, and the input is `[]`.
        phi: φ, a smooth elementwise function, compiled in. A function from the top level of a
            module of jax can be saved and loaded.

    Any array may be a node (`Frozen`, …) that says how it is trained; otherwise it is free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values, a `phi` that is not elementwise.

    Reference:
        Mastrogiuseppe, Ostojic, "A geometrical analysis of global stability in trained feedback
        networks", Neural Computation 31 (2019), arXiv:1809.02386.
    """

    chi: Parameter
    m: Parameter
    n: Parameter
    I: Parameter
    g: Parameter
    W_x: Parameter
    phi: Callable[[Array], Array] = eqx.field(static=True)

    kinds = {
        "chi": Kind(("N", "N")),
        "m": Kind(("N", "R")),
        "n": Kind(("N", "R")),
        "I": Kind(("N",)),
        "g": Kind((), check_nonnegative),
        "W_x": Kind(("N", "k"), may_be_empty=True),
    }

    def __init__(
        self,
        chi: ParameterLike,
        m: ParameterLike,
        n: ParameterLike,
        I: ParameterLike,
        g: ParameterLike,
        W_x: ParameterLike | None = None,
        *,
        phi: Callable[[Array], Array] = jnp.tanh,
    ):
        if W_x is None:  # integers do not affect the dtype
            N = size_of_square("chi", shape_of("chi", resolve(chi)), "N")
            W_x = np.zeros((N, 0), int)
        is_of_rank_one = len(shape_of("m", resolve(m))) < 2
        kinds = self.kinds | (dict.fromkeys("mn", self.kinds["I"]) if is_of_rank_one else {})
        given = {"chi": chi, "m": m, "n": n, "I": I, "g": g, "W_x": W_x}
        for name, parameter in read_parameters(kinds, given).items():
            setattr(self, name, parameter)
        self.phi = check_elementwise("phi", phi, resolve(self.chi).dtype)

    @classmethod
    def random(
        cls,
        size: int,
        geometry: Geometry,
        c: ArrayLike,
        *,
        g: ParameterLike,
        key: KeyLike,
        phi: Callable[[Array], Array] = jnp.tanh,
    ) -> "FeedbackNetwork":
        """A random network of rank one with a given geometry.

            m = σ_m(ρ ξ + √(1−ρ²) η_m),  I = σ_I(ρ ξ + √(1−ρ²) η_I),  n = c(p ξ + p_m η_m + p_I η_I)

        and χ_ij ~ N(0, 1/N). ξ, η_m, η_I are random, but exactly orthogonal and of norm √N, so that
        they add no finite-size error.

        Args:
            size: N ≥ 3.
            geometry: a `mean_field.Geometry`, or any object with the same numbers: sigma_m > 0,
                sigma_I > 0, 0 ≤ rho ≤ 1, p, p_m, p_I (not all 0).
            c: scale of the readout, such as `mean_field.calibrate(geometry, g, target)`.
            g: strength of the recurrent weights, ≥ 0.
            key: a PRNG key.
            phi: as above.

        Raises:
            ValueError: an argument is bad.
        """
        key = read_key("key", key)
        size = check_positive_integer("size", size)
        if size < _DIRECTIONS:
            refuse("size", "be at least 3, for three orthogonal directions", f"it is {size}")
        numbers, c = _read_geometry(geometry), as_float_array("c", c)
        check_shape("c", c, (), "()")
        chi, m, n, I = _draw(key, size, numbers, c)
        return cls(chi, m, n, I, g, phi=phi)

    @property
    def input_size(self) -> int:
        """k, the number of inputs."""
        return resolve(self.W_x).shape[1]

    @property
    def size(self) -> int:
        """N, the number of units."""
        return resolve(self.chi).shape[0]

    @property
    def rank(self) -> int:
        """R, the number of readouts that are fed back."""
        return int(np.prod(resolve(self.n).shape[1:]))

    def vector_field(
        self, t: Time, state: FeedbackNetworkState, x: Float[Array, " m"]
    ) -> FeedbackNetworkState:
        """(ẋ,) at the state for the input x (k,); t is not used."""
        c: FeedbackNetwork = resolve(self)
        u, x, z = x, state.x, self.readout(state)
        feedback = c.m * z if c.m.ndim == 1 else c.m @ z
        return FeedbackNetworkState(-x + c.g * (c.chi @ c.phi(x)) + feedback + c.I + c.W_x @ u)

    def readout(self, state: FeedbackNetworkState) -> Float[Array, "..."]:
        """z = (1/N) nᵀ φ(x): scalar for n (N,), (R,) for n (N, R), after any batch axes."""
        n: Array = resolve(self.n)
        return self.phi(state.x) @ n / self.size

    def clamped(self, z: Numbers) -> "FeedbackNetwork":
        """The network in open loop: its readout set to 0, and the feedback m z added to I.

        Args:
            z: scalar or (R,), the value that replaces the readout.

        Raises:
            ValueError: z has another shape.
        """
        c: FeedbackNetwork = resolve(self)
        z = as_float_array("z", z, c.m.dtype)
        check_shape("z", z, c.m.shape[1:], "() or (R,)")
        drive = c.I + (c.m * z if c.m.ndim == 1 else c.m @ z)
        return eqx.tree_at(lambda c: (c.n, c.I), c, (jnp.zeros_like(c.n), drive))

    def initial_state(self) -> FeedbackNetworkState:
        """x = 0."""
        return FeedbackNetworkState(jnp.zeros(self.size, resolve(self.chi).dtype))


def orthogonal_directions(size: int, count: int, *, key: KeyLike) -> Float[Array, "count size"]:
    """Random vectors, exactly orthogonal and of norm √size: the rows of (count, size).

    Args:
        size: the number of entries of each vector.
        count: the number of vectors, at most `size`.
        key: a PRNG key.

    Raises:
        ValueError: an argument is bad.
    """
    key = read_key("key", key)
    size = check_positive_integer("size", size)
    count = check_positive_integer("count", count)
    if count > size:
        refuse("count", f"be at most `size` = {size}", f"it is {count}")
    Q, R = jnp.linalg.qr(jax.random.normal(key, (size, count)))
    # The factorisation fixes the signs of R, and so some of Q's; undoing that makes Q uniform.
    return size**0.5 * (Q * jnp.sign(jnp.diagonal(R))[None, :]).T


@functools.partial(jax.jit, static_argnums=1)
def _draw(
    key: PRNGKeyArray, size: int, numbers: tuple[Scalar, ...], c: Array
) -> tuple[Array, Array, Array, Array]:
    """χ, m, n and I."""
    key_chi, key_directions = jax.random.split(key)
    chi = jax.random.normal(key_chi, (size, size)) / size**0.5
    xi, eta_m, eta_I = orthogonal_directions(size, _DIRECTIONS, key=key_directions)
    sigma_m, sigma_I, rho, p, p_m, p_I = numbers
    rest = (1 - rho**2) ** 0.5
    m = sigma_m * (rho * xi + rest * eta_m)
    I = sigma_I * (rho * xi + rest * eta_I)
    n = c.astype(xi.dtype) * (p * xi + p_m * eta_m + p_I * eta_I)
    return chi, m, n, I


def _read_geometry(geometry: Geometry) -> tuple[float, ...]:
    names = ("sigma_m", "sigma_I", "rho", "p", "p_m", "p_I")
    if missing := [name for name in names if not hasattr(geometry, name)]:
        refuse("geometry", f"have {', '.join(names)}", f"it has no {', '.join(missing)}")
    values = [as_float_array(f"geometry.{name}", getattr(geometry, name)) for name in names]
    if any(map(is_traced, values)):
        refuse("geometry", "hold known numbers", "they are traced: make the network outside jit")
    for name, value in zip(names, values, strict=True):
        check_shape(f"geometry.{name}", value, (), "()")
    found = [float(value) for value in values]
    if not np.all(np.isfinite(found)):
        refuse("geometry", "hold finite numbers", f"they are {found}")
    sigma_m, sigma_I, rho, *readout = found
    if min(sigma_m, sigma_I) <= 0:
        refuse("geometry", "have sigma_m > 0 and sigma_I > 0", f"they are {sigma_m}, {sigma_I}")
    if not 0 <= rho <= 1:
        refuse("geometry", "have 0 <= rho <= 1", f"rho is {rho}")
    if not any(readout):
        refuse("geometry", "have a readout, p, p_m or p_I other than 0", "all three are 0")
    return tuple(found)

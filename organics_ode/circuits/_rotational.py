from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import (
    a_or_an,
    as_float_array,
    check_between,
    check_positive_integer,
    counted,
    read_key,
    refuse,
)
from .._constraints import (
    Frozen,
    IdentityPlusSkew,
    SymmetricPart,
    check_groups,
    check_symmetric_part,
    resolve,
    rotating,
)
from .._nonlinearities import power, root
from .._types import KeyLike, ParameterLike
from ._circuit import AbstractCircuit
from ._initial import (
    Drawn,
    LogitNormal,
    check_sizes,
    draw,
    input_matrix,
    rotation_matrix,
    shared_pool,
    uniform_fan_in,
)
from ._parameters import EXPONENT, INPUT, POOL, POSITIVE, RECURRENT, Parameter, read_parameters
from ._time import Time


class RotationalORGaNICsState(NamedTuple):
    """Principal cells y (n,), the modulator a and the gain b0 of each group (g,), gains b1 (n,)."""

    y: Float[Array, "*batch n"]
    a: Float[Array, "*batch g"]
    b0: Float[Array, "*batch g"]
    b1: Float[Array, "*batch n"]


def _check_fraction(name: str, value: Array) -> Array:
    return check_between(name, value, 0.0, 1.0)


class RotationalORGaNICs(AbstractCircuit[RotationalORGaNICsState]):
    """The gated circuit in which groups of units share one modulator: bounded for every input.

        τ_y ẏ = −y + b1⊙z + (1 − a^(1/p)) ⊙ (W_r y),      z = W_zx x
        τ_a ȧ = −a + (σ⊙b0)^p + W (a ⊙ |y|^p)
        τ_b0 ḃ0 = −b0 + floor + (1 − floor) sigmoid(W_bx0 x + W_by0 y + W_ba0 a)
        τ_b1 ḃ1 = −b1 + sigmoid(W_bx1 x + W_by1 y + W_ba1 a)

    The n units form g groups of equal size, one after the other. Each group has one a and one b0;
    in the equation of y each unit uses those of its group. W_r connects units of the same group
    only, and its symmetric part has eigenvalues in (0, 1]; by default it is I plus a skew-symmetric
    matrix, which rotates y. The pools W read all units.

    It is a `GatedORGaNICs` without rectification in which W, σ, τ_a and everything that acts on b0
    are the same for all units of a group, and b0 stays above `floor`. Then |y| and a are bounded
    for every bounded input, whatever its time course and whatever the weights: see "Stability", and
    `certify`, which gives the bound. Fixed points need not be stable.

    Args:
        W_zx, W_bx1: (n, m), input weights of the drive and of its gain.
        W_r: (n, n), recurrent weights. The symmetric part (W_r + W_rᵀ)/2 has eigenvalues in (0, 1].
        W: (g, n), normalization weights of the pools, ≥ 0.
        sigma: scalar or (g,), > 0, the semi-saturation.
        W_bx0: (g, m), W_by0: (g, n), W_ba0: (g, g), weights of the gains b0.
        W_by1: (n, n), W_ba1: (n, g), weights of the gains b1 from y and a.
        tau_y, tau_b1: scalar or (n,), ms, > 0.
        tau_a, tau_b0: scalar or (g,), ms, > 0.
        floor: the least value of b0, a number between 0 and 1; not trained.
        exponent: p > 0. A Python number is compiled in; an array is traced (and trained, unless
            `Frozen`).

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise W_r is
    an `IdentityPlusSkew` if its symmetric part is I, else a `SymmetricPart`; W is `NonNegative`,
    scalars and parameters with one axis are `Positive`, and the other matrices are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values, a W_r outside the class, or one
            whose node does not keep it there.

    Reference:
        This library's own class. The equations are those of Rawat, Heeger, Martiniani,
        "Unconditional stability of a recurrent neural circuit implementing divisive normalization",
        NeurIPS 37 (2024), arXiv:2409.18946.
    """

    W_zx: Parameter
    W_r: Parameter
    W: Parameter
    sigma: Parameter
    W_bx0: Parameter
    W_by0: Parameter
    W_ba0: Parameter
    W_bx1: Parameter
    W_by1: Parameter
    W_ba1: Parameter
    tau_y: Parameter
    tau_a: Parameter
    tau_b0: Parameter
    tau_b1: Parameter
    floor: float | Parameter
    exponent: float | Parameter

    kinds = {
        "W_r": RECURRENT._replace(sign=check_symmetric_part),
        "W_zx": INPUT,
        "W": POOL._replace(shape=("g", "n")),
        "sigma": POSITIVE._replace(shape=("g",)),
        "W_bx0": INPUT._replace(shape=("g", "m")),
        "W_by0": RECURRENT._replace(shape=("g", "n")),
        "W_ba0": RECURRENT._replace(shape=("g", "g")),
        "W_bx1": INPUT,
        "W_by1": RECURRENT,
        "W_ba1": RECURRENT._replace(shape=("n", "g")),
        "tau_y": POSITIVE,
        "tau_a": POSITIVE._replace(shape=("g",)),
        "tau_b0": POSITIVE._replace(shape=("g",)),
        "tau_b1": POSITIVE,
        "floor": EXPONENT._replace(sign=_check_fraction),
        "exponent": EXPONENT,
    }

    def __init__(
        self,
        W_zx: ParameterLike,
        W_r: ParameterLike,
        W: ParameterLike,
        sigma: ParameterLike,
        W_bx0: ParameterLike,
        W_by0: ParameterLike,
        W_ba0: ParameterLike,
        W_bx1: ParameterLike,
        W_by1: ParameterLike,
        W_ba1: ParameterLike,
        tau_y: ParameterLike,
        tau_a: ParameterLike,
        tau_b0: ParameterLike,
        tau_b1: ParameterLike,
        *,
        floor: ParameterLike = 0.1,
        exponent: ParameterLike = 2.0,
    ):
        given = {"W_zx": W_zx, "W_r": W_r, "W": W, "sigma": sigma}
        given |= {"W_bx0": W_bx0, "W_by0": W_by0, "W_ba0": W_ba0}
        given |= {"W_bx1": W_bx1, "W_by1": W_by1, "W_ba1": W_ba1}
        given |= {"tau_y": tau_y, "tau_a": tau_a, "tau_b0": tau_b0, "tau_b1": tau_b1}
        given |= {"floor": floor, "exponent": exponent}
        read: dict[str, Any] = dict(read_parameters(self.kinds, given))
        if eqx.is_array(read["W_r"]):
            read["W_r"] = rotating(read["W_r"], _groups(read["W"]))
        if eqx.is_array(read["floor"]):
            read["floor"] = Frozen(read["floor"])
        for name, parameter in read.items():
            setattr(self, name, parameter)

    def __check_init__(self) -> None:
        """Check that W_r and the floor are in the class and stay in it during training, also after
        `oo.replace` and when loaded from a file."""
        g = _groups(self.W)
        W_r, floor = resolve(self.W_r), resolve(self.floor)
        check_groups("W_r", check_symmetric_part("W_r", W_r), g)
        _check_fraction("floor", as_float_array("floor", floor, W_r.dtype))
        _check_held(self.W_r, g)
        if not (isinstance(self.floor, float | Frozen) or eqx.is_array(self.floor)):
            found = f"it is {a_or_an(type(self.floor).__name__)}"
            refuse("floor", "be a number, which is not trained", found)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        groups: int = 1,
        sigma: Drawn = Frozen(1.0),
        tau_y: Drawn = LogitNormal(50.0),
        tau_a: Drawn = LogitNormal(200.0),
        tau_b0: Drawn = LogitNormal(10.0),
        tau_b1: Drawn = LogitNormal(10.0),
        floor: ParameterLike = 0.1,
        exponent: ParameterLike = 2.0,
    ) -> "RotationalORGaNICs":
        """A random circuit with the scales of `GatedORGaNICs.random`.

        W_zx uniform with ‖W_zx‖₂ = 1, W_r = I + (A − Aᵀ)/√2 with A ~ N(0, 1)/√k within each group
        of k units, so that its frequencies reach up to about 2/τ_y, W ~ U(0, 1), the six gain
        matrices U(±1/√fan-in), σ = 1 and not trained.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            groups: g, a divisor of n.
            sigma, tau_y, tau_a, tau_b0, tau_b1: a value, a node, or an initializer such
                as `LogUniform(10, 300)`. Time constants must fit the sequence.
            floor, exponent: as above.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        g = check_positive_integer("groups", groups)
        if n % g:
            refuse("groups", f"divide the number of units, {n}", f"it is {g}")
        keys = jax.random.split(key, 14)
        shapes = [(g, m), (g, n), (g, g), (n, m), (n, n), (n, g)]
        gates = [uniform_fan_in(k, s) for k, s in zip(keys[3:9], shapes, strict=True)]
        given = ((sigma, g), (tau_y, n), (tau_a, g), (tau_b0, g), (tau_b1, n))
        sigma, *times = [draw(p, k, s) for (p, s), k in zip(given, keys[9:], strict=True)]
        W_zx, W = input_matrix(keys[0], (n, m)), shared_pool(keys[2], (g, n))
        W_r = rotation_matrix(keys[1], n, g)
        return cls(W_zx, W_r, W, sigma, *gates, *times, floor=floor, exponent=exponent)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.W_zx).shape[1]

    @property
    def size(self) -> int:
        """n, the number of principal cells."""
        return resolve(self.W_r).shape[0]

    @property
    def groups(self) -> int:
        """g, the number of groups of principal cells, each with one modulator."""
        return resolve(self.W).shape[0]

    def vector_field(
        self, t: Time, state: RotationalORGaNICsState, x: Float[Array, " m"]
    ) -> RotationalORGaNICsState:
        """(ẏ, ȧ, ḃ0, ḃ1) in 1/ms at the state for the input x (m,); t is not used."""
        c: RotationalORGaNICs = resolve(self)
        y, a, b0, b1 = state
        n, g, p = y.size, a.size, c.exponent
        # One product for everything that reads x, and one for what the gains read from y and a.
        z, x0, x1 = jnp.split(jnp.concatenate([c.W_zx, c.W_bx0, c.W_bx1]) @ x, (n, n + g))
        W_b = jnp.block([[c.W_by0, c.W_ba0], [c.W_by1, c.W_ba1]])
        u0, u1 = jnp.split(W_b @ jnp.concatenate([y, a]), (g,))
        dy = -y + b1 * z + per_unit(1 - root(a, p), n) * (c.W_r @ y)
        da = -a + power(c.sigma * b0, p) + c.W @ (per_unit(jax.nn.relu(a), n) * power(y, p))
        db0 = -b0 + c.floor + (1 - c.floor) * jax.nn.sigmoid(x0 + u0)
        db1 = -b1 + jax.nn.sigmoid(x1 + u1)
        return RotationalORGaNICsState(dy / c.tau_y, da / c.tau_a, db0 / c.tau_b0, db1 / c.tau_b1)

    def initial_state(self) -> RotationalORGaNICsState:
        """y = 0, gains at the values that sigmoid(0) = ½ gives, and a = (σ b0)^p."""
        c: RotationalORGaNICs = resolve(self)
        y = jnp.zeros(c.size, c.W_r.dtype)
        b0 = jnp.full(c.groups, (1 + c.floor) / 2, y.dtype)
        return RotationalORGaNICsState(y, power(c.sigma * b0, c.exponent), b0, y + 0.5)

    def random_state(self, key: KeyLike) -> RotationalORGaNICsState:
        """A random start: y ~ U(0, 1) scaled to norm 1, a, b1 ~ U(0, 1), b0 = 1."""
        key = read_key("key", key)
        n, g, dtype = self.size, self.groups, resolve(self.W_r).dtype
        draws = zip(jax.random.split(key, 3), (n, g, n), strict=True)
        y, a, b1 = (jax.random.uniform(k, (size,), dtype) for k, size in draws)
        return RotationalORGaNICsState(y / jnp.linalg.norm(y), a, jnp.ones_like(a), b1)


def per_unit(values: Float[Array, " g"], n: int) -> Float[Array, " n"]:
    """The values of the groups, repeated for each of the n units."""
    return jnp.repeat(values, n // values.size)  # with its length given: forty operations


def _groups(W: Parameter) -> int:
    """The number of groups, one for each row of W, all of the same size."""
    g, n = resolve(W).shape
    if n % g:
        refuse(
            "W", f"have a row for each group of equal size of {counted(n, 'unit')}", f"it has {g}"
        )
    return g


def _check_held(W_r: Parameter, groups: int) -> None:
    """Refuse a node that may leave the class during training."""
    must = "keep its symmetric part above 0 and at most 1"
    if isinstance(W_r, SymmetricPart) and not 0 < W_r.low < W_r.high <= 1:
        refuse("W_r", must, f"it is a SymmetricPart from {W_r.low:g} to {W_r.high:g}")
    if isinstance(W_r, IdentityPlusSkew | SymmetricPart) and W_r.groups != groups:
        found = f"it is a node of {W_r.groups}"
        refuse("W_r", f"be of the {groups} groups that W has rows for", found)
    if not (eqx.is_array(W_r) or isinstance(W_r, Frozen | IdentityPlusSkew | SymmetricPart)):
        nodes = "be an array, a `Frozen`, an `IdentityPlusSkew` or a `SymmetricPart`"
        refuse("W_r", nodes, f"it is {a_or_an(type(W_r).__name__)}")

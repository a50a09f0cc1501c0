from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import read_key
from .._constraints import Frozen, resolve
from .._nonlinearities import Rectification, check_rectification, power, root
from .._operators import has_operators, products
from .._types import KeyLike, ParameterLike
from ._circuit import AbstractCircuit
from ._initial import (
    Drawn,
    LogitNormal,
    check_sizes,
    draw,
    input_matrix,
    orthogonal_matrix,
    pool_matrix,
    uniform_fan_in,
)
from ._parameters import (
    EXPONENT,
    INPUT,
    POOL,
    POSITIVE,
    RECURRENT,
    Parameter,
    read_parameters,
    structured,
)
from ._time import Time


class GatedORGaNICsState(NamedTuple):
    """Principal cells y, modulators a and the gains b0, b1, (n,) each."""

    y: Float[Array, "*batch n"]
    a: Float[Array, "*batch n"]
    b0: Float[Array, "*batch n"]
    b1: Float[Array, "*batch n"]


class GatedORGaNICs(AbstractCircuit[GatedORGaNICsState]):
    """The circuit with dynamical gains: the recurrent network that is trained on sequences.

        τ_y ẏ = −y + b1⊙z + (1 − ⌊a⌋^(1/p)) ⊙ (W_r y),      z = W_zx x
        τ_a ȧ = −a + (σ⊙b0)^p + W (⌊a⌋ ⊙ |y|^p)
        τ_bk ḃk = −bk + sigmoid(W_bxk x + W_byk y + W_bak a),   k = 0, 1

    The equations are written without rectification; `Rectification` says where ⌊·⌋ enters (AFTER by
    default). The stability theorem for constant gains does not cover gains that depend on y or a.

    Args:
        W_zx, W_bx0, W_bx1: (n, m), input weights of the drive and of the gains.
        W_r: (n, n), recurrent weights.
        W: (n, n), normalization weights, ≥ 0.
        W_by0, W_ba0, W_by1, W_ba1: (n, n), weights from y and a to the gains.
        sigma: scalar or (n,), > 0, the semi-saturation.
        tau_y, tau_a, tau_b0, tau_b1: scalar or (n,), ms, > 0.
        rectification: a `Rectification`.
        exponent: p > 0. A Python number is compiled in; an array is traced (and trained, unless
            `Frozen`).

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise W is
    `NonNegative`, the scalars and (n,) parameters are `Positive`, the other matrices are free. Each
    matrix may be an operator (`Circulant`, `Kronecker`, …): see `AbstractOperator`.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Rawat, Heeger, Martiniani, "Unconditional stability of a recurrent neural circuit
        implementing divisive normalization", NeurIPS 37 (2024), arXiv:2409.18946.
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
    rectification: Rectification = eqx.field(static=True)
    exponent: float | Parameter

    kinds = (
        structured({"W_r": RECURRENT, "W_zx": INPUT, "W": POOL})
        | structured(dict.fromkeys(("W_bx0", "W_bx1"), INPUT))
        | structured(dict.fromkeys(("W_by0", "W_ba0", "W_by1", "W_ba1"), RECURRENT))
        | {"sigma": POSITIVE, "exponent": EXPONENT}
        | dict.fromkeys(("tau_y", "tau_a", "tau_b0", "tau_b1"), POSITIVE)
    )

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
        rectification: Rectification = Rectification.AFTER,
        exponent: ParameterLike = 2.0,
    ):
        given = {"W_zx": W_zx, "W_r": W_r, "W": W, "sigma": sigma}
        given |= {"W_bx0": W_bx0, "W_by0": W_by0, "W_ba0": W_ba0}
        given |= {"W_bx1": W_bx1, "W_by1": W_by1, "W_ba1": W_ba1}
        given |= {"tau_y": tau_y, "tau_a": tau_a, "tau_b0": tau_b0, "tau_b1": tau_b1}
        given |= {"exponent": exponent}
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)
        self.rectification = check_rectification(rectification)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        sigma: Drawn = Frozen(1.0),
        tau_y: Drawn = LogitNormal(50.0),
        tau_a: Drawn = LogitNormal(200.0),
        tau_b0: Drawn = LogitNormal(10.0),
        tau_b1: Drawn = LogitNormal(10.0),
        rectification: Rectification = Rectification.AFTER,
        exponent: ParameterLike = 2.0,
    ) -> "GatedORGaNICs":
        """A random circuit, initialised as the authors' code does for an Euler step of 1 ms.

        W_zx uniform with ‖W_zx‖₂ = 1, W_r orthogonal, W ~ U(0, 1) with diagonal 1, the six gain
        matrices U(±1/√fan-in), σ = 1 and not trained.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            sigma, tau_y, tau_a, tau_b0, tau_b1: a value, a node, or an initializer such
                as `LogUniform(10, 300)`. Time constants must fit the sequence.
            rectification, exponent: as above.
        """
        key = read_key("key", key)
        input_size, size = check_sizes(input_size, size)
        keys = jax.random.split(key, 14)
        W_zx = input_matrix(keys[0], (size, input_size))
        W_r, W = orthogonal_matrix(keys[1], size), pool_matrix(keys[2], size)
        shapes = 2 * [(size, input_size), (size, size), (size, size)]
        gates = [uniform_fan_in(k, s) for k, s in zip(keys[3:9], shapes, strict=True)]
        given = (tau_y, tau_a, tau_b0, tau_b1)
        times = [draw(p, k, size) for p, k in zip(given, keys[10:], strict=True)]
        options = {"rectification": rectification, "exponent": exponent}
        return cls(W_zx, W_r, W, draw(sigma, keys[9], size), *gates, *times, **options)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.W_zx).shape[1]

    @property
    def size(self) -> int:
        """n, the number of principal cells."""
        return resolve(self.W_r).shape[0]

    def vector_field(
        self, t: Time, state: GatedORGaNICsState, x: Float[Array, " m"]
    ) -> GatedORGaNICsState:
        """(ẏ, ȧ, ḃ0, ḃ1) in 1/ms at the state for the input x (m,); t is not used."""
        c: GatedORGaNICs = resolve(self)
        y, a, b0, b1 = state
        p = c.exponent
        # One product for everything that reads x, and one for what the gains read from y and a;
        # the stacking of constant matrices is hoisted out of the loops that call this.
        z, x0, x1 = products(x, c.W_zx, c.W_bx0, c.W_bx1)
        u0, u1 = _heard(c, y, a)
        recurrent = c.rectification.recurrent(c.W_r, y)
        pooled = c.rectification.pooled(y, p)
        dy = -y + b1 * c.rectification.input(z) + (1 - root(a, p)) * recurrent
        da = -a + power(c.sigma * b0, p) + c.W @ (jax.nn.relu(a) * pooled)
        db0 = -b0 + jax.nn.sigmoid(x0 + u0)
        db1 = -b1 + jax.nn.sigmoid(x1 + u1)
        return GatedORGaNICsState(dy / c.tau_y, da / c.tau_a, db0 / c.tau_b0, db1 / c.tau_b1)

    def initial_state(self) -> GatedORGaNICsState:
        """y = 0, gains at sigmoid(0) = ½, a = (σ/2)^p, where those gains put it."""
        c = resolve(self)
        y = jnp.zeros(c.size, c.W_r.dtype)
        return GatedORGaNICsState(y, y + power(c.sigma / 2, c.exponent), y + 0.5, y + 0.5)

    def random_state(self, key: KeyLike) -> GatedORGaNICsState:
        """A random start as in the reference: y ~ U(0, 1) scaled to norm 1, a, b1 ~ U(0, 1), and
        b0 = 1."""
        key = read_key("key", key)
        dtype = resolve(self.W_r).dtype
        y, a, b1 = (jax.random.uniform(k, (self.size,), dtype) for k in jax.random.split(key, 3))
        return GatedORGaNICsState(y / jnp.linalg.norm(y), a, jnp.ones_like(y), b1)


def _heard(c: GatedORGaNICs, y: Array, a: Array) -> list[Array]:
    """The inputs of the gates from y and a."""
    if has_operators((c.W_by0, c.W_ba0, c.W_by1, c.W_ba1)):
        return [c.W_by0 @ y + c.W_ba0 @ a, c.W_by1 @ y + c.W_ba1 @ a]
    W_b = jnp.block([[c.W_by0, c.W_ba0], [c.W_by1, c.W_ba1]])
    return jnp.split(W_b @ jnp.concatenate([y, a]), 2)

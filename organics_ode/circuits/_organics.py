from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import read_key
from .._constraints import resolve
from .._nonlinearities import Rectification, check_rectification, power, root
from .._types import KeyLike, ParameterLike
from ._circuit import AbstractCircuit
from ._initial import Drawn, check_sizes, draw, input_matrix, orthogonal_matrix, pool_matrix
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


class ORGaNICsState(NamedTuple):
    """Principal cells y and modulators a, (n,) each."""

    y: Float[Array, "*batch n"]
    a: Float[Array, "*batch n"]


class ORGaNICs(AbstractCircuit[ORGaNICsState]):
    """The circuit of divisive normalization with constant gains.

        τ_y ẏ = −y + b1⊙z + (1 − ⌊a⌋^(1/p)) ⊙ (W_r y),      z = W_zx x
        τ_a ȧ = −a + (σ⊙b0)^p + W (⌊a⌋ ⊙ |y|^p)

    The equations are written without rectification; `Rectification` says where ⌊·⌋ enters. With
    W_r = I its fixed point is divisive normalization, y_s^p = (b1 z)^p / ((σ b0)^p + W (b1 z)^p),
    and is locally stable for every input; whether it is reached from every start is an open
    question. For gains that the circuit computes itself, use `GatedORGaNICs`.

    Args:
        W_zx: (n, m), input weights.
        W_r: (n, n), recurrent weights.
        W: (n, n), normalization weights, ≥ 0.
        sigma, b0, b1: scalar or (n,), > 0: semi-saturation, its gain, and the input gain.
        tau_y, tau_a: scalar or (n,), ms, > 0.
        rectification: a `Rectification`.
        exponent: p > 0. A Python number is compiled in; an array is traced (and trained, unless
            `Frozen`).

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise W is
    `NonNegative`, the scalars and (n,) parameters are `Positive`, W_zx and W_r are free. W_zx, W_r
    and W may be operators (`Circulant`, `Kronecker`, …): see `AbstractOperator`.

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
    b0: Parameter
    b1: Parameter
    tau_y: Parameter
    tau_a: Parameter
    rectification: Rectification = eqx.field(static=True)
    exponent: float | Parameter

    kinds = (
        structured({"W_r": RECURRENT, "W_zx": INPUT, "W": POOL})
        | dict.fromkeys(("sigma", "b0", "b1", "tau_y", "tau_a"), POSITIVE)
        | {"exponent": EXPONENT}
    )

    def __init__(
        self,
        W_zx: ParameterLike,
        W_r: ParameterLike,
        W: ParameterLike,
        sigma: ParameterLike,
        b0: ParameterLike,
        b1: ParameterLike,
        tau_y: ParameterLike,
        tau_a: ParameterLike,
        *,
        rectification: Rectification = Rectification.NONE,
        exponent: ParameterLike = 2.0,
    ):
        given = {"W_zx": W_zx, "W_r": W_r, "W": W, "sigma": sigma, "b0": b0, "b1": b1}
        given |= {"tau_y": tau_y, "tau_a": tau_a, "exponent": exponent}
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
        sigma: Drawn = 0.1,
        b0: Drawn = 0.5,
        b1: Drawn = 0.5,
        tau_y: Drawn = 2.0,
        tau_a: Drawn = 2.0,
        rectification: Rectification = Rectification.NONE,
        exponent: ParameterLike = 2.0,
    ) -> "ORGaNICs":
        """A random circuit.

        W_zx uniform with ‖W_zx‖₂ = 1, W_r orthogonal, W ~ U(0, 1) with 1 on the diagonal.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            sigma, b0, b1, tau_y, tau_a: a value, a node, or an initializer
                such as `LogUniform(2, 200)`.
            rectification, exponent: as above.
        """
        key = read_key("key", key)
        input_size, size = check_sizes(input_size, size)
        keys = jax.random.split(key, 8)
        W_zx = input_matrix(keys[0], (size, input_size))
        W_r, W = orthogonal_matrix(keys[1], size), pool_matrix(keys[2], size)
        given = (sigma, b0, b1, tau_y, tau_a)
        scales = [draw(p, k, size) for p, k in zip(given, keys[3:], strict=True)]
        return cls(W_zx, W_r, W, *scales, rectification=rectification, exponent=exponent)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.W_zx).shape[1]

    @property
    def size(self) -> int:
        """n, the number of principal cells."""
        return resolve(self.W_r).shape[0]

    def vector_field(self, t: Time, state: ORGaNICsState, x: Float[Array, " m"]) -> ORGaNICsState:
        """(ẏ, ȧ) in 1/ms at the state for the input x (m,); t is not used."""
        c: ORGaNICs = resolve(self)
        y, a = state
        p = c.exponent
        z = c.rectification.input(c.W_zx @ x)
        recurrent = c.rectification.recurrent(c.W_r, y)
        pooled = c.rectification.pooled(y, p)
        dy = -y + c.b1 * z + (1 - root(a, p)) * recurrent
        da = -a + power(c.sigma * c.b0, p) + c.W @ (jax.nn.relu(a) * pooled)
        return ORGaNICsState(dy / c.tau_y, da / c.tau_a)

    def initial_state(self) -> ORGaNICsState:
        """The rest state without input: y = 0, a = (σ b0)^p."""
        c = resolve(self)
        y = jnp.zeros(c.size, c.W_r.dtype)
        return ORGaNICsState(y, y + power(c.sigma * c.b0, c.exponent))

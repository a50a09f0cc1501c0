from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import check_nonnegative, read_key
from ..._constraints import Frozen, resolve
from ..._nonlinearities import power, root
from ..._types import KeyLike, ParameterLike
from .._circuit import AbstractCircuit
from .._initial import Drawn, check_sizes, draw, input_matrix, pool_matrix
from .._parameters import (
    INPUT,
    POOL,
    POSITIVE,
    RECURRENT,
    Kind,
    Parameter,
    read_parameters,
)
from .._time import Time


class ORGaNICs2020State(NamedTuple):
    """Principal cells y, and the modulators u and a, (n,) each."""

    y: Float[Array, "*batch n"]
    u: Float[Array, "*batch n"]
    a: Float[Array, "*batch n"]


class ORGaNICs2020(AbstractCircuit[ORGaNICs2020State]):
    """The circuit of 2020: normalization by two stages of modulators, with the dynamics of V1.

        τ_y ẏ = −y + b/(1+b) ⊙ (W_zx x) + 1/(1+a) ⊙ (W_yy y)
        τ_u u̇ = −u + W_u (u ⊙ y²) + (σ b/(1+b))²
        τ_a ȧ = −a + √⌊u⌋ + a √⌊u⌋ + α τ_u u̇

    With W_yy = I its fixed point is divisive normalization,

        y_s² = z²/(σ² + W_u z²),   u_s = (b/(1+b))² (σ² + W_u z²),   a_s = √u_s/(1 − √u_s)

    for z = W_zx x. It exists only where every u_s < 1; beyond, a grows without bound. α > 0 lets a
    follow u sooner, which changes how far the response to an onset overshoots. No theorem of
    `certify` covers this circuit.

    Args:
        W_zx: (n, m), input weights.
        W_yy: (n, n), recurrent weights.
        W_u: (n, n), normalization weights, ≥ 0.
        sigma, b: scalar or (n,), > 0: the semi-saturation and the gain of the input.
        tau_y, tau_u, tau_a: scalar or (n,), ms, > 0.
        alpha: scalar or (n,), ≥ 0, the weight of u̇ in ȧ; not trained unless a node says so.

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise W_u is
    `NonNegative`, σ, b and τ are `Positive`, W_zx and W_yy are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Heeger, Zemlianova, "A recurrent circuit implements normalization, simulating the dynamics
        of V1 activity", PNAS 117 (2020).
    """

    W_zx: Parameter
    W_yy: Parameter
    W_u: Parameter
    sigma: Parameter
    b: Parameter
    tau_y: Parameter
    tau_u: Parameter
    tau_a: Parameter
    alpha: Parameter

    kinds = {
        "W_yy": RECURRENT,
        "W_zx": INPUT,
        "W_u": POOL,
        **dict.fromkeys(("sigma", "b", "tau_y", "tau_u", "tau_a"), POSITIVE),
        "alpha": Kind(("n",), check_nonnegative, Frozen, or_scalar=True),
    }

    def __init__(
        self,
        W_zx: ParameterLike,
        W_yy: ParameterLike,
        W_u: ParameterLike,
        sigma: ParameterLike,
        b: ParameterLike,
        tau_y: ParameterLike,
        tau_u: ParameterLike,
        tau_a: ParameterLike,
        *,
        alpha: ParameterLike = 0.0,
    ):
        given = {"W_zx": W_zx, "W_yy": W_yy, "W_u": W_u, "sigma": sigma, "b": b}
        given |= {"tau_y": tau_y, "tau_u": tau_u, "tau_a": tau_a, "alpha": alpha}
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        sigma: Drawn = 0.1,
        b: Drawn = 0.2,
        tau_y: Drawn = 2.0,
        tau_u: Drawn = 2.0,
        tau_a: Drawn = 2.0,
        alpha: ParameterLike = 0.0,
    ) -> "ORGaNICs2020":
        """A random circuit that normalizes.

        W_zx uniform with ‖W_zx‖₂ = 1, W_yy = I, W_u ~ U(0, 1) with 1 on the diagonal.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            sigma, b, tau_y, tau_u, tau_a: a value, a node, or an initializer such
                as `LogUniform(2, 200)`.
            alpha: as above.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        keys = jax.random.split(key, 7)
        W_zx, W_u = input_matrix(keys[0], (n, m)), pool_matrix(keys[1], n)
        given = (sigma, b, tau_y, tau_u, tau_a)
        drawn = [draw(p, k, n) for p, k in zip(given, keys[2:], strict=True)]
        return cls(W_zx, jnp.eye(n), W_u, *drawn, alpha=alpha)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.W_zx).shape[1]

    @property
    def size(self) -> int:
        """n, the number of principal cells."""
        return resolve(self.W_yy).shape[0]

    def vector_field(
        self, t: Time, state: ORGaNICs2020State, x: Float[Array, " m"]
    ) -> ORGaNICs2020State:
        """(ẏ, u̇, ȧ) in 1/ms at the state for the input x (m,); t is not used."""
        c: ORGaNICs2020 = resolve(self)
        y, u, a = state
        gain, rate = c.b / (1 + c.b), root(u, 2)
        dy = -y + gain * (c.W_zx @ x) + (c.W_yy @ y) / (1 + a)
        du = -u + c.W_u @ (u * power(y, 2)) + power(c.sigma * gain, 2)
        da = -a + rate + a * rate + c.alpha * du
        return ORGaNICs2020State(dy / c.tau_y, du / c.tau_u, da / c.tau_a)

    def initial_state(self) -> ORGaNICs2020State:
        """The rest state without input: y = 0, u = (σ b/(1+b))² and a = √u/(1 − √u), which exists
        where σ b/(1+b) < 1; a = 0 where it does not."""
        c: ORGaNICs2020 = resolve(self)
        y = jnp.zeros(c.size, c.W_yy.dtype)
        rate = y + c.sigma * c.b / (1 + c.b)
        exists = rate < 1
        return ORGaNICs2020State(
            y, power(rate, 2), jnp.where(exists, rate / jnp.where(exists, 1 - rate, 1), 0)
        )

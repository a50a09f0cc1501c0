from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import check_positive_number, read_key
from ..._constraints import resolve
from ..._types import KeyLike, ParameterLike, Scalar
from .._circuit import AbstractCircuit
from .._initial import check_sizes
from .._parameters import INPUT, RECURRENT, Kind, Parameter, read_parameters
from .._time import Time
from ._kinds import SHARE, STRENGTH, UNIT_OF_TIME


class LipschitzRNNState(NamedTuple):
    """The response h, (n,)."""

    h: Float[Array, "*batch n"]


class LipschitzRNN(AbstractCircuit[LipschitzRNNState]):
    """A linear and a saturating part, whose weights are partly symmetric and partly skew-symmetric.

        τ ḣ = A h + tanh(W h + U x + b)
        A = (1 − β)(M_A + M_Aᵀ) + β(M_A − M_Aᵀ) − γI,   W likewise from M_W

    β moves the eigenvalues of A and W to the imaginary axis, γ to the left. The published step is
    `Euler(LipschitzRNN(…), ε)`. No theorem of `certify` applies to this circuit.

    Args:
        M_A, M_W: (n, n), the trained matrices from which A and W are made.
        U: (n, m), input weights.
        b: (n,), biases.
        beta: β, from 0 (symmetric) to 1 (skew-symmetric apart from γ).
        gamma: γ ≥ 0.
        tau: ms, > 0, the unit of time of the published equations.

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise β, γ and
    τ are not trained, the others are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Erichson, Azencot, Queiruga, Hodgkinson, Mahoney, "Lipschitz recurrent neural networks",
        ICLR (2021), arXiv:2006.12070.
    """

    M_A: Parameter
    M_W: Parameter
    U: Parameter
    b: Parameter
    beta: Parameter
    gamma: Parameter
    tau: Parameter

    kinds = {
        "M_A": RECURRENT,
        "M_W": RECURRENT,
        "U": INPUT,
        "b": Kind(("n",)),
        "beta": SHARE,
        "gamma": STRENGTH,
        "tau": UNIT_OF_TIME,
    }

    def __init__(
        self,
        M_A: ParameterLike,
        M_W: ParameterLike,
        U: ParameterLike,
        b: ParameterLike,
        beta: ParameterLike = 0.75,
        gamma: ParameterLike = 0.001,
        tau: ParameterLike = 1.0,
    ):
        given = {"M_A": M_A, "M_W": M_W, "U": U, "b": b}
        given |= {"beta": beta, "gamma": gamma, "tau": tau}
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        scale: Scalar = 1.0,
        beta: ParameterLike = 0.75,
        gamma: ParameterLike = 0.001,
        tau: ParameterLike = 1.0,
    ) -> "LipschitzRNN":
        """A random circuit as in the authors' code.

        M_A and M_W are N(0, (scale/n)²), U is N(0, 2/(n + m)), b = 0.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            scale: > 0; the authors took 32 for n = 128 and sequences of 784 pixels.
            beta, gamma, tau: as above.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        scale = check_positive_number("scale", scale)
        keys = jax.random.split(key, 3)
        M_A, M_W = (scale / n * jax.random.normal(k, (n, n)) for k in keys[:2])
        U = (2 / (n + m)) ** 0.5 * jax.random.normal(keys[2], (n, m))
        return cls(M_A, M_W, U, jnp.zeros(n, U.dtype), beta, gamma, tau)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.U).shape[1]

    @property
    def size(self) -> int:
        """n, the number of units."""
        return resolve(self.b).shape[0]

    def vector_field(
        self, t: Time, state: LipschitzRNNState, x: Float[Array, " m"]
    ) -> LipschitzRNNState:
        """(ḣ,) in 1/ms at the state for the input x (m,); t is not used."""
        c: LipschitzRNN = resolve(self)
        (h,) = state
        A, W = (_mixed(M, c.beta, c.gamma) for M in (c.M_A, c.M_W))
        return LipschitzRNNState((A @ h + jnp.tanh(W @ h + c.U @ x + c.b)) / c.tau)

    def initial_state(self) -> LipschitzRNNState:
        """h = 0."""
        return LipschitzRNNState(jnp.zeros_like(resolve(self.b)))


def _mixed(M: Array, beta: Array, gamma: Array) -> Float[Array, "n n"]:
    symmetric, skew = M + M.T, M - M.T
    return (1 - beta) * symmetric + beta * skew - gamma * jnp.eye(len(M), dtype=M.dtype)

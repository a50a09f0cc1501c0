from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import check_flag, check_positive_number, read_key, refuse
from ..._constraints import SkewSymmetric, check_skew_symmetric, resolve
from ..._types import KeyLike, ParameterLike, Scalar
from .._circuit import AbstractCircuit
from .._initial import check_sizes
from .._parameters import INPUT, RECURRENT, Kind, Parameter, read_parameters
from .._time import Time
from ._kinds import STRENGTH, UNIT_OF_TIME


class AntisymmetricRNNState(NamedTuple):
    """The response h, (n,)."""

    h: Float[Array, "*batch n"]


class AntisymmetricRNN(AbstractCircuit[AntisymmetricRNNState]):
    """A saturating network whose recurrent weights rotate, plain or gated.

        τ ḣ = tanh(u + V x + b),                            u = (W − γI) h,   W = −Wᵀ
        τ ḣ = tanh(u + V x + b) ⊙ sigmoid(u + V_z x + b_z)  with a gate

    The eigenvalues of W are imaginary, so that without γ small deviations neither grow nor fade in
    continuous time. The published step is `Euler(AntisymmetricRNN(…), ε)`, in which they grow
    unless γ damps them. No theorem of `certify` applies to this circuit.

    Args:
        W: (n, n), recurrent weights, skew-symmetric: what the paper writes as W − Wᵀ.
        V: (n, m), input weights.
        b: (n,), biases.
        V_z, b_z: (n, m) and (n,), those of the gate; both or neither.
        gamma: γ ≥ 0, the damping.
        tau: ms, > 0, the unit of time of the published equations.

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise W is a
    `SkewSymmetric` of n(n − 1)/2 trained numbers, γ and τ are not trained, the others are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values, a W that is not skew-symmetric,
            or only one of V_z and b_z.

    Reference:
        Chang, Chen, Haber, Chi, "AntisymmetricRNN: a dynamical system view on recurrent neural
        networks", ICLR (2019), arXiv:1902.09689.
    """

    W: Parameter
    V: Parameter
    b: Parameter
    V_z: Parameter | None
    b_z: Parameter | None
    gamma: Parameter
    tau: Parameter

    kinds = {
        "W": RECURRENT._replace(sign=check_skew_symmetric, node=SkewSymmetric),
        "V": INPUT,
        "b": Kind(("n",)),
        "V_z": INPUT,
        "b_z": Kind(("n",)),
        "gamma": STRENGTH,
        "tau": UNIT_OF_TIME,
    }

    def __init__(
        self,
        W: ParameterLike,
        V: ParameterLike,
        b: ParameterLike,
        V_z: ParameterLike | None = None,
        b_z: ParameterLike | None = None,
        gamma: ParameterLike = 0.01,
        tau: ParameterLike = 1.0,
    ):
        given = {"W": W, "V": V, "b": b, "gamma": gamma, "tau": tau}
        if (V_z is None) != (b_z is None):
            missing, there = ("V_z", "b_z") if V_z is None else ("b_z", "V_z")
            refuse(missing, f"be given where `{there}` is", "it is None")
        if V_z is not None and b_z is not None:
            given |= {"V_z": V_z, "b_z": b_z}
        self.V_z = self.b_z = None
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        gated: bool = False,
        scale: Scalar = 1.0,
        gamma: ParameterLike = 0.01,
        tau: ParameterLike = 1.0,
    ) -> "AntisymmetricRNN":
        """A random circuit with the scales of the paper as we recall them (no code was released).

        The entries of W, differences of two N(0, scale²/n), are N(0, 2·scale²/n); V and V_z are
        N(0, 1/m), b = 0 and b_z = 1.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            gated: whether it has a gate.
            scale: > 0.
            gamma, tau: as above.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        scale, gated = check_positive_number("scale", scale), check_flag("gated", gated)
        keys = jax.random.split(key, 3)
        M = scale * n**-0.5 * jax.random.normal(keys[0], (n, n))
        V, V_z = (m**-0.5 * jax.random.normal(k, (n, m)) for k in keys[1:])
        zeros = jnp.zeros(n, M.dtype)
        gate = (V_z, zeros + 1) if gated else (None, None)
        return cls(M - M.T, V, zeros, *gate, gamma, tau)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.V).shape[1]

    @property
    def size(self) -> int:
        """n, the number of units."""
        return resolve(self.b).shape[0]

    def vector_field(
        self, t: Time, state: AntisymmetricRNNState, x: Float[Array, " m"]
    ) -> AntisymmetricRNNState:
        """(ḣ,) in 1/ms at the state for the input x (m,); t is not used."""
        c: AntisymmetricRNN = resolve(self)
        (h,) = state
        u = c.W @ h - c.gamma * h
        dh = jnp.tanh(u + c.V @ x + c.b)
        if c.V_z is not None and c.b_z is not None:
            dh = dh * jax.nn.sigmoid(u + c.V_z @ x + c.b_z)
        return AntisymmetricRNNState(dh / c.tau)

    def initial_state(self) -> AntisymmetricRNNState:
        """h = 0."""
        return AntisymmetricRNNState(jnp.zeros_like(resolve(self.b)))

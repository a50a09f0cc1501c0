from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import read_key
from ..._constraints import resolve
from ..._types import KeyLike, ParameterLike
from .._circuit import AbstractCircuit
from .._initial import check_sizes
from .._parameters import INPUT, KNOWN, RECURRENT, Kind, Parameter, read_parameters
from .._time import Time
from ._kinds import UNIT_OF_TIME


class CoRNNState(NamedTuple):
    """The displacements y and the velocities z of the oscillators, (n,) each."""

    y: Float[Array, "*batch n"]
    z: Float[Array, "*batch n"]


class CoRNN(AbstractCircuit[CoRNNState]):
    """Coupled, damped oscillators, driven through a saturating nonlinearity.

        τ ẏ = z
        τ ż = tanh(W y + W_z z + V x + b) − γ⊙y − ε⊙z

    The published step is `SemiImplicitEuler(CoRNN(…), dt)`, which updates z from the old y and then
    y from the new z. No theorem of `certify` applies to this circuit.

    Args:
        W, W_z: (n, n), recurrent weights of the displacements and of the velocities.
        V: (n, m), input weights.
        b: (n,), biases.
        gamma: γ > 0, scalar or (n,), the squared frequency of a free oscillator in units of 1/τ².
        epsilon: ε > 0, scalar or (n,), its damping in units of 1/τ.
        tau: ms, > 0, the unit of time of the published equations.

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise γ, ε and
    τ are not trained, the others are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Rusch, Mishra, "Coupled oscillatory recurrent neural network (coRNN): an accurate and
        (gradient) stable architecture for learning long time dependencies", ICLR (2021),
        arXiv:2010.00951.
    """

    W: Parameter
    W_z: Parameter
    V: Parameter
    b: Parameter
    gamma: Parameter
    epsilon: Parameter
    tau: Parameter

    kinds = {
        "W": RECURRENT,
        "W_z": RECURRENT,
        "V": INPUT,
        "b": Kind(("n",)),
        "gamma": KNOWN,
        "epsilon": KNOWN,
        "tau": UNIT_OF_TIME,
    }

    def __init__(
        self,
        W: ParameterLike,
        W_z: ParameterLike,
        V: ParameterLike,
        b: ParameterLike,
        gamma: ParameterLike,
        epsilon: ParameterLike,
        tau: ParameterLike = 1.0,
    ):
        given = {"W": W, "W_z": W_z, "V": V, "b": b}
        given |= {"gamma": gamma, "epsilon": epsilon, "tau": tau}
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        gamma: ParameterLike = 2.7,
        epsilon: ParameterLike = 4.7,
        tau: ParameterLike = 1.0,
    ) -> "CoRNN":
        """A random circuit as in the authors' code: all weights and biases are U(±1/√(2n + m)).

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            gamma, epsilon, tau: as above; γ and ε are those of sequential MNIST unless given.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        bound = (2 * n + m) ** -0.5
        drawn = jax.random.uniform(key, (n, 2 * n + m + 1), minval=-bound, maxval=bound)
        W, W_z, V, b = jnp.split(drawn, (n, 2 * n, 2 * n + m), axis=1)
        return cls(W, W_z, V, b[:, 0], gamma, epsilon, tau)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.V).shape[1]

    @property
    def size(self) -> int:
        """n, the number of oscillators."""
        return resolve(self.b).shape[0]

    def vector_field(self, t: Time, state: CoRNNState, x: Float[Array, " m"]) -> CoRNNState:
        """(ẏ, ż) in 1/ms at the state for the input x (m,); t is not used."""
        c: CoRNN = resolve(self)
        y, z = state
        dz = jnp.tanh(c.W @ y + c.W_z @ z + c.V @ x + c.b) - c.gamma * y - c.epsilon * z
        return CoRNNState(z / c.tau, dz / c.tau)

    def initial_state(self) -> CoRNNState:
        """y = z = 0."""
        rest = jnp.zeros_like(resolve(self.b))
        return CoRNNState(rest, rest)

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import read_key
from ..._constraints import resolve
from ..._types import KeyLike, ParameterLike
from .._circuit import AbstractCircuit
from .._initial import check_sizes
from .._parameters import INPUT, RECURRENT, Kind, Parameter, read_parameters
from .._time import Time
from ._kinds import UNIT_OF_TIME


class LEMState(NamedTuple):
    """The response y and the memory z, (n,) each."""

    y: Float[Array, "*batch n"]
    z: Float[Array, "*batch n"]


class LEM(AbstractCircuit[LEMState]):
    """The long expressive memory: two variables whose rates depend on state and input.

        τ ẏ = σ(W_2 y + V_2 x + b_2) ⊙ (tanh(W_y z + V_y x + b_y) − y),      σ = sigmoid
        τ ż = σ(W_1 y + V_1 x + b_1) ⊙ (tanh(W_z y + V_z x + b_z) − z)

    Both stay between −1 and 1 for every input. The published step is
    `SemiImplicitEuler(LEM(…), dt)`, in which both rates are those of the old y. No theorem of
    `certify` applies to this circuit.

    Args:
        W_1, W_2, W_y, W_z: (n, n), recurrent weights.
        V_1, V_2, V_y, V_z: (n, m), input weights.
        b_1, b_2, b_y, b_z: (n,), biases.
        tau: ms, > 0, the unit of time of the published equations.

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise τ is not
    trained, the others are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Rusch, Mishra, Erichson, Mahoney, "Long expressive memory for sequence modeling", ICLR
        (2022), arXiv:2110.04744.
    """

    W_1: Parameter
    V_1: Parameter
    b_1: Parameter
    W_2: Parameter
    V_2: Parameter
    b_2: Parameter
    W_y: Parameter
    V_y: Parameter
    b_y: Parameter
    W_z: Parameter
    V_z: Parameter
    b_z: Parameter
    tau: Parameter

    kinds = {
        f"{letter}_{of}": kind
        for of in "12yz"
        for letter, kind in (("W", RECURRENT), ("V", INPUT), ("b", Kind(("n",))))
    } | {"tau": UNIT_OF_TIME}

    def __init__(
        self,
        W_1: ParameterLike,
        V_1: ParameterLike,
        b_1: ParameterLike,
        W_2: ParameterLike,
        V_2: ParameterLike,
        b_2: ParameterLike,
        W_y: ParameterLike,
        V_y: ParameterLike,
        b_y: ParameterLike,
        W_z: ParameterLike,
        V_z: ParameterLike,
        b_z: ParameterLike,
        tau: ParameterLike = 1.0,
    ):
        given = {"W_1": W_1, "V_1": V_1, "b_1": b_1, "W_2": W_2, "V_2": V_2, "b_2": b_2}
        given |= {"W_y": W_y, "V_y": V_y, "b_y": b_y, "W_z": W_z, "V_z": V_z, "b_z": b_z}
        for name, parameter in read_parameters(self.kinds, given | {"tau": tau}).items():
            setattr(self, name, parameter)

    @classmethod
    def random(cls, input_size: int, size: int, *, key: KeyLike, tau: ParameterLike = 1.0) -> "LEM":
        """A random circuit as in the authors' code: all weights and biases are U(±1/√n).

        Their code adds two biases to each of the four sums, where one is enough: there are 4n fewer
        parameters here.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            tau: as above.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        bound = n**-0.5
        drawn = jax.random.uniform(key, (4, n, n + m + 1), minval=-bound, maxval=bound)
        parts = [part for W in drawn for part in (W[:, :n], W[:, n:-1], W[:, -1])]
        return cls(*parts, tau=tau)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.V_y).shape[1]

    @property
    def size(self) -> int:
        """n, the number of units."""
        return resolve(self.b_y).shape[0]

    def vector_field(self, t: Time, state: LEMState, x: Float[Array, " m"]) -> LEMState:
        """(ẏ, ż) in 1/ms at the state for the input x (m,); t is not used."""
        c: LEM = resolve(self)
        y, z = state
        rate_y = jax.nn.sigmoid(c.W_2 @ y + c.V_2 @ x + c.b_2) / c.tau
        rate_z = jax.nn.sigmoid(c.W_1 @ y + c.V_1 @ x + c.b_1) / c.tau
        dy = rate_y * (jnp.tanh(c.W_y @ z + c.V_y @ x + c.b_y) - y)
        dz = rate_z * (jnp.tanh(c.W_z @ y + c.V_z @ x + c.b_z) - z)
        return LEMState(dy, dz)

    def initial_state(self) -> LEMState:
        """y = z = 0."""
        rest = jnp.zeros_like(resolve(self.b_y))
        return LEMState(rest, rest)

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import read_key
from ..._constraints import resolve
from ..._types import KeyLike, ParameterLike
from .._circuit import AbstractCircuit
from .._initial import check_sizes
from .._parameters import INPUT, Kind, Parameter, read_parameters
from .._time import Time
from ._kinds import STRENGTH, UNIT_OF_TIME


class UnICORNNState(NamedTuple):
    """The displacements y and the velocities z of the oscillators, (n,) each."""

    y: Float[Array, "*batch n"]
    z: Float[Array, "*batch n"]


class UnICORNN(AbstractCircuit[UnICORNNState]):
    """Oscillators without damping or connections: one layer, to be stacked.

        τ ẏ = σ(c)⊙z
        τ ż = −σ(c)⊙(tanh(w⊙y + V x + b) + α y),       σ = sigmoid

    Under a constant input each one keeps its energy α y²/2 + z²/2 + log cosh(w y + V x + b)/w. The
    published step is `SemiImplicitEuler(UnICORNN(…), dt)`, which is symplectic; the published
    network is a `Stack` of these. No theorem of `certify` applies to this circuit.

    Args:
        w: (n,), the weight of each oscillator onto itself.
        V: (n, m), input weights.
        b: (n,), biases.
        c: (n,), the logits of the speeds.
        alpha: α ≥ 0, the linear restoring force.
        tau: ms, > 0, the unit of time of the published equations.

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise α and τ
    are not trained, the others are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Rusch, Mishra, "UnICORNN: a recurrent model for learning very long time dependencies", ICML
        (2021), arXiv:2103.05487.
    """

    w: Parameter
    V: Parameter
    b: Parameter
    c: Parameter
    alpha: Parameter
    tau: Parameter

    kinds = {
        "w": Kind(("n",)),
        "V": INPUT,
        "b": Kind(("n",)),
        "c": Kind(("n",)),
        "alpha": STRENGTH,
        "tau": UNIT_OF_TIME,
    }

    def __init__(
        self,
        w: ParameterLike,
        V: ParameterLike,
        b: ParameterLike,
        c: ParameterLike,
        alpha: ParameterLike,
        tau: ParameterLike = 1.0,
    ):
        given = {"w": w, "V": V, "b": b, "c": c, "alpha": alpha, "tau": tau}
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        alpha: ParameterLike = 30.65,
        tau: ParameterLike = 1.0,
    ) -> "UnICORNN":
        """A random circuit as in the authors' code.

        w is U(0, 1), c is U(±0.1), V is U(±√(6/65m)), b = 0.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            alpha, tau: as above; α is that of permuted sequential MNIST unless given.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        keys = jax.random.split(key, 3)
        w = jax.random.uniform(keys[0], (n,))
        c = jax.random.uniform(keys[1], (n,), minval=-0.1, maxval=0.1)
        # Kaiming's bound for a leaky rectifier with slope 8.
        bound = (6 / ((1 + 8**2) * m)) ** 0.5
        V = jax.random.uniform(keys[2], (n, m), minval=-bound, maxval=bound)
        return cls(w, V, jnp.zeros_like(w), c, alpha, tau)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.V).shape[1]

    @property
    def size(self) -> int:
        """n, the number of oscillators."""
        return resolve(self.b).shape[0]

    def vector_field(self, t: Time, state: UnICORNNState, x: Float[Array, " m"]) -> UnICORNNState:
        """(ẏ, ż) in 1/ms at the state for the input x (m,); t is not used."""
        c: UnICORNN = resolve(self)
        y, z = state
        speed = jax.nn.sigmoid(c.c) / c.tau
        return UnICORNNState(speed * z, -speed * (jnp.tanh(c.w * y + c.V @ x + c.b) + c.alpha * y))

    def initial_state(self) -> UnICORNNState:
        """y = z = 0."""
        rest = jnp.zeros_like(resolve(self.b))
        return UnICORNNState(rest, rest)

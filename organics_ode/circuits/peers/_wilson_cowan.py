from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import check_nonnegative, check_positive_integer, read_key
from ..._constraints import NonNegative, resolve
from ..._types import KeyLike, ParameterLike
from .._circuit import AbstractCircuit
from .._initial import Drawn, check_sizes, draw, uniform_fan_in
from .._parameters import POSITIVE, Kind, Parameter, read_parameters
from .._time import Time


class WilsonCowanState(NamedTuple):
    """The active fractions E (n,) of excitatory and I (k,) of inhibitory populations."""

    E: Float[Array, "*batch n"]
    I: Float[Array, "*batch k"]


class WilsonCowan(AbstractCircuit[WilsonCowanState]):
    """Coupled populations of excitatory and inhibitory neurons.

        τ_E Ė = −E + (k_E − r_E⊙E) ⊙ S_E(W_EE E − W_EI I + W_EX x)
        τ_I İ = −I + (k_I − r_I⊙I) ⊙ S_I(W_IE E − W_II I + W_IX x)
        S(u) = 1/(1 + exp(−a(u − θ))) − 1/(1 + exp(aθ)),    k = S(∞) = 1/(1 + exp(−aθ))

    S is 0 without a drive, so E = I = 0 is at rest without input. The terms with r account for
    refractory neurons; r = 0 leaves them out. Depending on its weights and its input, one pair
    oscillates, has several states of rest, or answers a pulse with a single wave. No theorem of
    `certify` applies to this circuit.

    Args:
        W_EE, W_EI, W_IE, W_II: (n, n), (n, k), (k, n), (k, k), weights from the populations of the
            second letter to those of the first, ≥ 0.
        W_EX, W_IX: (n, m), (k, m), input weights, of any sign.
        a_E, a_I: scalar or one per population, > 0, the slopes of S.
        theta_E, theta_I: likewise, of any sign, the thresholds of S.
        r_E, r_I: likewise, ≥ 0, the weight of the refractory fraction.
        tau_E, tau_I: likewise, ms, > 0.

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise W_EE to
    W_II and r are `NonNegative`, a and τ are `Positive`, the others are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Wilson, Cowan, "Excitatory and inhibitory interactions in localized populations of model
        neurons", Biophysical Journal 12 (1972); "A mathematical theory of the functional dynamics
        of cortical and thalamic nervous tissue", Kybernetik 13 (1973).
    """

    W_EE: Parameter
    W_EI: Parameter
    W_IE: Parameter
    W_II: Parameter
    W_EX: Parameter
    W_IX: Parameter
    a_E: Parameter
    a_I: Parameter
    theta_E: Parameter
    theta_I: Parameter
    r_E: Parameter
    r_I: Parameter
    tau_E: Parameter
    tau_I: Parameter

    kinds = {
        "W_EE": Kind(("n", "n"), check_nonnegative, NonNegative),
        "W_EI": Kind(("n", "k"), check_nonnegative, NonNegative),
        "W_IE": Kind(("k", "n"), check_nonnegative, NonNegative),
        "W_II": Kind(("k", "k"), check_nonnegative, NonNegative),
        "W_EX": Kind(("n", "m")),
        "W_IX": Kind(("k", "m")),
        "a_E": POSITIVE,
        "a_I": POSITIVE._replace(shape=("k",)),
        "theta_E": Kind(("n",), or_scalar=True),
        "theta_I": Kind(("k",), or_scalar=True),
        "r_E": Kind(("n",), check_nonnegative, NonNegative, or_scalar=True),
        "r_I": Kind(("k",), check_nonnegative, NonNegative, or_scalar=True),
        "tau_E": POSITIVE,
        "tau_I": POSITIVE._replace(shape=("k",)),
    }

    def __init__(
        self,
        W_EE: ParameterLike,
        W_EI: ParameterLike,
        W_IE: ParameterLike,
        W_II: ParameterLike,
        W_EX: ParameterLike,
        W_IX: ParameterLike,
        a_E: ParameterLike,
        a_I: ParameterLike,
        theta_E: ParameterLike,
        theta_I: ParameterLike,
        r_E: ParameterLike,
        r_I: ParameterLike,
        tau_E: ParameterLike,
        tau_I: ParameterLike,
    ):
        given = {"W_EE": W_EE, "W_EI": W_EI, "W_IE": W_IE, "W_II": W_II, "W_EX": W_EX}
        given |= {"W_IX": W_IX, "a_E": a_E, "a_I": a_I, "theta_E": theta_E, "theta_I": theta_I}
        given |= {"r_E": r_E, "r_I": r_I, "tau_E": tau_E, "tau_I": tau_I}
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        inhibitory: int | None = None,
        a_E: Drawn = 1.3,
        a_I: Drawn = 2.0,
        theta_E: Drawn = 4.0,
        theta_I: Drawn = 3.7,
        r_E: Drawn = 1.0,
        r_I: Drawn = 1.0,
        tau_E: Drawn = 10.0,
        tau_I: Drawn = 10.0,
    ) -> "WilsonCowan":
        """A random circuit around the oscillating pair of the reference (1972, figure 11).

        W_EE, W_EI, W_IE, W_II are 16, 12, 15 and 3 divided by the number of presynaptic
        populations, times U(½, 1½); W_EX and W_IX are U(±1/√m).

        Args:
            input_size: m.
            size: n, the number of excitatory populations.
            key: a PRNG key.
            inhibitory: k, the number of inhibitory populations; n unless given.
            a_E, a_I, theta_E, theta_I, r_E, r_I, tau_E, tau_I: a value, a node, or an initializer
                such as `LogUniform(2, 200)`.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        k = n if inhibitory is None else check_positive_integer("inhibitory", inhibitory)
        keys = jax.random.split(key, 14)
        strengths = [((n, n), 16.0), ((n, k), 12.0), ((k, n), 15.0), ((k, k), 3.0)]
        weights = [
            strength / shape[1] * jax.random.uniform(key, shape, minval=0.5, maxval=1.5)
            for key, (shape, strength) in zip(keys[:4], strengths, strict=True)
        ]
        inputs = [uniform_fan_in(keys[4], (n, m)), uniform_fan_in(keys[5], (k, m))]
        given = (a_E, a_I, theta_E, theta_I, r_E, r_I, tau_E, tau_I)
        drawn = [draw(p, key, s) for p, key, s in zip(given, keys[6:], 4 * (n, k), strict=True)]
        return cls(*weights, *inputs, *drawn)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.W_EX).shape[1]

    @property
    def size(self) -> int:
        """n, the number of excitatory populations."""
        return resolve(self.W_EE).shape[0]

    def vector_field(
        self, t: Time, state: WilsonCowanState, x: Float[Array, " m"]
    ) -> WilsonCowanState:
        """(Ė, İ) in 1/ms at the state for the input x (m,); t is not used."""
        c: WilsonCowan = resolve(self)
        E, I = state
        S_E, k_E = _response(c.W_EE @ E - c.W_EI @ I + c.W_EX @ x, c.a_E, c.theta_E)
        S_I, k_I = _response(c.W_IE @ E - c.W_II @ I + c.W_IX @ x, c.a_I, c.theta_I)
        dE = -E + (k_E - c.r_E * E) * S_E
        dI = -I + (k_I - c.r_I * I) * S_I
        return WilsonCowanState(dE / c.tau_E, dI / c.tau_I)

    def initial_state(self) -> WilsonCowanState:
        """E = I = 0, the rest state without input."""
        W_EI = resolve(self.W_EI)
        return WilsonCowanState(*(jnp.zeros(size, W_EI.dtype) for size in W_EI.shape))


def _response(u: Array, a: Array, theta: Array) -> tuple[Array, Array]:
    """S(u), and its largest possible value."""
    return jax.nn.sigmoid(a * (u - theta)) - jax.nn.sigmoid(-a * theta), jax.nn.sigmoid(a * theta)

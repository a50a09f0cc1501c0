from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._checks import check_nonnegative, check_positive_integer, read_key
from ..._constraints import Frozen, NonNegative, resolve
from ..._nonlinearities import power
from ..._types import KeyLike, Numbers, ParameterLike
from .._circuit import AbstractCircuit
from .._initial import check_sizes, uniform_fan_in
from .._parameters import EXPONENT, KNOWN, Kind, Parameter, read_parameters
from .._time import Time
from ._growth import copied, copied_factor, read_parents
from ._kinds import POSITIVE_CONSTANT

# Rubin, Van Hooser, Miller (2015): weights of 180 orientations, and widths in degrees.
_RING = {"W_EE": 0.044, "W_EI": 0.023, "W_IE": 0.042, "W_II": 0.018}
_SPREAD, _TUNING = 32.0, 30.0


class SSNState(NamedTuple):
    """The voltages of excitatory cells V_E (n,) and of inhibitory ones V_I (k,)."""

    V_E: Float[Array, "*batch n"]
    V_I: Float[Array, "*batch k"]


class SSN(AbstractCircuit[SSNState]):
    """The stabilized supralinear network: excitatory and inhibitory cells with power-law rates.

        τ_E V̇_E = −V_E + W_EX x + W_EE r_E − W_EI r_I
        τ_I V̇_I = −V_I + W_IX x + W_IE r_E − W_II r_I,      r = gain ⌊V⌋^p

    Weak inputs add up more than linearly; strong ones raise the gain of all cells until inhibition
    has to stabilize the excitation, and then they normalize. The signs obey Dale's law. No theorem
    of `certify` applies to this circuit. `pair` and `ring` are ready-made; `grow` splits cells.

    Args:
        W_EE, W_EI, W_IE, W_II: (n, n), (n, k), (k, n), (k, k), weights from the cells of the
            second letter to those of the first, ≥ 0.
        W_EX, W_IX: (n, m), (k, m), input weights, of any sign.
        tau_E, tau_I: scalar or one per cell, ms, > 0.
        gain: > 0.
        exponent: p > 0. A Python number is compiled in; an array is traced (and trained, unless
            `Frozen`).

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise W_EE to
    W_II are `NonNegative`, τ and the gain are not trained, the others are free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Rubin, Van Hooser, Miller, "The stabilized supralinear network", Neuron 85 (2015);
        Hennequin, Ahmadian, Rubin, Lengyel, Miller, "The dynamical regime of sensory cortex",
        Neuron 98 (2018).
    """

    W_EE: Parameter
    W_EI: Parameter
    W_IE: Parameter
    W_II: Parameter
    W_EX: Parameter
    W_IX: Parameter
    tau_E: Parameter
    tau_I: Parameter
    gain: Parameter
    exponent: float | Parameter

    kinds = {
        "W_EE": Kind(("n", "n"), check_nonnegative, NonNegative),
        "W_EI": Kind(("n", "k"), check_nonnegative, NonNegative),
        "W_IE": Kind(("k", "n"), check_nonnegative, NonNegative),
        "W_II": Kind(("k", "k"), check_nonnegative, NonNegative),
        "W_EX": Kind(("n", "m")),
        "W_IX": Kind(("k", "m")),
        "tau_E": KNOWN,
        "tau_I": KNOWN._replace(shape=("k",)),
        "gain": POSITIVE_CONSTANT,
        "exponent": EXPONENT,
    }

    def __init__(
        self,
        W_EE: ParameterLike,
        W_EI: ParameterLike,
        W_IE: ParameterLike,
        W_II: ParameterLike,
        W_EX: ParameterLike,
        W_IX: ParameterLike,
        tau_E: ParameterLike = 20.0,
        tau_I: ParameterLike = 10.0,
        gain: ParameterLike = 0.3,
        exponent: ParameterLike = 2.0,
    ):
        given = {"W_EE": W_EE, "W_EI": W_EI, "W_IE": W_IE, "W_II": W_II, "W_EX": W_EX}
        given |= {"W_IX": W_IX, "tau_E": tau_E, "tau_I": tau_I, "gain": gain, "exponent": exponent}
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
        tau_E: ParameterLike = 20.0,
        tau_I: ParameterLike = 10.0,
        gain: ParameterLike = 0.3,
        exponent: ParameterLike = 2.0,
    ) -> "SSN":
        """A random circuit with weights around those of `pair`.

        W_EE, W_EI, W_IE, W_II are 1.25, 0.65, 1.2 and 0.5 divided by the number of presynaptic
        cells, times U(½, 1½); W_EX and W_IX are U(±1/√m).

        Args:
            input_size: m.
            size: n, the number of excitatory cells.
            key: a PRNG key.
            inhibitory: k, the number of inhibitory cells; n unless given.
            tau_E, tau_I, gain, exponent: as above.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        k = n if inhibitory is None else check_positive_integer("inhibitory", inhibitory)
        keys = jax.random.split(key, 6)
        strengths = [((n, n), 1.25), ((n, k), 0.65), ((k, n), 1.2), ((k, k), 0.5)]
        weights = [
            strength / shape[1] * jax.random.uniform(key, shape, minval=0.5, maxval=1.5)
            for key, (shape, strength) in zip(keys[:4], strengths, strict=True)
        ]
        inputs = [uniform_fan_in(keys[4], (n, m)), uniform_fan_in(keys[5], (k, m))]
        given = {"tau_E": tau_E, "tau_I": tau_I, "gain": gain, "exponent": exponent}
        return cls(*weights, *inputs, **given)

    @classmethod
    def pair(cls) -> "SSN":
        """One cell of each kind, both with the same input, as in Hennequin et al. (2018).

        With noise of 50 ms its voltages vary most for weak inputs; strong inputs quench the
        variability.
        """
        weights = (np.array([[w]]) for w in (1.25, 0.65, 1.2, 0.5, 1.0, 1.0))
        return cls(*weights)

    @classmethod
    def ring(cls, size: int = 180) -> "SSN":
        """One cell of each kind for every orientation, as in Rubin et al. (2015).

            W_ij = J e^(−d²/2σ²),  σ = 32°,      W_EX = W_IX = e^(−d²/2σ²),  σ = 30°

        with d the angle between the orientations i·180°/size, and J 0.044, 0.023, 0.042 and 0.018
        times 180/size for W_EE, W_EI, W_IE, W_II; the gain is 0.04.

        Args:
            size: the number of orientations; the input x (size,) is the contrast at each of them,
                in percent.
        """
        size = check_positive_integer("size", size)
        angles = 180.0 / size * np.arange(size)
        apart = np.abs(angles[:, None] - angles[None, :])
        apart = np.minimum(apart, 180 - apart)
        near, tuned = (np.exp(-(apart**2) / (2 * sigma**2)) for sigma in (_SPREAD, _TUNING))
        weights = {name: J * 180 / size * near for name, J in _RING.items()}
        return cls(**weights, W_EX=tuned, W_IX=tuned, gain=0.04)

    def grow(
        self,
        excitatory: Sequence[int] | Numbers | None = None,
        inhibitory: Sequence[int] | Numbers | None = None,
    ) -> "SSN":
        """A larger circuit that does the same: each of its cells is a copy of one of this circuit.

        A copy has its parent's incoming weights; the outgoing ones are shared equally among the
        copies, so that V' = V[parents] solves the new equations wherever V solves the old ones.
        Training the copies then sets them apart. (The released code of Soo & Lengyel, 2022, halves
        incoming weights, which is not neutral.)

        Args:
            excitatory, inhibitory: for each new cell the index of its parent, with every parent at
                least once: (0, 0, 1) splits the first of two cells. Unless given, the cells stay as
                they are.

        Returns:
            An `SSN`; what was `Frozen` stays so, and other nodes become the default ones.

        Raises:
            ValueError: a parent is missing or does not exist.
        """
        c: SSN = resolve(self)
        E = read_parents("excitatory", excitatory, self.size)
        I = read_parents("inhibitory", inhibitory, c.W_II.shape[0])
        ends = {"W_EE": (E, E), "W_EI": (E, I), "W_IE": (I, E), "W_II": (I, I)}
        new = {name: copied(getattr(c, name), *rows) for name, rows in ends.items()}
        new |= {"W_EX": c.W_EX[E], "W_IX": c.W_IX[I], "exponent": self.exponent, "gain": self.gain}
        new |= {
            t: v[p] if v.ndim else v for t, v, p in (("tau_E", c.tau_E, E), ("tau_I", c.tau_I, I))
        }
        is_frozen = {
            name: isinstance(getattr(self, name), Frozen) for name in (*ends, "W_EX", "W_IX")
        }
        return SSN(**{n: Frozen(v) if is_frozen.get(n) else v for n, v in new.items()})

    def grow_factor(
        self,
        factor: Numbers,
        excitatory: Sequence[int] | Numbers | None = None,
        inhibitory: Sequence[int] | Numbers | None = None,
    ) -> Float[Array, "N N"]:
        """The factor L' of `SharedNoise(L')` that gives copies their parents' noise.

            L'_ij = L_pq/√c,   L' L'ᵀ = (L Lᵀ)_pp'

        for a copy i of p and one of the c copies j of q: copies share the noise of their parent.

        Args:
            factor: L, (n + k, n + k), in the order V_E, V_I.
            excitatory, inhibitory: as for `grow`.

        Raises:
            ValueError: L has another shape, or a parent is missing or does not exist.
        """
        k = resolve(self.W_II).shape[0]
        E = read_parents("excitatory", excitatory, self.size)
        I = read_parents("inhibitory", inhibitory, k)
        return copied_factor("factor", factor, np.concatenate([E, self.size + I]), self.size + k)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.W_EX).shape[1]

    @property
    def size(self) -> int:
        """n, the number of excitatory cells."""
        return resolve(self.W_EE).shape[0]

    def rates(self, state: SSNState) -> tuple[Float[Array, "*batch n"], Float[Array, "*batch k"]]:
        """The firing rates r_E and r_I at a state, gain ⌊V⌋^p."""
        c: SSN = resolve(self)
        r_E, r_I = (c.gain * power(jax.nn.relu(V), c.exponent) for V in state)
        return r_E, r_I

    def vector_field(self, t: Time, state: SSNState, x: Float[Array, " m"]) -> SSNState:
        """(V̇_E, V̇_I) in 1/ms at the state for the input x (m,); t is not used."""
        c: SSN = resolve(self)
        (V_E, V_I), (r_E, r_I) = state, c.rates(state)
        dV_E = -V_E + c.W_EX @ x + c.W_EE @ r_E - c.W_EI @ r_I
        dV_I = -V_I + c.W_IX @ x + c.W_IE @ r_E - c.W_II @ r_I
        return SSNState(dV_E / c.tau_E, dV_I / c.tau_I)

    def initial_state(self) -> SSNState:
        """V = 0, the rest state without input."""
        W_EI = resolve(self.W_EI)
        return SSNState(*(jnp.zeros(size, W_EI.dtype) for size in W_EI.shape))

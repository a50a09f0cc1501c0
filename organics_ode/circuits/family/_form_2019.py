from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._checks import read_key
from ..._constraints import resolve
from ..._types import KeyLike, ParameterLike
from .._circuit import AbstractCircuit
from .._initial import Drawn, check_sizes, draw, input_matrix, orthogonal_matrix, uniform_fan_in
from .._parameters import INPUT, POSITIVE, RECURRENT, Kind, Parameter, read_parameters
from .._time import Time


class ORGaNICs2019State(NamedTuple):
    """Principal cells y, and the modulators a and b, (n,) each."""

    y: Float[Array, "*batch n"]
    a: Float[Array, "*batch n"]
    b: Float[Array, "*batch n"]


class ORGaNICs2019(AbstractCircuit[ORGaNICs2019State]):
    """The circuit of 2019: a working memory whose modulators are linear readouts.

        τ_y ẏ = −y + b⁺/(1+b⁺) ⊙ (W_zx x + c_z) + 1/(1+a⁺) ⊙ (W_yy y + c_y)
        τ_a ȧ = −a + W_ax x + W_ay y + c_a
        τ_b ḃ = −b + W_bx x + W_by y + c_b,            a⁺ = ⌊a⌋,  b⁺ = ⌊b⌋

    The modulator b lets the input in; a lets go of what is held. With a = b = 0 a response that
    W_yy maps to itself is held (delay activity); where the eigenvalues are 1 ± iω it rotates at
    ω/τ_y rad/ms with a steady norm, and with several frequencies a sequence unfolds. A large a
    resets the memory within the time τ_y. Scaling all time constants by one factor warps time by
    that factor.

    The complex weights of the reference act on complex responses. Here these are 2n principal
    cells, the real parts followed by the imaginary parts, and `oo.complex_weights` turns the
    matrices into real ones: the modulus of a complex readout of y is steady while y rotates.

    Args:
        W_zx, W_ax, W_bx: (n, m), input weights of the responses and of the modulators.
        W_yy: (n, n), recurrent weights.
        W_ay, W_by: (n, n), weights of the modulators from the responses.
        tau_y, tau_a, tau_b: scalar or (n,), ms, > 0.
        c_z, c_y, c_a, c_b: scalar or (n,), offsets; c_b > 0 lets the input in at all times.

    Any array may be a node (`Frozen`, `Bounded`, …) that says how it is trained. Otherwise the τ
    are `Positive`, and everything else is free.

    Raises:
        ValueError: a wrong shape or sign, NaN or infinite values.

    Reference:
        Heeger, Mackey, "Oscillatory recurrent gated neural integrator circuits (ORGaNICs), a
        unifying theoretical framework for neural dynamics", PNAS 116 (2019).
    """

    W_zx: Parameter
    W_yy: Parameter
    W_ax: Parameter
    W_ay: Parameter
    W_bx: Parameter
    W_by: Parameter
    tau_y: Parameter
    tau_a: Parameter
    tau_b: Parameter
    c_z: Parameter
    c_y: Parameter
    c_a: Parameter
    c_b: Parameter

    kinds = {
        "W_yy": RECURRENT,
        **dict.fromkeys(("W_zx", "W_ax", "W_bx"), INPUT),
        **dict.fromkeys(("W_ay", "W_by"), RECURRENT),
        **dict.fromkeys(("tau_y", "tau_a", "tau_b"), POSITIVE),
        **dict.fromkeys(("c_z", "c_y", "c_a", "c_b"), Kind(("n",), or_scalar=True)),
    }

    def __init__(
        self,
        W_zx: ParameterLike,
        W_yy: ParameterLike,
        W_ax: ParameterLike,
        W_ay: ParameterLike,
        W_bx: ParameterLike,
        W_by: ParameterLike,
        tau_y: ParameterLike,
        tau_a: ParameterLike,
        tau_b: ParameterLike,
        *,
        c_z: ParameterLike = 0.0,
        c_y: ParameterLike = 0.0,
        c_a: ParameterLike = 0.0,
        c_b: ParameterLike = 0.0,
    ):
        given = {"W_zx": W_zx, "W_yy": W_yy, "W_ax": W_ax, "W_ay": W_ay, "W_bx": W_bx}
        given |= {"W_by": W_by, "tau_y": tau_y, "tau_a": tau_a, "tau_b": tau_b}
        given |= {"c_z": c_z, "c_y": c_y, "c_a": c_a, "c_b": c_b}
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        tau_y: Drawn = 10.0,
        tau_a: Drawn = 10.0,
        tau_b: Drawn = 10.0,
        c_b: Drawn = 1.0,
    ) -> "ORGaNICs2019":
        """A random circuit.

        W_zx uniform with ‖W_zx‖₂ = 1, W_yy orthogonal, the weights of the modulators
        U(±1/√fan-in), offsets 0 except c_b = 1, which lets half of the input in.

        Args:
            input_size: m.
            size: n.
            key: a PRNG key.
            tau_y, tau_a, tau_b, c_b: a value, a node, or an initializer such
                as `LogUniform(2, 200)`.
        """
        key = read_key("key", key)
        m, n = check_sizes(input_size, size)
        keys = jax.random.split(key, 10)
        W_zx, W_yy = input_matrix(keys[0], (n, m)), orthogonal_matrix(keys[1], n)
        shapes = ((n, m), (n, n), (n, m), (n, n))
        gates = [uniform_fan_in(k, shape) for k, shape in zip(keys[2:6], shapes, strict=True)]
        given = (tau_y, tau_a, tau_b, c_b)
        *times, c_b = [draw(p, k, n) for p, k in zip(given, keys[6:], strict=True)]
        return cls(W_zx, W_yy, *gates, *times, c_b=c_b)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.W_zx).shape[1]

    @property
    def size(self) -> int:
        """n, the number of principal cells."""
        return resolve(self.W_yy).shape[0]

    def vector_field(
        self, t: Time, state: ORGaNICs2019State, x: Float[Array, " m"]
    ) -> ORGaNICs2019State:
        """(ẏ, ȧ, ḃ) in 1/ms at the state for the input x (m,); t is not used."""
        c: ORGaNICs2019 = resolve(self)
        y, a, b = state
        held, let_in = jax.nn.relu(a), jax.nn.relu(b)
        dy = -y + let_in / (1 + let_in) * (c.W_zx @ x + c.c_z) + (c.W_yy @ y + c.c_y) / (1 + held)
        da = -a + c.W_ax @ x + c.W_ay @ y + c.c_a
        db = -b + c.W_bx @ x + c.W_by @ y + c.c_b
        return ORGaNICs2019State(dy / c.tau_y, da / c.tau_a, db / c.tau_b)

    def initial_state(self) -> ORGaNICs2019State:
        """y = 0, and the modulators where their offsets put them."""
        c: ORGaNICs2019 = resolve(self)
        y = jnp.zeros(c.size, c.W_yy.dtype)
        return ORGaNICs2019State(y, y + c.c_a, y + c.c_b)

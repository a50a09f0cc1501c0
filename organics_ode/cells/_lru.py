from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_positive_integer, read_key, read_number, refuse
from .._constraints import resolve
from .._types import KeyLike, ParameterLike, Scalar
from ..circuits import Kind, Parameter, read_parameters
from ._cell import AbstractCell


class LRUState(NamedTuple):
    """The response y (n,), and the real and imaginary parts of the modes (k,) each."""

    y: Float[Array, "*batch n"]
    real: Float[Array, "*batch k"]
    imaginary: Float[Array, "*batch k"]


class LRU(AbstractCell[LRUState]):
    """A linear recurrent unit: complex modes that decay and rotate, and a linear response.

        s ← λ⊙s + exp(γ)⊙(B x),     λ = exp(−exp(ν) + i exp(θ))
        y = Re(C s) + D x

    The modes are linear, stable for all values of the parameters (|λ| < 1), and not connected to
    each other. It is a recurrence in steps, not a differential equation: it has no `dt`, and
    `oo.lyapunov` gives its exponents per step. The parts between the layers of the published
    network (normalization, a gated unit, a skip) are not included.

    Args:
        nu: ν (k,), log of the decay per step.
        theta: θ (k,), log of the rotation per step, in radians.
        gamma: γ (k,), log of the gain of each mode's input.
        B_real, B_imaginary: (k, m), the parts of the input weights.
        C_real, C_imaginary: (n, k), the parts of the output weights.
        D: (n, m), weights of the input that bypasses the modes.

    Raises:
        ValueError: a wrong shape, NaN or infinite values.

    Reference:
        Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu, De, "Resurrecting recurrent neural networks
        for long sequences", ICML (2023), arXiv:2303.06349.
    """

    nu: Parameter
    theta: Parameter
    gamma: Parameter
    B_real: Parameter
    B_imaginary: Parameter
    C_real: Parameter
    C_imaginary: Parameter
    D: Parameter

    kinds = {
        "nu": Kind(("k",)),
        "theta": Kind(("k",)),
        "gamma": Kind(("k",)),
        "B_real": Kind(("k", "m")),
        "B_imaginary": Kind(("k", "m")),
        "C_real": Kind(("n", "k")),
        "C_imaginary": Kind(("n", "k")),
        "D": Kind(("n", "m")),
    }

    def __init__(
        self,
        nu: ParameterLike,
        theta: ParameterLike,
        gamma: ParameterLike,
        B_real: ParameterLike,
        B_imaginary: ParameterLike,
        C_real: ParameterLike,
        C_imaginary: ParameterLike,
        D: ParameterLike,
    ):
        given = {"nu": nu, "theta": theta, "gamma": gamma, "D": D}
        given |= {"B_real": B_real, "B_imaginary": B_imaginary}
        given |= {"C_real": C_real, "C_imaginary": C_imaginary}
        for name, parameter in read_parameters(self.kinds, given).items():
            setattr(self, name, parameter)

    @classmethod
    def random(
        cls,
        input_size: int,
        size: int,
        *,
        key: KeyLike,
        modes: int | None = None,
        low: Scalar = 0.0,
        high: Scalar = 1.0,
        phase: Scalar = 6.28,
    ) -> "LRU":
        """A random unit as published: λ uniform on a ring, low ≤ |λ| ≤ high, with rotations up to
        `phase`, and γ such that each mode keeps the variance of white noise, exp(2γ) = 1 − |λ|².

        B is complex with variance 1/m, C is N(0, 1/k) in both parts, and D is N(0, 1) on its
        diagonal and 0 elsewhere.

        Args:
            input_size: m.
            size: n, the size of the response.
            key: a PRNG key.
            modes: k; n unless given.
            low, high: 0 ≤ low < high ≤ 1.
            phase: radians, > 0.
        """
        key = read_key("key", key)
        m, n = (check_positive_integer(*a) for a in (("input_size", input_size), ("size", size)))
        k = n if modes is None else check_positive_integer("modes", modes)
        low, high = read_number("low", low, 0.0, 1.0), read_number("high", high, 0.0, 1.0)
        if not low < high:
            refuse("low", "be below `high`", f"they are {low:g} and {high:g}")
        phase = read_number("phase", phase)
        if phase <= 0:
            refuse("phase", "be positive", f"it is {phase:g}")
        keys = jax.random.split(key, 7)
        # No mode dies at once and none lives forever: neither has a finite logarithm.
        inside = [jax.random.uniform(each, (k,), minval=1e-6, maxval=1 - 1e-6) for each in keys[:2]]
        squared = low**2 + (high**2 - low**2) * inside[0]
        B = (2 * m) ** -0.5 * jax.random.normal(keys[2], (2, k, m))
        C = k**-0.5 * jax.random.normal(keys[3], (2, n, k))
        D = jnp.diag(jax.random.normal(keys[4], (max(n, m),)))[:n, :m]
        nu, gamma = jnp.log(-jnp.log(squared) / 2), jnp.log1p(-squared) / 2
        return cls(nu, jnp.log(phase * inside[1]), gamma, *B, *C, D=D)

    @property
    def input_size(self) -> int:
        """m, the number of inputs."""
        return resolve(self.D).shape[1]

    @property
    def size(self) -> int:
        """n, the size of the response."""
        return resolve(self.D).shape[0]

    def step(self, state: LRUState, x: Float[Array, " m"]) -> LRUState:
        """The state after one step with the input x (m,)."""
        c: LRU = resolve(self)
        _, u, v = state
        size, gain = jnp.exp(-jnp.exp(c.nu)), jnp.exp(c.gamma)
        cos, sin = size * jnp.cos(jnp.exp(c.theta)), size * jnp.sin(jnp.exp(c.theta))
        real = cos * u - sin * v + gain * (c.B_real @ x)
        imaginary = sin * u + cos * v + gain * (c.B_imaginary @ x)
        return LRUState(c.C_real @ real - c.C_imaginary @ imaginary + c.D @ x, real, imaginary)

    def initial_state(self) -> LRUState:
        """All zeros."""
        D, rest = resolve(self.D), jnp.zeros_like(resolve(self.nu))
        return LRUState(jnp.zeros(len(D), D.dtype), rest, rest)

"""How long a step may be for derivatives to come out right, whether or not the state moves."""

import abc
import functools
from collections.abc import Callable
from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from .._nonlinearities import highest, largest_each
from ..facts import units
from ..programs import detached, in_full_precision, nextafter
from ._within_switches import Driven

_TURNS = 12  # Iterations of the power method before the first step.
_MEMORY = 0.75  # The weight of the earlier rate; the newest estimate has the rest.
_MIXED = 0.1  # The share of a fixed direction added each turn: a mode that died out can come back.
_FRESH = 4.0  # The least time since an event over the step: e⁻⁴ is left of the fastest mode.
_DAMPED = 0.17  # The value of −Re λ/|λ| above which a mode counts as damped.
_MARGIN = 0.8  # Of the stability limit there; at a ratio of .5 the limit is a sixth further out.
_NORM_TURNS = 4  # Iterations of the power method for ‖A‖₂, which is needed to within a tenth.
_REACH, _FAITHFUL = 1.0, 0.1  # |hλ| where the coefficients of a solver are not known.
_LEAST_UNIT = 1e-3  # Of how far a variable moves within the fastest mode: no unit is smaller.
_SQUARINGS = 16  # Of the propagator over 2⁻¹⁶ of the time.
# The error of a step relative to a mode that decays or rings, and to one that grows, perhaps
# e⁵⁰-fold in hundreds of steps.
_DECAYING, _GROWING = 3e-4, 1e-5


class AbstractTangentLimit(eqx.Module):
    """A bound on the step by the Jacobian; its memory from step to step is called its rate."""

    @abc.abstractmethod
    def init(self, t: Array, y: Float[Array, " d"], args: Driven) -> PyTree:
        """The rate at the start."""

    @abc.abstractmethod
    def turn(
        self, rate: PyTree, t: Array, y: Float[Array, " d"], args: Driven, since: Array
    ) -> PyTree:
        """The rate at (t, y), `since` after the last event: the start or a switch of the input."""

    @abc.abstractmethod
    def step(self, rate: PyTree, since: Array) -> Array:
        """The longest step."""


class Modes(NamedTuple):
    """The running estimates of the fastest mode of the Jacobian, and of one that grows."""

    radius: Float[Array, ""]  # |λ| of the fastest, 1/ms
    damping: Float[Array, ""]  # its −Re λ / |λ|
    cosine: Float[Array, ""]  # between v and J v in its last turn
    fastest: Float[Array, " d"]
    growth: Float[Array, ""]  # |λ| of the growing mode, 1/ms; 0 where none grows
    growing: Float[Array, " d"]
    is_odd: Bool[Array, ""]  # the two estimates take turns


class ExplicitLimit(AbstractTangentLimit):
    """c/|λ|, with λ the Jacobian's largest eigenvalue, by power iteration: one product with J per
    step.

    While the mode is alive, c is `faithful`, up to which a step is accurate to 3·10⁻⁴. As the mode
    dies, c grows to `reach`, up to which the solver damps what the circuit damps; for a mode that
    hardly decays it stays at `faithful`. For a mode that grows, fast or slowly, |hλ| is at most
    `growing`, which is accurate to 10⁻⁵: every other turn iterates 1 + J/|λ|, under which nothing
    else grows.
    """

    growing: float = eqx.field(static=True)
    faithful: float = eqx.field(static=True)
    reach: float = eqx.field(static=True)

    def init(self, t: Array, y: Float[Array, " d"], args: Driven) -> Modes:
        v = _generic(y.size).astype(t.dtype)
        zero = jnp.zeros((), v.dtype)
        turn = lambda rate, _: (self.turn(rate, t, y, args, zero), None)  # noqa: E731
        begin = Modes(zero, zero, zero, v, zero, v, jnp.asarray(False))
        return jax.lax.scan(turn, begin, None, 2 * _TURNS)[0]

    def turn(
        self, rate: Modes, t: Array, y: Float[Array, " d"], args: Driven, since: Array
    ) -> Modes:
        product, size = _linearise(t, y, args, rate.radius)
        v = jnp.where(rate.is_odd, rate.growing, rate.fastest)
        v = v + _MIXED * _generic(size.size).astype(size.dtype)
        moved = product(v)
        grown = v + moved * _inverse(rate.radius)
        # Sums instead of matrix products: with one of these XLA's CPU backend cannot keep the solve
        # of a small circuit in one kernel (`programs/_upstream.py`); one sum compiles faster than
        # four.
        squares = jnp.stack([v**2, moved**2, v * moved, grown**2])
        squared, moved_squared, overlap, grown_squared = jnp.sum(squares, 1)
        rates = jnp.sqrt(moved_squared / squared)
        cosine = overlap / jnp.sqrt(squared * moved_squared)
        usable = jnp.isfinite(rates) & (rates > 0)
        # Means over turns: for a rotating pair a single turn says little. For an undamped pair each
        # cosine is the opposite of the previous one.
        memory = jnp.where(rate.radius > 0, _MEMORY, 0)
        radius = jnp.where(rate.radius > 0, rate.radius, 1) ** memory * rates ** (1 - memory)
        damping = memory * rate.damping - (1 - memory) * (rate.cosine + cosine) / 2
        fastest = moved / jnp.sqrt(moved_squared)
        even = rate._replace(radius=radius, damping=damping, cosine=cosine, fastest=fastest)
        grown = grown / jnp.sqrt(grown_squared)
        odd = rate._replace(growth=jnp.where(cosine > 0, rates, 0), growing=grown)
        new = jax.tree.map(lambda a, b: jnp.where(rate.is_odd, a, b), odd, even)
        new = jax.tree.map(lambda a, b: jnp.where(usable, a, b), new, rate)
        return new._replace(is_odd=~rate.is_odd)

    def step(self, rate: Modes, since: Array) -> Array:
        damping = jnp.maximum(rate.damping, 0)
        share = jnp.minimum(damping / _DAMPED, 1)
        end = self.faithful + share * (self.reach - self.faithful)
        unit = _inverse(rate.radius)
        bounded = jnp.clip(damping * since / _FRESH, self.faithful * unit, end * unit)
        return jnp.minimum(bounded, self.growing * _inverse(rate.growth))


class ImplicitLimit(AbstractTangentLimit):
    """c max(1, ‖E‖) / ‖J E‖ with E = exp(s J), s the time since the last event.

    An implicit solver damps whatever is faster than its step, even modes that should grow or keep
    ringing. The step therefore follows what is still alive: ‖J E‖ falls as 1/(e s) while real modes
    decay, stays at ω while one rings, and with growth ‖J E‖/‖E‖ is the rate of the growing mode.
    For |hλ| up to `faithful`, which is c, a step of the solver is accurate to 10⁻⁵.
    """

    faithful: float = eqx.field(static=True)

    def init(self, t: Array, y: Float[Array, " d"], args: Driven) -> Array:
        return self.turn(None, t, y, args, jnp.zeros_like(t))

    def turn(
        self, rate: PyTree, t: Array, y: Float[Array, " d"], args: Driven, since: Array
    ) -> Array:
        rate = jnp.zeros_like(t) if rate is None else rate
        product, size = _linearise(t, y, args, rate)
        J = jax.vmap(product, out_axes=1)(jnp.eye(size.size, dtype=size.dtype))
        return _living_rate(J, since)

    def step(self, rate: Array, since: Array) -> Array:
        return self.faithful * _inverse(rate)


def tangent_limit(solver: diffrax.AbstractSolver) -> AbstractTangentLimit:
    """The bound that this solver needs."""
    if isinstance(solver, diffrax.AbstractImplicitSolver):
        return ImplicitLimit(_faithful(solver, _GROWING))
    return ExplicitLimit(_faithful(solver, _GROWING), _faithful(solver, _DECAYING), _reach(solver))


def _linearise(
    t: Array, y: Float[Array, " d"], args: Driven, rate: Array
) -> tuple[Callable[[Array], Array], Array]:
    """v ↦ J v, and the units in which v is measured: a and y may differ by orders of magnitude.

    A variable that has died out is not measured by what is left of it when an input moves it again:
    J would have entries as large as e¹⁰⁰, which are no rates.
    """
    t, y, args, rate = detached((t, y, args, rate))
    f = lambda v: args.velocity(_after(t), v)  # noqa: E731
    size = jax.flatten_util.ravel_pytree(units(args.circuit, args.unravel(y)))[0]
    moves = jnp.where(rate > 0, f(y) * _inverse(rate), 0)
    moves = jnp.where(jnp.isfinite(moves), moves, 0)
    leaves = jax.tree.leaves(args.unravel(moves))
    field_of = np.repeat(np.arange(len(leaves)), [leaf.size for leaf in leaves])
    size = jnp.maximum(size, _LEAST_UNIT * largest_each(*leaves)[field_of])
    return lambda v: jax.jvp(f, (y,), (size * v,))[1] / size, size


@in_full_precision
def _living_rate(J: Float[Array, "d d"], since: Float[Array, ""]) -> Float[Array, ""]:
    """‖J E‖ / max(1, ‖E‖), with E = exp(s J) by squaring a step of the L-stable pair of order 2,
    which preserves ringing for thousands of cycles, and nothing that decays, however fast."""
    gamma = 1 - 0.5**0.5
    z = since / 2**_SQUARINGS * J
    one = jnp.eye(len(J), dtype=J.dtype)
    lu = jax.scipy.linalg.lu_factor(one - gamma * z)
    step = one + (1 - 2 * gamma) * z
    for _ in range(2):
        step = jax.scipy.linalg.lu_solve(lu, step)

    def square(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        E, log = carry
        E = E @ E
        # exp(s J) itself may overflow.
        size = jnp.maximum(highest(jnp.abs(E)), jnp.finfo(J.dtype).tiny)
        return (E / size, 2 * log + jnp.log(size)), None

    begin = (step, jnp.zeros((), J.dtype))
    (E, log), _ = jax.lax.scan(square, begin, None, _SQUARINGS)
    rate = _norm(J @ E) / jnp.maximum(jnp.exp(-log), _norm(E))
    # Where the propagator is not finite, the step is as short as after an event.
    return jnp.where(jnp.isfinite(rate), rate, _norm(J))


def _norm(A: Float[Array, "d d"]) -> Float[Array, ""]:
    """‖A‖₂ by a few power iterations with AᵀA."""
    v = _generic(len(A)).astype(A.dtype)
    for _ in range(_NORM_TURNS):
        v = A.T @ (A @ v)
        v = v / jnp.maximum(jnp.linalg.norm(v), jnp.finfo(A.dtype).tiny)
    return jnp.linalg.norm(A @ v)


@functools.cache
def _reach(solver: diffrax.AbstractSolver) -> float:
    """|hλ| up to which an explicit Runge–Kutta step damps what decays, minus a fifth."""
    growth = _growth(solver)
    if growth is None:
        return _REACH
    radii, angle = np.arange(0.02, 10, 0.02), np.arccos(-_DAMPED)
    return max(1.0, _MARGIN * float(radii[np.argmax(np.abs(growth(radii, angle)) > 1)]))


@functools.cache
def _faithful(solver: diffrax.AbstractSolver, error: float) -> float:
    """|hλ| up to which the error of a step is this share of a mode that grows or rings."""
    growth = _growth(solver)
    if growth is None:
        return _FAITHFUL
    radii = np.arange(0.01, 10, 0.01)
    right = [
        np.abs(growth(radii, angle) / np.exp(radii * np.exp(1j * angle)) - 1) <= error
        for angle in (0, np.pi / 2)
    ]
    return float(radii[np.argmin(np.all(right, 0))])


def _growth(solver: diffrax.AbstractSolver) -> Callable[[np.ndarray, float], np.ndarray] | None:
    """The factor R(hλ) of a step on ẏ = λy, as a function of |hλ| and the direction of λ."""
    tableau = getattr(solver, "tableau", None)
    if not isinstance(tableau, diffrax.ButcherTableau):
        return None
    b = np.asarray(tableau.b_sol)
    A = np.zeros((b.size, b.size))
    for i, row in enumerate(tableau.a_lower):
        A[i + 1, : len(row)] = row
    if tableau.a_diagonal is not None:
        A = A + np.diag(tableau.a_diagonal)

    def growth(radii: np.ndarray, angle: float) -> np.ndarray:
        z = radii * np.exp(1j * angle)
        stages = np.linalg.solve(
            np.eye(b.size) - z[:, None, None] * A, np.ones((z.size, b.size, 1))
        )
        return 1 + z * (stages[..., 0] @ b)

    return growth


def _generic(size: int) -> Float[Array, " size"]:
    vector = np.random.default_rng(0).normal(size=size)
    return jnp.asarray(vector / np.linalg.norm(vector))


def _inverse(rate: Array) -> Array:
    return 1 / jnp.maximum(rate, jnp.finfo(rate.dtype).tiny)


def _after(t: Array) -> Array:
    """A step that begins at a switch begins one float before it."""
    return nextafter(nextafter(t))

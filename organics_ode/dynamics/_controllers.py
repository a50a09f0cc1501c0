"""Step size controllers for `simulate`: they stop early when the state diverges, and respect holds.

diffrax itself clips adaptive steps at switch times; it has nothing of the kind for fixed steps
(its issue 766), and its controllers go on when a state blows up.
"""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from .._checks import a_or_an
from .._nonlinearities import are_finite
from .._types import Scalar
from ..programs import detached, nextafter, prevbefore
from ._step_limits import StepLimits

_SHORTEST = 4  # Times ε times the time: a step that the time hardly resolves.
_NEAREST, _FURTHEST = 0.1, 0.95  # Of a step: the range in which one rejected for a corner may end.
_FEW = 1e3  # Times ε times the time: a state that blows up grows by its own size within it.
_SLIVER = 1e-3  # Of a step: a remainder of a hold that is due to rounding and gets no step.
# Any: equinox enumerations define their members in a way type checkers cannot follow.
RESULTS: Any = diffrax.RESULTS
_STUCK = (RESULTS.nonfinite, RESULTS.dt_min_reached)


class GuardedSteps(diffrax.AbstractAdaptiveStepSizeController[Any, Any]):
    """An adaptive controller that keeps its steps within limits, and that stops where even the
    shortest step that the time resolves is rejected.

    Otherwise a state that blows up in finite time would use up all of `max_steps` in rejections.
    `PIDController(dtmin=…)` would also stop after a short but accepted step, such as the one
    that ends just before a switch.

    States are vectors, in units of `size` if that is given. A controller that may ask for fields,
    by a norm of its own, is shown the circuit's state.
    """

    controller: Any
    limits: StepLimits
    size: Float[Array, " d"] | None
    rtol: Any
    atol: Any
    norm: Callable[[Any], Any]
    missed: Callable[..., tuple[Array, Array] | None] | None = eqx.field(static=True)

    def __init__(
        self,
        controller: diffrax.AbstractAdaptiveStepSizeController,
        limits: StepLimits,
        size: Float[Array, " d"] | None,
        missed: Callable[..., tuple[Array, Array] | None] | None,
    ):
        self.controller, self.limits, self.size = controller, limits, size
        self.missed = missed
        self.rtol, self.atol, self.norm = controller.rtol, controller.atol, controller.norm

    def wrap(self, direction: int | Int[Array | np.ndarray, ""]) -> "GuardedSteps":
        inner, limits = self.controller.wrap(direction), self.limits.wrap(direction)
        return GuardedSteps(inner, limits, self.size, self.missed)

    def init(
        self,
        terms: PyTree[diffrax.AbstractTerm],
        t0: Scalar,
        t1: Scalar,
        y0: PyTree,
        dt0: Scalar | None,
        args: PyTree,
        func: Callable[..., PyTree],
        error_order: Scalar | None,
    ) -> tuple[Any, Any]:
        begin, of_fields = y0, func
        if self._shows_fields(y0):
            begin = args.unravel(y0)
            of_fields = lambda terms, t, y, args: args.unravel(  # noqa: E731
                func(terms, t, ravel_pytree(y)[0], args)
            )
        end, state = self.controller.init(terms, t0, t1, begin, dt0, args, of_fields, error_order)
        rate = self.limits.init(jnp.asarray(t0), y0, args)
        longest = jax.lax.stop_gradient(self.limits.step(rate, jnp.asarray(t0)))
        return jnp.minimum(end, t0 + longest), (state, rate)

    def adapt_step_size(
        self,
        t0: Scalar,
        t1: Scalar,
        y0: PyTree,
        y1_candidate: PyTree,
        args: PyTree,
        y_error: PyTree,
        error_order: Scalar,
        controller_state: PyTree,
    ) -> tuple[Any, Any, Any, Any, Any, Any]:
        inner, rate = controller_state
        before, after, error = (self._in_sizes(v) for v in (y0, y1_candidate, y_error))
        error, corner = self._at_corners(error, before, after, args, (t0, y0, t1, y1_candidate))
        before, after, error = (self._shown(v, args) for v in (before, after, error))
        keep, start, end, made_jump, inner, result = self.controller.adapt_step_size(
            t0, t1, before, after, args, error, error_order, inner
        )
        # A step rejected for a corner is retried up to the corner: neither side of it has one.
        end = jnp.where(keep | jnp.isnan(corner), end, corner)
        y = jax.tree.map(lambda new, old: jnp.where(keep, new, old), y1_candidate, y0)
        begin = jnp.asarray(start)
        rate = self.limits.turn(rate, begin, y, args)
        longest = jax.lax.stop_gradient(self.limits.step(rate, begin))
        # Relative to the time itself: the first steps of a long run may be far shorter than its end
        # could resolve.
        shortest = _SHORTEST * jnp.finfo(jnp.result_type(t1)).eps * jnp.abs(t1)
        stuck = (~keep & (t1 - t0 <= shortest)) | (longest <= shortest)
        why = RESULTS.where(_blows_up(y0, y1_candidate, t1 - t0, t1), *_STUCK)
        result = RESULTS.where(stuck, why, result)
        return keep, start, jnp.minimum(end, start + longest), made_jump, (inner, rate), result

    def _at_corners(
        self, error: PyTree, before: PyTree, after: PyTree, args: PyTree, step: tuple
    ) -> tuple[PyTree, Array]:
        """The error, including what it may have missed at a corner; and the time of the corner if
        that is too much, otherwise NaN."""
        # The choice of steps has no derivatives; with those of `args` a gradient takes longer.
        before, after, args, (t0, y0, t1, y1) = detached((before, after, args, step))
        nowhere = jnp.asarray(jnp.nan, jnp.result_type(t1))
        if self.missed is None or error is None:
            return error, nowhere
        found = self.missed(args, *(t0, y0, t1, y1))
        if found is None:  # a circuit without corners
            return error, nowhere
        missed, share = self._in_sizes(found[0]), found[1]
        allowed = self.atol + self.rtol * jnp.maximum(jnp.abs(before), jnp.abs(after))
        corner = t0 + jnp.clip(share, _NEAREST, _FURTHEST) * (t1 - t0)
        # Where the error is not finite, neither is this: the controller decides.
        asked = missed / allowed + 0 * error
        corner = jnp.where(self.norm(self._shown(asked, args)) > 1, corner, nowhere)
        return jnp.maximum(jnp.abs(error), missed), corner

    def _in_sizes(self, state: PyTree) -> PyTree:
        return state if self.size is None or state is None else state / self.size

    def _shown(self, state: PyTree, args: PyTree) -> PyTree:
        """What the controller sees of a vector."""
        return args.unravel(state) if self._shows_fields(state) else state

    def _shows_fields(self, state: PyTree) -> bool:
        is_plain = isinstance(self.controller, diffrax.PIDController) and self.norm is optx.rms_norm
        return not is_plain and eqx.is_array(state)  # that of Backsolve is a tuple


@jax.jit
def _blows_up(before: PyTree, after: PyTree, h: Scalar, t: Scalar) -> Array:
    """Whether a state grows by its own size within a few of the shortest steps: near a blow-up no
    step is short enough."""
    before, after = (ravel_pytree(jax.lax.stop_gradient(v))[0] for v in (before, after))
    # Sums of squares would under- or overflow, largest values take more code.
    size, change = jnp.sum(jnp.abs(jnp.stack([before, after - before])), 1)
    shortest = jnp.finfo(size.dtype).eps * jnp.abs(t)
    return ~(size * h > _FEW * shortest * change)


class FixedSteps(diffrax.AbstractStepSizeController[Any, Any]):
    """Equal steps of at most dt0 between switches, ending one float before each switch.

    If a step reached the switch itself, a Runge–Kutta stage at its end would already see the next
    value. The controller stops at the first state that is not finite.
    """

    dt0: Float[Array, ""]
    switches: Float[Array, " switches"] | None

    def wrap(self, direction: int | Int[Array | np.ndarray, ""]) -> "FixedSteps":
        switches = self.switches
        return FixedSteps(self.dt0, None if switches is None else jnp.sort(switches * direction))

    def init(
        self,
        terms: PyTree[diffrax.AbstractTerm],
        t0: Scalar,
        t1: Scalar,
        y0: PyTree,
        dt0: Scalar | None,
        args: PyTree,
        func: Callable[..., PyTree],
        error_order: Scalar | None,
    ) -> tuple[Any, Any]:
        # There is no controller state, and dt0 is not diffrax's: Backsolve passes the state of one
        # segment to the next, whose first step would be diffrax's t0 + dt0 even across a switch.
        return self._step_end(t0), None

    def adapt_step_size(
        self,
        t0: Scalar,
        t1: Scalar,
        y0: PyTree,
        y1_candidate: PyTree,
        args: PyTree,
        y_error: PyTree,
        error_order: Scalar,
        controller_state: PyTree,
    ) -> tuple[Any, Any, Any, Any, Any, Any]:
        start, made_jump = t1, False
        if self.switches is not None:
            # As diffrax does at a jump: continue two floats later, past the switch itself.
            made_jump = jnp.any(nextafter(t1) == self.switches)
            start = jnp.where(made_jump, nextafter(nextafter(t1)), t1)
        finite = are_finite(*jax.tree.leaves(y1_candidate))
        result = RESULTS.where(finite, RESULTS.successful, RESULTS.nonfinite)
        return True, start, self._step_end(start), made_jump, controller_state, result

    def _step_end(self, t: Scalar) -> Array:
        stop = t + self.dt0  # diffrax cuts it at the end of the solve
        if self.switches is not None:
            ahead = self.switches > t
            nearest = jnp.min(jnp.where(ahead, self.switches, jnp.inf))
            stop = jnp.where(ahead.any(), prevbefore(nearest), stop)
        # Dividing the rest evenly avoids a sliver of a step, from rounding, at the end of a hold.
        steps = jnp.maximum(jnp.ceil((stop - t) / self.dt0 - _SLIVER), 1)
        return jnp.where(steps == 1, stop, t + (stop - t) / steps)


def prepare(
    controller: diffrax.AbstractStepSizeController,
    switches: Float[Array, " switches"] | None,
    limits: StepLimits,
    dt0: Float[Array, ""] | None,
    size: Float[Array, " d"] | None = None,
    missed: Callable[..., tuple[Array, Array] | None] | None = None,
) -> tuple[diffrax.AbstractStepSizeController, Float[Array, ""] | None]:
    """The user's controller, made to stop at switches, keep within limits and fail early; and the
    dt0 for diffrax. Tolerances are in units of `size` where that is given; `missed` is what the
    error estimate of a step may have missed."""
    if isinstance(controller, diffrax.AbstractAdaptiveStepSizeController):
        guarded = GuardedSteps(controller, limits, size, missed)
        if switches is None:
            return guarded, dt0
        return diffrax.ClipStepSizeController(guarded, jump_ts=switches), dt0
    if isinstance(controller, diffrax.ConstantStepSize):
        if dt0 is None:
            raise ValueError("Argument `dt0` must be given with a fixed step size, but it is None.")
        return FixedSteps(dt0, switches), None
    if switches is not None:
        raise ValueError(
            "Argument `stepsize_controller` must be adaptive or `diffrax.ConstantStepSize()` for "
            f"an input with switches, but it is {a_or_an(type(controller).__name__)}."
        )
    return controller, dt0

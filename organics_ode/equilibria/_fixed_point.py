"""`fixed_point`: where a circuit comes to rest, and its derivatives."""

from typing import Any, ClassVar, Generic

import diffrax
import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._cards import Card, carded, first_numbers
from .._checks import check_flag, check_state, counted, is_traced
from .._constraints import resolve
from .._operators import FEW
from .._tables import AbstractTabular, Table, named, numbered
from .._types import Numbers, State, StateLike
from ..circuits import NO_TIME, AbstractCircuit
from ..facts import is_exact
from ..linear import (
    Equations,
    is_marginal,
    is_stable,
    kind_of,
    ravel,
    read_point,
    solver,
    spectrum_at,
    target,
    tolerance,
)
from ..programs import detached, in_full_precision, quickly_compiled
from ._search import ATTEMPTS, ROUTES, known_point, search

# Any: equinox enumerations define their members in a way type checkers cannot follow.
RESULTS: Any = diffrax.RESULTS
# Attempts in the program that is compiled first. Including settling takes no longer to compile, and
# random circuits, a fifth of which need it, then never compile the whole search as well.
_FIRST = 2


@carded
class FixedPoint(eqx.Module, AbstractTabular, Generic[State]):
    """A fixed point of a circuit at a constant input.

    - `state`: the circuit's state there; the best one seen if the search failed.
    - `residual`: max_i |f_i| / (the largest term of equation i).
    - `abscissa`: the largest real part of the Jacobian's eigenvalues, 1/ms. `resolution`: 1/ms, the
      size below which its sign is not known, as in `Spectrum`.
    - `is_stable`: whether the search succeeded with an abscissa below −resolution. `is_marginal`:
      whether it succeeded with one within the resolution.
    - `iterations`: the steps of all routes together.
    - `route`: the route that found it, an index into `organics_ode.FixedPoint.routes`.
    - `result`: a `diffrax.RESULTS`.
    - `succeeded`: whether the residual is ≤ 1e-10 (2e-5 in float32).

    Inside jit only what you use is computed: without `abscissa`, no eigenvalues. `to_dataframe()`
    and `to_xarray()` have a row for each point of a batch.
    """

    state: State
    residual: Float[Array, ""]
    abscissa: Float[Array, ""]
    iterations: Int[Array, ""]
    route: Int[Array, ""]
    result: diffrax.RESULTS
    resolution: Float[Array, ""]
    routes: ClassVar[tuple[str, ...]] = ROUTES

    @property
    def succeeded(self) -> Bool[Array, "*batch"]:
        return self.result == RESULTS.successful

    @property
    def is_stable(self) -> Bool[Array, "*batch"]:
        return is_stable(self) & self.succeeded

    @property
    def is_marginal(self) -> Bool[Array, "*batch"]:
        return is_marginal(self) & self.succeeded

    def to_table(self) -> Table:
        """The numbers above and the state, over the axes of the batch."""
        names = ("residual", "abscissa", "iterations", "succeeded", "is_stable")
        columns = {name: getattr(self, name) for name in names} | named(self.state)
        return Table(numbered(self.residual.shape), columns, {"abscissa": "1/ms"})

    def _card(self) -> Card:
        kind = kind_of(self).replace("unstable", "not stable")
        steps = counted(int(self.iterations), "iteration")
        facts = {
            "route": f"{ROUTES[int(self.route)]}, {steps}",
            "residual": f"{float(self.residual):.2e} of the largest term",
            "abscissa": f"{float(self.abscissa):.6g} /ms",
            "state": first_numbers(self.state),
        }
        return Card(f"FixedPoint: {kind if self.succeeded else 'not found'}", facts)


def fixed_point(
    circuit: AbstractCircuit[State],
    x: Numbers,
    *,
    state0: StateLike | None = None,
    throw: bool = True,
) -> FixedPoint[State]:
    """A fixed point of a circuit at a constant input: f(state, x) = 0.

    It is a stable one whenever one of the routes finds one. Each route is judged by the eigenvalues
    at the point it found, and the next one is tried where that point is not stable:

    0. the start itself, if `state0` is already a stable fixed point,
    1. the closed form (exact for W_r = I and gains that do not depend on y or a),
    2. from there v ← v + τ⊙f(v) with Anderson's acceleration, without factoring a matrix,
    3. the flow itself by an implicit solver, from the same start and from `initial_state()`,
    4. damped substitution, y = (I − diag(1 − s) W_r)⁻¹ b1 z, then a; and finally descent in |f|.
       Both also find points that are not stable.

    Each is polished by Newton's method where rounding leaves room for it. Derivatives with respect
    to the circuit and x are those of the implicit function theorem, ds = −J⁻¹ (∂f/∂θ) dθ, in
    forward and reverse mode. Pure (jit, vmap, grad); no batch axis. For all fixed points see
    `find_fixed_points`.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        state0: the state to start from, instead of the closed form.
        throw: whether to raise an error if none is found; otherwise `result` and `residual` tell.

    Returns:
        A `FixedPoint`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: no fixed point was found (inside jit, equinox's run-time error).

    Reference:
        Anderson, "Iterative procedures for nonlinear integral equations", J. ACM 12 (1965);
        Shampine, Reichelt, "The MATLAB ODE suite", SIAM J. Sci. Comput. 18 (1997), for the pair of
        implicit formulas.
    """
    throw = check_flag("throw", throw)
    circuit, like, x = read_point(circuit, None, x, most=FEW)
    start = None if state0 is None else check_state("state0", resolve(state0), like)
    point = _easily(circuit, x, start)
    point = _fixed_point(circuit, x, start) if point is None else point
    return _raise_failure(point) if throw else point


def _easily(
    circuit: AbstractCircuit[State], x: Array, start: State | None
) -> FixedPoint[State] | None:
    """The fixed point if it is easy to find: by the closed form, as a start that is already stable
    and fixed, or as the stable end of the first routes.

    The whole search would give the same point, but takes longer to compile.
    """
    if any(map(is_traced, jax.tree.leaves(circuit))):
        return None
    exact = is_known_exact(circuit)
    if any(map(is_traced, jax.tree.leaves((x, start)))):
        # It is the fixed point for every input, and stable.
        return _at_known(circuit, x, start) if exact and start is None else None
    if start is not None or exact:
        point = _at_known(circuit, x, start)
        is_start = start is None or (point.residual <= target(x.dtype) and point.is_stable)
        if point.succeeded and is_start:
            return point
    point = _fixed_point(circuit, x, start, _FIRST)
    return point if point.is_stable else None


def is_known_exact(circuit: AbstractCircuit) -> bool:
    """Whether the circuit is not traced and its closed form is its fixed point for every input."""
    with jax.ensure_compile_time_eval():
        return bool(_is_exact(circuit))


@quickly_compiled
def _is_exact(circuit: AbstractCircuit) -> Bool[Array, ""]:
    return is_exact(circuit)


@quickly_compiled
@in_full_precision
def _at_known(circuit: AbstractCircuit, x: Array, start: State | None) -> FixedPoint[State]:
    return _judged(circuit, x, *known_point(circuit, x, start))


# At level 1 compiling takes twice as long, more than 25 calls for a circuit of 64 units save.
@quickly_compiled
@in_full_precision
def _fixed_point(
    circuit: AbstractCircuit, x: Array, start: State | None, attempts: int = ATTEMPTS
) -> FixedPoint[State]:
    # The search is not differentiated: the implicit function theorem needs only where it ended.
    state, residual, iterations, route = search(*detached((circuit, x, start)), attempts=attempts)
    return _judged(circuit, x, implicit(circuit, x, state), residual, iterations, route)


def _judged(
    circuit: AbstractCircuit,
    x: Array,
    state: State,
    residual: Array,
    iterations: Int[Array, ""],
    route: Int[Array, ""],
) -> FixedPoint[State]:
    solved = residual <= tolerance(residual.dtype)
    spectrum = spectrum_at(circuit, state, x, residual=residual)
    failed = RESULTS.where(
        jnp.isfinite(residual), RESULTS.nonlinear_max_steps_reached, RESULTS.nonlinear_divergence
    )
    result = RESULTS.where(solved, RESULTS.successful, failed)
    facts = (state, residual, spectrum.abscissa, iterations, route, result)
    return FixedPoint(*facts, spectrum.resolution)


@eqx.filter_custom_jvp
def implicit(circuit: AbstractCircuit, x: Array, state: State) -> State:
    """The state, with the derivatives of the implicit function theorem."""
    return state


@implicit.def_jvp
@in_full_precision
def _(primals: tuple, tangents: tuple) -> tuple:
    circuit, x, state = primals
    circuit_t, x_t, _ = tangents
    state = implicit(circuit, x, state)  # Once more, for derivatives of the derivative.
    _, push = eqx.filter_jvp(
        lambda c, x: ravel(c.vector_field(NO_TIME, state, x)), (circuit, x), (circuit_t, x_t)
    )
    step = -solver(Equations(circuit, x, state), ravel(state))(push)
    return state, jax.flatten_util.ravel_pytree(state)[1](step)


def _raise_failure(point: FixedPoint) -> FixedPoint:
    remedy = (
        "No fixed point was found. The circuit may have none for this input, or none near its "
        "starts: give `state0`, or look for all of them with `oo.find_fixed_points`"
    )
    if point.residual.dtype == jnp.float32:
        remedy += ", or compute in float64: rounding in float32 may exceed what is asked for"
    failed = ~jnp.asarray(point.succeeded)
    if is_traced(failed):
        return eqx.error_if(point, failed, f"{remedy}.")
    if failed:
        residual = float(point.residual)
        raise RuntimeError(f"{remedy} (the best residual is {residual:.1e} of the largest term).")
    return point

"""`simulate`: a circuit in continuous time, solved by diffrax."""

import dataclasses
import functools
import warnings
from typing import Any, TypeVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from .._checks import (
    as_times,
    check_flag,
    check_positive_integer,
    check_positive_number,
    check_state,
    is_traced,
    refuse,
    shape_of,
    shown,
)
from .._constraints import resolve
from .._types import Numbers, Scalar, State, StateLike
from ..circuits import AbstractCircuit, check_circuit
from ..programs import opened, prevbefore, quickly_compiled
from ._controllers import prepare
from ._implicit_steps import with_sized_chord
from ._inputs import AbstractInput, Constant, FunctionInput, Inputs, as_input
from ._sizes import sizes
from ._step_limits import step_limits
from ._trajectory import Trajectory, raise_failure, read_solution
from ._within_switches import Driven, WithinSwitches, looks_ahead

_RTOL_SINGLE = 1e-4  # In float32 a finer tolerance costs hundreds of times more steps.
# Per step in float64: an eighth of 1e-6, because the errors of steps add up: tenfold in the median
# of random circuits, and hundredfold in one that integrates its drive (docs/trust.md).
_RTOL = 1e-6 / 8
# For an implicit solver: between its steps, which are long, its interpolation is of third order
# only.
_FINER = 1 / 4
_FINEST_SINGLE = 1e-6
_ATOL = 0.1  # Of rtol, in units of each variable's size.
# Times ε times the largest time: more than the 100 floats within which diffrax merges two times.
_HAIR = 256

Value = TypeVar("Value")


def simulate(
    circuit: AbstractCircuit[State],
    inputs: Inputs,
    ts: Numbers,
    *,
    state0: StateLike | None = None,
    solver: diffrax.AbstractSolver | None = None,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    adjoint: diffrax.AbstractAdjoint | None = None,
    dt0: Scalar | None = None,
    dtmax: Scalar | None = None,
    max_steps: int = 16384,
    throw: bool = True,
) -> Trajectory:
    """Solve a circuit in continuous time with diffrax, and save its state at `ts`.

    ẋ = f(t, x, input(t)) from x(ts[0]) = state0. Steps, whether adaptive or fixed, end exactly at
    the input's switch times and see nothing of the input beyond them. Pure (jit, vmap, grad); no
    batch axis.

    Args:
        circuit: an `AbstractCircuit`.
        inputs: an array (m,) held constant, `ZeroOrderHold(ts, values)` or its short form, the pair
            (ts, values), `LinearInput(ts, values)`, or a smooth function of t (ms). A function is
            first sampled at 4 096 evenly spaced times and at `ts`, so that no step skips over a
            change seen there.
        ts: (time,), ms, strictly increasing; the first is the start, the last the end.
        state0: the state at ts[0]; `circuit.initial_state()` unless given.
        solver: `diffrax.Tsit5()` unless given. For time constants that differ by orders of
            magnitude use an implicit one, `diffrax.Kvaerno5()`.
        stepsize_controller: an I controller unless given. Its rtol is 1e-4 in float32, and in
            float64 an eighth of 1e-6, so that the errors of all steps add up to about 1e-6; for an
            implicit solver, a quarter of these. Its atol is a tenth of rtol in units of each
            variable's own size: (sigma b0)^p for a, the smaller of drive and response for y, at
            most 1. A controller that you give keeps its tolerances, and its norm sees a state of
            the circuit. Either takes about one step per value of a zero-order hold, and ends steps
            where a rectified drive has its corner: there a solver's own error estimate is far too
            small.
        adjoint: `diffrax.RecursiveCheckpointAdjoint()` unless given; for forward mode
            `diffrax.ForwardMode()` or `diffrax.DirectAdjoint()`.
        dt0: the first step in ms, or the fixed step with `diffrax.ConstantStepSize()`.
        dtmax: the longest step in ms, infinite for no limit. Unless given, adaptive steps are
            bounded by the fastest rate of the circuit, including √a, and by how fast the input
            changes. Where a state is at rest, the error of a step is no guide, and without a bound
            derivatives would explode.
        max_steps: the maximum number of steps, accepted and rejected together.
        throw: whether a run that fails raises; otherwise `result` and `stats` say what happened.

    Returns:
        A `Trajectory`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: the state diverged or the steps ran out; the text says when and what to do.
            Inside jit this is equinox's run-time error, without the time.
    """
    check_circuit(circuit)
    throw = check_flag("throw", throw)
    max_steps = check_positive_integer("max_steps", max_steps)
    circuit = resolve(circuit)
    state0 = check_state("state0", resolve(state0), circuit.initial_state())
    dtype = jax.tree.leaves(state0)[0].dtype
    ts = _read_times(ts, dtype)
    inputs = inputs_over_time(inputs, circuit, ts)
    method = _read("solver", solver, diffrax.AbstractSolver, diffrax.Tsit5())
    checkpoints = diffrax.RecursiveCheckpointAdjoint()
    gradients = _read("adjoint", adjoint, diffrax.AbstractAdjoint, checkpoints)
    controller = _read_controller(stepsize_controller, dtype, method)
    trajectory = _simulated(
        *(circuit, inputs, ts, state0, method, gradients, controller),
        dt0=_read_step("dt0", dt0, dtype),
        dtmax=_read_step("dtmax", dtmax, dtype),
        max_steps=max_steps,
        # A tolerance given by the user is used as it is.
        in_sizes=stepsize_controller is None,
    )
    # Outside the program, which is the same for all tolerances.
    trajectory = dataclasses.replace(trajectory, solver=_describe_solver(method, controller))
    return raise_failure(trajectory) if throw else trajectory


@functools.partial(quickly_compiled, level=1)
def _simulated(
    circuit: AbstractCircuit[State],
    inputs: AbstractInput,
    ts: Float[Array, " time"],
    state0: State,
    method: diffrax.AbstractSolver,
    adjoint: diffrax.AbstractAdjoint,
    controller: diffrax.AbstractStepSizeController,
    *,
    dt0: Array | None,
    dtmax: Array | None,
    max_steps: int,
    in_sizes: bool,
) -> Trajectory:
    """All of `simulate` after its checks, as one program."""
    is_backsolve = isinstance(adjoint, diffrax.BacksolveAdjoint)
    start, unravel = ravel_pytree(state0)
    limits = step_limits(method, inputs, ts, dtmax, is_backsolve=is_backsolve)
    size = None
    # With Backsolve the state also holds derivatives.
    if in_sizes and not is_backsolve:
        size = ravel_pytree(sizes(circuit, state0, inputs, ts))[0]
        method = with_sized_chord(method, controller, size)
    # What Backsolve solves is not a circuit's state.
    missed = None if is_backsolve else Driven.missed
    steps, dt0 = prepare(controller, inputs.switch_times, limits, dt0, size, missed)
    times = _before_switches(ts, inputs.switch_times) if is_backsolve else ts
    last = None
    if inputs.switch_times is not None:
        # A last stage at the very end must not see a value that is switched on there.
        last = prevbefore(jax.lax.stop_gradient(times[-1]))
        # Backsolve runs through each step again, backward.
        if looks_ahead(method) and not is_backsolve:
            method = WithinSwitches(method)
    driven = Driven(circuit, inputs, unravel, last)
    how = {"stepsize_controller": steps, "adjoint": adjoint, "max_steps": max_steps}
    solution = _solve(driven, method, times, dt0, start, **how)
    is_implicit = isinstance(method, diffrax.AbstractImplicitSolver)
    return read_solution(solution, ts, unravel, is_implicit=is_implicit)


def _solve(
    driven: Driven,
    solver: diffrax.AbstractSolver,
    ts: Float[Array, " time"],
    dt0: Array | None,
    state0: Float[Array, " d"],
    **how: Any,
) -> diffrax.Solution:
    # The extra save at the end tells how far a failed run had come.
    saveat = diffrax.SaveAt(ts=ts, t1=True)
    span = diffrax.ODETerm(_field), solver, ts[0], ts[-1], dt0, state0, driven
    return diffrax.diffeqsolve(*span, saveat=saveat, throw=False, **how)


def _field(t: Any, state: Float[Array, " d"], args: Driven) -> Float[Array, " d"]:
    return args.velocity(t, state)


def _read(name: str, value: Value | None, kind: type[Value], default: Value) -> Value:
    if value is not None and not isinstance(value, kind):
        example = "PIDController(rtol=1e-6, atol=1e-8)"
        example = example if default is None else f"{type(default).__name__}()"
        must = f"be a diffrax.{kind.__name__} such as `diffrax.{example}`"
        refuse(name, must, f"it is {shown(value)}")
    return default if value is None else value


def _read_times(ts: Numbers, dtype: DTypeLike) -> Float[Array, " time"]:
    shape = shape_of("ts", ts)
    if len(shape) != 1 or shape[0] < 2:
        hint = "; for the end alone write `ts=[0.0, end]`" if shape == () else ""
        refuse("ts", "hold at least the start and the end", f"it has shape {shape}{hint}")
    return as_times("ts", ts, dtype)


def inputs_over_time(inputs: Inputs, circuit: AbstractCircuit, ts: Array) -> AbstractInput:
    """The input over time that a user gave, checked against a circuit, in the dtype of ts."""
    read: AbstractInput = resolve(as_input(inputs, circuit.input_size))
    if isinstance(read, FunctionInput):
        read = FunctionInput(opened(read.function, ts[0]))
    given = read.switch_times
    # One dtype for time everywhere: a switch must be the same number for solver and lookup.
    read = jax.tree.map(lambda x: x.astype(ts.dtype) if eqx.is_inexact_array(x) else x, read)
    if isinstance(read, Constant):
        size = read.value.shape
    else:
        size = eqx.filter_eval_shape(read, ts[0]).shape
    if size != (circuit.input_size,):
        must = f"give m = {circuit.input_size} numbers at every time"
        refuse("inputs", must, f"they have shape {size}")
    if read.switch_times is not None:
        as_times("inputs.ts", given, ts.dtype)
    return read


def _before_switches(ts: Array, switches: Array | None) -> Array:
    """The save times, moved slightly earlier where one after the start is also a switch time.

    Backsolve restarts at each of them, and must see the value that was held before.
    """
    if switches is None:
        return ts
    hair = _HAIR * np.finfo(ts.dtype).eps * jnp.max(jnp.abs(ts))
    index = jnp.searchsorted(switches, ts[1:])
    at_switch = switches[jnp.minimum(index, switches.size - 1)] == ts[1:]
    return ts.at[1:].add(jnp.where(at_switch, -hair, 0))


def _read_step(name: str, step: Scalar | None, dtype: DTypeLike) -> Array | None:
    if step is None:
        return None
    # An infinite longest step means no limit.
    if not (name == "dtmax" and isinstance(step, float) and step == float("inf")):
        check_positive_number(name, step)
    return jnp.asarray(step, dtype)


def _read_controller(
    controller: diffrax.AbstractStepSizeController | None,
    dtype: DTypeLike,
    solver: diffrax.AbstractSolver,
) -> diffrax.AbstractStepSizeController:
    single = dtype != np.dtype("float64")
    kind = diffrax.AbstractStepSizeController
    controller = _read("stepsize_controller", controller, kind, None)
    if controller is None:
        rtol = _RTOL_SINGLE if single else _RTOL
        rtol = _FINER * rtol if isinstance(solver, diffrax.AbstractImplicitSolver) else rtol
        return diffrax.PIDController(rtol=rtol, atol=_ATOL * rtol)
    rtol = getattr(controller, "rtol", None)
    if single and rtol is not None and not is_traced(rtol) and rtol < _FINEST_SINGLE:
        warnings.warn(
            f"rtol = {rtol:g} is finer than {np.dtype(dtype).name} resolves and may take hundreds "
            "of times more steps; compute in float64 (jax_enable_x64) for such a tolerance.",
            stacklevel=3,
        )
    return controller


def _describe_solver(
    solver: diffrax.AbstractSolver, controller: diffrax.AbstractStepSizeController
) -> str:
    tolerances = {name: getattr(controller, name, None) for name in ("rtol", "atol")}
    known = {k: v for k, v in tolerances.items() if v is not None and not is_traced(v)}
    steps = ", ".join(f"{k} {float(v):g}" for k, v in known.items()) or type(controller).__name__
    return f"{type(solver).__name__}, {steps}"

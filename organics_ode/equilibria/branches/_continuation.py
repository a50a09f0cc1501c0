"""`continuation`: branches of fixed points of any circuit over one parameter."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..._checks import (
    check_positive_integer,
    on_device,
    read_integer,
    read_key,
    refuse,
    refuse_traced,
)
from ..._types import KeyLike, Numbers, State, StateLike
from ...circuits import AbstractCircuit
from ...linear import Equations, blur, ravel, read_point, spectrum_of, tolerance
from ...programs import in_full_precision, quickly_compiled
from .._find_fixed_points import find_fixed_points
from .._points import read_starts
from ._continued import Change, Continued, continued
from ._criticality import NormalForm, normal_form
from ._curves import at_value
from ._cycles import cycles_near
from ._family import Family, Move, check_legal, read_family, read_move, read_values
from ._results import Branches, BranchEvent, HopfCycles, SteadyBranch
from ._system import Scales, System

_SEARCHES = 3  # values at which branches are begun
_BATCH = 64
_FAR = 1e6  # units: where a branch has left
_UNKNOWN = 1.0001e-3  # `Equations.fields` of a variable that rests at 0 and is not driven
_REACH = 0.1  # of the range: how far from a Hopf point cycles are looked for


def continuation(
    circuit: AbstractCircuit[State],
    x: Numbers,
    parameter: str | Move,
    values: Numbers,
    *,
    starts: int | StateLike = 32,
    key: KeyLike = 0,
    cycles: int = 0,
) -> Branches:
    """Branches of fixed points of a circuit over one parameter, with their folds and Hopf points.

    Branches begin at the fixed points found at the first, the middle and the last value, and at
    crossings with other branches. They are followed by pseudo-arclength continuation with exact
    Jacobians, around folds too. A step is halved if it turns too far, if Newton's method corrects
    it by too much, or if it lands on a neighbouring branch. Folds, Hopf points and crossings are
    located on their branch to about 1e-9 of the range in float64. This works for any circuit, also
    one of your own, but a branch to which no start and no crossing leads is missing, and points
    have to be isolated. Host function (no jit, vmap). The eigenvalues of every point are computed,
    which takes most of the time for a few hundred variables.

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        parameter: a field with one number, or with one for each unit (`"sigma"`), which then all
            get the same value; an entry of a field (`"W_r[0, 1]"`); an input (`"x[0]"`); or `"x"`,
            a factor on the whole input, such as contrast. For anything else, a function
            (circuit, value) ↦ circuit that JAX can trace:
            `lambda c, g: oo.replace(c, W_r=g * c.W_r)`.
        values: (v,), increasing, at least two. Branches are followed from the first to the last,
            and the points at each of them are returned.
        starts: the number of starts of the search at each of the three values, as for
            `find_fixed_points`; or states near fixed points at the first value, with any leading
            axes: then nothing else is searched.
        key: a PRNG key for that search.
        cycles: the number of values beyond each Hopf point at which limit cycles are looked for by
            simulation. This is done where a stable branch becomes unstable; the values are denser
            near the Hopf point and reach up to a tenth of the range away.

    Returns:
        A `Branches`.

    Raises:
        ValueError: an argument is bad, or no fixed point was found to begin from.

    Reference:
        Keller, "Numerical solution of bifurcation and nonlinear eigenvalue problems" (1977).
    """
    circuit, like, x = read_point(circuit, None, x)
    refuse_traced("circuit", circuit, x, values)
    cycles = read_integer("cycles", cycles, 0)
    values = read_values(values)
    if callable(parameter):
        family, label = read_move(circuit, x, parameter), getattr(parameter, "__name__", "value")
        label = label if label.isidentifier() else "value"
    else:
        family, label = read_family(circuit, x, parameter, argument="parameter"), parameter
        check_legal(family, values)
    seeds, note = _seeds(family, like, values, starts, key)
    unit = _unit(family, seeds)
    done = continued(family, seeds, values, np.zeros(len(unit)), unit, _FAR)
    events, forms = _events(family, done.changes, unit)
    found = [_cycles(done, i, forms[i], cycles, values) for i in forms] if cycles else []
    return Branches(
        label,
        values,
        **_at_values(family, done),
        events=tuple(events),
        branches=tuple(_branch(family, piece.z, piece.unstable) for piece in done.pieces),
        cycles=tuple(each for each in found if each is not None),
        searched="; ".join([note, *_ends(done)]),
    )


def _ends(done: Continued) -> list[str]:
    counts = {what: sum(end == kind for end in done.ends) for kind, what in _ENDED.items()}
    return [f"{n} ends {what}" for what, n in counts.items() if n]


_ENDED = {"left": "left for afar", "lost": "were lost"}


def _seeds(
    family: Family, like: PyTree, values: np.ndarray, starts: Any, key: KeyLike
) -> tuple[list[tuple[np.ndarray, float]], str]:
    """Fixed points, each with its value, and where they were searched for."""
    if isinstance(starts, int | np.integer) and not isinstance(starts, bool):
        starts, key = check_positive_integer("starts", starts), read_key("key", key)
        at = np.linspace(values[0], values[-1], _SEARCHES).tolist()
        found = [(v, value) for value in at for v in _searched(family, value, starts, key)]
        note = f"branches through what {starts} starts find at {_SEARCHES} values"
    else:
        given = np.asarray(read_starts(starts, like), float)
        found = [(_corrected(family, v, values[0], i), values[0]) for i, v in enumerate(given)]
        note = "branches through the given states"
    if not found:
        must = "lead to a fixed point to begin with"
        refuse("starts", must, "none was found; give states near one, or more of them")
    return found, f"{note}, and those that cross them (there may be more)"


def _searched(family: Family, value: float, starts: int, key: Array) -> list[np.ndarray]:
    circuit, x = family.at(value)
    found = find_fixed_points(circuit, x, key=key, starts=starts, rounds=1)
    return [np.asarray(ravel(state), float) for state in found]


def _corrected(family: Family, v: np.ndarray, value: float, number: int) -> np.ndarray:
    """The fixed point near a state."""
    unit = _unit(family, [(v, value)])
    system = System(family, Scales(np.zeros(len(v) + 1), np.append(unit, 1.0), np.ones(len(v))))
    z, done = at_value(system, system.scaled(v, value)[None])
    if not done[0]:
        found = f"near number {number} there is none"
        refuse("starts", f"be near fixed points at the first value, {value:g}", found)
    return system.physical(z[0])[:-1]


def _unit(family: Family, seeds: list[tuple[np.ndarray, float]]) -> Float[np.ndarray, " d"]:
    """The typical size of each variable, the largest in its field; 1 where it is not known."""
    rows = on_device(np.stack([np.append(*seed) for seed in seeds]), family.x.dtype)
    size = np.max([np.asarray(_fields(family, z), float) for z in rows], axis=0)
    return np.where(size > _UNKNOWN, size, 1.0)


@quickly_compiled
@in_full_precision
def _fields(family: Family, z: Array) -> Float[Array, " d"]:
    return Equations.of(*family.at(z[-1])).fields(z[:-1])


class Judged(NamedTuple):
    """States, their residuals, and the eigenvalues with their resolution."""

    states: PyTree
    residuals: Any
    eigenvalues: Any
    resolution: Any


@quickly_compiled
@in_full_precision
def _judge(family: Family, z: Array) -> Judged:
    def one(z: Array) -> Judged:
        e = Equations.of(*family.at(z[-1]))
        residual = e.residual(z[:-1])
        spectrum = spectrum_of(e.jacobian(z[:-1]), residual=blur(residual))
        return Judged(e.unravel(z[:-1]), residual, spectrum.eigenvalues, spectrum.resolution)

    return jax.vmap(one)(z)


def _judged(family: Family, z: Float[np.ndarray, "k e"]) -> Judged:
    """The same in numpy; compiled for a single number of points."""
    parts = [z[i : i + _BATCH] for i in range(0, len(z), _BATCH)]
    found = []
    for part in parts:
        padded = on_device(part[np.resize(np.arange(len(part)), _BATCH)], family.x.dtype)
        found.append(jax.tree.map(lambda v, k=len(part): np.asarray(v)[:k], _judge(family, padded)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)


def _branch(family: Family, z: Float[np.ndarray, "k e"], unstable: int) -> SteadyBranch:
    found = _judged(family, z)
    return SteadyBranch(z[:, -1], found.states, found.residuals, unstable)


def _at_values(family: Family, done: Continued) -> dict[str, Any]:
    """The points at each value as arrays, with their properties."""
    counts = np.array([len(z) for z in done.points])
    places = np.concatenate([np.arange(k) for k in counts]).astype(int)
    number, most = np.repeat(np.arange(len(counts)), counts), max(1, int(counts.max()))
    rows = np.concatenate([z[np.argsort(z[:, 0], kind="stable")] for z in done.points])
    # If there is no point at all, any state gives the shapes.
    rows = rows if len(rows) else done.pieces[0].z[:1]
    found = _judged(family, rows)

    def spread(leaf: np.ndarray, fill: Any = np.nan) -> np.ndarray:
        out = np.full((len(counts), most, *leaf.shape[1:]), fill, leaf.dtype)
        out[number, places] = leaf[: len(number)]
        return out

    abscissa = found.eigenvalues.real.max(axis=1)
    solved = found.residuals <= tolerance(found.residuals.dtype)
    stable = solved & (abscissa < -found.resolution)
    return {
        "states": jax.tree.map(spread, found.states),
        "eigenvalues": spread(found.eigenvalues),
        "residuals": spread(found.residuals),
        "is_stable": spread(stable, False),
    }


def _events(
    family: Family, changes: list[Change], unit: np.ndarray
) -> tuple[list[BranchEvent], dict[int, NormalForm]]:
    """The events, and the normal forms of the Hopf points by number."""
    events, forms = [], {}
    for i, change in enumerate(changes):
        judged = _judged(family, change.z[None])
        state = jax.tree.map(lambda leaf: leaf[0], judged.states)
        values = np.asarray(judged.eigenvalues[0], complex)
        event = BranchEvent(
            change.kind, float(change.z[-1]), state, values, change.side, change.unstable
        )
        if change.kind == "Hopf":
            forms[i] = form = normal_form(family, change.z, unit)
            event = event._replace(
                frequency=1000 * form.omega / (2 * np.pi),
                criticality=form.criticality,
                lyapunov=form.lyapunov if form.is_known else np.nan,
            )
        events.append(event)
    return events, forms


def _cycles(
    done: Continued, number: int, form: NormalForm, count: int, values: np.ndarray
) -> HopfCycles | None:
    """Limit cycles near a Hopf point at which a stable branch becomes unstable."""
    change = done.changes[number]
    if sorted(change.unstable) != [0, 2] or change.side == 0:
        return None
    here, end = change.z[-1], values[-1] if change.side > 0 else values[0]
    reach = min(_REACH * np.ptp(values), abs(end - here))
    at = here + change.side * reach * (np.arange(1, count + 1) / count) ** 2
    orbits = cycles_near(done.system, change.z, at, form)
    unravel = jax.vmap(Equations(*_first(done.system.family)).unravel)
    low, high = (
        jax.tree.map(np.asarray, unravel(on_device(np.stack(rows), done.system.family.x.dtype)))
        for rows in ([o.low for o in orbits], [o.high for o in orbits])
    )
    frequencies = np.array([1000 / o.period for o in orbits])
    return HopfCycles(number, at, frequencies, low, high)


def _first(family: Family) -> tuple[AbstractCircuit, Array, PyTree]:
    return family.circuit, family.x, family.circuit.initial_state()

"""`find_fixed_points`: a search from many starts."""

from collections.abc import Mapping

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._checks import (
    a_or_an,
    as_float_array,
    check_finite,
    check_positive,
    check_positive_integer,
    check_state,
    on_device,
    read_key,
    refuse,
    refuse_traced,
)
from .._constraints import resolve
from .._types import KeyLike, Numbers, Scalar, State, StateLike
from ..circuits import AbstractCircuit
from ..facts import around, driven, is_positive, starts
from ..linear import Equations, Point, ravel, read_point, tolerance
from ..programs import in_full_precision, prepare, quickly_compiled
from ._loops import in_turns, queued
from ._points import FixedPoints, distinct, firsts, look, read_starts, rows
from ._routes import accelerate, downhill, polish, settle, substituted

_METHODS = (accelerate, settle, substituted, downhill)


def find_fixed_points(
    circuit: AbstractCircuit[State],
    x: Numbers,
    *,
    key: KeyLike | None = None,
    starts: int | StateLike = 512,
    scale: Scalar | StateLike | None = None,
    rounds: int = 4,
) -> FixedPoints:
    """The fixed points of a circuit at a constant input, by a search from many starts.

    Each start is followed by one of four methods in turn: the accelerated iteration, the flow
    itself, substitution, and descent in |f| (Levenberg–Marquardt), all polished by Newton's method.
    Starts are spread over four decades around the rest state and the normalized state. For a
    circuit of your own, whose typical size is unknown, half of them are spread over ten decades,
    1e-4 to 1e6 times its rest state (times 1 where that is 0). As long as an isolated point was
    reached by only one start, or by none of the first half of them, others are likely to be missing
    (Good, 1953), and another round of as many starts is drawn, up to `rounds`. Ends that differ by
    less than 1e-6 count as one point; `hits` says how often each was reached. The list may be
    incomplete: more starts may find more. For one unit `planar.fixed_points` is complete. Host
    function (no jit, vmap).

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        key: a PRNG key; not needed where `starts` are states.
        starts: the number of starts per round; or the states to start from, with any leading axes:
            each of these is followed by every method, and no others are drawn.
        scale: the typical size of each variable, > 0: a number or a state. Starts are then spread
            over four decades around 0 and around this size.
        rounds: the maximum number of rounds.

    Returns:
        A `FixedPoints`; empty if none was found.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Good, "The population frequencies of species and the estimation of population parameters",
        Biometrika 40 (1953).
    """
    rounds = check_positive_integer("rounds", rounds)
    circuit, like, x = read_point(circuit, None, x)
    refuse_traced("circuit", circuit, x, key, starts, scale)
    if isinstance(starts, tuple | list | Mapping):
        return _from_states(circuit, x, read_starts(starts, like))
    starts = check_positive_integer("starts", starts)
    if key is None:
        refuse("key", "be given where `starts` is a number", "it is None; write `key=0`")
    return _from_drawn(circuit, x, read_key("key", key), starts, _read_scale(scale, like), rounds)


def _from_states(circuit: AbstractCircuit, x: Array, v: Array) -> FixedPoints:
    each = _given(circuit, x, jnp.repeat(v, len(_METHODS), 0))
    start = np.arange(len(each.v)) // len(_METHODS)
    return _gathered(circuit, x, *_ends(circuit, x, each), start)[0]


def _from_drawn(
    circuit: AbstractCircuit,
    x: Array,
    key: Array,
    starts: int,
    scale: Float[Array, " d"] | None,
    rounds: int,
) -> FixedPoints:
    ends: list[tuple[np.ndarray, np.ndarray]] = []
    while True:
        # The first round uses the key itself, and includes the known states.
        own = key if not ends else jax.random.fold_in(key, len(ends))
        ends.append(_ends(circuit, x, _drawn(circuit, x, own, starts, scale, on_device(not ends))))
        v, residuals = (np.concatenate(parts) for parts in zip(*ends, strict=True))
        found, is_complete = _gathered(circuit, x, v, residuals, np.arange(len(v)))
        if len(ends) == rounds or is_complete:
            return found


def _gathered(
    circuit: AbstractCircuit, x: Array, v: np.ndarray, residuals: np.ndarray, start: np.ndarray
) -> tuple[FixedPoints, bool]:
    """The distinct points among those reached from these starts, and whether nothing suggests that
    there are more."""
    count, solved = int(start[-1]) + 1, residuals <= tolerance(residuals.dtype)
    v, residuals, start = v[solved], residuals[solved], start[solved]
    clusters = distinct(circuit, x, v, residuals)
    v, residuals = v[firsts(clusters)], residuals[firsts(clusters)]
    found = look(circuit, x, v, residuals)
    hits = np.asarray([np.unique(start[cluster]).size for cluster in clusters], int)
    is_late = np.asarray([start[cluster].min() >= count / 2 for cluster in clusters], bool)
    # On a continuum every start finds another point.
    is_rare = (is_late | (hits == 1)) & ~found.is_marginal
    order = np.argsort(found.abscissae, kind="stable")
    fields = rows((found.states, residuals, found.spectra, hits), order)
    return FixedPoints(*fields, starts=count), not np.any(is_rare)


def _read_scale(scale: Scalar | StateLike | None, like: PyTree) -> Float[Array, " d"] | None:
    if scale is None:
        return None
    if isinstance(scale, tuple | list | Mapping):
        sizes = ravel(check_state("scale", resolve(scale), like))
    else:
        sizes = ravel(like)
        number = as_float_array("scale", scale, sizes.dtype)
        if number.ndim:
            found = f"it has shape {number.shape}"
            refuse("scale", f"be a number or {a_or_an(type(like).__name__)}", found)
        sizes = jnp.full(sizes.shape, number)
    return check_positive("scale", check_finite("scale", sizes))


def _ends(circuit: AbstractCircuit, x: Array, starts: Point) -> tuple[np.ndarray, np.ndarray]:
    """Where the starts end, each with one of the methods in turn, and the residuals there."""
    is_large = starts.v.shape[1] > _SMALL
    ends = jax.tree.map(np.array, starts)
    # With the type of the ends: a weak type would compile another program.
    starts = jax.tree.map(on_device, ends)
    taken = [_TAKEN[is_large or method is settle] for method in _METHODS]
    calls = [(program, (circuit, x, starts, i)) for i, program in enumerate(taken)]
    prepare([*calls, (_POLISHED[is_large], (circuit, x, starts))])
    for i, program in enumerate(taken):
        parts = jax.tree.leaves(program(circuit, x, starts, i))
        for whole, part in zip(jax.tree.leaves(ends), parts, strict=True):
            whole[i :: len(_METHODS)] = part
    ends = _POLISHED[is_large](circuit, x, jax.tree.map(on_device, ends))
    return np.asarray(ends.v), np.asarray(ends.residual)


@in_full_precision
def _taken(circuit: AbstractCircuit, x: Array, starts: Point, method: int) -> Point:
    """Where one of the methods takes its share of the starts."""
    e = Equations.of(circuit, x)
    own = jax.tree.map(lambda leaf: leaf[method :: len(_METHODS)], starts)
    return queued(_METHODS[method](e), own)


@in_full_precision
def _polished(circuit: AbstractCircuit, x: Array, points: Point) -> Point:
    e = Equations.of(circuit, x)
    return in_turns(lambda _, point: polish(e, point), points.v, points)


@quickly_compiled
@in_full_precision
def _given(circuit: AbstractCircuit, x: Array, v: Array) -> Point:
    return jax.vmap(Equations.of(circuit, x).point)(v)


# Small circuits are compiled to compile quickly, others to run quickly. With 32 variables `settle`
# runs four times as long at level 0, and twice as long as all other methods together.
_SMALL = 48
_TAKEN = [quickly_compiled(_taken, level=level) for level in (0, 1)]
_POLISHED = [quickly_compiled(_polished, level=level) for level in (0, 1)]


@quickly_compiled
@in_full_precision
def _drawn(
    circuit: AbstractCircuit,
    x: Array,
    key: Array,
    count: int,
    scale: Float[Array, " d"] | None,
    is_first: Array,
) -> Point:
    """The starts of a round: drawn ones, and in the first round also the known states."""
    rest = circuit.initial_state()
    if scale is None:
        drawn = starts(circuit, x, key, count)
    else:
        unravel = jax.flatten_util.ravel_pytree(rest)[1]
        drawn = around(key, count, unravel(scale), is_positive(circuit, rest))
    drawn = jax.vmap(ravel)(drawn)
    known = jnp.stack([ravel(rest), ravel(driven(circuit, x))])
    known = jnp.repeat(known, len(_METHODS), 0)[:count]
    first = drawn.at[: len(known)].set(known)
    return jax.vmap(Equations.of(circuit, x).point)(jnp.where(is_first, first, drawn))

import collections
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from jaxtyping import Array, Float

from .._checks import a_or_an, counted, in_jax, refuse, shown
from .._constraints import resolve
from .._operators import AbstractOperator
from .._types import ParameterLike
from ._circuit import AbstractCircuit
from ._parameters import Kind, read_parameters
from ._time import Time

# What carries responses from one area to another: a matrix, or a function of them.
Connection = ParameterLike | Callable[[Array], Array] | None


class Hierarchy(AbstractCircuit[tuple]):
    """A circuit made of circuits: a chain of areas that drive each other upward and downward.

        area i:  ṡ_i = f_i(t, s_i, (x_i, h_i)),   x_i = A_i r_{i−1},   h_i = B_i r_{i+1}

    r_i is the response of an area, the first entry of its state. The inputs of an area are those
    from below, followed by those from above. The lowest area receives the hierarchy's own input x
    from below; the highest one receives nothing from above. A and B are matrices or functions of
    the response. An `ORGaNICs2025` has weights for both and can take the responses as they are; for
    an `ORGaNICs` the inputs from above are further inputs, with their own columns of W_zx.

    The state is a NamedTuple of all variables of all areas, such as `V1_y` for the y of the area
    V1; `state.V1` is the state of that area alone. The same names work on everything that has the
    form of a state: `trajectory.states`, `by_field(…)` and, for rows, `by_block(…)`.

    Args:
        areas: name ↦ circuit, the lowest first; or a sequence of circuits, which are then named
            `area1`, `area2`, …
        feedforward: A for every area but the lowest, so one fewer than there are areas: (k, n)
            matrices, which may be nodes or operators, or functions of (n,). None, for one or for
            all, leaves the responses as they are.
        feedback: B for every area but the highest, likewise. None, for one or for all, means no
            feedback; `eqx.nn.Identity()` leaves the responses as they are.

    Raises:
        ValueError: an area is not a circuit or has a name that is not an identifier; areas differ
            in dtype; there are too few or too many connections; or an area has another number of
            inputs than it receives.
    """

    areas: tuple[AbstractCircuit, ...]
    feedforward: tuple[Any, ...]
    feedback: tuple[Any, ...]
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        areas: Mapping[str, AbstractCircuit] | Sequence[AbstractCircuit],
        *,
        feedforward: Sequence[Connection] | None = None,
        feedback: Sequence[Connection] | None = None,
    ):
        self.names, self.areas = _read_areas(areas)
        sizes, dtype = _responses(self.names, self.areas)
        count = len(self.areas) - 1
        given = _read_connections("feedforward", feedforward, count)
        self.feedforward = tuple(
            _read(f"feedforward[{i}]", c, sizes[i], dtype) for i, c in enumerate(given)
        )
        given = _read_connections("feedback", feedback, count)
        self.feedback = tuple(
            _read(f"feedback[{i}]", c, sizes[i + 1], dtype) for i, c in enumerate(given)
        )
        self._check_inputs()

    @property
    def input_size(self) -> int:
        """m, the number of inputs of the lowest area without those from above."""
        return self.areas[0].input_size - self._reach()[1][0]

    def vector_field(self, t: Time, state: tuple, x: Float[Array, " m"]) -> tuple:
        """The time derivative of all areas, in 1/ms, for the input x (m,) of the lowest."""
        parts = zip(self.areas, self.split(state), self.inputs(state, x), strict=True)
        return self.join(area.vector_field(t, s, heard) for area, s, heard in parts)

    def initial_state(self) -> tuple:
        """Every area in its own initial state."""
        return self.join(area.initial_state() for area in self.areas)

    def inputs(self, state: tuple, x: Float[Array, " m"]) -> tuple[Float[Array, " inputs"], ...]:
        """The inputs of each area at a state: those from below, then those from above."""
        forward, back = resolve((self.feedforward, self.feedback))
        responses = [s[0] for s in self.split(state)]
        rising = [x, *[_carried(c, r) for c, r in zip(forward, responses, strict=False)]]
        falling = [
            None if c is None else _carried(c, r) for c, r in zip(back, responses[1:], strict=True)
        ]
        pairs = zip(rising, [*falling, None], strict=True)
        return tuple(up if down is None else jnp.concatenate([up, down]) for up, down in pairs)

    def split(self, state: tuple) -> tuple[tuple, ...]:
        """The states of the areas, the lowest first."""
        return tuple(getattr(state, name) for name in self.names)

    def join(self, states: Any) -> tuple:
        """The state of the hierarchy from those of its areas, the lowest first."""
        states = tuple(states)
        kinds = [(n, type(s), _fields(s)) for n, s in zip(self.names, states, strict=True)]
        return hierarchy_state(*kinds)(*itertools.chain(*states))

    def _reach(self) -> tuple[list[int], list[int]]:
        """How many inputs reach each area from the one below, and from the one above."""
        sizes, dtype = _responses(self.names, self.areas)
        upward = map(_carried_size, self.feedforward, sizes, itertools.repeat(dtype))
        downward = [
            0 if c is None else _carried_size(c, n, dtype)
            for c, n in zip(self.feedback, sizes[1:], strict=True)
        ]
        return [0, *upward], [*downward, 0]

    def _check_inputs(self) -> None:
        reach = zip(self.names, self.areas, *self._reach(), strict=True)
        for i, (name, area, below, above) in enumerate(reach):
            has = area.input_size
            if has < above + 1 if i == 0 else has != below + above:
                heard = (
                    f"{above} from above" if i == 0 else f"{below} from below, {above} from above"
                )
                more = " and at least one more" if i == 0 else ""
                must = f"have as inputs of `{name}` the {below + above} that reach it{more}"
                refuse("areas", must, f"it has {counted(has, 'input')}, and is sent {heard}")


@functools.cache
def hierarchy_state(*areas: tuple[str, type, tuple[str, ...]]) -> type:
    """The class of the states of a hierarchy, given the name, state class and fields of each area.

    It has a field for each variable of each area, and a property for each area.
    """
    fields = [f"{name}_{field}" for name, _, own in areas for field in own]
    ends = list(itertools.accumulate(len(own) for *_, own in areas))

    def part(kind: type, start: int, end: int) -> property:
        make = kind if hasattr(kind, "_fields") else lambda *each: kind(each)
        return property(lambda state: make(*tuple.__getitem__(state, slice(start, end))))

    bounds = zip(areas, [0, *ends], ends, strict=False)
    views = {name: part(kind, start, end) for (name, kind, _), start, end in bounds}
    plain = collections.namedtuple("HierarchyState", fields)  # pyright: ignore
    own = {"__slots__": (), "__module__": __name__, "areas": areas}
    return type("HierarchyState", (plain,), views | own)


def _fields(state: tuple) -> tuple[str, ...]:
    return getattr(state, "_fields", None) or tuple(map(str, range(len(state))))


def _read_areas(areas: Any) -> tuple[tuple[str, ...], tuple[AbstractCircuit, ...]]:
    if isinstance(areas, Mapping):
        names, circuits = tuple(areas), tuple(areas.values())
    elif isinstance(areas, Sequence) and not isinstance(areas, str | bytes):
        circuits = tuple(areas)
        names = tuple(f"area{i + 1}" for i in range(len(circuits)))
    else:
        must = "be a dict of circuits by their names, or a sequence of circuits"
        refuse("areas", must, f"it is {a_or_an(type(areas).__name__)}")
    if not circuits:
        refuse("areas", "hold at least one circuit", "it is empty")
    for name in names:
        if not (isinstance(name, str) and name.isidentifier()) or name.startswith("_"):
            refuse("areas", "have names like `V1`, of letters and digits", f"one is {shown(name)}")
    for name, circuit in zip(names, circuits, strict=True):
        if not isinstance(circuit, AbstractCircuit):
            refuse("areas", "hold circuits alone", f"`{name}` is {a_or_an(type(circuit).__name__)}")
    return names, circuits


def _responses(
    names: tuple[str, ...], areas: tuple[AbstractCircuit, ...]
) -> tuple[list[int], jnp.dtype]:
    """The sizes of the responses of the areas, and their dtype."""
    sizes, dtypes, fields = [], set(), []
    for name, area in zip(names, areas, strict=True):
        like = eqx.filter_eval_shape(lambda a: resolve(a).initial_state(), area)
        is_flat = isinstance(like, tuple) and all(hasattr(leaf, "shape") for leaf in like)
        if not is_flat or not like or len(like[0].shape) != 1:
            must = f"have in `{name}` a state of arrays, the first of shape (n,)"
            refuse("areas", must, f"it has {shown(like)}")
        sizes.append(like[0].size)
        dtypes |= {leaf.dtype for leaf in like}
        fields += [f"{name}_{field}" for field in _fields(like)]
    if len(dtypes) > 1:
        refuse("areas", "have one dtype", f"they have {', '.join(sorted(map(str, dtypes)))}")
    if clash := [f for f in fields if f in names or fields.count(f) > 1 or f == "areas"]:
        refuse("areas", "have names of their own", f"two things would be called `{clash[0]}`")
    return sizes, dtypes.pop()


def _read_connections(name: str, given: Any, count: int) -> tuple[Connection, ...]:
    if given is None:
        return (None,) * count
    is_listed = isinstance(given, Sequence) and not isinstance(given, str)
    if not is_listed or len(given) != count:
        found = f"it has {len(given)}" if is_listed else f"it is {shown(given)}"
        refuse(name, f"be a sequence of {counted(count, 'connection')}, or None", found)
    return tuple(given)


def _read(name: str, given: Any, size: int, dtype: jnp.dtype) -> Any:
    """A connection from a response (size,), its numbers cast to this dtype."""
    is_node = isinstance(given, paramax.AbstractUnwrappable | AbstractOperator)
    if callable(given) and not is_node:
        probe = jax.ShapeDtypeStruct((size,), dtype)
        found = eqx.filter_eval_shape(in_jax(name, lambda r: resolve(given)(r)), probe)
        if len(getattr(found, "shape", ())) != 1 or found.dtype != dtype:
            refuse(name, f"give an array (k,) of {dtype}", f"it gives {shown(found)}")
    elif given is not None:
        kinds = {name: Kind(("k", "n"), may_be_operator=True)}
        given = read_parameters(kinds, {name: given}, n=size)[name]  # pyright: ignore
        cast = lambda v: v.astype(dtype) if eqx.is_inexact_array(v) else v  # noqa: E731
        given = jax.tree.map(cast, given)
    return given


def _carried(connection: Any, response: Float[Array, " n"]) -> Any:
    if connection is None:
        return response
    return connection(response) if callable(connection) else connection @ response


def _carried_size(connection: Any, size: int, dtype: jnp.dtype) -> int:
    probe = jax.ShapeDtypeStruct((size,), dtype)
    return eqx.filter_eval_shape(lambda c, r: _carried(resolve(c), r), connection, probe).size

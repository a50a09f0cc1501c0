from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from .._checks import counted, refuse
from .._constraints import resolve
from ._adapter import CellLike, read_cell
from ._cell import AbstractCell, response


class StackState(NamedTuple):
    """The state of the last cell of a `Stack`, whose response is the stack's, and the states of the
    cells before it."""

    last: Any
    before: tuple


class Stack(AbstractCell[StackState]):
    """Cells in layers: the response of each is the input of the next, in the same step.

        s¹ ← step¹(s¹, x),   s² ← step²(s², y¹),   …        y^k: the new response of cell k

    It is a cell like any other, and its response is that of its last cell. Different kinds of cells
    may be mixed: `Stack(Euler(circuit, dt), TemporalSkip(…), GRU(…))`. Training runs the cells one
    after the other over the whole sequence, each with its training kernel if it has one.

    Args:
        cells: at least one, first to last; those that have a `dt` must have the same. A layer of
            equinox (`eqx.nn.GRUCell`, `eqx.nn.LSTMCell`) is wrapped as a `GRU` or `LSTM`.

    Raises:
        ValueError: an argument is not a cell, or a cell does not fit the one before it.
    """

    cells: tuple[AbstractCell, ...]

    def __init__(self, *cells: CellLike):
        if not cells:
            refuse("cells", "hold at least one cell", "there is none")
        self.cells = tuple(read_cell(f"cells[{i}]", cell) for i, cell in enumerate(cells))
        for i, (one, other) in enumerate(zip(self.cells, self.cells[1:], strict=False), 1):
            size = _size(one)
            if other.input_size != size:
                must = f"have {counted(size, 'input')}, the units of cell {i - 1} below it"
                refuse(f"cells[{i}]", must, f"it has {other.input_size}")
        steps = [dt for cell in self.cells if isinstance(dt := getattr(cell, "dt", None), float)]
        if len(set(steps)) > 1:
            refuse("cells", "have one time step `dt`", f"there are {', '.join(map(str, steps))} ms")

    @property
    def input_size(self) -> int:
        """m, the number of inputs of the first cell."""
        return self.cells[0].input_size

    @property
    def dt(self) -> Any:
        """The time step in ms of the cells that have one."""
        timed: Any = [cell for cell in self.cells if hasattr(cell, "dt")] or self.cells
        return timed[0].dt  # an AttributeError where no cell has one: then the stack has none

    def step(self, state: StackState, x: Float[Array, " m"]) -> StackState:
        """The state after one step with the input x (m,)."""
        new = []
        for cell, s in zip(self.cells, self.split(state), strict=True):
            new.append(cell.step(s, x))
            x = response(new[-1])
        return self.join(*new)

    def initial_state(self) -> StackState:
        """The cells' own initial states."""
        return self.join(*(cell.initial_state() for cell in self.cells))

    def split(self, state: StackState) -> tuple[PyTree, ...]:
        """The states of the cells, first to last."""
        return (*state.before, state.last)

    def join(self, *states: PyTree) -> StackState:
        """The state of the stack from the states of its cells, first to last."""
        if len(states) != len(self.cells):
            found = f"there are {len(states)}"
            refuse("states", f"be those of {counted(len(self.cells), 'cell')}", found)
        return StackState(states[-1], states[:-1])


def _size(cell: AbstractCell) -> int:
    """The number of units of a cell's response."""
    state = eqx.filter_eval_shape(lambda c: resolve(c).initial_state(), cell)
    return response(state).shape[0]

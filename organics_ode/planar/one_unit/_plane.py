"""The plane of one unit, in closed form."""

import re
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ..._checks import on_device, refuse
from ..._nonlinearities import Rectification
from ..._types import Numbers
from ...circuits import AbstractCircuit, ORGaNICs, ORGaNICsState
from .._circuit_plane import circuit_plane, plane
from .._plane import AbstractPlane, Window, as_pair, read_others, read_variables
from .._results import Bifurcation, NullclineCurves, PlanarFixedPoints
from ._basins import ends
from ._equations import Scalars, host, jacobian_at, scalars, velocities
from ._fixed_points import solve
from ._nullclines import curves
from ._table import PARAMETERS, table

_SHOWN = ((-1.2, 1.2), (0.0, 1.0))  # the default window, where normalized responses are
_OTHERS = re.compile(r"(x|W_zx)\[[\d, ]+\]|W_zx|exponent")  # parameters without a closed form


class UnitPlane(AbstractPlane):
    """The plane of an `ORGaNICs` with one unit and no rectification, (y, a) in either order."""

    circuit: AbstractCircuit
    x: Float[Array, " m"]
    at: tuple[int, int] = eqx.field(static=True)
    names: tuple[str, str] = eqx.field(static=True)

    @property
    def q(self) -> Scalars:
        return scalars(self.circuit, self.x)

    @property
    def dtype(self) -> Any:
        return self.x.dtype

    @property
    def is_planar(self) -> bool:
        return True

    def turned(self, pair: Any) -> Any:
        """(y, a) in the order of the plane, and back."""
        first, second = pair
        return (first, second) if self.at == (0, 1) else (second, first)

    def velocity(self, u: Array, v: Array) -> tuple[Array, Array]:
        return self.turned(velocities(self.q, *self.turned((u, v))))

    def slopes(self, u: float, v: float) -> Float[np.ndarray, "2 2"]:
        J = np.array(jacobian_at(host(self.q), *self.turned((u, v))))
        return J[np.ix_(self.at, self.at)]

    def pair(self, u: Any, v: Any) -> PyTree:
        return as_pair(self.circuit.initial_state(), self.at, u, v)

    def fixed_points(self, window: Window | None) -> PlanarFixedPoints:
        found = solve(host(self.q))
        order = np.argsort(found.y if self.at == (0, 1) else found.a, kind="stable")
        y, a, values, residuals = (
            np.asarray(each)[order]
            for each in (found.y, found.a, found.eigenvalues, found.residuals)
        )
        return PlanarFixedPoints(
            ORGaNICsState(*(on_device(v[:, None], self.dtype) for v in (y, a))),
            on_device(values, np.result_type(self.dtype, np.complex64)),
            on_device(residuals, self.dtype),
            tuple(found.kinds[i] for i in order),
            self.at,
            self.names,
            "all there are, in closed form",
        )

    def nullclines(self, window: Window, points: int) -> NullclineCurves:
        y_range, a_range = self.turned(window)
        y, a = (np.linspace(low, high, points + 1) for low, high in (y_range, a_range))
        found = curves(host(self.q), y, a)
        if self.at == (0, 1):
            return NullclineCurves(*found)
        return NullclineCurves(*(tuple(c[:, ::-1] for c in each) for each in reversed(found)))

    def ends(self, u: Array, v: Array, max_steps: int) -> Int[np.ndarray, " starts"]:
        y, a = self.turned((u, v))
        return ends(self.q, self.fixed_points(None), y, a, max_steps)

    def bifurcation(self, name: str, values: Numbers, window: Window | None) -> Bifurcation:
        if not isinstance(name, str) or not (name in PARAMETERS or _OTHERS.fullmatch(name)):
            refuse("name", f"be one of {', '.join(PARAMETERS)}", f"it is {name!r}")
        if name not in PARAMETERS or self.at != (0, 1):
            general = circuit_plane(self.circuit, self.x, self.names, None)
            return general.bifurcation(name, values, window)
        return table(self.circuit, self.x, name, values)

    def window(self) -> Window:
        return self.turned(_SHOWN)


@plane.register(ORGaNICs)
def _(circuit: ORGaNICs, x: Float[Array, " m"], variables: object, others: object) -> AbstractPlane:
    is_unit = circuit.size == 1 and circuit.rectification is Rectification.NONE
    if not is_unit:
        return circuit_plane(circuit, x, variables, others)
    at, names = read_variables(variables, circuit.initial_state())
    read_others(others, circuit.initial_state())
    return UnitPlane(circuit=circuit, x=x, at=at, names=names)

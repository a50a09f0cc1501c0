"""What all curve fits share: their points, a table, a card and a picture."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._axes import Axes, axes_of
from ..._cards import Card
from ..._checks import as_known_array, refuse, warn_user
from ..._tables import AbstractTabular, Table
from ..._types import Numbers
from ...studies import Unidentified, fit_curve


class AbstractFitted(eqx.Module, AbstractTabular):
    """A curve that was fitted to points by least squares.

    Each parameter is an attribute. `standard_errors`: name ↦ its standard error, 0 if it was held.
    `covariance`: (p, p), of the free parameters `names`. `residuals`: (k,), data − curve. `noise`:
    the standard deviation of the data estimated from the residuals, or its ratio to the `noise`
    that was given. `succeeded`: whether the search found a minimum. Called with (k,) values, it
    returns the curve there.
    """

    xs: eqx.AbstractVar[Float[np.ndarray, " k"]]
    data: eqx.AbstractVar[Float[np.ndarray, " k"]]
    values: eqx.AbstractVar[dict[str, float]]
    standard_errors: eqx.AbstractVar[dict[str, float]]
    names: eqx.AbstractVar[tuple[str, ...]]
    covariance: eqx.AbstractVar[Float[np.ndarray, "p p"]]
    residuals: eqx.AbstractVar[Float[np.ndarray, " k"]]
    noise: eqx.AbstractVar[float]
    succeeded: eqx.AbstractVar[bool]

    @property
    @abstractmethod
    def labels(self) -> tuple[str, str]:
        """The labels of the axes of its picture."""

    @property
    @abstractmethod
    def units(self) -> dict[str, str]:
        """name ↦ unit, for the parameters that have one."""

    @abstractmethod
    def __call__(self, xs: Numbers) -> Float[np.ndarray, " k"]:
        """The curve at some values."""

    def to_table(self) -> Table:
        """The value and standard error of every parameter."""
        columns = {
            "value": np.array(list(self.values.values())),
            "standard_error": np.array([self.standard_errors[name] for name in self.values]),
        }
        return Table({"parameter": np.array(list(self.values))}, columns)

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw the points and the curve (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            kw: passed to `ax.plot` for the curve.

        Returns:
            The axes.
        """
        ax, x = axes_of(ax), np.unique(self.xs)
        even = np.linspace(0, 1, 400)
        ratio = x[-1] / x[x > 0][0] if np.any(x > 0) else 1
        # Steps are even on the scale over which the points are spread: logarithmic or linear.
        fine = x[x > 0][0] * ratio**even if ratio > 20 else x[0] + (x[-1] - x[0]) * even
        (line,) = ax.plot(fine, self(fine), **kw)
        ax.plot(self.xs, self.data, "o", ms=4, color=line.get_color())
        ax.set(xlabel=self.labels[0], ylabel=self.labels[1])
        return ax

    def _card(self) -> Card:
        outcome = "minimum found" if self.succeeded else "no minimum found"
        rows = [
            (name, value, self.standard_errors[name], self.units.get(name, ""))
            for name, value in self.values.items()
        ]
        columns = ("", "value", "standard error", "unit")
        facts = {"points": str(self.xs.size), "noise": f"{self.noise:.3g}"}
        return Card(f"{type(self).__name__}: {outcome}", facts, columns, rows, len(rows))


def read_points(name: str, xs: Any, data_name: str, data: Any, noise: Any) -> tuple[Any, Any, Any]:
    """Arrays (k,) of finite numbers; the noise may also be one number for all, or None."""
    xs, data = _read(name, xs), _read(data_name, data)
    if xs.shape != data.shape:
        hint = "; fit one unit, `responses[:, unit]`" if data.ndim == 2 else ""
        refuse(data_name, f"have shape (k,) = {xs.shape}", f"it has shape {data.shape}{hint}")
    if noise is None:
        return xs, data, None
    noise = np.asarray(as_known_array("noise", noise), float)
    if noise.shape not in ((), xs.shape) or not np.all((noise > 0) & np.isfinite(noise)):
        must = "be positive and finite, a number or (k,)"
        refuse("noise", must, f"its shape is {noise.shape}, its smallest value {noise.min():g}")
    return xs, data, np.broadcast_to(noise, xs.shape)


def _read(name: str, values: Any) -> np.ndarray:
    array = as_known_array(name, values)
    if array.dtype.kind not in "iuf":
        refuse(name, "hold real numbers", f"its dtype is {array.dtype}")
    if not np.all(np.isfinite(array)):
        refuse(name, "be finite", "it holds NaN or infinite values; leave those points out")
    return array.astype(float)


def fitted(
    formula: Callable[..., Array],
    points: tuple[Any, Any, Any],
    start: dict[str, float],
    held: dict[str, float],
    bounds: dict[str, tuple[float, float]],
    data_name: str,
) -> dict[str, Any]:
    """The fields of a fit of those parameters of `start` that are not `held`."""
    xs, data, noise = points
    free = {name: value for name, value in start.items() if name not in held}
    if xs.size <= len(free):
        must = f"hold more points than there are free parameters, {len(free)}"
        refuse(data_name, must, f"it holds {xs.size}; hold some parameters at a value")
    order = tuple(start)
    found = fit_curve(_Formula(formula, order, tuple(held.items())), xs, data, noise, free, bounds)
    if found.succeeded and found.doubts:
        remedy = "hold a parameter, or add points that depend on it"
        warn_user(f"The points do not tell all: {'; '.join(found.doubts)}. {remedy}.", Unidentified)
    values = dict(zip(free, found.values.tolist(), strict=True)) | held
    errors = dict(zip(free, np.sqrt(np.diag(found.covariance)).tolist(), strict=True))
    return {
        "xs": xs,
        "data": data,
        "values": {name: float(values[name]) for name in order},
        "standard_errors": {name: errors.get(name, 0.0) for name in order},
        "names": tuple(free),
        "covariance": found.covariance,
        "residuals": found.residuals,
        "noise": found.noise,
        "succeeded": found.succeeded,
    }


class _Formula(eqx.Module):
    """A formula of all parameters, as a function of the free ones."""

    formula: Callable[..., Array] = eqx.field(static=True)
    order: tuple[str, ...] = eqx.field(static=True)
    held: tuple[tuple[str, float], ...] = eqx.field(static=True)

    def __call__(self, v: Float[Array, " p"], xs: Float[Array, " k"]) -> Float[Array, " k"]:
        held, values = dict(self.held), iter(v)
        named = {
            name: jnp.asarray(held[name], v.dtype) if name in held else next(values)
            for name in self.order
        }
        return self.formula(named, xs)


def curve_of(formula: Callable[..., Array], values: dict[str, float], xs: Numbers) -> np.ndarray:
    """The formula at given values, in double precision (host)."""
    with jax.enable_x64(True):
        named = {name: jnp.asarray(value, float) for name, value in values.items()}
        return np.asarray(formula(named, jnp.asarray(np.asarray(xs, float))))


def best_linear(
    shapes: Callable[..., np.ndarray], grid: list[tuple[float, ...]], data: np.ndarray, weights: Any
) -> tuple[tuple[float, ...], np.ndarray]:
    """The best point of a grid over the nonlinear parameters, with the linear ones that go with it.

    `shapes(*numbers)` has a column for each linear parameter.
    """
    best, found = np.inf, (grid[0], np.zeros(0))
    for numbers in grid:
        columns = shapes(*numbers) * weights[:, None]
        linear = np.linalg.lstsq(columns, data * weights, rcond=None)[0]
        miss = float(np.sum((columns @ linear - data * weights) ** 2))
        if miss < best:
            best, found = miss, (numbers, linear)
    return found

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._cards import carded
from ..._checks import check_positive_integer, read_number, refuse, shown
from ..._nonlinearities import Rectification
from ..._operators import Diagonal, Kronecker
from ..._types import ParameterLike, Scalar
from ...circuits import ORGaNICs
from .._fields import Fields
from ._population import (
    AbstractPopulation,
    even_orientations,
    read_power,
    read_spontaneous,
    tuned_pool,
)

_DENSE = 512  # Up to this many units, weights are arrays: their products are as fast.


@carded
class Sheet(AbstractPopulation):
    """Units on a grid of places, n_θ orientations at each, that normalize their neighbours.

        z_i = c k |cos(θ − θ_i)|^q S_i,   W = W_rows ⊗ W_columns ⊗ W_θ

    S_i is the share of the receptive field, a Gaussian of standard deviation `rf_width`, that the
    stimulus covers. The pool is a Gaussian of the distance, of standard deviation `pool_width`,
    whose rows sum to 1 within the sheet, and the same for all orientations: a grating over the
    whole field evokes the contrast response of a `Ring`. Above 512 units the weights are operators:
    W is an `oo.Kronecker`, W_zx and W_r are each an `oo.Diagonal`. A sheet of 64 × 64 places with
    8 orientations has 32 768 units, and a dense matrix over them would take 4 GB in float32.

    Args:
        shape: (rows, columns) of the grid; its first row has the lowest y.
        orientations: n_θ, the number of evenly spaced orientations at each place.
        spacing: of the grid, degrees of visual angle; the middle of the grid is at (0, 0).
        rf_width, pool_width: degrees of visual angle.
        sigma, b0, b1, tau_y, tau_a, rectification, exponent: as for `oo.ORGaNICs`.
        W_r: (n, n), recurrent weights, an array or an operator; the identity unless given.
        W: (n, n), normalization weights in place of those above.
        pool_spread, power, spontaneous: as for a `Ring`.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Cavanaugh, Bair, Movshon, "Nature and interaction of signals from the receptive field center
        and surround in macaque V1 neurons", J. Neurophysiology 88 (2002).
    """

    circuit: ORGaNICs
    fields: Fields
    spontaneous: Scalar

    def __init__(
        self,
        shape: Sequence[int],
        orientations: int,
        *,
        spacing: float = 0.25,
        rf_width: float = 0.4,
        pool_width: float = 0.8,
        sigma: ParameterLike = 0.1,
        b0: ParameterLike = 0.5,
        b1: ParameterLike = 0.5,
        tau_y: ParameterLike = 2.0,
        tau_a: ParameterLike = 2.0,
        W_r: ParameterLike | None = None,
        W: ParameterLike | None = None,
        pool_spread: Scalar | None = None,
        power: int | None = None,
        spontaneous: Scalar = 0.0,
        rectification: Rectification = Rectification.NONE,
        exponent: ParameterLike = 2.0,
    ):
        rows, columns = _read_shape(shape)
        count = check_positive_integer("orientations", orientations)
        n = rows * columns * count
        spacing = _read_positive("spacing", spacing)
        ys, xs = (spacing * (np.arange(size) - (size - 1) / 2) for size in (rows, columns))
        places = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
        power, width = read_power(power, count), _read_positive("rf_width", rf_width)
        self.fields = Fields(even_orientations(count), power, places, width)
        if W is None:
            width = _read_positive("pool_width", pool_width)
            factors = [_near(ys, width), _near(xs, width)]
            factors.append(tuned_pool(self.fields.orientations, pool_spread))
            W = Kronecker(*factors) if n > _DENSE else functools.reduce(np.kron, factors)
        self.spontaneous = read_spontaneous(spontaneous)
        one = Diagonal(np.ones(n)) if n > _DENSE else np.eye(n)
        self.circuit = ORGaNICs(
            one,
            one if W_r is None else W_r,
            W,
            *(sigma, b0, b1, tau_y, tau_a),
            rectification=rectification,
            exponent=exponent,
        )


def _near(places: np.ndarray, width: float) -> np.ndarray:
    """A Gaussian of the distances along one axis, with rows that sum to 1."""
    away = (places[:, None] - places[None, :]) / width
    weights = np.exp(-(away**2) / 2)
    return weights / weights.sum(axis=1, keepdims=True)


def _read_shape(shape: Any) -> tuple[int, int]:
    if not isinstance(shape, Sequence) or isinstance(shape, str) or len(shape) != 2:
        refuse("shape", "be (rows, columns)", f"it is {shown(shape)}")
    rows, columns = (check_positive_integer("shape", size) for size in shape)
    return rows, columns


def _read_positive(name: str, value: Any) -> float:
    number = read_number(name, value, 0.0)
    if number == 0:
        refuse(name, "be positive, in degrees of visual angle", "it is 0")
    return number

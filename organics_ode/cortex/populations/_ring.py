import numpy as np

from ..._cards import carded
from ..._checks import check_positive_integer
from ..._nonlinearities import Rectification
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


@carded
class Ring(AbstractPopulation):
    """Units that prefer n evenly spaced orientations and normalize each other.

        z_i = c k |cos(θ − θ_i)|^q,   Σ_i z_i² = c²

    for a grating of contrast c and orientation θ. With the defaults W_r = I and W = 1, the
    responses to it together with a mask of contrast m are exactly

        y_i² = z_i² / ((σ b0/b1)² + c² + m²)

    a contrast response with exponent 2 and c50² = (σ b0/b1)² + m².

    Args:
        size: n, the number of orientations.
        sigma, b0, b1, tau_y, tau_a, rectification, exponent: as for `oo.ORGaNICs`. Only for p = 2
            is Σ_i z_i^p equal to c^p.
        W_r: (n, n), recurrent weights; the identity unless given.
        W: (n, n), normalization weights; unless given, 1 for all pairs, or as `pool_spread` says.
        pool_spread: degrees, the standard deviation of Gaussian normalization weights, of mean 1,
            over the difference in orientation.
        power: q < n, of the tuning curves; n/2 − 1 by default, so that their width matches the
            spacing of the units. Half the peak is at arccos 2^(−1/q).
        spontaneous: s ≥ 0, the drive of every unit while nothing is shown; its square adds to that
            of the stimulus drive: z_i² + s².

    Raises:
        ValueError: an argument is bad.

    Reference:
        Heeger, "Normalization of cell responses in cat striate cortex", Visual Neuroscience 9
        (1992); Simoncelli, Freeman, "The steerable pyramid", ICIP (1995), for the tuning curves.
    """

    circuit: ORGaNICs
    fields: Fields
    spontaneous: Scalar

    def __init__(
        self,
        size: int,
        *,
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
        n = check_positive_integer("size", size)
        self.fields = Fields(even_orientations(n), read_power(power, n))
        self.spontaneous = read_spontaneous(spontaneous)
        self.circuit = ORGaNICs(
            np.eye(n),
            np.eye(n) if W_r is None else W_r,
            tuned_pool(self.fields.orientations, pool_spread) if W is None else W,
            *(sigma, b0, b1, tau_y, tau_a),
            rectification=rectification,
            exponent=exponent,
        )

"""Numbers too large for their powers, and classes where functions are meant: refused by name."""

import numpy as np
import pytest

import organics_ode as oo
from organics_ode import mean_field, planar, robustness

PAIR = oo.ORGaNICs(np.eye(2), np.eye(2), np.ones((2, 2)), 0.1, 0.5, 0.5, 2.0, 2.0)
ONE = oo.ORGaNICs(1.0, 1.0, 1.0, 0.1, 0.5, 0.5, 2.0, 2.0)


class AClass:
    """Callable, and no function."""


@pytest.mark.parametrize(
    "name, call",
    {
        "oscillator": ("x", lambda: oo.oscillator(PAIR, np.full(2, 1e300))),
        "first order": ("x", lambda: robustness.first_order(PAIR, np.full(2, 1e300))),
        "fixed points": ("x", lambda: planar.fixed_points(ONE, 1e300)),
        "basins": ("x", lambda: planar.basins(ONE, 1e300, [1.0], [1.0])),
        "separatrices": ("x", lambda: planar.separatrices(ONE, 1e300, (0, 1), (0, 1), points=20)),
        "phase diagram": (
            "sigma",
            lambda: robustness.phase_diagram([0.1], [1.0], key=0, size=2, trials=1, sigma=1e300),
        ),
        "fano": ("rate", lambda: oo.fano(ONE, 0.5, oo.Noise(0.1), 10.0, rate=AClass)),
        "average": ("f", lambda: mean_field.average(AClass, 1.0)),
    }.values(),
)
def test_what_overflows_is_refused(name, call):
    with pytest.raises(ValueError, match=f"Argument `{name}` must"):
        call()


def test_near_the_end_of_floats_one_unit_is_solved():
    # |x|^2 is 1e280: y = x/(s (1 + …)) with s = √a, by hand for W_r = 1: y = b1 x/√a.
    (point,) = np.ravel(planar.fixed_points(ONE, 1e140).states.y)
    np.testing.assert_allclose(point, 1.0, rtol=1e-12)

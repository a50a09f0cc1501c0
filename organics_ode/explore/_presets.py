"""The presets that the buttons of the explorer set."""

from collections.abc import Mapping
from typing import NamedTuple

from ._models import ONE, PAIR, TWO, Model


class Preset(NamedTuple):
    """Values for every knob of a model, and what to look at."""

    name: str
    model: Model
    values: Mapping[str, float]
    says: str


_UNIT = {"x": 1.0, "w_r": 2.0, "w": 1.0, "sigma": 0.1, "b0": 0.5, "b1": 0.5}
_UNIT |= {"tau_y": 2.0, "tau_a": 2.0, "y0": -0.3, "a0": 0.4, "T": 150.0}
_PAIR = {"x": 1.25, "w_EE": 16.0, "w_EI": 12.0, "w_IE": 15.0, "w_II": 3.0}
_PAIR |= {"tau_E": 10.0, "tau_I": 10.0, "E0": 0.0, "I0": 0.0, "T": 300.0}
_CELLS = {"x1": 0.5, "x2": 0.25, "w_own": 1.0, "w_other": 1.0, "sigma": 0.1, "b0": 0.5, "b1": 0.5}
_CELLS |= {"tau_y": 2.0, "tau_a": 4.0, "T": 100.0}

PRESETS = (
    Preset(
        "Phase portrait",
        ONE,
        _UNIT,
        "Strong recurrence: beside the stable point two others, a saddle and one that is not "
        "stable. Lower w_r below 1: they meet and vanish.",
    ),
    Preset(
        "Memory",
        ONE,
        _UNIT | {"x": 0.05, "sigma": 0.5},
        "With a faint input two points are stable: the response remembers where it started. Move "
        "y0 through 0. Raise x: the memory ends.",
    ),
    Preset(
        "Normalization",
        TWO,
        _CELLS,
        "The response over contrast saturates, and a mask moves the curve to the right. Raise "
        "sigma, or lower w_other: the mask lets go.",
    ),
    Preset(
        "Gamma peak",
        ONE,
        _UNIT | {"w_r": 1.0, "tau_y": 4.0, "y0": 0.0},
        "Noise is amplified near the frequency at which the circuit rings. Raise the input: the "
        "peak moves to higher frequencies.",
    ),
    Preset(
        "Wilson-Cowan cycle",
        PAIR,
        _PAIR,
        "Excitation and inhibition chase each other around a limit cycle (Wilson and Cowan 1972, "
        "figure 11). Lower the input: the cycle ends in a stable point.",
    ),
)

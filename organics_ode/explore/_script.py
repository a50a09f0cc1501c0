"""The Python code for what a page shows, which uses public names and runs as it is."""

from collections.abc import Mapping

from ._models import Model
from ._programs import FREQUENCIES, NOISE, TIMES

_HEAD = """import jax
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo
from organics_ode import planar

jax.config.update("jax_enable_x64", True)
"""
_COURSE = """ts = np.linspace(0.0, {T}, {times})
trajectory = oo.simulate(circuit, x, ts, state0=state0, throw=False)
"""
_PLANE = """points = planar.fixed_points(circuit, x)
print(points)
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
oo.plot_phase_portrait(circuit, x, axes[1])
"""
_CELLS = """print(oo.fixed_point(circuit, x))
contrasts = np.geomspace(0.01, 1.0, 61)
curve = [oo.fixed_point(circuit, [c, {x2}]).state.y[0] for c in contrasts]
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
axes[1].semilogx(contrasts, curve)
"""
_STABLE = """
point = oo.fixed_point(circuit, x, state0={state})
print(oo.spectrum(circuit, point.state, x))
energy = oo.energy(circuit, x, state0=point.state)
print(energy, "at the start:", energy(state0))
frequencies = np.geomspace({low:g}, {high:g}, {count})  # Hz
noise = oo.Noise({noise})
power = oo.power_spectrum(circuit, x, frequencies, noise, state0=point.state)
print("highest power of the first variable at", frequencies[np.argmax(power[:, 0])], "Hz")
"""
_END = """oo.plot_trajectory(trajectory, name="{name}", ax=axes[0])
figure.savefig("explored.png")
"""


def script(model: Model, values: Mapping[str, float], stable: tuple[float, ...] | None) -> str:
    """A script that computes and draws what the page shows for these values; `stable`: the stable
    point that its spectrum and energy are about, if there is one."""
    numbers = {name: f"{float(value):.10g}" for name, value in values.items()}
    numbers = {name: text if "." in text else f"{text}.0" for name, text in numbers.items()}
    body = _COURSE + (_PLANE if model.is_planar else _CELLS)
    text = _HEAD + (model.lines + body).format(**numbers, times=TIMES)
    if stable is not None:
        ends = {"low": FREQUENCIES[0], "high": FREQUENCIES[-1], "count": len(FREQUENCIES)}
        text += _STABLE.format(state=_state(stable), noise=NOISE, **ends).lstrip("\n")
    return text + _END.format(name=model.responses[0][0])


def _state(stable: tuple[float, ...]) -> str:
    half = len(stable) // 2
    fields = [", ".join(f"{v:.9g}" for v in part) for part in (stable[:half], stable[half:])]
    return f"type(state0)([{fields[0]}], [{fields[1]}])"

"""The circuits of the explorer: what its sliders move, and the circuits that they make."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp

from ..circuits import AbstractCircuit, ORGaNICs, ORGaNICsState, WilsonCowan, WilsonCowanState

Values = Mapping[str, Any]


class Knob(NamedTuple):
    """A number that a slider moves from `low` to `high`, and what it is, with its unit."""

    name: str
    low: float
    high: float
    step: float
    says: str


class Setting(NamedTuple):
    """A circuit, its constant input (m,), and the state that it starts from."""

    circuit: AbstractCircuit
    x: Any
    state0: Any


class Model(NamedTuple):
    """A circuit with sliders.

    - `name`, and the `knobs`, one for each number.
    - `build`: the `Setting` for their values, which may be traced.
    - `lines`: the same as Python code, with the numbers in braces.
    - `responses`, `others`: names of the variables that are drawn as solid and as dashed lines.
    - `search`: the window (low, high) of both variables in which fixed points are searched for;
      None if all are known in closed form.
    - `is_planar`: whether it has a phase portrait; if not, its contrast response is drawn.
    """

    name: str
    knobs: tuple[Knob, ...]
    build: Callable[[Values], Setting]
    lines: str
    responses: tuple[str, ...]
    others: tuple[str, ...]
    search: tuple[float, float] | None = None
    is_planar: bool = True

    @property
    def variables(self) -> tuple[str, ...]:
        return self.responses + self.others


_TIME = Knob("T", 20.0, 1000.0, 10.0, "shown time, ms")
_GAINS = (
    Knob("sigma", 0.01, 1.0, 0.01, "semi-saturation"),
    Knob("b0", 0.05, 2.0, 0.05, "gain of sigma"),
    Knob("b1", 0.05, 2.0, 0.05, "gain of the input"),
    Knob("tau_y", 1.0, 50.0, 0.5, "time constant of y, ms"),
    Knob("tau_a", 1.0, 50.0, 0.5, "time constant of a, ms"),
)


def _one(v: Values) -> Setting:
    matrices = (jnp.ones((1, 1)), v["w_r"][None, None], v["w"][None, None])
    circuit = ORGaNICs(*matrices, *(v[knob.name] for knob in _GAINS))
    return Setting(circuit, v["x"][None], ORGaNICsState(v["y0"][None], v["a0"][None]))


def _two(v: Values) -> Setting:
    own, other, eye = v["w_own"], v["w_other"], jnp.eye(2)
    W = jnp.stack([jnp.stack([own, other]), jnp.stack([other, own])])
    circuit = ORGaNICs(eye, eye, W, *(v[knob.name] for knob in _GAINS))
    return Setting(circuit, jnp.stack([v["x1"], v["x2"]]), circuit.initial_state())


def _pair(v: Values) -> Setting:
    weights: Any = [v[name][None, None] for name in ("w_EE", "w_EI", "w_IE", "w_II")]
    inputs: Any = (jnp.ones((1, 1)), jnp.zeros((1, 1)))
    shape: Any = (1.3, 2.0, 4.0, 3.7, 1.0, 1.0)
    times: Any = (v["tau_E"], v["tau_I"])
    circuit = WilsonCowan(*weights, *inputs, *shape, *times)
    return Setting(circuit, v["x"][None], WilsonCowanState(v["E0"][None], v["I0"][None]))


_ORGANICS = "sigma={sigma}, b0={b0}, b1={b1}, tau_y={tau_y}, tau_a={tau_a}\n)\n"
ONE = Model(
    "one unit",
    (
        Knob("x", 0.0, 2.0, 0.01, "input"),
        Knob("w_r", 0.0, 3.0, 0.05, "recurrent weight"),
        Knob("w", 0.0, 3.0, 0.05, "normalization weight"),
        *_GAINS,
        Knob("y0", -1.2, 1.2, 0.02, "y at the start"),
        Knob("a0", 0.0, 2.0, 0.02, "a at the start"),
        _TIME,
    ),
    _one,
    "circuit = oo.ORGaNICs(\n    [[1.0]], [[{w_r}]], [[{w}]], " + _ORGANICS + "x = [{x}]\n"
    "state0 = oo.ORGaNICsState([{y0}], [{a0}])\n",
    ("y",),
    ("a",),
)
TWO = Model(
    "two units",
    (
        Knob("x1", 0.01, 1.0, 0.01, "contrast of the stimulus, input of unit 1"),
        Knob("x2", 0.0, 1.0, 0.01, "contrast of the mask, input of unit 2"),
        Knob("w_own", 0.0, 3.0, 0.05, "normalization by itself"),
        Knob("w_other", 0.0, 3.0, 0.05, "normalization by the other"),
        *_GAINS,
        _TIME,
    ),
    _two,
    "circuit = oo.ORGaNICs(\n    np.eye(2), np.eye(2), [[{w_own}, {w_other}], [{w_other}, "
    "{w_own}]],\n    " + _ORGANICS + "x = [{x1}, {x2}]\nstate0 = circuit.initial_state()\n",
    ("y1", "y2"),
    ("a1", "a2"),
    is_planar=False,
)
PAIR = Model(
    "Wilson-Cowan",
    (
        Knob("x", -1.0, 4.0, 0.05, "input of E"),
        Knob("w_EE", 0.0, 24.0, 0.25, "weight of E to E"),
        Knob("w_EI", 0.0, 24.0, 0.25, "weight of I to E"),
        Knob("w_IE", 0.0, 24.0, 0.25, "weight of E to I"),
        Knob("w_II", 0.0, 12.0, 0.25, "weight of I to I"),
        Knob("tau_E", 1.0, 50.0, 0.5, "time constant of E, ms"),
        Knob("tau_I", 1.0, 50.0, 0.5, "time constant of I, ms"),
        Knob("E0", 0.0, 0.5, 0.01, "E at the start"),
        Knob("I0", 0.0, 0.5, 0.01, "I at the start"),
        _TIME,
    ),
    _pair,
    "circuit = oo.WilsonCowan(\n    [[{w_EE}]], [[{w_EI}]], [[{w_IE}]], [[{w_II}]], [[1.0]], "
    "[[0.0]],\n    a_E=1.3, a_I=2.0, theta_E=4.0, theta_I=3.7, r_E=1.0, r_I=1.0,\n    "
    "tau_E={tau_E}, tau_I={tau_I}\n)\nx = [{x}]\nstate0 = oo.WilsonCowanState([{E0}], [{I0}])\n",
    ("E",),
    ("I",),
    search=(-0.1, 0.55),
)
MODELS = (ONE, TWO, PAIR)

"""Calls of the plane of any circuit, of results as tables, and of sweeps and fits of all kinds."""

import equinox as eqx
import jax.numpy as jnp
from calls_parts import FOLDER, TS, Call, cell, circuit, draw, key, state
from calls_plots import drawn, path

import organics_ode as oo
from organics_ode import planar

_PAIR = {"variables": ("E", "I"), "others": None}
_RANGES = {"y_range": (-0.1, 0.6), "a_range": (-0.1, 0.6)}


def wilson_cowan(seed):
    """A pair with three states at rest: a saddle and the border through it are there."""
    weights = [[[number]] for number in (12.0 + 0.01 * seed, 4.0, 13.0, 11.0, 1.0, 0.0)]
    return oo.WilsonCowan(*weights, 1.2, 1.0, 2.8, 4.0, 1.0, 1.0, 10.0, 10.0)


def plane(seed):
    return {"circuit": wilson_cowan(seed), "x": 0.01 * draw(seed, 1)} | _PAIR


def two_of_four(seed):
    """Two variables of a larger circuit, the others held or at rest."""
    return {"circuit": circuit(seed), "x": draw(seed, 1), "variables": ("y[0]", "a[0]")}


def _observed(state):
    return state.y[:1]


def _speed(circuit, x):
    return circuit.vector_field(0.0, circuit.initial_state(), x)


def _new_file(seed):
    file = FOLDER / f"sweep-{seed}"
    file.unlink(missing_ok=True)
    return file


def stack(seed):
    return oo.Stack(cell(seed), eqx.nn.GRUCell(2, 2, key=key(seed)))


TABLES = {
    "Sweep": lambda s: oo.Sweep({"tau_a": draw(s, 3)}, draw(s, 3, 2)),
    "Table": lambda s: oo.Table({"t": draw(s, 3)}, {"y": draw(s, 3, 2)}),
    "Paths": path,
}
CALLS: dict[str, Call] = {
    **{
        f"planar.{f.__name__} of any circuit": Call(f, lambda s, more=more: plane(s) | more(s))
        for f, more in {
            planar.fixed_points: lambda s: _RANGES,
            planar.window: lambda s: _RANGES,
            planar.vector_field: lambda s: {"y": draw(s, 3), "a": draw(s, 3)},
            planar.basins: lambda s: {"y": draw(s, 3), "a": draw(s, 3), "max_steps": 50},
            planar.nullcline_curves: lambda s: _RANGES | {"points": 20},
            planar.separatrices: lambda s: _RANGES | {"points": 20},
            planar.limit_cycles: lambda s: _RANGES,
            planar.bifurcation: lambda s: (
                _RANGES | {"name": "x[0]", "values": [0.01, 0.02 + 0.0001 * s, 0.03]}
            ),
        }.items()
    },
    "planar.fixed_points of two variables": Call(
        planar.fixed_points, lambda s: two_of_four(s) | {"others": None}
    ),
    "planar.vector_field of two variables": Call(
        planar.vector_field,
        lambda s: two_of_four(s) | {"others": state(s), "y": draw(s, 3), "a": draw(s, 3)},
    ),
    "plot_phase_portrait of any circuit": drawn(
        oo.plot_phase_portrait,
        lambda s: plane(s) | _RANGES | {"points": 3, "cycles": False, "legend": True},
    ),
    "sweep of an input in a file": Call(
        oo.sweep,
        lambda s: {
            "circuit": circuit(s),
            "axes": {"x[0]": draw(s, 3), "W_r[0,1]": 0.1 * draw(s, 2)},
            "function": _speed,
            "x": draw(s, 1),
            "chunk": 2,
            "path": _new_file(s),
            "progress": False,
        },
    ),
    "fit_parameters of experiments": Call(
        oo.fit_parameters,
        lambda s: {
            "circuit": circuit(s),
            "inputs": [draw(s, 1), draw(s + 1, 1)],
            "ts": TS + 0.01 * s,
            "data": [draw(s, 3, 1), draw(s + 1, 3, 1)],
            "free": ("tau_y",),
            "observe": _observed,
            "steps": 3,
            "throw": False,
        },
    ),
    "unroll of a stack": Call(
        oo.unroll, lambda s: {"cell": stack(s), "xs": draw(s, 5, 1), "last_only": True}
    ),
    "values of a network": Call(
        oo.values, lambda s: {"circuit": oo.RateNetwork.random(2, 3, key=key(s))}
    ),
    **{
        f"{name}.{kind}": Call(lambda table, kind=kind: getattr(table, kind)(), more, ("table",))
        for name, made in TABLES.items()
        for kind in ("to_dataframe", "to_xarray")
        for more in [lambda s, made=made: {"table": made(s)}]
    },
    "replace of a node": Call(
        oo.replace, lambda s: {"circuit": circuit(s), "W": jnp.asarray(draw(s, 2, 2))}
    ),
}

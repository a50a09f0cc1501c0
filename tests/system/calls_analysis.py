"""Calls of what is done with a circuit: states of rest, stability, noise, simulation."""

import diffrax
import numpy as np
from calls_parts import TS, Call, cell, circuit, draw, key, point, state

import organics_ode as oo

_D = 4  # Variables of the circuit.


def _spectra(seed):
    return point(seed) | {
        "frequencies": 0.01 * draw(seed, 3),
        "noise": oo.Noise(0.001 + 0.0001 * seed),
        "state0": state(seed),
    }


def _speed(circuit, x):
    return circuit.vector_field(0.0, circuit.initial_state(), x)


CALLS: dict[str, Call] = {
    "certify": Call(oo.certify, lambda s: point(s) | {"state0": state(s)}),
    "energy": Call(oo.energy, lambda s: point(s) | {"state0": state(s)}),
    "fixed_point": Call(oo.fixed_point, lambda s: point(s) | {"state0": state(s), "throw": False}),
    "find_fixed_points": Call(
        oo.find_fixed_points,
        lambda s: point(s) | {"key": key(s), "starts": 8, "scale": None, "rounds": 1},
    ),
    "continuation": Call(
        oo.continuation,
        lambda s: (
            point(s)
            | {"parameter": "sigma", "values": 0.1 + np.sort(draw(s, 3))}
            | {"starts": 4, "key": key(s), "cycles": 1}
        ),
    ),
    "slow_points": Call(
        oo.slow_points,
        lambda s: (
            point(s) | {"starts": oo.ORGaNICsState(*draw(s, 2, 1, 2)), "within": 0.1 + 0.01 * s}
        ),
    ),
    "jacobian": Call(oo.jacobian, lambda s: point(s) | {"state": state(s)}),
    "jacobian_blocks": Call(oo.jacobian_blocks, lambda s: point(s) | {"state": state(s)}),
    "spectrum": Call(oo.spectrum, lambda s: point(s) | {"state": state(s), "vectors": True}),
    "oscillator": Call(oo.oscillator, point),
    "coherence": Call(oo.coherence, _spectra),
    "cross_spectrum": Call(oo.cross_spectrum, _spectra),
    "power_spectrum": Call(oo.power_spectrum, _spectra),
    "covariance": Call(
        oo.covariance,
        lambda s: point(s) | {"noise": oo.Noise(0.001 + 0.0001 * s), "state0": state(s)},
    ),
    "fano": Call(
        oo.fano,
        lambda s: (
            point(s)
            | {"noise": oo.Noise(0.001 + 0.0001 * s), "window": 10.0 + s}
            | {"rate": lambda state: state.y**2}
        ),
    ),
    "spectral_peak": Call(
        oo.spectral_peak,
        lambda s: (
            point(s)
            | {"noise": oo.Noise(0.001 + 0.0001 * s), "state0": state(s)}
            | {"weights": oo.ORGaNICsState(y=1.0 + s, a=0.0), "band": (0.0, 1000.0 + s)}
        ),
    ),
    "by_field": Call(oo.by_field, lambda s: {"circuit": circuit(s), "values": draw(s, 3, _D)}),
    "by_block": Call(oo.by_block, lambda s: {"circuit": circuit(s), "values": draw(s, _D, _D)}),
    "ornstein_uhlenbeck": Call(
        oo.ornstein_uhlenbeck,
        lambda s: {"steps": 5, "size": 2, "dt": 0.1 + 0.01 * s, "tau": 2.0 + s, "key": key(s)},
    ),
    "sample_paths": Call(
        oo.sample_paths,
        lambda s: {
            "circuit": circuit(s),
            "inputs": draw(s, 1),
            "noise": oo.Noise(0.1 + 0.01 * s),
            "dt": 0.1 + 0.01 * s,
            "key": key(s),
            "steps": 4,
            "state0": state(s),
            "keep_every": 2,
        },
    ),
    "simulate": Call(
        oo.simulate,
        lambda s: {
            "circuit": circuit(s),
            "inputs": draw(s, 1),
            "ts": TS + 0.01 * s,
            "state0": state(s),
            "solver": diffrax.Tsit5(),
            "stepsize_controller": None,
            "adjoint": None,
            "dt0": 0.01 + 0.001 * s,
            "dtmax": None,
            "max_steps": 4096,
            "throw": False,
        },
    ),
    "sweep": Call(
        oo.sweep,
        lambda s: {
            "circuit": circuit(s),
            "axes": {"tau_a": 1.0 + draw(s, 3)},
            "function": _speed,
            "x": draw(s, 1),
            "chunk": 2,
            "path": None,
            "progress": False,
        },
    ),
    "fit_parameters": Call(
        oo.fit_parameters,
        lambda s: {
            "circuit": circuit(s),
            "inputs": draw(s, 1),
            "ts": TS + 0.01 * s,
            "data": draw(s, 3, 2),
            "free": ("tau_y", "b1"),
            "noise": 0.1 + 0.01 * s,
            "state0": state(s),
            "solver": diffrax.Tsit5(),
            "steps": 3,
            "max_steps": 4096,
            "throw": False,
        },
    ),
    "Table": Call(
        oo.Table,
        lambda s: {
            "axes": {"t": draw(s, 3)},
            "columns": {"y": draw(s, 3, 2)},
            "units": {"t": "ms"},
            "notes": {"seed": s},
        },
    ),
    "lyapunov": Call(
        oo.lyapunov,
        lambda s: {"cell": cell(s), "xs": draw(s, 5, 1), "k": 2, "state0": state(s), "burn_in": 1},
    ),
    "unroll": Call(
        oo.unroll,
        lambda s: {
            "cell": cell(s),
            "xs": draw(s, 5, 1),
            "state0": state(s),
            "restarts": None,
            "mask": None,
            "keep_every": 1,
        },
    ),
    "fourier_memory": Call(
        oo.fourier_memory,
        lambda s: {
            "circuit": oo.GatedORGaNICs.random(
                1, 4, key=key(s), tau_y=8.0, rectification=oo.Rectification.NONE
            ),
            "xs": draw(s, 2, 8, 1),
            "dt": 1.0,
            "cycles": (0.25, 2.0),
            "rms": 0.3,
            "key": key(s),
        },
    ),
}

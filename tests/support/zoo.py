"""Circuits by name, and what is known about them in closed form.

`CIRCUITS` maps a name to a thunk; laws that every circuit must keep are tested over all of them.
"""

import functools

import jax
import numpy as np
import optax
from marks import slow

import organics_ode as oo

N, M = 4, 3
NONE, BEFORE, AFTER = oo.Rectification.NONE, oo.Rectification.BEFORE, oo.Rectification.AFTER
EXPONENTS = {NONE: (2.0, 1.5, 3.0), BEFORE: (2.0, 3.0), AFTER: (2.0, 1.5)}
GATES = ("W_bx0", "W_by0", "W_ba0", "W_bx1", "W_by1", "W_ba1")
TIMES = ("tau_y", "tau_a", "tau_b0", "tau_b1")


def orthogonal(rng, n=N):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def values(n=N, m=M, *, seed=0, identity=False, per_unit=True, dtype=np.float64):
    """Plain arrays for `oo.ORGaNICs`, with every law of its arguments kept."""
    rng = np.random.default_rng(seed)
    shape = (n,) if per_unit else ()
    W_zx = rng.normal(size=(n, m))
    drawn = {
        "W_zx": W_zx / np.linalg.norm(W_zx, 2),
        "W_r": np.eye(n) if identity else orthogonal(rng, n),
        "W": rng.uniform(size=(n, n)),
        "sigma": rng.uniform(0.1, 0.5, shape),
        "b0": rng.uniform(0.5, 1, shape),
        "b1": rng.uniform(0.5, 1, shape),
        "tau_y": rng.uniform(2, 8, shape),
        "tau_a": rng.uniform(2, 8, shape),
    }
    return {name: np.asarray(value, dtype) for name, value in drawn.items()}


def gated_values(n=N, m=M, *, seed=0, identity=False, per_unit=True, dtype=np.float64):
    """Plain arrays for `oo.GatedORGaNICs`."""
    drawn = values(n, m, seed=seed, identity=identity, per_unit=per_unit, dtype=dtype)
    rng = np.random.default_rng(seed + 1)
    shapes = {"x": (n, m), "y": (n, n), "a": (n, n)}
    drawn = {name: value for name, value in drawn.items() if name not in ("b0", "b1")}
    for name in GATES:
        drawn[name] = rng.normal(size=shapes[name[3]]).astype(dtype)
    for name in ("tau_b0", "tau_b1"):
        drawn[name] = np.asarray(rng.uniform(2, 8, (n,) if per_unit else ()), dtype)
    return drawn


def organics(rectification=NONE, exponent=2.0, nodes=None, **options):
    """An `ORGaNICs`; `nodes` maps a field to the node that wraps its value."""
    return _build(oo.ORGaNICs, values(**options), rectification, exponent, nodes)


def gated(rectification=AFTER, exponent=2.0, nodes=None, **options):
    """A `GatedORGaNICs`; `nodes` maps a field to the node that wraps its value."""
    return _build(oo.GatedORGaNICs, gated_values(**options), rectification, exponent, nodes)


def _build(cls, arrays, rectification, exponent, nodes):
    wrapped = {name: node(arrays[name]) for name, node in (nodes or {}).items()}
    return cls(**(arrays | wrapped), rectification=rectification, exponent=exponent)


def _registry():
    thunks = {}
    for kind, build in (("organics", organics), ("gated", gated)):
        for rectification, exponents in EXPONENTS.items():
            for exponent in exponents:
                name = f"{kind} {rectification.value} p={exponent:g}"
                thunks[name] = functools.partial(build, rectification, exponent)
        bounded = functools.partial(oo.Bounded, low=1.0, high=20.0)
        above = functools.partial(oo.Bounded, low=1.0)
        times = ("tau_y", "tau_a")
        options = {
            "identity W_r": {"identity": True},
            "scalar parameters": {"per_unit": False},
            "float32": {"dtype": np.float32},
            "frozen W_r": {"nodes": {"W_r": oo.Frozen}},
            "bounded tau": {"nodes": dict.fromkeys(times, bounded)},
            "tau bounded below": {"nodes": dict.fromkeys(times, above)},
            "spectral W_r": {"nodes": {"W_r": functools.partial(oo.SpectralBound, bound=1.5)}},
            "positive W": {"nodes": {"W": oo.Positive}},
            "trained exponent": {"exponent": oo.Bounded(2.0, low=1.0, high=4.0)},
            "frozen exponent": {"exponent": oo.Frozen(np.asarray(2.5))},
            "one unit": {"n": 1, "m": 1},
        }
        for name, option in options.items():
            thunks[f"{kind} {name}"] = functools.partial(build, **option)
    thunks["organics random"] = lambda: oo.ORGaNICs.random(M, N, key=jax.random.key(0))
    thunks["gated random"] = lambda: oo.GatedORGaNICs.random(M, N, key=jax.random.key(0))
    return thunks


CIRCUITS = _registry()

# Every rectification of both kinds, and every other option with one of them: what is asked of all
# circuits is asked of these always, of the others by .ci/deep.
ALWAYS = (
    *("organics none p=2", "organics before p=3", "organics after p=1.5"),
    *("gated none p=3", "gated before p=2", "gated after p=1.5"),
    *("organics float32", "organics spectral W_r", "organics trained exponent"),
    *("organics tau bounded below", "organics positive W", "organics one unit"),
    *("gated identity W_r", "gated scalar parameters", "gated frozen W_r"),
    *("gated bounded tau", "gated frozen exponent", "gated random"),
)
NAMES = [name if name in ALWAYS else slow(name) for name in CIRCUITS]


def input_of(circuit, *, seed=0, length=None):
    """An input (m,), or a sequence (length, m), in the dtype of the circuit (or cell)."""
    m = circuit.input_size
    shape = (m,) if length is None else (length, m)
    x = np.random.default_rng(seed + 100).normal(size=shape)
    return jax.device_put(x.astype(circuit.initial_state().y.dtype))


def state_of(circuit, *, seed=0):
    """A generic state: y of both signs, everything else positive."""
    rng = np.random.default_rng(seed + 200)
    like = circuit.initial_state()
    draws = {name: rng.uniform(0.1, 1.5, leaf.shape) for name, leaf in like._asdict().items()}
    draws["y"] = rng.normal(size=like.y.shape)
    return type(like)(**{k: jax.device_put(v.astype(like.y.dtype)) for k, v in draws.items()})


def closed_form(circuit, x):
    """(y_s, a_s) of an `ORGaNICs` with W_r = I, in numpy.

    a_s = (σb0)^p + W|b1 z|^p, y_s = b1 z / a_s^(1/p). With BEFORE, |b1 z| turns into ⌊b1 z⌋ and
    units with z < 0, which get no recurrent drive, rest at y = b1 z. With AFTER, z is ⌊z⌋.
    """
    c, p = oo.resolve(circuit), oo.resolve(circuit).exponent
    z = np.asarray(c.W_zx) @ np.asarray(x)
    drive = np.asarray(c.b1) * (np.maximum(z, 0) if c.rectification is AFTER else z)
    pooled = np.abs(drive) if c.rectification is NONE else np.maximum(drive, 0)
    a = (np.asarray(c.sigma) * np.asarray(c.b0)) ** p + np.asarray(c.W) @ pooled**p
    divided = drive / a ** (1 / p)
    return np.where(drive < 0, drive, divided) if c.rectification is BEFORE else divided, a


def relaxed(optimizer):
    """The optimizer with JAX's usual promotion: optax raises floats to integer powers."""

    def update(*args):
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(*args)

    return optax.GradientTransformation(optimizer.init, update)

"""Wrong calls that a new user makes, and what each is told: the table of docs/arguments.md.

    python tests/system/wrong_calls.py [--write | --check]

`--write` puts the table into the page, `--check` ends with an error where the page says otherwise.
"""

import argparse
import contextlib
import io
import os
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["MPLBACKEND"] = "Agg"

from page import table_of, write_table

import organics_ode as oo

PAGE = "arguments.md"

# What stands above the calls, in the page as well.
BEFORE = """\
import equinox as eqx
import jax
import numpy as np
import optax
import organics_ode as oo
import tasks

circuit = oo.ORGaNICs.random(3, 4, key=0)  # m = 3 inputs, n = 4 cells
x, ts = np.ones(3), np.linspace(0.0, 50.0, 101)
W_zx, W_r, W = np.ones((4, 3)), np.eye(4), np.ones((4, 4))
rest = {"sigma": 0.1, "b0": 0.5, "b1": 0.5, "tau_y": 2.0, "tau_a": 2.0}
cell = oo.Euler(circuit, 0.1)
model = oo.SequenceClassifier(cell, eqx.nn.Linear(4, 2, key=jax.random.key(0)))
split = tasks.Split(np.ones((8, 5, 3), np.float32), np.arange(8, dtype=np.int32) % 2)
batches = oo.minibatches(split, 4, key=0)
adam = optax.adam(0.01)
"""

CALLS = {
    "Units and signs": [
        'oo.ORGaNICs(W_zx, W_r, W, **rest | {"tau_y": 0.02, "tau_a": 0.01})',
        'oo.ORGaNICs(W_zx, W_r, W, **rest | {"tau_y": -2.0})',
        "oo.ORGaNICs(W_zx, W_r, -W, **rest)",
        "oo.Bounded(5.0, low=10.0)",
        "oo.Euler(circuit, 0.0)",
    ],
    "Shapes": [
        "oo.ORGaNICs(W_zx.T, W_r, W, **rest)",
        "oo.ORGaNICs(W_zx, np.ones((4, 3)), W, **rest)",
        "oo.ORGaNICs(W_zx, [[1.0], [0.0, 1.0]], W, **rest)",
        'oo.ORGaNICs(W_zx, "identity", W, **rest)',
        "oo.fixed_point(circuit, [0.5, 0.2])",
        "oo.unroll(cell, x)",
        "oo.ZeroOrderHold([0.0, 10.0], [[1.0, 0.0, 0.0]])",
        "oo.simulate(circuit, ([0.0, 10.0], [1.0, 0.0]), ts)",
    ],
    "Batches": [
        "oo.fixed_point(circuit, np.ones((10, 3)))",
        "oo.certify(circuit, np.ones((10, 3)))",
        "oo.simulate(circuit, np.ones((10, 3)), ts)",
        "oo.unroll(cell, np.ones((10, 5, 3)))",
    ],
    "Order and kind of arguments": [
        "oo.simulate(x, circuit, ts)",
        "oo.fixed_point(oo.ORGaNICs, x)",
        "oo.unroll(circuit, np.ones((5, 3)))",
        "oo.SequenceClassifier(circuit, model.readout)",
        "oo.power_spectrum(circuit, x, [10.0, 40.0], 0.1)",
        'oo.simulate(circuit, x, ts, solver="RK45")',
        'oo.ORGaNICs(W_zx, W_r, W, **rest, rectification="after")',
    ],
    "Keys and what is missing": [
        "oo.ORGaNICs.random(3, 4, key=0.5)",
        "oo.ORGaNICs.random(3, 4, key=jax.random.split(jax.random.key(0)))",
        "oo.ORGaNICs.random(3, 4.0, key=0)",
        "oo.find_fixed_points(circuit, x)",
        "oo.sample_paths(circuit, x, oo.Noise(0.1), dt=0.1, key=0)",
    ],
    "Times and states": [
        "oo.simulate(circuit, x, [0.0, 20.0, 10.0])",
        "oo.simulate(circuit, x, 50.0)",
        "oo.simulate(circuit, x, ts, state0=np.zeros(8))",
        "oo.simulate(circuit, x, ts, state0=(np.zeros(3), np.ones(3)))",
        'oo.simulate(circuit, x, ts, state0={"y": np.zeros(4), "b": np.ones(4)})',
        "oo.simulate(circuit, x, ts, state0=oo.RateNetworkState(np.zeros(4)))",
    ],
    "Functions of numpy, and `if`": [
        "oo.simulate(circuit, lambda t: np.sin(t) * x, ts)",
        "oo.simulate(circuit, lambda t: x if t < 10.0 else 0 * x, ts)",
        "oo.RateNetwork(W_r, W_zx, np.zeros(4), 50.0, f=lambda u: np.tanh(u))",
        "oo.fit(model, batches, optimizer=adam, steps=1, loss=lambda y, target, mask: "
        "np.square(y).sum())",
        "jax.jit(lambda x: oo.certify(circuit, x))(x)",
    ],
    "Training": [
        "oo.fit(model, split, optimizer=adam, steps=10)",
        "oo.fit(model, batches, optimizer=adam)",
        'oo.fit(model, batches, optimizer="adam", steps=10)',
        "oo.minibatches(split.inputs, 4, key=0)",
        "oo.minibatches(split, 100, key=0)",
        "oo.trials(tasks.FlipFlop, 32, key=0)",
        "oo.cross_entropy([0.2, 0.8], [0.0, 1.0])",
        "oo.cross_entropy([0.2, 0.8], 2)",
    ],
    "Files": [
        'oo.load("model.npz")',
        'oo.pretrained("mnist")',
        'tasks.SequentialMNIST("nowhere")',
    ],
}


def names():
    """What a user has at hand, made by `BEFORE`."""
    known = {}
    exec(BEFORE, known)
    return known


def told(call, known):
    """What the error, or the warning, of a call says."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", oo.TimeUnitWarning)
        try:
            exec(compile(call, "your_file.py", "exec"), dict(known))
        except Exception as error:
            return f"`{type(error).__name__}`: {error}"
    if not caught:
        raise AssertionError(f"{call} was taken")
    return f"`{caught[0].category.__name__}`: {caught[0].message}"


def in_cell(text):
    """As it stands in a cell of Markdown: nothing but code holds tags, and nothing columns."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(p.replace("<", "&lt;") if i % 2 == 0 else p for i, p in enumerate(parts))


def lines():
    known, rows, count = names(), [], 0
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty):
        for title, calls in CALLS.items():
            rows += [f"### {title}", "", "| call | what it says |", "| --- | --- |"]
            for call in calls:
                count += 1
                text = " ".join(told(call, known).split()).replace(empty, "")
                rows.append(f"| {in_cell(f'`{call}`')} | {in_cell(text)} |")
            rows.append("")
    made = f"{count} calls, by `python tests/system/wrong_calls.py --write`."
    return [made, "", "```python", *BEFORE.splitlines(), "```", "", *rows[:-1]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    now = lines()
    if options.write:
        write_table("wrong calls", now, PAGE)
    elif options.check and (then := table_of("wrong calls", PAGE)) != now:
        changed = [f"- {a}\n+ {b}" for a, b in zip(then, now, strict=False) if a != b]
        sys.exit("\n".join(["docs/arguments.md says otherwise:", *changed]))
    else:
        print("\n".join(now))


if __name__ == "__main__":
    main()

"""Whether an installed organics_ode works, in a few small calls: run it outside of the checkout.

python smoke.py             what needs no extra
python smoke.py EXTRA …     what those extras are for: tables, examples, export, explore
"""

import contextlib
import importlib.metadata
import io
import re
import sys
import tempfile
import time
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax

import organics_ode as oo
import tasks


def main() -> None:
    extras = {each.__name__[1:]: each for each in (_tables, _examples, _export, _explore)}
    chosen = [extras[word] for word in sys.argv[1:]]
    began = time.perf_counter()
    for check in (_installed, *(chosen or (_readme, _circuit, _training, _pretrained))):
        check()
    seconds = time.perf_counter() - began
    packages = ("jax", "equinox", "diffrax", "optax", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    what = ", ".join(sys.argv[1:]) or "without extras"
    print(f"works {what}: Python {sys.version.split()[0]}, {versions} ({seconds:.0f} s)")


def _installed() -> None:
    folders = {Path(module.__file__).parents[1].name for module in (oo, tasks)}
    assert folders == {"site-packages"}, folders
    assert importlib.metadata.version("organics_ode") == oo.__version__


def _readme() -> None:
    text = importlib.metadata.metadata("organics_ode").get_payload()
    block, shown = re.search(r"```python\n(.*?)```\s*```text\n(.*?)```", text, re.DOTALL).groups()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    wanted = [line for line in shown.splitlines() if line.strip() != "..."]
    pairs = zip(wanted, printed.getvalue().splitlines(), strict=False)
    # The digits after the fourth are those of the machine.
    short = [[re.sub(r"(\.\d{4})\d+", r"\1", line) for line in pair] for pair in pairs]
    assert len(short) == len(wanted) and all(a == b for a, b in short), short


def _circuit() -> None:
    circuit = oo.replace(oo.ORGaNICs.random(2, 4, key=0), W_r=np.eye(4))
    x = np.array([0.5, 0.2])
    point = oo.fixed_point(circuit, x)
    end = oo.simulate(circuit, x, np.array([0.0, 2000.0])).states.y[-1]
    np.testing.assert_allclose(end, point.state.y, rtol=1e-3, atol=1e-5)
    certificate = oo.certify(circuit, x)
    spectrum = oo.spectrum(circuit, point.state, x)
    assert certificate.holds and spectrum.abscissa < 0, certificate


def _training() -> None:
    keys = jax.random.split(jax.random.key(0), 4)
    times = oo.LogUniform(3.0, 20.0)
    options = dict.fromkeys(("tau_y", "tau_a", "tau_b0", "tau_b1"), times)
    circuit = oo.GatedORGaNICs.random(1, 8, key=keys[0], **options)
    readout = eqx.nn.Linear(8, 2, key=keys[1])
    model = oo.SequenceClassifier(
        oo.Euler(circuit, dt=1.0), readout, state0=circuit.random_state(keys[2])
    )
    labels = np.arange(64) % 2
    inputs = np.random.default_rng(0).uniform(size=(64, 12)) * (0.2 + labels[:, None])
    batches = oo.minibatches((inputs, labels), 32, key=keys[3])
    result = oo.fit(model, batches, optimizer=optax.adam(0.02), steps=20, progress=False)
    losses = result.history["loss"]
    assert losses.shape == (20,) and losses[-3:].mean() < losses[:3].mean(), losses
    with tempfile.TemporaryDirectory() as folder:
        oo.save(Path(folder) / "model.npz", result.model)
        loaded = oo.load(Path(folder) / "model.npz")
    assert eqx.tree_equal(loaded, result.model)


def _pretrained() -> None:
    for name in oo.pretrained_names():
        assert oo.model_card(name)["accuracy"]["test"] > 0.9
    model = oo.pretrained("smnist-64")
    assert model(np.zeros((784, 1), np.float32)).shape == (10,)


def _tables() -> None:
    circuit = oo.ORGaNICs.random(2, 2, key=0)
    trajectory = oo.simulate(circuit, [0.5, 0.2], np.linspace(0.0, 20.0, 5))
    assert len(trajectory.to_dataframe()) == 5 and trajectory.to_xarray().sizes["t"] == 5


def _examples() -> None:
    import matplotlib

    matplotlib.use("Agg")
    trajectory = oo.simulate(oo.ORGaNICs.random(2, 2, key=0), [0.5, 0.2], np.linspace(0.0, 20.0, 5))
    axes = oo.plot_result(trajectory)
    assert axes is not None
    assert len(tasks.SequentialDigits().train.targets) > 1000


def _export() -> None:
    import jax.export

    cell = oo.resolve(oo.Euler(oo.ORGaNICs.random(2, 2, key=0), dt=1.0))
    x, state = np.ones(2, np.float32), tuple(cell.initial_state())

    @jax.jit
    def step(state, x):
        return tuple(cell.step(oo.ORGaNICsState(*state), x))

    exported = jax.export.deserialize(jax.export.export(step)(state, x).serialize())
    np.testing.assert_array_equal(exported.call(state, x), step(state, x))


def _explore() -> None:
    from bokeh.document import Document

    from organics_ode.explore._page import Tab

    jax.config.update("jax_enable_x64", True)  # as its server does
    document = Document()
    Tab(document)
    assert "stable focus" in document.select_one({"name": "words"}).text


if __name__ == "__main__":
    main()

"""Inputs on which sequence models were not trained: used by `bounded_report.py`."""

import json
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import organics_ode as oo
import tasks
from organics_ode.storage import origin

GLARE, LENGTH = 100.0, 100  # the brightness and number of pixels before the image
SOLVED = 8  # images that are solved adaptively
FINE = 8  # shorter steps, for the explicit steps of a millisecond diverge in strong glare


def changed(inputs: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """The images, each changed in a way on which the circuits were not trained."""
    rng = np.random.default_rng(seed)
    noise, lost = rng.normal(size=inputs.shape), rng.uniform(size=inputs.shape)
    return {
        "noise, s.d. 0.1": inputs + 0.1 * noise,
        "noise, s.d. 0.3": inputs + 0.3 * noise,
        "a tenth of the pixels dropped": np.where(lost < 0.1, 0, inputs),
        "three tenths of the pixels dropped": np.where(lost < 0.3, 0, inputs),
    }


def after_glare(model: oo.SequenceClassifier, split: tasks.Split, seed: int = 0) -> dict:
    """What the model does with images after a period of glare: by steps, and as the differential
    equation that it represents."""
    glare = GLARE * np.random.default_rng(seed).uniform(size=(len(split.inputs), LENGTH, 1))
    inputs = np.concatenate([glare, split.inputs], axis=1).astype(np.float32)
    facts = {
        f"glare, dt = {1 / k:g} ms: {name}": value
        for k in (1, FINE)
        for name, value in _by_steps(model, split._replace(inputs=inputs), k).items()
    }
    with jax.enable_x64(True):
        solved = [_solved(model, jnp.asarray(xs, float)) for xs in inputs[:SOLVED]]
    right = [label == int(t) for (label, _, _), t in zip(solved, split.targets, strict=False)]
    return facts | {
        f"glare, adaptive: solved, of {SOLVED}": sum(ok for _, _, ok in solved),
        "glare, adaptive: right": sum(right),
        "glare, adaptive: largest |y|": max(size for _, size, _ in solved),
    }


def again(path: Path, names: list[str], images: int, data_dir: str | None) -> None:
    """The effects of glare alone, put into the results that there are."""
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in names:
        model, card = oo.pretrained(name), oo.model_card(name)
        test = tasks.SequentialMNIST(data_dir, permuted=card["options"]["permuted"]).test
        start = time.perf_counter()
        facts = after_glare(model, tasks.Split(*(part[:images] for part in test)))
        print(name, facts, flush=True)
        record["circuits"][name] |= facts | {"glare": origin(time.perf_counter() - start)}
    text = json.dumps(record, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _by_steps(model: oo.SequenceClassifier, split: tasks.Split, k: int) -> dict[str, float]:
    """With k steps a millisecond: the share of images after which the state is still finite, and
    of those that are read right."""
    model = eqx.tree_at(lambda m: m.cell.dt, model, 1 / k)
    split = split._replace(inputs=np.repeat(split.inputs, k, axis=1))
    ends = {"still finite": _is_finite, "right": oo.accuracy}
    return {
        name: oo.evaluate(model, split, metric=metric)[metric.__name__]
        for name, metric in ends.items()
    }


def _is_finite(output: jax.Array, target: jax.Array) -> jax.Array:
    return jnp.mean(jnp.isfinite(output), axis=-1)


def _solved(model: oo.SequenceClassifier, xs: jax.Array) -> tuple[int, float, bool]:
    """The label, the largest |y| at every ms, and whether the solver reached the end."""
    wide = lambda v: v.astype(float) if eqx.is_inexact_array(v) else v  # noqa: E731
    model = jax.tree.map(wide, oo.resolve(model))
    held = oo.ZeroOrderHold(jnp.arange(float(len(xs))), xs)
    run = oo.simulate(
        model.cell.circuit,
        held,
        jnp.arange(len(xs) + 1.0),
        state0=model.state0,
        max_steps=100_000,
        throw=False,
    )
    y = run.states.y[jnp.all(jnp.isfinite(run.states.y), axis=1)]
    size = float(jnp.max(jnp.linalg.norm(y, axis=1)))
    return int(jnp.argmax(model.readout(y[-1]))), size, bool(run.succeeded)

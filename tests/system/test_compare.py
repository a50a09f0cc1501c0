"""The comparison of models runs, goes on where it was, and fills its page."""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest
from compared import tree_equal

import organics_ode as oo

SCRIPT = Path(__file__).parents[2] / "examples" / "compare" / "compare.py"
SMALL = ("--epochs=1", "--batch=400", "--seeds=2", "--rates", "0.003", "0.01", "--scale=0.1")


def run(folder, *arguments):
    paths = ["--table", "rows.jsonl", "--out", "compare.png"]
    command = [sys.executable, str(SCRIPT), *SMALL, *paths, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_comparison_goes_on_where_it_was_and_fills_its_page(tmp_path):
    run(tmp_path, "--models", "bounded")
    page = tmp_path / "page.md"
    marks = "".join(f"<!-- {name} -->\n" * 2 for name in ("digits", "digits norms"))
    page.write_text(f"above\n{marks}below\n")
    text = run(tmp_path, "--models", "bounded", "cornn", "--page", str(page))
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["model"] for row in rows] == ["bounded", "cornn"]
    for row in rows:
        # Two rates, with and without clipping, two seeds.
        for name in ("accuracy", "validation", "diverged", "largest norm", "median norm"):
            assert [len(row[name]), len(row[name][0]), len(row[name][0][0])] == [2, 2, 2]
        assert row["numbers"] > 0 and row["ms per step"] > 0 and row["memory, MB"] > 0
    filled = page.read_text()
    assert filled.startswith("above") and filled.endswith("below\n")
    for label in ("ORGaNICs, bounded", "CoRNN"):
        assert text.count(f"| {label} |") == filled.count(f"| {label} |") == 2
    assert (tmp_path / "compare.png").stat().st_size > 0


def test_tasks_that_are_drawn_are_scored_by_what_they_ask(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    splits = importlib.import_module("_splits")
    adding = splits.load("adding", repeat=2).test
    sums = np.sum(adding.inputs[..., 0] * adding.inputs[..., 1], axis=1, keepdims=True) / 2
    np.testing.assert_allclose(adding.targets, sums, rtol=1e-6)
    scores = jax.vmap(splits.explained)
    assert np.mean(scores(sums, adding.targets)) == pytest.approx(1)
    assert np.mean(scores(np.ones_like(sums), adding.targets)) == pytest.approx(0, abs=0.1)
    match = splits.load("match").test
    shown = match.inputs[:, :, 1:].max(axis=1).sum(axis=-1)  # how many different stimuli
    np.testing.assert_array_equal(match.targets, shown == 1)
    assert 0.4 < np.mean(match.targets) < 0.6


@pytest.fixture
def static(monkeypatch):
    """The script that compares layers on static images, and its layers."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return importlib.import_module("static"), importlib.import_module("_layers")


def test_layers_on_static_images_have_as_many_numbers_and_the_same_autoencoder(static):
    _, layers = static
    networks = [layers.make(kind, 0) for kind in layers.KINDS]
    counts = [layers.numbers_of(network.classifier[1]) for network in networks]
    assert max(counts) < 1.01 * min(counts)
    encoders = [eqx.filter(network.classifier[0], eqx.is_array) for network in networks]
    assert all(tree_equal(encoder, encoders[0]) for encoder in encoders[1:])
    for network in networks:
        with jax.numpy_dtype_promotion("standard"):  # as users have it
            scores, image = oo.resolve(network)(np.full(784, 0.5, np.float32))
        assert scores.shape == (10,) and np.all(np.isfinite(scores)) and image.shape == (784,)


def test_static_images_go_on_where_they_were(static, tmp_path, monkeypatch):
    script, layers = static
    ran = []

    def run(kind, seed, data, args):
        ran.append((kind, seed))
        row = {"accuracy": 0.9 + 0.01 * seed, "largest norm": 2.0, "ms per step": 3.0}
        return {"kind": kind, "seed": seed, "numbers": 7, **row}

    monkeypatch.setattr(script, "run", run)
    monkeypatch.setattr(script.tasks, "MNIST", lambda data_dir: None)
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- static -->\n<!-- static -->\nbelow\n")
    options = {"kinds": list(layers.KINDS), "data_dir": None, "draw": False, "page": page}
    options |= {"table": tmp_path / "rows.jsonl", "out": tmp_path / "static.png"}
    for seeds in (1, 3):
        script.main(argparse.Namespace(seeds=seeds, **options))
    assert sorted(ran) == sorted((kind, seed) for kind in layers.KINDS for seed in range(3))
    for label in layers.KINDS.values():
        # 0.90, 0.91, 0.92: a standard deviation of 0.01, over the root of three.
        assert f"| {label} | 7 | 0.9100 ± 0.0058 | 3 | 2 | 3 |" in page.read_text()
    assert (tmp_path / "static.png").stat().st_size > 0

"""The comparison of models runs, goes on where it was, and fills its page."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

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

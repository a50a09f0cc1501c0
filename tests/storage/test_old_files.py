"""Files of earlier versions load, and training goes on from them."""

import importlib.util
import json
import shutil
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

import organics_ode as oo

OLD = Path(__file__).parents[1] / "old_files" / "version_2"
FORMER = {"organics_ode._history", "organics_ode._resume"}  # modules that have moved since


def maker():
    spec = importlib.util.spec_from_file_location("make_old_files", OLD / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = maker()


@pytest.fixture(autouse=True)
def in_float32():
    with jax.enable_x64(False):
        yield


def same(old, new):
    assert jax.tree.structure(old) == jax.tree.structure(new)
    for one, other in zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True):
        if eqx.is_array_like(one):
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


def test_the_files_are_of_before():
    header = np.load(OLD / "checkpoint")["__header__"]
    names = {fact.get("name", "") for fact in json.loads(header.item())["model"].values()}
    assert {name.partition(":")[0] for name in names} >= FORMER


def test_a_model_is_read():
    same(oo.load(OLD / "model.npz"), make.classifier())


def test_results_are_read():
    same(oo.load(OLD / "results.npz"), make.results())


def test_a_training_goes_on_from_its_checkpoint(tmp_path):
    for name in ("checkpoint", "log.jsonl"):
        shutil.copy(OLD / name, tmp_path / name)
    went_on = make.train(8, checkpoint=tmp_path / "checkpoint", log=tmp_path / "log.jsonl")
    in_one = make.train(8)
    np.testing.assert_allclose(went_on.history["loss"], in_one.history["loss"], rtol=1e-4)
    same(went_on.model, in_one.model)

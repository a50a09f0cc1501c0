"""Files of phase diagrams: those of before go on, and what is none is refused."""

import json
import shutil
from pathlib import Path

import forge
import numpy as np
import pytest
from diagrams import DELTAS, KEY, NORMS, SMALL

from organics_ode import robustness
from organics_ode.robustness import _diagram, _study

OLD = Path(__file__).parents[1] / "old_files" / "version_1"


@pytest.mark.parametrize("leaf", [".classes", ".abscissa"])
def test_a_diagram_holds_arrays_and_nothing_else(tmp_path, leaf):
    path = tmp_path / "file"
    study = _study.read_study([0.0, 1.0], [1.0], 2, 0.5, 0.1, 2.0, 5.0, 3.0)
    shape, names = (2, 1), ("abscissa", "frequency", "amplitude")
    trial = {"classes": np.zeros(shape, np.int8)} | {name: np.ones(shape) for name in names}
    _study.save(path, {"size": 2}, [trial])
    facts, arrays = forge.read(path)
    ragged = {"kind": "list", "keys": ["[0]"]}, {"kind": "list"}
    facts |= {leaf[1:]: ragged[0], f"{leaf[1:]}[0]": ragged[1]}
    del arrays[leaf[1:]]
    forge.write(path, facts, arrays)
    with pytest.raises(ValueError, match=r"^Argument `path` must be new or hold a diagram"):
        _study.load(path, study, {"size": 2})


def test_a_diagram_of_before_is_read_and_goes_on(tmp_path):
    path = shutil.copy(OLD / "diagram.npz", tmp_path / "diagram")
    stored = _study._read(path)
    arguments = json.loads(stored.arguments)
    study = _study.read_study(*(arguments[k] for k in _study.Study._fields))
    done = _study.load(path, study, arguments)
    assert len(done) == 2 and done[0]["classes"].shape == (2, 2)
    _study.save(path, arguments, done)
    for one, other in zip(done, _study.load(path, study, arguments), strict=True):
        assert all(np.array_equal(one[k], other[k], equal_nan=k != "classes") for k in one)


def test_a_folder_that_takes_no_file_is_found_before_the_first_trial(monkeypatch):
    monkeypatch.setattr(_diagram, "run_trials", lambda *args: pytest.fail("it ran"))
    with pytest.raises(ValueError, match=r"^Argument `path` must name a file that can be written"):
        robustness.phase_diagram(DELTAS, NORMS, key=KEY, path="/proc/diagram", **SMALL)

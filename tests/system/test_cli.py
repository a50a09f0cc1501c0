"""`python -m organics_ode`, and the tasks where a `tasks.py` of one's own hides them."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import organics_ode as oo
import tasks
from organics_ode.__main__ import main
from organics_ode.storage import saved_name

ROOT = Path(__file__).parents[2]
needs_mnist = pytest.mark.skipif(
    not os.environ.get("ORGANICS_DATA"),
    reason="MNIST is absent: set ORGANICS_DATA to the folder that holds `mnist/`.",
)


def run(*words, cwd=ROOT, script=None):
    """A process in another folder; with a script, of this text."""
    command = [sys.executable, *(["-c", script] if script else ["-m", "organics_ode"]), *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def own_tasks(folder):
    (folder / "tasks.py").write_text("own = True\n")
    return folder


def test_info_in_a_process_says_what_is_here(tmp_path):
    done = run("info", cwd=own_tasks(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    facts = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in done.stdout.splitlines())
    assert facts["organics_ode"].startswith(oo.__version__) and facts["jax"] == jax.__version__
    assert facts["devices"].startswith("cpu 0") and facts["precision"].startswith("x64 is o")
    assert "oo.use_cores()" in facts["cores"]
    assert set(facts["trained models"].split(", ")) == set(oo.pretrained_names())


@needs_mnist
def test_a_model_is_evaluated_again(capsys):
    assert main(["evaluate", "static-mnist-1"]) == 0
    captured = capsys.readouterr()
    card = oo.model_card("static-mnist-1")["accuracy"]
    for part in ("validation", "test"):
        found = re.search(rf"^{part} +accuracy (\S+), in its card (\S+)$", captured.out, re.M)
        assert abs(float(found[1]) - card[part]) <= 2e-4 and float(found[2]) == card[part]
    assert "static-mnist-1, test: 10000 of 10000" in captured.err


@needs_mnist
def test_a_model_that_is_not_what_its_card_says_fails(capsys, monkeypatch):
    card = oo.model_card("static-mnist-1")
    card["accuracy"]["test"] += 0.01
    monkeypatch.setattr("organics_ode.__main__.model_card", lambda name: card)
    assert main(["evaluate", "static-mnist-1"]) == 1
    assert "is not what its card says" in capsys.readouterr().err


HIDDEN = """
import pickle
import sys
import organics_ode as oo
from organics_ode import tasks as found
import tasks

assert tasks.own and found is not tasks and oo.tasks is found
import organics_ode.tasks as again
import organics_ode.tasks.ring
assert again is found and organics_ode.tasks.ring.RingTask is found.RingTask
task = found.AddingProblem(length=7)
other = pickle.load(open(sys.argv[1], "rb"))
assert type(other) is found.AddingProblem and other == task
assert oo.storage.saved_name(found.AddingProblem) == "tasks:AddingProblem"
pickle.dump(task, open(sys.argv[2], "wb"))
oo.save(sys.argv[3], task)
"""


def test_the_library_has_its_tasks_where_others_hide_them(tmp_path):
    task = tasks.AddingProblem(length=7)
    files = [tmp_path / name for name in ("here.pkl", "there.pkl", "task.npz")]
    files[0].write_bytes(pickle.dumps(task))
    done = run(*map(str, files), cwd=own_tasks(tmp_path), script=HIDDEN)
    assert done.returncode == 0, done.stderr
    assert pickle.loads(files[1].read_bytes()) == task
    assert oo.load(files[2], like=task) == task
    assert saved_name(tasks.AddingProblem) == "tasks:AddingProblem"


def test_a_package_of_ones_own_keeps_its_modules(tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("")
    (tmp_path / "tasks" / "ring.py").write_text("own = True\n")
    script = "from organics_ode import tasks; import tasks.ring as p; assert p.own, p"
    done = run(cwd=tmp_path, script=script)
    assert done.returncode == 0, done.stderr

"""One training at a time writes a checkpoint; its lock ends with its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from resumed import ASKED, EVENTS, Killed, at, check_same, dies, run

from organics_ode.storage import locked


@pytest.fixture(scope="module")
def undisturbed():
    return run()


ROOT = Path(__file__).parents[2]
HOLD = """
import os, sys, time
from pathlib import Path
from organics_ode.storage import locked
with locked("checkpoint", Path(sys.argv[1])):
    child = os.fork()
    if child:
        print(child, flush=True)
    time.sleep(60)
    os._exit(0)
"""
TOLD = r"^Argument `checkpoint` must name a file of this training alone, but .*run is being written"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock, and has forked a child that lives on."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "ignore", "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        child = int(process.stdout.readline())
        yield process
        os.kill(child, signal.SIGKILL)
        process.kill()


def test_the_second_process_is_refused_until_the_first_is_killed(tmp_path, holder, undisturbed):
    with pytest.raises(ValueError, match=rf"{TOLD} by another training, of process {holder.pid};"):
        run(tmp_path)
    assert ASKED == [] and not (tmp_path / "run").exists()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    check_same(run(tmp_path), undisturbed)
    assert os.listdir(tmp_path) == ["run"]


def test_a_second_training_in_the_same_process_is_refused(tmp_path, undisturbed):
    def second():
        EVENTS.clear()
        told = rf"{TOLD} by another training, of process {os.getpid()}"
        with pytest.raises(ValueError, match=told):
            run(tmp_path)
        ASKED.append("refused")

    with at(5, second):
        result = run(tmp_path)
    assert ASKED[0] == "refused"
    check_same(result, undisturbed)
    assert os.listdir(tmp_path) == ["run"]


def test_a_checkpoint_that_was_written_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    with at(5, dies), pytest.raises(Killed):
        run(tmp_path)
    data = (tmp_path / "run").read_bytes()

    def late(argument, path):
        path.write_bytes(data)  # by another training, between reading and locking
        return locked(argument, path)

    monkeypatch.setattr("organics_ode.training._checkpoints.locked", late)
    with pytest.raises(ValueError, match=r"^Argument `checkpoint` must stay as it is, but another"):
        run(tmp_path)
    assert (tmp_path / "run").read_bytes() == data

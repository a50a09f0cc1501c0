"""A lock is of one file, and ends where its block does."""

import os
from pathlib import Path

import pytest

from organics_ode.storage import _lock, locked


def test_other_checkpoints_of_a_folder_are_free(tmp_path):
    with locked("checkpoint", tmp_path / "one"), locked("checkpoint", tmp_path / "two"):
        assert len(os.listdir(tmp_path)) == 2
        with pytest.raises(ValueError, match="alone"):
            locked("checkpoint", tmp_path / "one").__enter__()
    with locked("checkpoint", tmp_path / "one"):
        pass
    assert os.listdir(tmp_path) == []


def test_where_there_are_no_locks_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(_lock, "fcntl", None)
    with locked("checkpoint", tmp_path / "run"), locked("checkpoint", tmp_path / "run"):
        assert os.listdir(tmp_path) == []


def test_a_folder_that_takes_no_lock_is_named():
    with pytest.raises(ValueError, match=r"^Argument `checkpoint` must name a file that can be wr"):
        locked("checkpoint", Path("/proc/run")).__enter__()

"""The bounds on what the test suite itself takes."""

import functools

import conftest
import disk
import jax
import memory
import pytest


def workers(monkeypatch, *, cores, gibibytes):
    monkeypatch.setattr(conftest, "available_memory", lambda: gibibytes * 2**30)
    hook = conftest.pytest_xdist_auto_num_workers(config=None)
    next(hook)
    with pytest.raises(StopIteration) as returned:
        hook.send(cores)
    return returned.value.value


def test_workers_fit_into_the_memory(monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    assert workers(monkeypatch, cores=8, gibibytes=9) == 4
    assert workers(monkeypatch, cores=8, gibibytes=1) == 1
    assert workers(monkeypatch, cores=2, gibibytes=64) == 2
    assert workers(monkeypatch, cores=4, gibibytes=float("inf")) == 4
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "8")
    assert workers(monkeypatch, cores=8, gibibytes=1) == 8


@pytest.mark.skipif(conftest.sys.platform != "linux", reason="reads /proc")
def test_a_worker_at_its_bound_forgets_what_it_compiled(monkeypatch):
    forgotten = []
    monkeypatch.setattr(jax, "clear_caches", lambda: forgotten.append(True))
    monkeypatch.setattr(conftest, "MEMORY", 2 * memory.held())
    monkeypatch.setattr(conftest, "GROWTH", memory.held() / 4)
    monkeypatch.setattr(conftest, "stayed", 0)
    monkeypatch.setattr(conftest, "holds_many_maps", lambda: False)
    conftest.forget_programs()
    assert not forgotten
    monkeypatch.setattr(conftest, "MEMORY", memory.held() / 2)
    conftest.forget_programs()
    assert len(forgotten) == 1
    # What stayed is no program: forgetting it again, after every test, would free nothing.
    conftest.forget_programs()
    assert len(forgotten) == 1
    monkeypatch.setattr(conftest, "stayed", memory.held() - 2 * conftest.GROWTH)
    conftest.forget_programs()
    assert len(forgotten) == 2 and 0 < memory.held() < conftest.available_memory()


@functools.cache
def kept(value):
    return [value]


def test_what_a_file_keeps_goes_with_the_file(request):
    item, first = request.node, kept(1)
    conftest.pytest_runtest_teardown(item, item)
    assert kept(1) is first
    conftest.pytest_runtest_teardown(item, None)
    assert kept(1) is not first


def test_programs_are_kept_until_they_are_too_many(tmp_path):
    folder = tmp_path / "jax"
    assert disk.kept(folder) == str(folder)  # there is none yet
    folder.mkdir()
    (folder / "program").write_bytes(b"0123456789")
    disk.kept(folder, largest=10)
    assert [file.name for file in folder.iterdir()] == ["program"]
    disk.kept(folder, largest=9)
    assert not folder.exists()

"""A part of the attack on files, and that it sees what it looks for."""

import importlib

import attack_files
import file_attacks
import file_mutations
import file_readers
import pytest

from organics_ode.storage import _archive, _files

# Readers are called as users call them: what a forged file brings in must not end in a checker.
pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("attack")


@pytest.fixture(scope="module")
def kinds(folder):
    return file_readers.kinds(folder)


def faults(found):
    return {fault for results in found.values() for _, result in results for fault in result.faults}


@pytest.mark.parametrize(
    ("count", "share"), [(16, 0.05), pytest.param(600, 1.0, marks=pytest.mark.slow)]
)
def test_no_file_does_harm(kinds, folder, count, share):
    found = attack_files.run(kinds, count, 1, folder, share)
    told = [(c.family, r.faults) for results in found.values() for c, r in results if r.faults]
    assert not told
    outcomes = {result.outcome for results in found.values() for _, result in results}
    assert outcomes == {"refused", "same", "as it says"}


def test_the_attack_sees_names_that_are_imported_and_code_that_runs(kinds, folder, monkeypatch):
    def find(path, name):
        module, _, qualname = name.partition(":")
        return getattr(importlib.import_module(module), qualname)

    monkeypatch.setattr(_files, "find", find)
    model = kinds["model"]
    monkeypatch.setattr(model, "attacks", lambda: named_by(type(model).attacks(model)))
    seen = faults(attack_files.run({"model": model}, 0, 0, folder))
    assert {"imports", "code", "changed"} <= seen


def named_by(cases):
    canary = b"\0\0\0".join(bytes([letter]) for letter in file_attacks.CANARY.encode())
    whole = (file_mutations.made(case) for case in cases if case.family == "names")
    return [case for case in whole if canary in case.data]


def test_the_attack_sees_values_that_change_and_memory(kinds, folder, monkeypatch):
    monkeypatch.setattr(_archive, "check_sum", lambda header, arrays: None)
    monkeypatch.setattr(_archive, "_check_sizes", lambda members, size: None)
    monkeypatch.setattr(_archive, "_members", members_of_any_number)
    model = kinds["model"]
    attacks = (case for case in model.attacks() if case.family == "bombs")
    bombs = [file_mutations.made(case) for case in attacks]
    monkeypatch.setattr(model, "attacks", lambda: bombs)
    seen = faults(attack_files.run({"model": model}, 40, 0, folder))
    assert "changed" in seen
    monkeypatch.setattr(_archive, "_array", lambda archive, info, to: archive.read(info))
    assert "large" in faults(attack_files.run({"model": model}, 0, 0, folder))


def members_of_any_number(archive):
    return {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

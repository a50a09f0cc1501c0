"""Logs are strictly valid JSON, line by line, and are read while they are written."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from ensembles import train as train_ensemble
from trainings import train

import organics_ode as oo
from organics_ode.storage import from_line, to_line

RESULTS = Path(__file__).parents[2] / "examples" / "results"
NUMBERS = [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf, 3]
WHOLE = '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": null}\n{"step": 2, "validation_é": [1, 2]}\n'


def strictly(line):
    """The line by the standard's own JSON, which knows no NaN."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(line, parse_constant=refuse)


def test_numbers_come_back_from_strict_json():
    record = {"step": 7, "loss": NUMBERS} | {f"n{i}": value for i, value in enumerate(NUMBERS)}
    line = to_line(record)
    assert strictly(line)["n4"] is None and line.endswith("\n") and line.count("\n") == 1
    back = from_line(line.encode())
    np.testing.assert_array_equal(back["loss"], NUMBERS)
    assert repr(back) == repr(record)  # −0.0 and the types of numbers included


def test_a_training_that_diverges_logs_json(tmp_path):
    path = tmp_path / "log"
    lost = lambda outputs, targets, mask: outputs.sum() * math.nan  # noqa: E731
    history = train(log=path, loss=lost, throw=False).history
    assert math.isnan(history["loss"][-1])
    assert strictly(path.read_text().splitlines()[-1])["loss"] is None
    np.testing.assert_equal(oo.History.read(path).records, history.records)


def test_an_ensemble_with_a_diverged_member_logs_json(tmp_path):
    history = train_ensemble(log=tmp_path / "log").history
    assert np.isnan(history["loss"]).any()
    assert [strictly(line) for line in (tmp_path / "log").read_text().splitlines()]
    np.testing.assert_equal(oo.History.read(tmp_path / "log").records, history.records)


def test_a_log_is_read_at_every_moment_of_its_writing(tmp_path):
    path, data = tmp_path / "log", WHOLE.encode()
    path.write_bytes(data)
    whole = oo.History.read(path).records
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        # A record is whole with its last brace, before its line is.
        count = data[:size].count(b"}")
        assert repr(oo.History.read(path).records) == repr(whole[:count])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_logs_of_before_are_read(tmp_path, end):
    (tmp_path / "log").write_bytes(f'{{"step": 1, "loss": [NaN, -Infinity]}}{end}'.encode())
    np.testing.assert_equal(oo.History.read(tmp_path / "log")["loss"], [[np.nan, -np.inf]])


def test_the_results_of_the_repository_are_read():
    # Each line of these is a whole training, not a record of one.
    studies = {"skips.jsonl", "guarantees.jsonl", *(p.name for p in RESULTS.glob("compare-*"))}
    paths = [path for path in RESULTS.glob("*.jsonl") if path.name not in studies]
    assert len(paths) >= 6
    for path in paths:
        history = oo.History.read(path)
        assert len(history) == path.read_bytes().count(b"\n")
        assert history["validation_accuracy"].size
    for name in studies:
        with pytest.raises(ValueError, match=rf"line 1 of .*{name} is not a record"):
            oo.History.read(RESULTS / name)


@pytest.mark.parametrize(
    "bad",
    [
        *('{"step": 1, "lo', "", "[1]", "null", '{"loss": 1.0}', '{"step": "1"}', "\0\0", "\xff"),
        *(
            "[" * 100_000,
            '{"step": 1, "loss": ' + "[" * 100_000,
            '{"step": 1, "loss": 1' + "0" * 5000,
        ),
        *('{"step": 1, "step": 2}', '{"step": 1, "loss": "os"}', '{"step": 1, "loss": {}}'),
        *('[["step", 1]]', '{"step": true}', '{"step": 1, "loss": [[{}]]}'),
    ],
    ids=lambda bad: bad[:30],
)
def test_a_line_that_is_no_record_is_named(tmp_path, bad):
    path = tmp_path / "log"
    path.write_bytes((WHOLE.splitlines()[0] + f"\n{bad}\n").encode("latin-1") + WHOLE.encode())
    told = (
        r"^Argument `path` must name a log that `fit` wrote, but line 2 of .*log is not a record\.$"
    )
    with pytest.raises(ValueError, match=told):
        oo.History.read(path)


def test_a_log_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^Argument `path` must name a log .*no is not"):
        oo.History.read(tmp_path / "no")


def test_a_new_training_goes_on_behind_a_line_that_a_killed_one_began(tmp_path):
    path = tmp_path / "log"
    path.write_text(WHOLE + '{"step": 3, "lo')
    history = train(log=path, steps=2).history
    text = path.read_text()
    assert text.startswith(WHOLE) and '"step": 3' not in text
    assert oo.History.read(path).records[3:] == history.records

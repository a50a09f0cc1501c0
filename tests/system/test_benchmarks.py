"""The benchmarks of training run, at sizes where they measure nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "examples" / "benchmarks"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    # The processes of one benchmark compile the same programs.
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def run(compiled, tmp_path):
    def run(script, *arguments):
        cache = {"JAX_COMPILATION_CACHE_DIR": str(compiled), "JAX_PLATFORMS": "cpu"}
        cache["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        command = [sys.executable, str(_FOLDER / script), "--json", "rows.json", *arguments]
        environment = os.environ | cache
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, json.loads((tmp_path / "rows.json").read_text())

    return run


def test_a_training_step_is_compared_with_a_plain_scan(run):
    sizes = ("--batch=2", "--size=4", "--steps=8", "--repeats=1")
    sides = ["plain-scan", "organics_ode", "rotational-scan", "rotational", "rotational-mesh"]
    text, record = run("training_step.py", *sizes, "--sides", *sides)
    assert [row["side"] for row in record["rows"]] == sides
    for row in record["rows"]:
        assert f"| {row['side']}" in text
        assert row["median_s"] > 0 and row["cpu_s"] > 0 and row["compile_s"] > 0
        assert row["peak_gb"] >= row["before_gb"] > 0
        assert row["times_faster"].keys() == {"organics_ode"}
    # float32: a few roundings of 6e-8 in each of eight steps.
    differences = record["gradient_differences"]
    assert differences.keys() == {"plain-scan", "rotational-scan", "rotational-mesh"}
    assert all(0 <= found["by_parameter"] < 1e-5 for found in differences.values())


@pytest.mark.slow
def test_growth_is_tabled_and_drawn_and_says_what_it_leaves_out(run, tmp_path):
    axes = ("--steps", "8", "--size", "4", "--batch", "2", "1000")
    options = ("--quick", "--sides", "organics_ode", "--repeats=1", "--limit-gb=0.0001")
    text, record = run("growth.py", *axes, *options)
    large = record["tables"]["batch"][1]
    assert "left_out" in large and f"left out: {large['left_out']}" in text
    rows = [record["tables"][axis][0] for axis in ("steps", "size", "batch")]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0]["median_s"] > 0 and rows[0]["peak_gb"] > rows[0]["planned_gb"] > 0
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow  # tests of devices compare trainings always
def test_the_losses_are_the_same_on_any_number_of_devices(run):
    text, record = run("device_scaling.py", "--batch=8", "--size=4", "--steps=8", "--repeats=2")
    assert [row["devices"] for row in record["rows"]] == [1, 2, 4, 8]
    alone = record["rows"][0]["loss"]
    for row in record["rows"]:
        assert f"| {row['devices']} " in text and row["median"] > 0
        assert row["loss"] == pytest.approx(alone, rel=1e-5)


def test_what_is_split_over_two_devices_is_timed_on_one_too(run):
    text, record = run("splitting.py", "--small", "--repeats=1")
    assert record["machine"]["device"].startswith("2 ×")
    for row in record["rows"]:
        assert f"| {row['kind']}" in text and row["all"] == 5 * row["each_step"] > 0
        assert min(row["one_ms"], row["two_ms"], row["one_cpu_ms"], row["two_cpu_ms"]) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no waits.")
def test_the_main_job_is_timed_beside_others(run):
    sizes = ("--repeats=1", "--steps=3", "--size=4", "--beside", "0", "1")
    text, record = run("company.py", *sizes, "--settings", "one thread: use_cores(1)")
    assert [row["beside"] for row in record["table"]] == [0, 1]
    assert record["table"][0]["times_alone"] == 1
    for row in record["table"]:
        assert f"| {row['setting']} | {row['beside']} " in text
        assert 0 < row["least_ms"] == row["step_ms"] == row["most_ms"] and row["cpu_ms"] > 0


@pytest.mark.slow
def test_small_steps_are_compared_with_those_by_hand(run):
    sizes = ("--sizes", "2", "--repeats=1", "--circuits=20", "--some=10")
    text, record = run("small_steps.py", *sizes)
    names = ["simulate", "simulate, gradient", "unroll", "unroll, gradient", "sample_paths"]
    assert [row["what"] for row in record["rows"]] == names
    for row in record["rows"]:
        assert f"| {row['what']} " in text and row["ratio"] > 0 and row["compile_ratio"] > 0
    assert min(record["sweep"].values()) > 0


def test_the_page_of_speed_has_the_tables_of_the_results():
    command = [sys.executable, str(_FOLDER / "speed_page.py")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    page = (_FOLDER.parents[1] / "docs" / "speed.md").read_text().split("\n")
    lines = [line for line in printed.split("\n") if line and not line.startswith("## ")]
    assert len(lines) > 30 and [line for line in lines if line not in page] == []


@pytest.mark.slow
def test_first_calls_are_timed(run):
    text, record = run("first_calls.py", "--repeats=1", "--calls", "fixed_point, closed form")
    (row,) = record["rows"]
    assert f"| {row['call']} " in text and row["first_s"] > row["second_s"] > 0


@pytest.mark.slow
def test_the_script_for_a_gpu_finds_the_library_right_on_the_cpu(run):
    text, record = run("gpu.py", "--small")
    assert len(record["checks"]) == 6 and all(row["ok"] for row in record["checks"])
    assert record["where"]["spectra ran on"] == ["cpu"]
    sides = {row["side"] for row in record["rows"]}
    assert {"plain-scan", "organics_ode", "rotational", "equinox-lstm", "equinox-gru"} <= sides
    assert record["left_out"] is None or record["left_out"] in text
    assert all(loops for loops in record["kernels"].values())

"""Sampled tasks and the small data set: laws that every task keeps, then what is special to each.

Tolerances of measured averages are five standard errors, from the known variance.
"""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compared import tree_equal

import tasks
from tasks._checks import check_integer, check_time_step

ROOT = Path(__file__).parents[2]
SAMPLED = {
    "adding": lambda: tasks.AddingProblem(21),
    "adding, shortest": lambda: tasks.AddingProblem(2),
    "copy": lambda: tasks.CopyMemory(7, dt=0.5),
    "copy, shortest": lambda: tasks.CopyMemory(1),
}
LENGTHS = {"adding": 21, "adding, shortest": 2, "copy": 27, "copy, shortest": 21}


@pytest.fixture(params=SAMPLED)
def name(request):
    return request.param


@pytest.fixture
def task(name):
    return SAMPLED[name]()


# Compiled once per task: it is the structure of an argument, not an array.
sample = jax.jit(lambda task, key: task.sample(key))
score = jax.jit(lambda task, outputs, trial: task.score(outputs, trial))
score_many = jax.jit(lambda task, outputs, trials: jax.vmap(task.score)(outputs, trials))
KEYS = jax.random.split(jax.random.key(0), 2048)


@functools.cache
def sample_many(task):
    return jax.jit(jax.vmap(task.sample))(KEYS)


def trial_of(trials, i):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[i]), trials)


def answer(task, inputs):
    """What an ideal observer answers, from the inputs (..., T, m) alone."""
    inputs = np.asarray(inputs)
    if isinstance(task, tasks.AddingProblem):
        return jnp.asarray(np.cumsum(inputs.prod(axis=-1, keepdims=True), axis=-2))
    answers = np.zeros_like(inputs[..., :9])
    answers[..., :-10, 0] = 1
    answers[..., -10:, :] = inputs[..., :10, :9]
    return jnp.asarray(answers)


# Laws of every sampled task


def test_trials_have_the_declared_shapes(name, task):
    trial, length = sample(task, KEYS[0]), LENGTHS[name]
    assert trial.inputs.shape == (length, task.input_size)
    assert trial.targets.shape[0] == length
    assert trial.mask.shape == (length,)
    assert answer(task, trial.inputs).shape == (length, task.output_size)


@pytest.mark.parametrize(("x64", "dtype"), [(False, "float32"), (True, "float64")])
def test_trials_are_in_the_default_float_type(task, x64, dtype):
    with jax.enable_x64(x64), jax.numpy_dtype_promotion("strict"):
        trial = sample(task, jax.random.key(0))
        assert trial.inputs.dtype == trial.mask.dtype == dtype
        assert trial.targets.dtype in (dtype, "int32")
        assert score(task, answer(task, trial.inputs), trial) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_score_accepts_outputs_of_either_float_type(task, dtype):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        trial = sample(task, jax.random.key(0))
        assert score(task, answer(task, trial.inputs).astype(dtype), trial) == 1


@pytest.mark.parametrize("name", ["adding", "copy"], indirect=True)
def test_jit_draws_the_same_trial(task):
    assert tree_equal(task.sample(KEYS[1]), jax.jit(task.sample)(KEYS[1]))


def test_vmap_is_a_loop(task):
    for i in (0, 1, len(KEYS) - 1):
        assert tree_equal(trial_of(sample_many(task), i), sample(task, KEYS[i]))


def test_different_keys_draw_different_trials(task):
    inputs = np.asarray(sample_many(task).inputs)
    assert len(np.unique(inputs, axis=0)) == len(KEYS)


def test_the_ideal_observer_scores_one(task):
    trials = sample_many(task)
    scores = score_many(task, answer(task, trials.inputs), trials)
    np.testing.assert_array_equal(scores, 1)


def test_periods_cover_the_trial_in_order(name, task):
    starts, stops = zip(*task.periods.values(), strict=True)
    assert starts == (0, *stops[:-1])
    assert stops[-1] == LENGTHS[name]
    trial = sample(task, KEYS[0])
    in_trial = {period: tuple(steps.tolist()) for period, steps in trial.info["periods"].items()}
    assert in_trial == task.periods


def test_plot_shows_the_inputs_above_the_counted_targets(task):
    # So wide that no two steps share a column.
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(100, 4))
    trial, ax = sample(task, KEYS[0]), figure.subplots()
    assert task.plot(trial, ax) is ax
    image = ax.images[0].get_array()
    np.testing.assert_allclose(image[: task.input_size].T, trial.inputs)
    counted = np.asarray(trial.mask) > 0
    shown = np.ma.filled(image[task.input_size :].T, np.nan)
    np.testing.assert_allclose(shown[counted], np.asarray(answer(task, trial.inputs))[counted])
    assert np.isnan(shown[~counted]).all()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == [f"in: {c}" for c in task.channels] + [f"out: {o}" for o in task.outputs]
    assert ax.get_xlim() == (0, len(trial.mask) * task.dt)


def test_a_plot_scales_noise_about_zero_apart_from_what_is_on_or_off():
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(100, 4))
    task = tasks.ContextDecision()
    trial = sample(task, KEYS[0])
    image = task.plot(trial, figure.subplots()).images[0].get_array()
    inputs, is_noise = np.asarray(trial.inputs).T, np.arange(task.input_size) < 2
    np.testing.assert_allclose(image[: task.input_size][~is_noise], inputs[~is_noise])
    noise = inputs[is_noise]
    scaled = (noise - noise.min()) / (noise.max() - noise.min())
    np.testing.assert_allclose(image[: task.input_size][is_noise], scaled, atol=1e-12)


@pytest.mark.parametrize("length", [100, 700, 3000])
def test_a_pulse_of_one_step_is_drawn_however_long_the_trial_is(length):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    task = tasks.AddingProblem(length)
    trial = sample(task, KEYS[0])
    ax = task.plot(trial)
    ax.figure.canvas.draw()
    row = task.channels.index("marker")
    (steps,) = np.nonzero(np.asarray(trial.inputs)[:, row])
    pixels = np.asarray(ax.figure.canvas.buffer_rgba())[::-1, :, :3].sum(axis=-1)
    for step in steps:
        x, y = ax.transData.transform(((step + 0.5) * task.dt, row)).round().astype(int)
        assert np.sum(pixels[y, x - 3 : x + 4] < 300) >= 2, f"step {step} is not seen"
    assert np.sum(pixels[y] < 300) < 40  # and nothing else, but for the frame
    pyplot.close(ax.figure)


def test_plot_makes_its_own_axes_and_does_not_show_them(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    monkeypatch.setattr(pyplot, "show", lambda: pytest.fail("the figure was shown"))
    task = tasks.AddingProblem(21)
    ax = task.plot(sample(task, KEYS[0]))
    assert len(ax.images) == 1
    pyplot.close(ax.figure)


# Adding problem


def test_adding_marks_one_step_in_each_half():
    trials = sample_many(tasks.AddingProblem(21))
    first, second = np.asarray(trials.info["markers"]).T
    assert set(first.tolist()) == set(range(10))
    assert set(second.tolist()) == set(range(10, 21))
    marked = np.asarray(trials.inputs[..., 1])
    np.testing.assert_array_equal(marked.sum(axis=-1), 2)
    for markers in (first, second):
        np.testing.assert_array_equal(marked[np.arange(len(KEYS)), markers], 1)
        half = np.ptp(markers) + 1
        # The variance of a uniform choice of n steps is (n² - 1) / 12.
        standard_error = np.sqrt((half**2 - 1) / 12 / len(KEYS))
        assert abs(markers.mean() - (markers.min() + markers.max()) / 2) < 5 * standard_error


def test_adding_counts_the_last_step_only():
    trial = sample(tasks.AddingProblem(21), KEYS[0])
    np.testing.assert_array_equal(trial.mask, [0] * 20 + [1])
    value, marker = np.asarray(trial.inputs).T
    np.testing.assert_allclose(trial.targets, np.full((21, 1), value[marker == 1].sum()))


def test_adding_values_are_uniform():
    values = np.asarray(sample_many(tasks.AddingProblem(21)).inputs[..., 0])
    assert 0 <= values.min() < 0.001
    assert 0.999 < values.max() < 1
    standard_error = np.sqrt(1 / 12 / values.size)
    assert abs(values.mean() - 1 / 2) < 5 * standard_error
    # The variance of (v - 1/2)² is 1/80 - 1/144 = 1/180.
    assert abs(np.mean((values - 0.5) ** 2) - 1 / 12) < 5 * np.sqrt(1 / 180 / values.size)


@pytest.mark.parametrize(("error", "expected"), [(0.039, 1), (-0.039, 1), (0.041, 0), (-0.041, 0)])
def test_adding_is_solved_within_four_hundredths(error, expected):
    task = tasks.AddingProblem(21)
    trial = sample(task, KEYS[0])
    outputs = np.zeros((21, 1))
    outputs[-1] = trial.targets[-1] + error
    assert score(task, jnp.asarray(outputs), trial) == expected


def test_adding_baseline_of_always_answering_one():
    task, count = tasks.AddingProblem(21), len(KEYS)
    trials = sample_many(task)
    squared_errors = (np.asarray(trials.targets[:, -1, 0]) - 1) ** 2
    # The sum less 1 is triangular on [-1, 1]: its second moment is 1/6 and its fourth 1/15.
    assert abs(squared_errors.mean() - 1 / 6) < 5 * np.sqrt((1 / 15 - 1 / 36) / count)
    scores = score_many(task, jnp.ones_like(trials.targets), trials)
    chance = 1 - 0.96**2
    assert abs(scores.mean() - chance) < 5 * np.sqrt(chance * (1 - chance) / count)


# Copy memory


def test_copy_has_the_form_of_the_literature():
    delay = 7
    trial = sample(tasks.CopyMemory(delay, dt=0.5), KEYS[0])
    s = trial.info["symbols"].tolist()
    stream = s + [0] * (delay - 1) + [9] + [0] * 10
    np.testing.assert_array_equal(trial.inputs, np.eye(10)[stream])
    np.testing.assert_array_equal(trial.targets, [0] * (delay + 10) + s)
    np.testing.assert_array_equal(trial.mask, np.ones(delay + 20))
    assert stream.index(9) == delay + 9


def test_copy_symbols_are_uniform():
    symbols = np.asarray(sample_many(tasks.CopyMemory(1)).info["symbols"])
    counts = np.bincount(symbols.ravel(), minlength=10)
    assert counts[[0, 9]].tolist() == [0, 0]
    standard_error = np.sqrt(symbols.size * 1 / 8 * 7 / 8)
    assert np.abs(counts[1:9] - symbols.size / 8).max() < 5 * standard_error


def test_copy_scores_the_fraction_recalled():
    task = tasks.CopyMemory(1)
    trial = sample(task, KEYS[0])
    outputs = np.array(answer(task, trial.inputs))
    outputs[:-10] = outputs[-1]
    assert score(task, jnp.asarray(outputs), trial) == 1
    outputs[-3:] = np.eye(9)[0]
    assert score(task, jnp.asarray(outputs), trial) == pytest.approx(0.7)


def test_copy_baseline_without_memory():
    task, count, length = tasks.CopyMemory(7, dt=0.5), len(KEYS), 27
    trials = sample_many(task)
    blank = np.eye(task.output_size)[0]
    guess = np.where(np.arange(task.output_size) > 0, 1 / 8, 0)
    probabilities = np.stack([blank] * 17 + [guess] * 10)
    chosen = probabilities[np.arange(length), np.asarray(trials.targets)]
    # Exact for every trial: the answer is certain before recall, and one of eight in it.
    np.testing.assert_allclose(-np.log(chosen).mean(axis=-1), 10 * np.log(8) / length)
    outputs = jnp.asarray(np.broadcast_to(probabilities, (count, length, 9)))
    scores = score_many(task, outputs, trials)
    assert abs(scores.mean() - 1 / 8) < 5 * np.sqrt(1 / 8 * 7 / 8 / (10 * count))


# Arguments


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: tasks.AddingProblem(1), "`length` must be an integer of at least 2, but it is 1"),
        (lambda: tasks.AddingProblem(True), "`length` must be an integer of at least 2, but it"),
        (lambda: tasks.AddingProblem(dt=0.0), "`dt` must be a positive, finite time in ms, but it"),
        (lambda: tasks.CopyMemory(0), "`delay` must be an integer of at least 1, but it is 0"),
        (lambda: tasks.CopyMemory(-4), "`delay` must be an integer of at least 1, but it is -4"),
        (lambda: tasks.CopyMemory(dt=float("inf")), "`dt` must be a positive, finite time in ms"),
    ],
)
def test_bad_arguments_are_named(build, message):
    with pytest.raises(ValueError, match=f"Argument {message}"):
        build()


@pytest.mark.parametrize("value", [2.0, 2.5, "2", None, True, 1, float("nan")])
def test_only_integers_pass_for_integers(value):
    with pytest.raises(ValueError, match="Argument `n` must be an integer of at least 2, but"):
        check_integer("n", value, minimum=2)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "1", None, True])
def test_only_positive_numbers_pass_for_times(value):
    with pytest.raises(ValueError, match="Argument `dt` must be a positive, finite time in ms,"):
        check_time_step("dt", value)


def test_numpy_scalars_are_numbers():
    check_integer("n", np.int64(2), minimum=2)
    check_time_step("dt", np.float32(0.1))


# Handwritten digits


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return tasks.SequentialDigits()


@pytest.fixture(scope="module")
def raw_digits(digits):
    return pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)


def parts(data):
    return {"train": data.train, "validation": data.validation, "test": data.test}


SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


@pytest.mark.parametrize(("part", "count"), [("train", 1257), ("validation", 180), ("test", 360)])
def test_digits_are_sequences_of_pixels(digits, part, count):
    inputs, targets = parts(digits)[part]
    assert inputs.shape == (count, 64, digits.input_size) == (count, 64, 1)
    assert inputs.dtype == np.float32
    assert targets.shape == (count,)
    assert targets.dtype == np.int32
    assert (inputs.min(), inputs.max()) == (0, 1)
    assert set(targets.tolist()) == set(range(digits.output_size)) == set(range(10))


def test_digits_are_the_images_of_scikit_learn_each_once(digits, raw_digits):
    pixels, labels = raw_digits
    label_of = {row.tobytes(): label for row, label in zip(pixels, labels, strict=True)}
    assert len(label_of) == len(labels)
    found = [
        (np.rint(row * 16).astype(float).tobytes(), label)
        for split in parts(digits).values()
        for row, label in zip(split.inputs[..., 0], split.targets.tolist(), strict=True)
    ]
    # 1797 distinct images in 1797 places: no image is in two parts, and none is missing.
    assert len(found) == len(label_of)
    assert dict(found) == label_of


@pytest.mark.parametrize("part", SHARES)
def test_digits_are_stratified(digits, raw_digits, part):
    share = SHARES[part]
    expected = share * np.bincount(raw_digits[1])
    found = np.bincount(parts(digits)[part].targets)
    # Dealt in turn to ten hands, of which the part holds a run: the error is 10 p (1 - p) at most.
    assert np.abs(found - expected).max() <= 10 * share * (1 - share) + 1e-9


def test_digits_are_split_the_same_everywhere(digits):
    assert digits.validation.targets[:8].tolist() == [1, 7, 9, 7, 5, 0, 9, 4]
    assert tree_equal(tasks.SequentialDigits(), digits)


def test_digits_without_scikit_learn_say_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"scikit-learn.*pip install organics_ode\[examples\]"):
        tasks.SequentialDigits()


# The package


def test_importing_tasks_loads_no_optional_package():
    optional = {"sklearn", "pooch", "tqdm", "matplotlib", "organics_ode"}
    script = f"import sys, tasks; print(sorted({optional} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted((ROOT / "tasks").glob("*.py")), ids=lambda path: path.name)
def test_tasks_do_not_import_the_library(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
    imported = plain + [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
    assert not [module for module in imported if module.startswith("organics_ode")]

"""The ring family: 20 tasks, their observers, and what their names promise.

Trials are drawn once per task, 1 000 at a time, each task by one program. Tolerances of measured
shares are five standard errors.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from marks import slow

import tasks
from tasks import RING_TASKS, RingTask

DT, COUNT, RING = 100.0, 1000, 32
GRACE = 2  # 200 ms
KEYS = jax.random.split(jax.random.key(0), COUNT)
θ = 2 * np.pi * np.arange(RING) / RING

IMMEDIATE = {"fixation": 500, "stimulus": 500, "response": 500}
DELAYED = {"fixation": 500, "stimulus": 500, "delay": 1000, "response": 500}
TWO = {"fixation": 500, "stimulus1": 500, "delay": 1000, "stimulus2": 500, "response": 500}
REACTION = ("rtgo", "rtanti")
MATCHES = ("dms", "dnms", "dmc", "dnmc")


def durations(name):
    if name in ("dlygo", "dlyanti"):
        return DELAYED
    return TWO if "dly" in name or name in MATCHES else IMMEDIATE


@functools.cache
def drawn(name):
    """1 000 jittered trials, as numpy arrays."""
    return jax.device_get(jax.jit(jax.vmap(RingTask(name, DT).sample))(KEYS))


def scores(name, outputs):
    return np.asarray(scorer(name)(outputs, drawn(name)))


@functools.cache
def scorer(name):
    return jax.jit(jax.vmap(RingTask(name, DT).score))


def observed(name):
    return np.asarray(jax.jit(jax.vmap(RingTask(name, DT).ideal_observer))(drawn(name).inputs))


def rings(name, period):
    """(trials, modality, 32): what was shown at the second step of a period."""
    trials = drawn(name)
    step = trials.info["periods"][period][:, 0] + 1
    return trials.inputs[np.arange(COUNT), step, 1:65].reshape(COUNT, 2, RING)


def bumps(directions):
    """exp(-½ (8d/π)²), with the circular distance as an arc cosine; (trials, 32)."""
    d = np.arccos(np.clip(np.cos(θ - np.asarray(directions)[:, None]), -1, 1))
    return 0.8 * np.exp(-0.5 * (8 * d / np.pi) ** 2)


def direction(ring):
    """The angle of the population vector."""
    return np.angle(ring @ np.exp(1j * θ))


def apart(a, b):
    return np.abs(np.angle(np.exp(1j * (a - b))))


def is_share(hits, expected):
    return abs(np.mean(hits) - expected) < 5 * np.sqrt(expected * (1 - expected) / len(hits))


# Laws of all 20


def test_the_names_are_the_20_of_the_source_in_its_order():
    source = """go rtgo dlygo anti rtanti dlyanti dm1 dm2 ctxdm1 ctxdm2 multsendm dlydm1 dlydm2
        ctxdlydm1 ctxdlydm2 multsendlydm dms dnms dmc dnmc"""
    assert tuple(source.split()) == RING_TASKS
    assert len(RingTask.channels) == 85 and len(RingTask.outputs) == 33
    assert RingTask.channels[-20:] == tuple(f"rule: {name}" for name in RING_TASKS)


# One of each family, and the others where there is time.
FIRST = ("dlygo", "dm1", "ctxdlydm1", "multsendlydm", "dms", "dmc")
EACH = [name if name in FIRST else slow(name) for name in RING_TASKS]


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", EACH)
def test_the_ideal_observer_scores_one_and_random_networks_below_chance(name):
    rng = np.random.default_rng(0)
    inputs = drawn(name).inputs
    np.testing.assert_array_equal(scores(name, observed(name)), 1)
    chance = RingTask(name, DT).chance
    noise = rng.normal(size=(*inputs.shape[:2], 33))
    assert scores(name, noise).mean() < chance
    # 20 random linear maps of the inputs through a logistic function, each for 50 trials.
    maps = rng.normal(size=(20, 1, 85, 33))
    linear = (inputs.reshape(20, 50, -1, 85) @ maps).reshape(noise.shape)
    assert scores(name, 1 / (1 + np.exp(-linear))).mean() < chance


@pytest.mark.parametrize("name", EACH)
def test_targets_are_those_of_the_paper(name):
    trials = drawn(name)
    t = np.arange(trials.mask.shape[1])
    starts, stops = trials.info["periods"]["response"].T[..., None]
    in_trial, in_response = t < stops, (t >= starts) & (t < stops)
    responds = in_response & trials.info["responds"][:, None]
    fixation, ring = trials.targets[..., 0], trials.targets[..., 1:]
    np.testing.assert_allclose(fixation, np.where(responds, 0.05, 0.85) * in_trial)
    bump = bumps(trials.info["direction"])[:, None]
    expected = (0.05 + np.where(responds[..., None], bump, 0)) * in_trial[..., None]
    np.testing.assert_allclose(ring, expected, atol=1e-7)
    counted = ((t >= GRACE) & (t < starts)) | ((t >= starts + GRACE) & (t < stops))
    np.testing.assert_array_equal(trials.mask, counted)


@pytest.mark.parametrize("name", EACH)
def test_inputs_say_the_rule_and_when_to_respond(name):
    trials = drawn(name)
    t = np.arange(trials.mask.shape[1])
    starts, stops = trials.info["periods"]["response"].T[..., None]
    fixates = t < (stops if name in REACTION else starts)
    np.testing.assert_array_equal(trials.inputs[..., 0], fixates)
    rule = np.eye(20)[RING_TASKS.index(name)]
    expected = np.where((t < stops)[..., None], rule, 0)
    np.testing.assert_array_equal(trials.inputs[..., 65:], expected)
    shown = trials.inputs[..., 1:65].max(axis=-1) > 0
    periods = trials.info["periods"]
    names = ["response"] if name in REACTION else [p for p in periods if "stimulus" in p]
    spans = [(t >= periods[p][:, :1]) & (t < periods[p][:, 1:]) for p in names]
    np.testing.assert_array_equal(shown, np.logical_or.reduce(spans))


@pytest.mark.parametrize("name", RING_TASKS)
def test_periods_have_the_durations_of_the_paper(name):
    lasts = durations(name)
    ends = np.cumsum([ms // 5 for ms in lasts.values()]).tolist()
    expected = dict(zip(lasts, zip([0, *ends[:-1]], ends, strict=True), strict=True))
    task = RingTask(name)
    assert task.periods == expected
    trial = jax.eval_shape(lambda key: task.sample(key, jitter=False), jax.random.key(0))
    assert trial.inputs.shape == (ends[-1], 85) and trial.targets.shape == (ends[-1], 33)
    assert task.chance == pytest.approx(
        1 - 500 / sum(lasts.values()) * (0.5 if name in MATCHES else 0.8)
    )
    found = drawn(name).info["periods"]
    for period, ms in lasts.items():
        steps = np.ptp(found[period], axis=1)
        low, high = (ms, ms) if period == "response" else (ms - 100, ms + 100)
        assert sorted(set(steps)) == list(range(int(low / DT), int(high / DT) + 1))


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("name", ["go", "multsendlydm", "dmc"])
def test_trials_are_in_the_default_float_type(name, x64):
    with jax.enable_x64(x64):
        task, dtype = RingTask(name, DT), jnp.zeros(()).dtype

        def run(key):
            trial = task.sample(key)
            return task.score(task.ideal_observer(trial.inputs), trial), trial

        score, trial = jax.eval_shape(run, jax.random.key(0))
        assert {x.dtype for x in (score, trial.inputs, trial.targets, trial.mask)} == {dtype}
        assert trial.info["periods"]["response"].dtype == jnp.int32


def test_jit_and_vmap_change_nothing():
    task = RingTask("dmc", DT)
    several = drawn("dmc")
    for trial in (jax.jit(task.sample)(KEYS[3]), task.sample(KEYS[3])):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[3], atol=1e-14), trial, several)


# Two directions, how strongly each is shown in the two modalities, and which of them is answered.
# A task of one modality goes by that one, though the other says the opposite.
# Of directions that channels prefer, the observer's estimate is exact.
NEAR, FAR, OTHER = θ[[4, 5]], θ[[4, 22]], θ[[2, 13]]
STRONGER_IN_1, STRONGER_IN_2 = ((1.3, 0.7), (0.9, 1.1)), ((0.9, 1.1), (1.3, 0.7))
BY_HAND = {
    "dm1": (FAR, ((1.2, 0.0), (0.9, 0.0)), 0),
    "dm2": (FAR, ((0.0, 0.9), (0.0, 1.2)), 1),
    "ctxdm1": (FAR, STRONGER_IN_1, 0),
    "ctxdm2": (FAR, STRONGER_IN_1, 1),
    # Modality 2 alone would say the other one here, and modality 1 alone after a delay.
    "multsendm": (FAR, ((1.3, 0.7), (1.0, 0.8)), 0),
    "dlydm1": (FAR, ((0.9, 0.0), (1.2, 0.0)), 1),
    "dlydm2": (FAR, ((0.0, 1.2), (0.0, 0.9)), 0),
    "ctxdlydm1": (FAR, STRONGER_IN_2, 1),
    "ctxdlydm2": (FAR, STRONGER_IN_2, 0),
    "multsendlydm": (FAR, ((1.3, 0.4), (0.6, 1.2)), 1),
    "dms": (NEAR, ((1.0, 0.0), (0.0, 1.0)), 1),
    "dnms": (NEAR, ((1.0, 0.0), (0.0, 1.0)), None),
    "dmc": (OTHER, ((0.0, 1.0), (1.0, 0.0)), None),
    "dnmc": (OTHER, ((0.0, 1.0), (1.0, 0.0)), 1),
}


def made(name):
    """A trial by hand, with the targets of an answer to the first direction, of one to the second
    and of none."""
    directions, shown, _ = BY_HAND[name]
    steps = [int(ms // DT) for ms in durations(name).values()]
    ends = np.cumsum(steps).tolist()
    periods = dict(zip(durations(name), zip([0, *ends[:-1]], ends, strict=True), strict=True))
    start, stop = periods["response"]
    inputs = np.zeros((stop + 2, 85))  # and two steps after the trial
    inputs[:start, 0] = inputs[:stop, 65 + RING_TASKS.index(name)] = 1
    spans = [span for period, span in periods.items() if "stimulus" in period]
    for i, (first, last) in enumerate(2 * spans if len(spans) == 1 else spans):
        inputs[first:last, 1:65] += np.outer(shown[i], bumps(directions[i : i + 1])).ravel()
    mask = np.zeros(stop + 2)
    mask[GRACE:start] = mask[start + GRACE : stop] = 1
    targets = np.tile([0.85, *np.full(RING, 0.05)], (3, stop + 2, 1))
    for each, answer in zip(targets, directions, strict=False):
        each[start:stop] = [0.05, *(0.05 + bumps([answer])[0])]
    spans = {period: np.array(span, np.int32) for period, span in periods.items()}
    return tasks.Trial(inputs, targets, mask, {"periods": spans})


def test_the_observer_answers_what_was_made_by_hand_and_another_answer_has_its_score():
    @jax.jit
    def run(trials):
        found = {}
        for name, trial in trials.items():
            task = RingTask(name, DT)
            answers = task.ideal_observer(trial.inputs)
            axes = trial._replace(inputs=None, targets=0, mask=None, info=None)
            found[name] = answers, jax.vmap(task.score, (None, axes))(answers, trial)
        return found

    trials = {name: made(name) for name in BY_HAND}
    for name, (answers, scores) in run(trials).items():
        right = 2 if BY_HAND[name][2] is None else BY_HAND[name][2]
        np.testing.assert_allclose(answers[:-2], trials[name].targets[right, :-2], atol=1e-7)
        # Of a target that is not its answer, the time before the response alone is right; the two
        # directions of a near match are one within the tolerance.
        lasts = sum(durations(name).values())
        expected = np.where(np.arange(3) == right, 1.0, (lasts - 500) / lasts)
        expected[:2] = np.where(name == "dms", 1.0, expected[:2])
        np.testing.assert_allclose(scores, expected, rtol=1e-6, err_msg=name)


# What the names mean


@pytest.mark.parametrize("name", ["go", "dlygo", "dlyanti", slow("rtgo"), slow("anti"), "rtanti"])
def test_go_answers_what_was_shown_and_anti_the_opposite(name):
    ring = rings(name, "response" if name in REACTION else "stimulus")
    is_used = ring.max(axis=-1) > 0
    np.testing.assert_array_equal(is_used.sum(axis=1), 1)
    assert is_share(is_used[:, 0], 0.5)
    turn = np.pi if "anti" in name else 0
    answer = drawn(name).info["direction"]
    assert apart(direction(ring.sum(axis=1)) + turn, answer).max() < 1e-6
    np.testing.assert_allclose(ring.sum(axis=1), bumps(answer - turn), atol=1e-7)
    quadrants = np.bincount((np.mod(answer, 2 * np.pi) // (np.pi / 2)).astype(int), minlength=4)
    assert all(is_share(np.arange(COUNT) < n, 0.25) for n in quadrants)


def strengths(ring):
    """The two highest peaks of a ring and their strengths, by least squares on two bumps."""
    peaks = np.argsort(-ring)[:, :1]
    far = np.abs((np.arange(RING)[None] - peaks + 16) % RING - 16) > 5
    first = direction(np.where(far, 0, ring))
    second = direction(np.where(far, ring, 0))
    pairs = np.stack([bumps(first), bumps(second)], axis=-1)
    found = [np.linalg.lstsq(p, r, rcond=None)[0] for p, r in zip(pairs, ring, strict=True)]
    return np.stack([first, second], axis=-1), np.array(found)


@pytest.mark.parametrize("name", ["dm1", slow("dm2"), "ctxdm1", "ctxdm2"])
def test_a_decision_is_for_the_stronger_direction_in_its_modality(name):
    attended = int(name[-1]) - 1
    ring = rings(name, "stimulus")
    angles, found = strengths(ring[:, attended])
    answer = drawn(name).info["direction"]
    # Tails of the other bump, π/2 away, pull a population vector by up to 0.09.
    assert (apart(angles[:, 0], answer) < 0.1).all(), "the highest bump is the stronger one"
    # c ± δ with c in [0.8, 1.2] and δ in [0.1, 0.2]; the tails blur them a little.
    assert 0.58 < found.min() < 0.65 and 1.35 < found.max() < 1.42
    difference = found[:, 0] - found[:, 1]
    assert 0.17 < difference.min() < 0.23 and 0.37 < difference.max() < 0.43
    assert apart(angles[:, 0], angles[:, 1]).min() > np.pi / 2 - 0.05
    other = ring[:, 1 - attended]
    if "ctx" in name:
        assert is_share(apart(direction(np.maximum(other, 0) ** 20), answer) < 0.5, 0.5)
    else:
        assert not other.any()


@pytest.mark.parametrize(("first", "second"), [("ctxdm1", "ctxdm2"), slow("dlydm1", "dlydm2")])
def test_the_two_modalities_of_a_rule_are_mirror_images(first, second):
    period = "stimulus" if first == "ctxdm1" else "stimulus1"
    np.testing.assert_array_equal(rings(first, period), rings(second, period)[:, ::-1])
    answers = (drawn(name).info["direction"] for name in (first, second))
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("name", ["dlydm1", slow("dlydm2"), "ctxdlydm1", slow("ctxdlydm2")])
def test_a_delayed_decision_compares_across_the_delay(name):
    attended = int(name[-1]) - 1
    shown = [rings(name, period) for period in ("stimulus1", "stimulus2")]
    sums = np.stack([ring[:, attended].sum(axis=-1) for ring in shown])
    angles = np.stack([direction(ring[:, attended]) for ring in shown])
    answer = np.where(sums[0] > sums[1], angles[0], angles[1])
    assert apart(answer, drawn(name).info["direction"]).max() < 1e-6
    assert is_share(sums[0] > sums[1], 0.5)
    other = np.stack([ring[:, 1 - attended].sum(axis=-1) for ring in shown])
    if "ctx" in name:
        assert is_share((other[0] > other[1]) == (sums[0] > sums[1]), 0.5)
    else:
        assert not other.any()


def test_integration_needs_both_modalities():
    shown = [rings("multsendlydm", period) for period in ("stimulus1", "stimulus2")]
    sums = np.stack([ring.sum(axis=-1) for ring in shown])  # stimulus, trial, modality
    angles = np.stack([direction(ring.sum(axis=1)) for ring in shown])
    totals = sums.sum(axis=-1)
    answer = np.where(totals[0] > totals[1], *angles)
    assert apart(answer, drawn("multsendlydm").info["direction"]).max() < 1e-6
    for modality in (0, 1):
        alone = sums[0, :, modality] > sums[1, :, modality]
        assert np.mean(alone == (totals[0] > totals[1])) < 0.9
    weights = 2 * sums / totals[..., None]
    assert 1.2 < weights.max(axis=-1).min() < weights.max() < 1.4


@pytest.mark.parametrize(("match", "inverted"), [("dms", "dnms"), slow("dmc", "dnmc")])
def test_non_match_tasks_respond_where_match_tasks_do_not(match, inverted):
    np.testing.assert_array_equal(drawn(match).inputs[..., :65], drawn(inverted).inputs[..., :65])
    responds, other = drawn(match).info["responds"], drawn(inverted).info["responds"]
    np.testing.assert_array_equal(responds, ~other)
    assert is_share(responds, 0.5)


def test_a_match_is_the_same_direction_or_the_same_category():
    for name in ("dms", "dmc"):
        first, second = (direction(rings(name, p).sum(axis=1)) for p in ("stimulus1", "stimulus2"))
        info = drawn(name).info
        assert apart(second, info["direction"]).max() < 1e-6
        if name == "dms":
            distance = apart(first, second)
            assert distance[info["responds"]].max() < np.pi / 18
            assert distance[~info["responds"]].min() > np.pi / 2 - 1e-6
            continue
        categories = [np.mod(angle + 1e-9, 2 * np.pi) // (np.pi / 2) for angle in (first, second)]
        assert {*categories[0], *categories[1]} == {0, 2}, "not only [0, π/2] and [π, 3π/2]"
        np.testing.assert_array_equal(categories[0] == categories[1], info["responds"])
        # The released code lets every non-match begin in the first category.
        assert is_share(categories[0][~info["responds"]] == 0, 0.5)


# The score and the weights of the loss


def test_the_score_weighs_fixation_and_response():
    task = RingTask("dlygo", DT)
    trial = jax.jit(lambda key: task.sample(key, jitter=False))(KEYS[0])
    start = task.periods["response"][0]
    right = np.array(trial.targets)

    compiled = jax.jit(task.score)

    def score(outputs):
        return float(compiled(outputs, trial))

    assert score(right) == 1
    held = np.array(right)
    held[start:] = right[0]
    assert score(held) == pytest.approx(4 / 5)
    pointing = np.array(right)
    pointing[start:, 0] = right[0, 0]
    assert score(pointing) == pytest.approx(4 / 5), "fixation is held while the ring answers"
    released = np.array(right)
    released[:start, 0] = 0
    assert score(released) == pytest.approx(1 / 5)
    half = np.array(right)
    half[start - 6 : start, 0] = 0  # 6 of the 18 steps that count before the response
    assert score(half) == pytest.approx(4 / 5 * 12 / 18 + 1 / 5)
    for angle, expected in ((0.19, 1), (0.21, 4 / 5)):
        turned = np.array(right)
        turned[start:, 1:] = bumps([float(trial.info["direction"]) + angle * np.pi])
        assert score(turned) == pytest.approx(expected)
    flat = np.array(right)
    flat[start:, 1:] = 0.3
    assert score(flat) == pytest.approx(4 / 5), "a flat ring points nowhere"


def test_loss_weights_give_the_loss_of_the_source():
    task = RingTask("go", DT)
    trial = jax.device_put(jax.tree.map(lambda leaf: leaf[1], drawn("go")))
    error = np.random.default_rng(0).uniform(size=len(trial.mask))
    start, stop = np.asarray(trial.info["periods"]["response"])
    expected = error[GRACE:start].mean() + error[start + GRACE : stop].mean()
    assert np.asarray(task.loss_weights(trial)) @ error == pytest.approx(expected)


def test_plot_names_groups_of_rows():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    task = RingTask("dlygo", DT)
    ax = task.plot(jax.tree.map(lambda x: jnp.asarray(x[0]), drawn("dlygo")), figure.subplots())
    assert ax.images[0].get_array().shape[0] == 85 + 33
    labels = [label.get_text() for label in ax.get_yticklabels()]
    inputs = ["in: fixation", "in: modality 1", "in: modality 2", "in: rule"]
    assert labels == [*inputs, "out: fixation", "out: ring"]
    assert [text.get_text() for text in ax.texts] == list(DELAYED)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("stop",), "`name` must be one of go, rtgo, .*, but it is 'stop'"),
        (("go", 0.0), "`dt` must be a positive, finite time in ms, but it is 0.0"),
        (("go", 101.0), "`dt` must be at most 100 ms, but it is 101.0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"Argument {message}"):
        tasks.RingTask(*arguments)

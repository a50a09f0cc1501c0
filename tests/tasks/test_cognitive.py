"""The classic cognitive tasks, rule reversal, the adapter for neurogym, curves of behaviour.

Tolerances of measured shares are five standard errors.
"""

import functools
import math
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tasks
from tasks._cognitive import held_and_right

COUNT = 1000
KEYS = jax.random.split(jax.random.key(0), COUNT)
CHOICES = {
    "perceptual": lambda dt: tasks.PerceptualDecision(dt=dt),
    "context": lambda dt: tasks.ContextDecision(dt=dt),
    "match": lambda dt: tasks.DelayedMatch(3, dt=dt),
    "comparison": lambda dt: tasks.DelayedComparison(dt=dt),
}
CLASSICS = CHOICES | {
    "flip-flop": lambda dt: tasks.FlipFlop(length=60, dt=dt),
    "ready-set-go": lambda dt: tasks.ReadySetGo(dt=dt),
    "reversal": lambda dt: tasks.RuleReversal(dt=dt),
    "reaction-time": lambda dt: tasks.ReactionTime(tasks.PerceptualDecision(dt=dt)),
}
DT = 50.0


@functools.cache
def solved(name):
    """1 000 trials, what the ideal observer answers, and the function that scores outputs."""
    task = CLASSICS[name](DT)

    def run(key):
        trial = task.sample(key)
        return trial, task.ideal_observer(trial.inputs)

    trials, outputs = jax.jit(jax.vmap(run))(KEYS)
    score = jax.jit(jax.vmap(task.score))
    return task, trials, outputs, lambda answers: np.asarray(score(jnp.asarray(answers), trials))


def is_share(hits, expected):
    return abs(np.mean(hits) - expected) < 5 * np.sqrt(expected * (1 - expected) / len(hits))


# Laws of all


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", CLASSICS)
def test_the_ideal_observer_scores_one_and_random_networks_below_chance(name):
    task, trials, outputs, score = solved(name)
    np.testing.assert_array_equal(score(outputs), 1)
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(COUNT, task.input_size, task.output_size))
    for answers in (rng.normal(size=outputs.shape), np.asarray(trials.inputs) @ maps):
        found = score(answers)
        # Two outputs at random are the coin of the bound itself: equal up to the sampling error.
        error = 5 * found.std() / np.sqrt(COUNT) if name == "reversal" else 0
        assert found.mean() < task.chance + error


@pytest.mark.parametrize("name", CLASSICS)
def test_trials_have_the_declared_shapes_types_and_periods(name):
    task = CLASSICS[name](5.0)
    for jitter in (False, True):
        for x64 in (False, True):
            with jax.enable_x64(x64):
                dtype = jnp.zeros(()).dtype
                trial = jax.eval_shape(partial(task.sample, jitter=jitter), jax.random.key(0))
                outputs = jax.eval_shape(task.ideal_observer, trial.inputs)
                score = jax.eval_shape(task.score, outputs, trial)
            assert trial.inputs.shape == (*trial.mask.shape, task.input_size)
            assert trial.inputs.dtype == trial.mask.dtype == outputs.dtype == score.dtype == dtype
            assert trial.targets.dtype in (dtype, "int32")
            assert outputs.shape == (*trial.mask.shape, task.output_size)
            assert set(trial.info["periods"]) == set(task.periods)
    starts, stops = zip(*task.periods.values(), strict=True)
    assert starts == (0, *stops[:-1])


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", CLASSICS)
def test_padding_is_empty_and_not_counted(name):
    _, trials, _, _ = solved(name)
    last = np.max([steps[:, 1] for steps in trials.info["periods"].values()], axis=0)
    padding = np.arange(trials.mask.shape[1]) >= last[:, None]
    assert not np.asarray(trials.mask)[padding].any()
    assert not np.asarray(trials.inputs)[padding].any()
    is_jittered = name not in ("flip-flop", "reversal")
    assert padding.any() == is_jittered


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_made_in_the_response_and_not_before(name):
    task, trials, outputs, score = solved(name)
    t = np.arange(trials.mask.shape[1])
    starts, stops = np.asarray(trials.info["periods"]["response"]).T[..., None]
    choice = np.asarray(trials.info["choice"])
    responds = (t >= starts) & (t < stops)
    np.testing.assert_array_equal(trials.targets, responds * choice[:, None])
    counted = ((t >= 4) & (t < starts)) | ((t >= starts + 4) & (t < stops))
    np.testing.assert_array_equal(trials.mask, counted)
    assert is_share(choice == 1, 0.5)
    weights = np.asarray(jax.vmap(task.loss_weights)(trials))
    np.testing.assert_array_equal(weights > 0, counted)
    np.testing.assert_allclose((weights * responds).sum(axis=1), 0.5, rtol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    early = np.broadcast_to(np.eye(3)[choice][:, None], outputs.shape)
    assert score(early).max() == 0, "it did not wait"
    never = np.broadcast_to(np.eye(3)[0], outputs.shape)
    assert score(never).max() == 0, "it did not choose"
    coin = np.where(responds[..., None], np.eye(3)[1], np.eye(3)[0])
    np.testing.assert_array_equal(score(coin), choice == 1)
    trial = jax.tree.map(lambda x: x[7], trials)
    assert int(task.choose(outputs[7], trial)) == choice[7]


# Perceptual decision, psychometric curve


def test_an_ideal_observer_has_the_psychometric_curve_of_signal_detection():
    _, trials, _, _ = solved("perceptual")
    motion = np.ptp(np.asarray(trials.info["periods"]["motion"]), axis=1) * DT
    c = np.asarray(trials.info["coherence"])
    z = c * np.sqrt(motion / 2) / 2.0
    expected = np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in z])
    is_right = np.asarray(trials.info["choice"]) == 1
    curve = tasks.psychometric(c, is_right)
    assert curve.counts.sum() == COUNT and len(curve.strengths) == 11
    for strength, rate, count in zip(curve.strengths, curve.rates, curve.counts, strict=True):
        p = expected[c == strength]
        assert abs(rate - p.mean()) <= 5 * np.sqrt((p * (1 - p)).mean() / count) + 1e-9
    assert curve.rates[0] < 0.01 and curve.rates[-1] > 0.99


def test_a_psychometric_curve_counts_choices():
    curve = tasks.psychometric([1, -1, 1, -1, 1, 1], [True, False, True, True, True, False])
    assert curve.strengths.tolist() == [-1, 1] and curve.counts.tolist() == [2, 4]
    assert curve.rates.tolist() == [0.5, 0.75]
    np.testing.assert_allclose(curve.errors, [np.sqrt(1 / 8), np.sqrt(3 / 64)])
    with pytest.raises(ValueError, match="Argument `chosen` must have shape"):
        tasks.psychometric([1, 2], [True])


def test_the_fit_of_a_curve_finds_the_normal_distribution_behind_it():
    s = np.array([-0.5, -0.2, -0.05, 0.05, 0.2, 0.5])
    z = (s - 0.04) / 0.11
    p = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in z])
    fit = tasks.fit_psychometric(tasks.Psychometric(s, p, 0 * p, np.arange(10, 16)))
    np.testing.assert_allclose(fit, (0.04, 0.11), rtol=1e-6)
    np.testing.assert_allclose(fit.rates(s), p, rtol=1e-6)


def test_the_fit_of_an_ideal_observer_has_the_threshold_of_signal_detection():
    _, trials, _, _ = solved("perceptual")
    c, is_right = (np.asarray(trials.info[name]) for name in ("coherence", "choice"))
    fit = tasks.fit_psychometric(tasks.psychometric(c, is_right == 1))
    # noise/√(T/2) for the nominal T = 1000 ms; about 300 of the trials tell anything of σ.
    expected = 2.0 / math.sqrt(500)
    assert abs(fit.threshold - expected) < 0.15 * expected and abs(fit.bias) < 0.02


def test_what_a_psychometric_fit_refuses():
    with pytest.raises(ValueError, match="Argument `curve` must have two strengths or more"):
        tasks.fit_psychometric(tasks.psychometric([1, 1], [True, False]))
    with pytest.raises(ValueError, match="Argument `curve` must rise with the strength"):
        tasks.fit_psychometric(tasks.psychometric([0, 0, 1, 1], [True, True, True, False]))
    curve = tasks.psychometric([0, 0, 1, 1], [False, True, True, True])
    with pytest.raises(ValueError, match="Argument `curve` must have two strengths or more"):
        tasks.fit_psychometric(curve._replace(strengths=np.zeros(2)))
    with pytest.raises(ValueError, match="Argument `curve` must have finite strengths"):
        tasks.fit_psychometric(curve._replace(strengths=np.array([0.0, np.nan])))
    parted = tasks.psychometric([-1, -1, 1, 1], [False, False, True, True])
    assert 0 < tasks.fit_psychometric(parted).threshold < 0.5


# Reaction times


def test_a_reaction_is_the_first_crossing_after_the_onset():
    outputs = np.zeros((6, 2))
    outputs[1] = 3.0, 1.0  # before the onset
    outputs[4] = 0.2, 0.9
    outputs[5] = 2.0, 1.0
    react = jax.jit(partial(tasks.reaction, dt=20.0), static_argnames="threshold")
    time, choice = react(jnp.asarray(outputs), 2, threshold=0.5)
    assert (float(time), int(choice)) == (40.0, 1)
    assert float(react(jnp.asarray(outputs), 4, threshold=0.5).time) == 0
    none = react(jnp.asarray(outputs), 2, threshold=5.0)
    assert np.isnan(none.time) and int(none.choice) == -1


def test_a_reaction_time_task_lets_one_answer_from_the_stimulus_on():
    task, trials, _, score = solved("reaction-time")
    told, t = solved("perceptual")[1], np.arange(trials.mask.shape[1])
    np.testing.assert_array_equal(trials.inputs, told.inputs)
    spans = {k: np.asarray(v).T[..., None] for k, v in trials.info["periods"].items()}
    choice = np.asarray(trials.info["choice"])[:, None]
    shown, asked = ((t >= spans[k][0]) & (t < spans[k][1]) for k in ("motion", "response"))
    np.testing.assert_array_equal(trials.targets, (shown | asked) * choice)
    np.testing.assert_array_equal(trials.mask, np.where(shown, 0, told.mask))
    weights = np.asarray(jax.vmap(task.loss_weights)(trials))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose((weights * shown).sum(axis=1), 1 / 3, rtol=1e-12)
    np.testing.assert_array_equal(weights > 0, shown | (np.asarray(told.mask) > 0))
    wrong = np.eye(3)[np.where(shown, 3 - choice, trials.targets)]
    np.testing.assert_array_equal(score(wrong), 1)
    chosen = jax.vmap(task.choose)(jnp.asarray(wrong), trials)
    np.testing.assert_array_equal(chosen, choice[:, 0])
    with pytest.raises(ValueError, match="Argument `stimulus` must be one of fixation, motion"):
        tasks.ReactionTime(task.task, "test")


def test_a_race_to_a_bound_is_faster_for_stronger_evidence():
    # A noiseless race x' = c reaches 1 after ⌈1/c⌉ steps, at the right bound.
    c = np.repeat([-0.5, 0.1, 0.25], 4)
    outputs = np.arange(1.0, 30.0)[:, None] * np.stack([c, -c], axis=-1)[:, None]
    react = jax.vmap(partial(tasks.reaction, threshold=0.99, dt=10.0), in_axes=(0, None))
    found = react(jnp.asarray(outputs), 0)
    np.testing.assert_array_equal(found.choice, np.repeat([1, 0, 0], 4))
    curve = tasks.chronometric(np.abs(c), found.time, np.asarray(found.choice) == (c < 0))
    assert curve.strengths.tolist() == [0.1, 0.25, 0.5]
    assert curve.times.tolist() == [90, 30, 10]  # the first step has time 0
    assert curve.errors.tolist() == [0, 0, 0] and curve.counts.tolist() == [4, 4, 4]


def test_a_chronometric_curve_counts_answers():
    times = [10.0, 30.0, np.nan, 50.0, 20.0, np.nan]
    curve = tasks.chronometric([1, 1, 1, 2, 2, 3], times, [1, 1, 1, 0, 1, 1])
    np.testing.assert_array_equal(curve.times, [20, 20, np.nan])
    np.testing.assert_array_equal(curve.errors, [10, np.nan, np.nan])
    assert curve.counts.tolist() == [2, 1, 0]
    assert tasks.chronometric([1, 2], [5.0, 6.0]).times.tolist() == [5, 6]
    with pytest.raises(ValueError, match="Argument `times` must have shape"):
        tasks.chronometric([1, 2], [5.0])
    with pytest.raises(ValueError, match="Argument `chosen` must have shape"):
        tasks.chronometric([1, 2], [5.0, 6.0], [True])


# Context, match, comparison


def test_the_context_says_which_feature_counts():
    _, trials, _, _ = solved("context")
    context = np.asarray(trials.info["context"])
    sums = np.asarray(trials.inputs[..., :2]).sum(axis=1)
    choice = np.where(sums > 0, 1, 2)
    chosen = np.asarray(trials.info["choice"])
    np.testing.assert_array_equal(choice[np.arange(COUNT), context], chosen)
    assert is_share(choice[np.arange(COUNT), 1 - context] == chosen, 0.5)
    np.testing.assert_array_equal(trials.inputs[:, 0, 2:4], np.eye(2)[context])


def test_match_and_comparison_follow_what_was_shown():
    _, trials, _, _ = solved("match")
    sample, test = (np.asarray(trials.info[name]) for name in ("sample", "test"))
    for period, shown in (("sample", sample), ("test", test)):
        at = np.asarray(trials.info["periods"][period])[:, 0]
        inputs = np.asarray(trials.inputs)[np.arange(COUNT), at, 1:]
        np.testing.assert_array_equal(inputs, np.eye(3)[shown])
    np.testing.assert_array_equal(sample == test, np.asarray(trials.info["choice"]) == 1)
    assert sorted(np.unique((test - sample) % 3)) == [0, 1, 2]
    _, trials, _, _ = solved("comparison")
    f1, f2 = np.asarray(trials.info["frequencies"]).T
    np.testing.assert_array_equal(f1 > f2, np.asarray(trials.info["choice"]) == 1)
    np.testing.assert_allclose(np.abs(f1 - f2), 8)
    assert 10 <= min(f1.min(), f2.min()) < 10.2 and 33.8 < max(f1.max(), f2.max()) <= 34


# Flip-flop, ready-set-go


def test_a_flip_flop_holds_the_last_pulse():
    task, trials, _, score = solved("flip-flop")
    inputs = np.asarray(trials.inputs)
    last, states = inputs[:, 0], []
    for x in np.moveaxis(inputs, 1, 0):
        last = np.where(x != 0, x, last)
        states.append(last)
    np.testing.assert_array_equal(trials.targets, np.stack(states, axis=1))
    assert (inputs[:, 0] != 0).all()
    assert is_share(inputs[:, 1:].ravel() != 0, task.pulse)
    half = score(np.ones(inputs.shape))
    # Pulses flip a channel 3 times in 60 steps: trials differ, their mean is a half.
    assert abs(half.mean() - 0.5) < 5 * half.std() / np.sqrt(COUNT)
    # The bound: right at the pulses, half of the time elsewhere.
    blind = score(np.where(inputs != 0, inputs, 1.0))
    assert abs(blind.mean() - task.chance) < 5 * blind.std() / np.sqrt(COUNT)


def test_ready_set_go_asks_for_the_interval_between_the_pulses():
    task, trials, _, score = solved("ready-set-go")
    t = np.arange(trials.mask.shape[1])
    ready, set_ = np.asarray(trials.inputs).argmax(axis=1).T
    np.testing.assert_array_equal(np.asarray(trials.inputs).sum(axis=1), 1)
    interval = set_ - ready
    np.testing.assert_array_equal(trials.info["interval"], interval * DT)
    assert sorted(np.unique(interval)) == list(range(10, 21))
    goes = (t >= (2 * set_ - ready)[:, None]).astype(float)
    np.testing.assert_array_equal(trials.targets[..., 0], goes)
    rates = []
    for produced in range(8, 24):
        answers = (t == set_[:, None] + produced).astype(float)[..., None]
        hits = np.abs(produced - interval) <= 0.1 * interval
        np.testing.assert_array_equal(score(answers), hits)
        rates.append(hits.mean())
    assert abs(max(rates) - task.chance) < 5 * np.sqrt(0.25 / COUNT)
    assert score(np.zeros((COUNT, len(t), 1))).max() == 0


# Rule reversal


def test_a_sequence_reverses_at_most_once_and_counts_what_can_be_known():
    _, trials, _, _ = solved("reversal")
    rules, counted = (np.asarray(trials.info[name]) for name in ("rules", "counted"))
    flips = np.diff(rules, axis=1) != 0
    assert flips.sum(axis=1).max() == 1 and not flips[:, -1].any()
    assert is_share(flips.any(axis=1), 3 / 4) and is_share(rules[:, 0], 0.5)
    np.testing.assert_array_equal(counted[:, 1:] == 1, ~flips)
    assert not counted[:, 0].any()
    mask = np.asarray(trials.mask).reshape(COUNT, 5, 4, 10)
    expected = np.zeros((4, 10))
    expected[1, 4:] = 1
    np.testing.assert_array_equal(mask, counted[..., None, None] * expected)
    choice = np.asarray(trials.info["stimuli"]) ^ rules
    np.testing.assert_array_equal(trials.targets[:, ::40], choice)


def test_feedback_in_closed_loop_is_on_the_agents_own_choices():
    task, trials, ideal, _ = solved("reversal")

    def learner(supposed, x):
        """Supposes a rule; takes the other one when told, for the first time, it was wrong."""
        rule, stimulus, was_told = supposed
        stimulus = jnp.where(x[0] > 0, 0, jnp.where(x[1] > 0, 1, stimulus))
        is_wrong = x[3] > 0
        rule = jnp.where(is_wrong & ~was_told, 1 - rule, rule)
        return (rule, stimulus, is_wrong), jax.nn.one_hot(rule ^ stimulus, 2, dtype=x.dtype)

    def stubborn(state, x):
        return state, jnp.array([1.0, 0.0])

    zero = jnp.zeros((), jnp.int64)

    @jax.jit
    def play(trials):
        learned = jax.vmap(lambda t: task.play(learner, (zero, zero, jnp.array(False)), t))(trials)
        same = jax.vmap(lambda t: task.play(stubborn, 0, t))(trials)
        return learned, same, jax.vmap(task.score)(learned[0], trials)

    (outputs, inputs), (_, told), scores = play(trials)
    np.testing.assert_array_equal(scores, 1)
    # The observer's open-loop inputs are those of a closed loop with the same choices.
    np.testing.assert_array_equal(inputs, trials.inputs)
    spans = np.asarray(trials.mask) > 0
    np.testing.assert_array_equal(np.asarray(outputs)[spans], np.asarray(ideal)[spans])
    # Always choosing 1 is right where stimulus and rule have the same index.
    choice = np.asarray(trials.info["stimuli"]) ^ np.asarray(trials.info["rules"])
    feedback = np.asarray(told).reshape(COUNT, 5, 4, 10, 4)[..., 2:]
    expected = np.stack([choice == 0, choice == 1], axis=-1)
    np.testing.assert_array_equal(feedback[:, :, 2], np.repeat(expected[:, :, None], 10, axis=2))
    assert not feedback[:, :, [0, 1, 3]].any()


# The adapter


def test_trials_without_an_answer_are_left_out_of_curves_and_counted():
    curve = tasks.psychometric([1.0, 1, 1, 1], [0, 1, -1, -1])
    assert (curve.rates, curve.counts, curve.missing) == (0.5, 2, 2)
    np.testing.assert_allclose(curve.errors, np.sqrt(0.25 / 2))
    strengths, chosen = [0.2, 0.2, 0.1, 0.2, 0.3], [True, np.nan, np.nan, False, True]
    curve = tasks.psychometric(strengths, chosen)
    np.testing.assert_array_equal(curve.rates, [np.nan, 0.5, 1])
    np.testing.assert_array_equal(curve.errors[1:], [np.sqrt(0.125), 0])
    assert curve.counts.tolist() == [0, 2, 1] and curve.missing.tolist() == [1, 1, 0]
    times = tasks.chronometric([1.0, 1, 1, 1, 2], [10, 20, 30, np.nan, 50], [1, 1, -1, 1, 0])
    np.testing.assert_array_equal(times.times, [15, np.nan])
    assert times.counts.tolist() == [2, 0] and times.missing.tolist() == [2, 0]


def test_a_fit_of_choices_does_not_see_trials_without_an_answer():
    rng = np.random.default_rng(0)
    strengths = np.repeat(np.linspace(-1, 1, 5), 40)
    chosen = rng.uniform(size=200) < 0.5 * (1 + np.vectorize(math.erf)(strengths / 2**0.5))
    expected = tasks.fit_psychometric(tasks.psychometric(strengths, chosen))
    some = np.append(strengths, [-1.0, 0.0, 1.0, 3.0]), np.append(chosen.astype(int), [-1] * 4)
    np.testing.assert_allclose(tasks.fit_psychometric(tasks.psychometric(*some)), expected)
    with pytest.raises(ValueError, match="two strengths or more with answers, but it has 1"):
        tasks.fit_psychometric(tasks.psychometric([1.0, 2.0], [1, -1]))
    with pytest.raises(ValueError, match=r"rates in \[0, 1\]"):
        tasks.fit_psychometric(tasks.psychometric([1.0, 2.0], [1, 0])._replace(rates=[np.nan, 0]))


def test_a_reaction_says_which_alternative_was_chosen():
    outputs = jnp.array([[[0.0, 2.0]], [[2.0, 0.0]], [[0.0, 0.0]], [[np.nan, np.nan]]])
    found = jax.vmap(lambda o: tasks.reaction(o, 0, threshold=1.0, dt=1.0))(outputs)
    assert found.choice.tolist() == [1, 0, -1, -1]
    assert found.chose(0).tolist() == [0, 1, -1, -1]
    assert tasks.psychometric(np.ones(4), found.chose(0)).rates == 0.5


def test_outputs_that_are_nan_are_no_choice():
    task, trials, outputs, _ = solved("perceptual")
    one = jax.tree.map(lambda x: x[0], trials)
    assert task.choose(outputs[0], one) == one.info["choice"]
    assert task.choose(outputs[0] * jnp.where(one.mask[:, None] > 0, 1, jnp.nan), one) > 0
    assert task.choose(jnp.full_like(outputs[0], jnp.nan), one) == -1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: tasks.psychometric([1.0], [2]), "`chosen` must hold 0 and 1, .* it holds 2"),
        (lambda: tasks.psychometric([np.nan], [1]), "`strengths` must be finite"),
        (lambda: tasks.chronometric([np.inf], [1.0]), "`strengths` must be finite"),
        (lambda: tasks.chronometric([1.0], [np.inf]), "`times` must be finite"),
        (lambda: tasks.chronometric([1.0], [1.0], [0.5]), "`chosen` must hold 0 and 1"),
    ],
)
def test_curves_refuse_what_is_neither_an_answer_nor_missing(build, message):
    with pytest.raises(ValueError, match=f"Argument {message}"):
        build()


class Bandit:
    """Looks like an environment of neurogym: two periods, the second of random length."""

    dt = 20
    observation_space = SimpleNamespace(name={"fixation": 0, "stimulus": [1, 2]})
    action_space = SimpleNamespace(n=3, name={"fixation": 0, "choice": [1, 2]})

    def seed(self, seed=None):
        self.rng = np.random.RandomState(seed)

    def new_trial(self):
        steps, side = self.rng.randint(3, 7), self.rng.randint(2)
        self.start_ind, self.end_ind = {"fix": 0, "go": 4}, {"fix": 4, "go": 4 + steps}
        self.ob = np.zeros((4 + steps, 3), np.float32)
        self.ob[:4, 0], self.ob[:, 1 + side] = 1, self.rng.rand()
        self.gt = np.repeat([0, 1 + side], [4, steps])


def test_an_environment_of_neurogym_is_a_task():
    task = tasks.NeurogymTask(Bandit(), length=12)
    assert task.channels == ("fixation", "stimulus 0", "stimulus 1") and task.dt == 20
    assert task.outputs == ("fixation", "choice 0", "choice 1")
    draw = jax.jit(jax.vmap(task.sample))
    trials, again = draw(KEYS[:50]), draw(KEYS[:50])
    jax.tree.map(np.testing.assert_array_equal, trials, again)
    stops = np.asarray(trials.info["periods"]["go"])[:, 1]
    np.testing.assert_array_equal(trials.info["periods"]["trial"][:, 1], stops)
    assert set(stops) == {7, 8, 9, 10}
    np.testing.assert_array_equal(trials.mask, np.arange(12) < stops[:, None])
    assert len(np.unique(trials.inputs[:, 5, 1:].max(axis=-1))) == 50
    score = jax.vmap(task.score)
    np.testing.assert_array_equal(score(jax.nn.one_hot(trials.targets, 3), trials), 1)
    np.testing.assert_array_equal(score(jnp.ones((50, 12, 3)), trials), 0)
    figure = pytest.importorskip("matplotlib.figure").Figure()
    ax = task.plot(jax.tree.map(lambda x: x[0], trials), figure.subplots())
    assert [text.get_text() for text in ax.texts] == ["fix", "trial", "go"]


def test_what_does_not_look_like_an_environment_is_refused():
    with pytest.raises(ValueError, match=r"Argument `env` must be a trial-based .* no `seed`"):
        tasks.NeurogymTask(object(), length=12)
    with pytest.raises(ValueError, match="`length` must hold the longest trial, but it is 5"):
        tasks.NeurogymTask(Bandit(), length=5)
    with pytest.raises(ValueError, match="Argument `actions` must be at most 65536"):
        tasks.NeurogymTask(Bandit(), length=12, actions=2**70)
    wrapped = SimpleNamespace(unwrapped=Bandit())
    assert tasks.NeurogymTask(wrapped, length=12).input_size == 3


class Reaching(Bandit):
    """Angles for right actions, cut to integers by an array of them; or not cut."""

    def __init__(self, dtype=int, says=True):
        self.dtype, self.says = dtype, says

    def new_trial(self):
        super().new_trial()
        angle = self.rng.uniform(0, 2 * np.pi)
        self.gt = np.full(len(self.gt), angle).astype(self.dtype)
        if self.says:
            self.trial = {"ground_truth": angle}


class Schedule(Bandit):
    """Two tasks in turn, or in blocks of some trials, whatever the seed."""

    def __init__(self, block=1):
        self.drawn, self.block = 0, block

    def new_trial(self):
        super().new_trial()
        self.drawn += 1
        self.ob[:, 2] += self.drawn // self.block % 2


class Unseeded(Bandit):
    def seed(self, seed=None):
        self.rng = np.random.RandomState()


class Blind(Bandit):
    def new_trial(self):
        super().new_trial()
        self.ob[3, 1] = np.nan


class Wrapper:
    """As gymnasium's: it has a `step`, which hands on, and knows the environment within."""

    def __init__(self, env):
        self.env, self.unwrapped = env, getattr(env, "unwrapped", env)

    def step(self, action):
        return self.env.step(action)


class OrderEnforcing(Wrapper):
    def step(self, action):
        return self.env.step(action)


class Noise(Wrapper):
    def step(self, action):
        return self.env.step(action) + 1


class Brighter(Wrapper):
    """Changes the trial itself."""

    def new_trial(self):
        self.unwrapped.new_trial()
        self.unwrapped.ob = 2 * self.unwrapped.ob


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (lambda: Reaching(float), "actions in `gt` are float64, not integers: a task has discrete"),
        (
            Reaching,
            r"the ground truth of its trial is [\d.]+, which is not an action but cut to one",
        ),
        (lambda: Reaching(says=False), "right action is [3456] where there are the actions 0 to 2"),
        (Schedule, "it draws another trial for the same seed.* make a `NeurogymTask` each"),
        (lambda: Schedule(3), "it draws another trial for the same seed"),
        (lambda: Schedule(20), "it draws another trial for the same seed"),
        (Unseeded, "it draws another trial for the same seed: all its chance must come from"),
        (Blind, "observations in `ob` are NaN or infinite"),
        (lambda: Noise(Bandit()), "its wrapper `Noise` has a `step` of its own, .* no effect"),
        (lambda: OrderEnforcing(Noise(Bandit())), "its wrapper `Noise` has a `step`"),
    ],
)
def test_environments_whose_trials_are_no_function_of_the_key_are_refused(env, message):
    with pytest.raises(
        ValueError, match=f"Argument `env` must be a trial-based .* but .*{message}"
    ):
        tasks.NeurogymTask(env(), length=12)


def test_wrappers_that_change_nothing_or_the_trial_itself_are_respected():
    key, plain = jax.random.key(5), tasks.NeurogymTask(Bandit(), length=12)
    same = tasks.NeurogymTask(OrderEnforcing(Wrapper(Bandit())), length=12)
    other = tasks.NeurogymTask(OrderEnforcing(Brighter(Bandit())), length=12)
    trial, again, changed = (task.sample(key) for task in (plain, same, other))
    jax.tree.map(np.testing.assert_array_equal, trial, again)
    np.testing.assert_array_equal(changed.inputs, 2 * trial.inputs)


def test_a_later_trial_whose_right_action_is_none_raises():
    class Late(Bandit):
        def new_trial(self):
            super().new_trial()
            self.gt = self.gt + 3 * (self.last > 100)

        def seed(self, seed=None):
            super().seed(seed)
            self.last = seed

    with pytest.raises(Exception, match="its right action is 3 where there are the actions 0 to 2"):
        jax.block_until_ready(tasks.NeurogymTask(Late(), length=12).sample(jax.random.key(0)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: tasks.PerceptualDecision(-1.0), "`noise` must be a finite number of at least 0"),
        (lambda: tasks.ContextDecision(float("nan")), "`noise` must be a finite number"),
        (lambda: tasks.DelayedMatch(1), "`stimuli` must be an integer of at least 2, but it is 1"),
        (lambda: tasks.DelayedMatch(delay=100.0), "`delay` must be at least 200 ms"),
        (lambda: tasks.DelayedComparison(dt=101.0), "`dt` must be at most 100 ms"),
        (lambda: tasks.FlipFlop(pulse=1.5), r"`pulse` must be in \[0, 1\], but it is 1.5"),
        (lambda: tasks.FlipFlop(bits=0), "`bits` must be an integer of at least 1"),
        (lambda: tasks.ReadySetGo(dt=60.0), "`dt` must be at most 50 ms"),
        (lambda: tasks.RuleReversal(2), "`presentations` must be an integer of at least 3"),
    ],
)
def test_bad_arguments_are_named(build, message):
    with pytest.raises(ValueError, match=f"Argument {message}"):
        build()


def test_nan_is_no_answer():
    # argmax takes NaN for the largest: a network that diverged would answer.
    outputs = jnp.full((4, 3), jnp.nan)
    assert held_and_right(outputs, jnp.array([0, 0, 1, 1], jnp.int32), jnp.ones(4)) == 0
    answers = jnp.eye(3)[jnp.array([0, 0, 1, 1])]
    targets = jnp.array([0, 0, 1, 1], jnp.int32)
    assert held_and_right(answers, targets, jnp.ones(4)) == 1
    assert held_and_right(answers.at[3, 1].set(jnp.nan), targets, jnp.ones(4)) == 0.5
    copy = tasks.CopyMemory(1)
    trial = copy.sample(jax.random.key(0))
    assert copy.score(jnp.full((len(trial.targets), 10), jnp.nan), trial) == 0

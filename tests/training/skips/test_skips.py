"""Training by skips: the kernel against the scan and a loop, the schedule, and what `fit` keeps."""

import signal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import zoo
from compared import tree_equal
from marks import slow
from rate_cases import N, check_legal, connectivity
from schemes import SCHEMES
from skip_trainings import KEY, STATE_SKIP, TASK, Recall, Trial, model, train

import organics_ode as oo
from organics_ode.kernels import Skips, rates
from organics_ode.training.skips import _arguments, _fit, _run, _runners, _trials


class Sign(eqx.Module):
    """Which sign has the input? No periods, no jitter, no weights of its own; classes."""

    dt: float = 10.0
    input_size: int = zoo.M

    def sample(self, key):
        x = jax.random.normal(key, (self.input_size,))
        inputs = jnp.tile(x, (7, 1))
        return Trial(inputs, jnp.full(7, (x[0] > 0).astype(int)), jnp.ones(7).at[:2].set(0), {})

    def score(self, outputs, trial):
        return oo.accuracy(outputs, trial.targets, trial.mask)


def without_seconds(history):
    drop = ("seconds",)
    return [{k: v for k, v in r.items() if k not in drop} for r in history.records]


def check_same(result, other):
    assert tree_equal(result.models, other.models)
    assert without_seconds(result.history) == without_seconds(other.history)
    np.testing.assert_array_equal(result.performance, other.performance)
    assert result.outcome == other.outcome


@pytest.fixture(scope="module")
def undisturbed():
    return train()


# The schedule


def test_the_schedule_is_that_of_the_reference():
    schedule = oo.SkipSchedule(oo.DerivativeSkip(), length=40, stages=6, beta=0.2, rounds=600)
    found = [schedule.at(100 * k + extra) for k in range(6) for extra in (0, 99)]
    assert [s.stage for s in found] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert {s.length for s in found} == {40}
    np.testing.assert_allclose([s.beta for s in found[::2]], (0.2, 0.36, 0.52, 0.68, 0.84, 1.0))
    assert found[-1].beta == 1.0  # exactly the base network
    assert schedule.at(600) == schedule.at(10**6) == (6, 1, 1.0)
    single = oo.SkipSchedule(oo.StateSkip(), stages=1, beta=0.8, rounds=10)
    assert [single.at(k).beta for k in (0, 9, 10)] == [0.8, 0.8, 1.0]


def test_a_coarse_step_is_refined_to_the_base_network():
    schedule = oo.SkipSchedule(oo.CoarseStep(), length=10, stages=4, beta=0.0, rounds=8)
    found = [schedule.at(k) for k in range(9)]
    assert [s.length for s in found] == [10, 10, 7, 7, 4, 4, 1, 1, 1]
    assert [s.beta for s in found] == [0.0] * 8 + [1.0]
    eleven = oo.SkipSchedule(oo.CoarseStep(), length=10, stages=11, beta=0.0, rounds=11)
    assert [eleven.at(k).length for k in range(11)] == [10, 9, 8, 7, 6, 6, 5, 4, 3, 2, 1]


# The kernel


def batch_of(steps, noisy=True, trials=3, burn_in=4):
    """Random trials whose periods begin anew at steps of their own."""
    rng = np.random.default_rng(5)
    eta = rng.normal(size=(burn_in + steps, trials, N))
    starts = rng.uniform(size=(steps, trials)) < 0.1
    starts[0] = True
    values = (
        rng.normal(size=(steps, trials, 2)),
        rng.normal(size=(trials, 2)),
        rng.normal(size=(steps, trials, 1)),
        rng.uniform(size=(steps, trials)) / steps,
        starts,
        eta[burn_in:] if noisy else None,
        eta[:burn_in] if noisy else None,
    )
    return _trials.TrialBatch(*jax.tree.map(jnp.asarray, values), burn_in)


def skips(scheme, length=4, beta=0.3):
    return Skips(scheme, jnp.asarray(length, jnp.int32), jnp.asarray(beta))


def slopes(model, batch, scheme):
    """The loss and its gradient in all parameters, compiled anew for each call."""
    params, rest = eqx.partition(model, oo.trainable(model))

    @jax.jit
    def both(params, arrays, length, beta):
        batch_here = _trials.TrialBatch(*arrays, batch.burn_in)
        here = Skips(scheme, length, beta)
        net = eqx.combine(params, rest)
        return _run.loss_and_gradient(net, batch_here, here, oo.squared_error, 0.01)

    return both(params, batch[:-1], *skips(scheme)[1:])


def loop(model, batch, scheme, length, beta, activity):
    """The loss in numpy, trial by trial and step by step."""
    net, W_out = oo.resolve(model.cell.circuit), np.asarray(oo.resolve(model.readout).W_out)
    batch, net = jax.tree.map(np.asarray, (batch, net))
    rate, total, activities = 10.0 / net.tau, 0.0, []
    trials = batch.weights.shape[1]
    for i in range(trials):

        def increment(r, x, eta):
            drive = net.W @ r + net.b
            drive[:3] += net.W_in @ x
            return rate * (-r + np.maximum(drive + float(net.noise) * eta, 0))

        r = np.zeros(N)
        for eta in batch.noise_before[:, i]:
            r = r + increment(r, batch.inputs_before[i], eta)
        since = 0
        for t in range(len(batch.weights)):
            since = 0 if batch.starts[t, i] else since
            change = increment(r, batch.inputs[t, i], batch.noise[t, i])
            if since == 0:
                anchor, slope = r, change
            if isinstance(scheme, oo.CoarseStep):
                change = (1 - beta) * slope + beta * change
            r, since = r + change, since + 1
            if since == length:
                since = 0
                if isinstance(scheme, oo.StateSkip):
                    r = (1 - beta) * anchor + beta * r
                if isinstance(scheme, oo.DerivativeSkip):
                    r = (1 - beta) * (anchor + length * slope) + beta * r
            o = 1 / (1 + np.exp(-W_out @ r[3:]))
            total += batch.weights[t, i] * np.mean((o - batch.targets[t, i]) ** 2) / trials
            activities.append(np.mean(np.abs(r)))
    return total + activity * np.mean(activities)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_the_kernel_equals_the_scan_and_a_loop(scheme, monkeypatch):
    # More than two blocks of steps; only one scheme without noise, which compiles less.
    is_noisy = not isinstance(scheme, oo.DerivativeSkip)
    net, batch = model(f=jax.nn.relu), batch_of(2 * _run._STEPS + 7, is_noisy)
    assert rates.applies(net.cell)
    value, gradient = slopes(net, batch, scheme)
    monkeypatch.setattr(rates, "applies", lambda cell: False)
    expected, reference = slopes(net, batch, scheme)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    pairs = zip(*map(jax.tree.leaves, (gradient, reference)), strict=True)
    for a, b in pairs:
        assert np.linalg.norm(a - b) <= 1e-12 * np.linalg.norm(b)
    assert np.linalg.norm(reference.cell.circuit.W.value) > 1e-4
    if is_noisy:
        np.testing.assert_allclose(value, loop(net, batch, scheme, 4, 0.3, 0.01), rtol=1e-12)


def test_outputs_are_those_of_the_model_itself():
    net, batch = model(noise=0.0, state0=oo.RateNetworkState(np.full(N, 0.3))), batch_of(23, False)
    found = _run.outputs(net, batch, skips(oo.StateSkip(), 1, 1.0))
    for i in range(3):
        xs = batch.inputs[:, i]
        before = jnp.tile(batch.inputs_before[i], (batch.burn_in, 1))
        xs = jnp.concatenate([before, xs])
        np.testing.assert_allclose(found[i], net(xs)[batch.burn_in :], rtol=1e-12)


def test_a_network_in_mixed_precision_keeps_its_noise():
    network = jax.tree.map(
        lambda v: v.astype(np.float32) if eqx.is_inexact_array(v) else v,
        oo.RateNetwork.random(2, N, key=KEY, tau_noise=30.0),
    )
    cell = oo.MixedPrecision(oo.Euler(network, 10.0))
    readout = eqx.nn.Linear(N, 1, key=KEY, dtype=np.float32)
    assert _arguments._noise([oo.SequenceToSequence(cell, readout)]) == (N, 30.0)
    assert _runners._with_noise(cell).input_size == 2 + N
    step = oo.MixedPrecision(oo.Euler(zoo.gated(n=N, dtype=np.float32), 0.5))
    stacked = oo.Stack(step, oo.Euler(oo.RateNetwork.random(N, N, key=KEY), 0.5))
    told = "`models` must have no noise in the networks of a `Stack`"
    with pytest.raises(ValueError, match=told):
        _arguments._noise([oo.SequenceToSequence(stacked, readout)])


# Training


@pytest.mark.slow
def test_what_comes_back_is_the_base_networks_and_their_history(undisturbed):
    start = [model(0), model(1)]
    assert undisturbed.outcome == "completed" and len(undisturbed.models) == 2
    for net, old in zip(undisturbed.models, start, strict=True):
        assert jax.tree.structure(net) == jax.tree.structure(old)
        assert type(net.cell) is oo.Euler and net.readout.units == (3, 5)
        new, values = oo.resolve(net.cell.circuit), oo.resolve(old.cell.circuit)
        check_legal(new.W)
        np.testing.assert_array_equal(new.tau, values.tau)
        assert new.input_units == (0, 3)
        for name in ("W", "W_in", "b"):
            assert not np.allclose(getattr(new, name), getattr(values, name)), name
    history = undisturbed.history
    np.testing.assert_array_equal(history.steps("loss"), [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(history["stage"], [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(history["length"], [3, 3, 3, 3, 1, 1])
    np.testing.assert_array_equal(history["beta"], [0.5, 0.5, 1, 1, 1, 1])
    assert history["loss"].shape == history["gradient_norm"].shape == (6, 2)
    assert history["validation_performance"].shape == (6, 2)
    assert np.all(np.isnan(undisturbed.rounds))  # a criterion of 2 cannot be reached


@pytest.mark.slow
def test_the_performance_is_that_of_the_base_network_without_skips_or_jitter():
    result = train([model(0, noise=0.0), model(1, noise=0.0)], rounds=1)
    trial = TASK.sample(KEY, jitter=False)
    xs = jnp.concatenate([jnp.tile(trial.inputs[:1], (5, 1)), trial.inputs])  # 50 ms of burn-in
    expected = [TASK.score(net(xs)[5:], trial) for net in result.models]
    np.testing.assert_allclose(result.performance, expected, rtol=1e-12)


def test_the_loss_falls_and_a_reached_criterion_ends_the_training():
    adam = optax.adam(0.05)
    result = train(rounds=40, criterion=0.93, evaluate_every=2, optimizer=adam)
    assert result.outcome == "criterion"
    last = result.history.records[-1]
    assert last["step"] < 40 and last["step"] % 2 == 0
    assert np.mean(last["validation_performance"]) >= 0.93
    loss = result.history["loss"]
    assert np.all(loss[-1] < loss[0])
    performance = result.history["validation_performance"]
    steps = result.history.steps("validation_performance")
    for i, round in enumerate(result.rounds):
        reached = steps[performance[:, i] >= 0.93]
        assert round == reached[0] if len(reached) else np.isnan(round)
    np.testing.assert_array_equal(result.performance, performance[-1])


def test_the_mean_is_trimmed_by_a_tenth_at_either_end():
    values = np.random.default_rng(0).permutation([0.0, 100.0, *np.arange(18.0), 3.0, -5.0])
    ordered = np.sort(values)
    assert _fit.trimmed_mean(values) == pytest.approx(np.mean(ordered[2:-2]), rel=1e-15)
    assert _fit.trimmed_mean([1.0, 2.0, 6.0]) == 3.0
    # A model that diverged is among the lowest.
    assert _fit.trimmed_mean([np.nan, *[0.5] * 8, 1.0]) == 0.5
    # Infinite is no performance either.
    assert _fit.trimmed_mean([np.inf, np.inf, *[0.5] * 8]) == pytest.approx(3.5 / 8)
    assert _fit.trimmed_mean([np.nan, 1.0]) == 0.5


@pytest.mark.slow
def test_a_model_trains_alone_as_among_others(undisturbed):
    alone = train([model(1)])
    pairs = zip(*map(jax.tree.leaves, (alone.models[0], undisturbed.models[1])), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(alone.performance[0], undisturbed.performance[1], rtol=1e-9)


def test_a_model_that_diverged_stays_and_the_others_train(undisturbed):
    broken = eqx.tree_at(lambda m: m.cell.circuit.b, model(0), jnp.full(N, jnp.nan))
    result = train([broken, model(1)])
    for a, b in zip(*map(jax.tree.leaves, (result.models[0], broken)), strict=True):
        np.testing.assert_array_equal(a, b)
    pairs = zip(*map(jax.tree.leaves, (result.models[1], undisturbed.models[1])), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert np.all(np.isnan(result.history["loss"][:, 0]))
    assert np.all(np.isfinite(result.history["loss"][:, 1]))


@pytest.mark.slow
def test_a_model_whose_update_overflows_stays_as_it_was():
    # Only the first model's gradient is large, and the optimizer's step along it is infinite.
    def step(gradient, _):
        return jax.tree.map(lambda g: jnp.where(jnp.abs(g) > 100, jnp.inf, -0.02 * g), gradient)

    W_out = model(0).readout.W_out
    readouts = [oo.Readout(c * W_out, units=(3, 5), activation=None) for c in (1e4, 1.0)]
    models = [oo.SequenceToSequence(model(i).cell, readouts[i]) for i in range(2)]
    result = train(models, optimizer=optax.stateless(step), rounds=2)
    assert np.all(np.isfinite(result.history["loss"]))
    assert np.all(np.isfinite(result.history["gradient_norm"]))
    for a, b in zip(*map(jax.tree.leaves, (result.models[0], models[0])), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(result.models[1].cell.circuit.b != models[1].cell.circuit.b)


@pytest.mark.slow
def test_trained_time_constants_keep_their_bounds():
    def bounded(seed):
        return model(seed, tau=oo.Bounded(np.full(N, 50.0), 45.0, 55.0))

    result = train([bounded(0), bounded(1)], optimizer=optax.adam(1.0), rounds=2)
    for net in result.models:
        circuit = oo.resolve(net.cell.circuit)
        assert np.all((circuit.tau >= 45) & (circuit.tau <= 55))
        assert np.max(np.abs(circuit.tau - 50)) > 1
        check_legal(circuit.W)
        # Steps of 1 crossed the sign.
        assert np.sum(circuit.W == 0) > np.sum(oo.resolve(connectivity()) == 0)


def organics(seed):
    circuit = zoo.organics(oo.Rectification.AFTER, seed=seed)
    readout = oo.Readout(np.eye(2, zoo.N), np.zeros(2), activation=None)
    return oo.SequenceToSequence(oo.Euler(circuit, 0.5), readout)


def lstm(seed):
    cell = oo.LSTM.random(zoo.M, 4, key=jax.random.key(seed))
    cell = jax.tree.map(lambda x: x.astype(np.float32) if eqx.is_inexact_array(x) else x, cell)
    return oo.SequenceToSequence(cell, oo.Readout(np.eye(2, 4, dtype=np.float32), activation=None))


@pytest.mark.slow
@pytest.mark.parametrize("build", (organics, slow(lstm)))
def test_other_cells_learn_tasks_without_periods_or_jitter(build):
    models = [build(0), build(1)]
    schedule = oo.SkipSchedule(oo.DerivativeSkip(), length=3, stages=2, beta=0.5, rounds=10)
    result = train(
        models,
        task=Sign(dt=0.5),
        optimizer=optax.adam(0.05),
        schedule=schedule,
        loss=oo.cross_entropy,
        rounds=12,
        batch_size=16,
        trials=150,  # more than are evaluated at a time
        evaluate_every=12,
        burn_in=0.0,
    )
    loss = result.history["loss"]
    assert np.all(loss[-1] < 0.9 * loss[0])
    assert np.all((result.performance > 0.5) & (result.performance <= 1))
    old, new = (jax.tree.leaves(eqx.filter(m, eqx.is_array)) for m in (models[0], result.models[0]))
    assert [x.dtype for x in new] == [x.dtype for x in old]


def test_without_a_schedule_the_base_networks_are_trained():
    plain = train(schedule=None, rounds=2)
    np.testing.assert_array_equal(plain.history["beta"], [1, 1])
    late = oo.SkipSchedule(oo.StateSkip(), length=3, stages=2, beta=0.5, rounds=2)
    assert not tree_equal(train(schedule=late, rounds=2).models, plain.models)


# Stopping and going on


@pytest.mark.slow_but_first
@pytest.mark.parametrize("first", (3, 4))
def test_more_rounds_go_on_to_the_same_bits(first, undisturbed, tmp_path):
    path = tmp_path / "run"
    train(rounds=first, checkpoint=path, checkpoint_every=2)
    result = train(checkpoint=path, checkpoint_every=2)
    assert result.history.resumed == (first,)
    check_same(result, undisturbed)
    check_same(train(checkpoint=path, checkpoint_every=2), undisturbed)  # nothing left to do
    with pytest.raises(ValueError, match="`rounds` must be at least the 6 done"):
        train(checkpoint=path, rounds=5)


def interrupting(monkeypatch, event):
    """The event happens in the third round."""
    compiled = _fit.train_round

    def round(run, source, state, skips, number):
        if int(number) == 3:
            event()
        return compiled(run, source, state, skips, number)

    monkeypatch.setattr(_fit, "train_round", round)


def test_a_signal_ends_the_training_after_the_round_in_flight(undisturbed, tmp_path, monkeypatch):
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupting(patch, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(oo.TrainingInterrupted, match=r"has the first 3 .* whole") as caught:
            train(checkpoint=path, log=tmp_path / "log")
    stopped = caught.value.result
    assert stopped.outcome == "interrupted" and stopped.history.steps("loss")[-1] == 3
    assert np.all(np.isfinite(stopped.performance))
    result = train(checkpoint=path, log=tmp_path / "log")
    check_same(result, undisturbed)
    assert without_seconds(oo.History.read(tmp_path / "log")) == without_seconds(result.history)


def stop():
    raise KeyboardInterrupt


def test_without_a_checkpoint_an_interruption_hands_over_what_there_is(monkeypatch):
    interrupting(monkeypatch, stop)
    with pytest.raises(oo.TrainingInterrupted) as caught:
        train()
    result = caught.value.result
    assert result.outcome == "interrupted" and result.history.steps("loss")[-1] == 2
    check_same(result, train(rounds=2)._replace(outcome="interrupted"))


def test_rounds_stop_and_keep_the_best_of_all_models_together(undisturbed, tmp_path):
    performance = undisturbed.history["validation_performance"]
    best = int(np.argmax(performance.mean(axis=1)))  # two models: nothing is trimmed
    options = {"stop": oo.EarlyStopping("performance", 1), "callback": lambda i, _: told.append(i)}
    told = []
    result = train(rounds=7, keep="best", **options)
    assert 0 < best < 5 and np.all(np.diff(performance.mean(axis=1)[: best + 1]) > 0)
    assert result.history.steps("loss")[-1] == best + 2 and result.outcome == "stopped"
    assert told == [record["step"] for record in result.history.records]
    np.testing.assert_array_equal(result.performance, performance[best])
    assert all(map(tree_equal, result.models, train(rounds=best + 1).models))
    path = tmp_path / "run"
    for rounds in (best + 2, best + 2, 7):
        again = train(rounds=rounds, keep="best", **options, checkpoint=path)
        assert all(map(tree_equal, again.models, result.models))
    with pytest.raises(ValueError, match="`keep` was 'best performance, higher is better' and is"):
        train(checkpoint=path)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "run"
    train(rounds=1, checkpoint=path)
    others = {
        "key": {"key": jax.random.key(8)},
        "schedule": {"schedule": oo.SkipSchedule(oo.StateSkip(), length=4, stages=2, rounds=4)},
        "optimizer": {"optimizer": optax.adam(0.01)},
        "model": {"models": [model(0), model(2)]},
        "dt": {"task": Recall(dt=10.000001)},
        "activity": {"activity": 0.5},
        "batch_size": {"batch_size": 5},
    }
    for name, changes in others.items():
        with pytest.raises(ValueError, match=f"must be of the same training.*{name}"):
            train(**{"checkpoint": path} | changes)
    oo.save(tmp_path / "model", model(0))
    with pytest.raises(ValueError, match="is a saved model"):
        train(checkpoint=tmp_path / "model")


# Bad arguments


def silent():
    """A task without a score."""
    return type("Silent", (), {"sample": TASK.sample, "dt": 10.0, "input_size": 2})()


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        ({"models": []}, "`models` must be a sequence of models"),
        ({"models": model()}, "`models` must be a sequence of models"),
        ({"models": [model(), model(f=jnp.tanh)]}, "`models` must be of one structure"),
        ({"models": [model().cell]}, "`models` must be `SequenceToSequence` models"),
        ({"models": [model(), model(tau_noise=20.0)]}, "`models` must have one `tau_noise`"),
        ({"task": object()}, "`task` must have `sample`, .* but it has no `sample`"),
        ({"task": silent()}, "`task` must have .* but it has no `score`"),
        ({"task": Sign()}, "`task` must have as many channels as the models have inputs, 2"),
        ({"task": Recall(dt=5.0)}, "`task` must have the time step of the cell, 10.0 ms"),
        ({"schedule": oo.StateSkip()}, "`schedule` must be a `SkipSchedule`"),
        ({"optimizer": optax.adam}, "`optimizer` must be an optax transformation"),
        ({"key": 0.5}, "`key` must be one PRNG key"),
        ({"key": jax.random.split(KEY)}, "`key` must be one PRNG key"),
        ({"loss": "squared"}, "`loss` must be a function"),
        ({"rounds": 0}, "`rounds` must be a positive integer"),
        ({"steps_per_round": 1.5}, "`steps_per_round` must be a positive integer"),
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"trials": -1}, "`trials` must be a positive integer"),
        ({"evaluate_every": True}, "`evaluate_every` must be a positive integer"),
        ({"checkpoint_every": 0}, "`checkpoint_every` must be a positive integer"),
        ({"criterion": np.nan}, "`criterion` must be finite, but it is nan"),
        ({"burn_in": -1.0}, "`burn_in` must be at least 0"),
        ({"activity": -1}, "`activity` must be at least 0"),
        ({"weights": "no"}, "`weights` must be a number"),
        ({"checkpoint": "/no/such/folder/run"}, "`checkpoint` must lie in an existing folder"),
    ),
)
def test_bad_arguments_say_what_they_must_be(changes, message, unchecked):
    with pytest.raises(ValueError, match=message):
        train(**changes)


def test_a_network_with_skips_is_no_base_network():
    base = model()
    cell = oo.TemporalSkip(base.cell, oo.StateSkip(), 3, 0.5)
    with pytest.raises(ValueError, match="`models` must be base networks, without skips"):
        train([oo.SequenceToSequence(cell, base.readout)])


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        ({"scheme": "sctt"}, "`scheme` must be `oo.StateSkip"),
        ({"length": 0}, "`length` must be a positive integer"),
        ({"stages": 1.5}, "`stages` must be a positive integer"),
        ({"beta": 1.0}, "`beta` must be below 1, but it is 1"),
        ({"beta": True}, "`beta` must be a number"),
        ({"rounds": 3}, "`rounds` must be at least the number of `stages`"),
    ),
)
def test_bad_arguments_of_a_schedule(changes, message, unchecked):
    with pytest.raises(ValueError, match=message):
        oo.SkipSchedule(**{"scheme": oo.StateSkip()} | changes)
    with pytest.raises(ValueError, match="`round` must be a whole number from 0"):
        STATE_SKIP.at(-1)


@pytest.mark.slow
def test_an_optimizer_that_asks_for_the_loss_gets_that_of_its_model():
    # Polyak's step is the loss over the square of its slope, times the slope.
    options = {"rounds": 1, "steps_per_round": 1, "schedule": None}
    plain = train(optimizer=optax.sgd(1.0), **options)
    scaled = train(optimizer=optax.polyak_sgd(1e9), **options)
    (rates,) = plain.history["loss"] / plain.history["gradient_norm"] ** 2
    for i, rate in enumerate(rates):
        start, one, other = (m.readout.W_out for m in (model(i), plain.models[i], scaled.models[i]))
        np.testing.assert_allclose(other - start, rate * (one - start), rtol=1e-9)

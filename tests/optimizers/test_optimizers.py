"""An optimizer gets what it asks for, leaves alone what it may not touch, and goes on."""

import functools
import re
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compared import tree_equal
from feedback_cases import FIGURE_1E, G
from marks import slow
from trainings import KEY, SIZE, classifier, two_classes

import organics_ode as oo
from organics_ode import feedback

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples/benchmarks"))

import _optax_makers as makers  # noqa: E402

DATA = np.random.default_rng(0)
X, Y = DATA.normal(size=(16, 3)), DATA.normal(size=(16, 2))
BATCH = oo.Batch(jnp.asarray(X), jnp.asarray(Y))


class Linear(eqx.Module):
    """w x + b, in units of a time constant."""

    w: jax.Array
    b: jax.Array
    tau: oo.Positive | oo.Bounded
    unit: float

    def __call__(self, x):
        return (self.w @ x + self.b) * jnp.mean(self.tau) / self.unit


def linear(unit=50.0, node=oo.Positive):
    return Linear(jnp.zeros((2, 3)) + 0.1, jnp.zeros(2), node(np.full(2, unit)), unit)


def fit(optimizer, steps, model=None, loss=oo.squared_error, **options):
    options = {"loss": loss, "metric": None, "progress": False, "steps": steps} | options
    model = linear() if model is None else model
    return oo.fit(model, lambda step: BATCH, optimizer=optimizer, **options)


# What an update asks for.


def loss_and_slope(theta):
    """Of the plain w x + b, in numpy: the mean over samples and outputs, and its gradient."""
    w, b = theta
    error = X @ w.T + b - Y
    return np.mean(error**2), (2 * error.T @ X / error.size, 2 * error.sum(0) / error.size)


def plain():
    """The model with τ frozen: its loss is a parabola."""
    return linear(node=oo.Frozen)


def start():
    return np.full((2, 3), 0.1), np.zeros(2)


def check_close(model, theta, **tolerance):
    np.testing.assert_allclose(model.w, theta[0], **tolerance)
    np.testing.assert_allclose(model.b, theta[1], **tolerance)


def test_polyaks_step_is_the_loss_over_the_square_of_its_slope():
    theta = start()
    for _ in range(3):
        value, slope = loss_and_slope(theta)
        rate = min(1.0, value / sum(np.sum(g**2) for g in slope))
        theta = tuple(p - rate * g for p, g in zip(theta, slope, strict=True))
    check_close(fit(optax.polyak_sgd(), 3, plain()).model, theta, rtol=1e-12)


def test_lbfgs_finds_the_least_squares_solution():
    solution = np.linalg.lstsq(np.c_[X, np.ones(len(X))], Y)[0].T
    model = fit(optax.lbfgs(), 12, plain()).model
    check_close(model, (solution[:, :3], solution[:, 3]), atol=1e-6)


def level(outputs, targets, mask):
    """A loss that stays 0, with the slope of the first output."""
    return outputs[0] - jax.lax.stop_gradient(outputs[0])


def test_a_plateau_lowers_the_rate():
    # After the first step the loss no longer falls: at every second one the rate is halved.
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=2)
    model = fit(optax.chain(optax.sgd(1.0), plateau), 6, plain(), loss=level).model
    np.testing.assert_allclose(model.b, [-(1 + 1 + 0.5 + 0.5 + 0.25 + 0.25), 0.0], rtol=1e-12)


@pytest.mark.parametrize("wrap", (lambda o: o, lambda o: o.gradient_transformation()))
def test_gathered_gradients_are_one_step_of_their_mean(wrap):
    halves = [jax.tree.map(lambda x, s=s: x[s], BATCH) for s in (slice(8), slice(8, None))]
    gathered = oo.fit(
        plain(),
        lambda step: halves[step % 2],
        optimizer=wrap(optax.MultiSteps(optax.sgd(0.5), 2, accumulator_dtype=jnp.float64)),
        loss=oo.squared_error,
        metric=None,
        progress=False,
        steps=4,
    )
    check_close(
        gathered.model, jax.tree.leaves(fit(optax.sgd(0.5), 2, plain()).model)[:2], rtol=1e-12
    )


def test_sharpness_aware_steps_follow_the_slope_uphill():
    uphill = optax.chain(optax.contrib.normalize(), optax.sgd(0.1))
    model = fit(optax.contrib.sam(optax.sgd(0.5), uphill, opaque_mode=True), 1, plain()).model
    theta = start()
    slope = loss_and_slope(theta)[1]
    norm = np.sqrt(sum(np.sum(g**2) for g in slope))
    there = tuple(p + 0.1 * g / norm for p, g in zip(theta, slope, strict=True))
    slope = loss_and_slope(there)[1]
    check_close(model, tuple(p - 0.5 * g for p, g in zip(theta, slope, strict=True)), rtol=1e-10)


SEARCH = optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(8))
USUAL = oo.minibatches(two_classes(), SIZE, key=KEY)
CLASSIFIERS = [classifier(seed) for seed in (0, 1)]


@pytest.mark.slow
def test_a_linesearch_does_the_same_on_a_mesh_and_in_an_ensemble():
    options = {"steps": 3, "progress": False}
    alone = [oo.fit(m, USUAL, optimizer=SEARCH, **options) for m in CLASSIFIERS]
    split = oo.fit(CLASSIFIERS[0], USUAL, optimizer=SEARCH, mesh=oo.device_mesh(), **options)
    together = oo.ensemble(CLASSIFIERS, USUAL, optimizer=SEARCH, **options)
    for result, other in [
        (split, alone[0]),
        *zip(map(together.member, (0, 1)), alone, strict=True),
    ]:
        np.testing.assert_allclose(result.history["loss"], other.history["loss"], rtol=1e-9)
    assert np.all(np.diff(alone[0].history["loss"]) < 0)


def test_descent_of_a_feedback_network_passes_the_loss_on():
    network = oo.FeedbackNetwork.random(20, FIGURE_1E, 0.4, g=G, key=jax.random.key(2))
    options = {"steps": 1, "run": feedback.FromRest(20, 0.5)}
    plain = feedback.descend(network, 0.8, optimizer=optax.sgd(1.0), **options)
    slope = np.asarray(network.n - plain.network.n)
    found = feedback.descend(network, 0.8, optimizer=optax.polyak_sgd(1e9), **options)
    rate = plain.history[0] ** 2 / 2 / np.sum(slope**2)
    np.testing.assert_allclose(found.network.n, network.n - rate * slope, rtol=1e-9)


# What weight decay may not touch.


BOUNDED = functools.partial(oo.Bounded, low=10.0)


def nothing(outputs, targets, mask):
    return 0.0 * jnp.sum(outputs)


@pytest.mark.parametrize(
    ("mask", "node"),
    [
        (None, oo.Positive),
        (oo.weight_decay_mask, BOUNDED),
        slow(None, BOUNDED),
        slow(oo.weight_decay_mask, oo.Positive),
    ],
)
def test_weight_decay_shrinks_weights_and_leaves_scales_alone(mask, node):
    model = linear(node=node)
    optimizer = optax.adamw(0.1, weight_decay=0.1, mask=mask)
    after = fit(optimizer, 300, model, loss=nothing).model
    assert tree_equal(after.tau, model.tau)
    np.testing.assert_allclose(after.w, 0.1 * 0.99**300, rtol=1e-9)


def test_the_unit_of_a_time_constant_does_not_change_what_is_learned():
    ms, s = (fit(optax.adamw(0.05, weight_decay=0.1), 30, linear(u)).model for u in (50.0, 0.05))
    np.testing.assert_allclose(oo.resolve(ms).tau, 1e3 * oo.resolve(s).tau, rtol=1e-9)
    np.testing.assert_allclose(ms.w, s.w, rtol=1e-9)
    assert np.all(np.abs(oo.resolve(ms).tau - 50.0) > 1.0)


WARM = optax.warmup_cosine_decay_schedule(0.0, 0.1, 3, 9)
DECAYING = {
    "after a warm-up": lambda mask: optax.adamw(WARM, mask=mask),
    "gathered": lambda mask: optax.MultiSteps(optax.lion(0.1, weight_decay=0.1, mask=mask), 3),
    "before a linesearch": lambda mask: optax.chain(
        optax.adamw(1.0, weight_decay=0.1, mask=mask), optax.scale_by_backtracking_linesearch(8)
    ),
    "with a slope elsewhere": lambda mask: optax.contrib.sam(
        optax.adamw(0.1, weight_decay=0.1, mask=mask), optax.sgd(0.1), opaque_mode=True
    ),
}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", DECAYING)
def test_a_mask_and_its_absence_give_the_same_bits(name):
    one, other = (fit(DECAYING[name](m), 7).model for m in (oo.weight_decay_mask, None))
    assert tree_equal(one, other) and not tree_equal(one, linear())


def test_a_decay_that_is_a_hyperparameter_leaves_scales_alone():
    decays = [0.0, 0.1]  # it is looked for in every member
    result = oo.ensemble(
        [linear(), linear()],
        lambda step: BATCH,
        optimizer=lambda h: optax.adamw(0.1, weight_decay=h),
        hyperparameters=decays,
        loss=nothing,
        metric=None,
        steps=3,
        progress=False,
    )
    for model, decay in zip(result.models, decays, strict=True):
        np.testing.assert_array_equal(model.tau.theta, linear().tau.theta)
        np.testing.assert_allclose(model.w, 0.1 * (1 - 0.1 * decay) ** 3, rtol=1e-9)


def test_the_mask_is_of_what_is_stored_as_its_value():
    tree = {
        "array": jnp.ones(2),
        "whole": jnp.arange(2),
        "frozen": oo.Frozen(jnp.ones(2)),
        "positive": oo.Positive(2.0),
        "bounded": oo.Bounded(2.0, 1.0),
        "at least 0": oo.NonNegative(2.0),
        "connectivity": oo.Connectivity(np.ones((2, 2))),
        "spectral": oo.SpectralBound(np.eye(2)),
    }
    mask = oo.weight_decay_mask(tree)
    assert jax.tree.structure(mask) == jax.tree.structure(tree)
    kept = {k for k, part in mask.items() if any(jax.tree.leaves(part))}
    assert kept == {"array", "at least 0", "connectivity", "spectral"}
    assert mask["connectivity"].value and not mask["connectivity"].mask


REFUSED = {
    "moves `tau.theta` as weight decay does.* give `mask=oo.weight_decay_mask`": (
        lambda: optax.lamb(0.1, weight_decay=0.1)
    ),
    "moves `tau.theta` as weight decay does.* in a way that can": (
        lambda: optax.chain(optax.add_decayed_weights(0.1), optax.lbfgs())
    ),
    "that of `lookahead` raised AttributeError": lambda: optax.lookahead(optax.sgd(0.1), 2, 0.5),
    "that of `chain` raised ValueError: obj_fn": lambda: optax.contrib.sophia(0.1),
    "it made an array of shape": lambda: optax.contrib.dpsgd(0.1, 1.0, 0.1, seed=0),
    "transformation such as .* but it is a function": lambda: optax.adam,
    "transformation such as .* but it is a type": lambda: optax.MultiSteps,
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_can_not_train_is_refused_by_name(message, unchecked):
    with pytest.raises(ValueError, match=rf"^Argument `optimizer` must .*{message}"):
        fit(REFUSED[message](), 1)


# What goes on to the same bits.

RESUMED = {
    "MultiSteps": lambda: optax.MultiSteps(optax.adam(0.1), 2),
    "lbfgs": optax.lbfgs,
    "inject_hyperparams": lambda: optax.inject_hyperparams(optax.adamw)(
        optax.cosine_decay_schedule(0.1, 6)
    ),
    "partition": lambda: optax.partition(
        {True: optax.adamw(0.1), False: optax.sgd(0.1)}, oo.weight_decay_mask
    ),
} | {
    name: functools.partial(makers.make, "schedules", name, maker)
    for name, maker in makers.exported()["schedules"].items()
}


def check_it_goes_on(make, folder):
    """It is made anew for every call, as a script that is started again does."""
    whole = fit(make(), 6).model
    fit(make(), 3, checkpoint=folder / "run")
    resumed = fit(make(), 6, checkpoint=folder / "run")
    assert resumed.history.resumed == (3,) and tree_equal(resumed.model, whole)
    assert not tree_equal(whole, linear())


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", RESUMED)
def test_a_training_goes_on_to_the_same_bits(name, tmp_path):
    try:
        RESUMED[name]()
    except (TypeError, ValueError):
        pytest.skip("of a newer optax, and made otherwise")
    check_it_goes_on(RESUMED[name], tmp_path)


def test_an_optimizer_that_was_used_before_is_the_same_one(tmp_path):
    optimizer = optax.sgd(optax.cosine_decay_schedule(0.1, 3000))
    fit(optimizer, 2, checkpoint=tmp_path / "run")
    assert fit(optimizer, 4, checkpoint=tmp_path / "run").history.resumed == (2,)


# The table of the docs.


def test_the_table_has_every_maker_of_optax():
    page = (ROOT / "docs/optimizers.md").read_text(encoding="utf-8")
    version = re.search(r"optax (\d+\.\d+\.\d+)", page)
    assert version
    if version[1] != optax.__version__:
        pytest.skip(f"the table is that of optax {version[1]}")
    rows = re.findall(r"^\| `(?:contrib\.)?(\w+)` \| (\S.*?) \|", page, re.MULTILINE)
    names = [name for kind in makers.exported().values() for name in kind]
    assert sorted(name for name, _ in rows) == sorted(names)
    assert {outcome for _, outcome in rows} <= {
        "trains, resumes",
        "trains, checkpoint refused",
        "refused",
    }

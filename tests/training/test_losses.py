"""Losses and metrics of one sample, against hand values and scipy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import zoo
from compared import tree_equal
from trainings import KEY, classifier, train, two_classes

import organics_ode as oo
import tasks
from organics_ode.training._losses import apply_loss, check_loss

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(5, 3))
CLASSES = np.array((0, 2, 1, 1, 0), np.int32)
MASK = np.array((1.0, 0.0, 2.0, 0.5, 0.0))
LOSSES = (oo.cross_entropy, oo.squared_error, oo.accuracy)


def test_cross_entropy_of_one_answer_is_minus_its_log_softmax():
    for scores, target in zip(SCORES, CLASSES, strict=True):
        expected = -scipy.special.log_softmax(scores)[target]
        value = oo.cross_entropy(jnp.asarray(scores), jnp.asarray(target))
        np.testing.assert_allclose(value, expected, rtol=1e-14)


def test_cross_entropy_of_equal_scores_is_the_log_of_their_number():
    value = oo.cross_entropy(jnp.zeros(10), jnp.asarray(3))
    np.testing.assert_allclose(value, np.log(10), rtol=1e-15)


def test_cross_entropy_of_huge_scores_does_not_overflow():
    np.testing.assert_allclose(oo.cross_entropy(jnp.array([1e4, 0.0]), jnp.asarray(1)), 1e4)


def test_cross_entropy_averages_over_time():
    expected = -scipy.special.log_softmax(SCORES, axis=1)[np.arange(5), CLASSES]
    plain = oo.cross_entropy(jnp.asarray(SCORES), jnp.asarray(CLASSES))
    masked = oo.cross_entropy(jnp.asarray(SCORES), jnp.asarray(CLASSES), jnp.asarray(MASK))
    np.testing.assert_allclose(plain, expected.mean(), rtol=1e-14)
    np.testing.assert_allclose(masked, np.average(expected, weights=MASK), rtol=1e-14)


def test_squared_error_averages_over_channels_and_time():
    outputs, targets = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 2.0], [1.0, 1.0]])
    value = oo.squared_error(jnp.asarray(outputs), jnp.asarray(targets))
    np.testing.assert_allclose(value, (1 + 0 + 4 + 16) / 4, rtol=1e-15)
    masked = oo.squared_error(jnp.asarray(outputs), jnp.asarray(targets), jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(masked, (4 + 16) / 2, rtol=1e-15)
    one = oo.squared_error(jnp.asarray(outputs[1]), jnp.asarray(targets[1]))
    np.testing.assert_allclose(one, 10, rtol=1e-15)


def test_accuracy_is_the_share_of_right_answers():
    right = SCORES.argmax(1) == CLASSES
    assert 0 < right.sum() < 5
    value = oo.accuracy(jnp.asarray(SCORES), jnp.asarray(CLASSES))
    np.testing.assert_allclose(value, right.mean(), rtol=1e-15)
    masked = oo.accuracy(jnp.asarray(SCORES), jnp.asarray(CLASSES), jnp.asarray(MASK))
    np.testing.assert_allclose(masked, np.average(right, weights=MASK), rtol=1e-15)
    one = oo.accuracy(jnp.array([0.1, 0.7, 0.2]), jnp.asarray(1))
    assert one == 1 and one.shape == ()


@pytest.mark.parametrize("loss", (oo.cross_entropy, oo.accuracy))
def test_steps_that_the_mask_leaves_out_do_not_count(loss):
    other = SCORES.copy()
    other[MASK == 0] = 1e3 * RNG.normal(size=(2, 3))
    classes, mask = jnp.asarray(CLASSES), jnp.asarray(MASK)
    assert loss(jnp.asarray(SCORES), classes, mask) == loss(jnp.asarray(other), classes, mask)


@pytest.mark.parametrize("dtype", (bool, np.int32, np.float32, np.float64))
def test_a_mask_of_any_dtype_keeps_the_dtype_of_the_outputs(dtype):
    outputs = jnp.asarray(SCORES, jnp.float32)
    mask = jnp.asarray(MASK > 0, dtype)
    expected = -scipy.special.log_softmax(SCORES, axis=1)[np.arange(5), CLASSES][MASK > 0].mean()
    value = oo.cross_entropy(outputs, jnp.asarray(CLASSES), mask)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert oo.accuracy(outputs, jnp.asarray(CLASSES), mask).dtype == jnp.float32


@pytest.mark.parametrize("dtype", (np.int32, np.int64, np.uint8))
def test_classes_may_be_any_integers(dtype):
    for loss in (oo.cross_entropy, oo.accuracy):
        expected = loss(jnp.asarray(SCORES), jnp.asarray(CLASSES))
        assert loss(jnp.asarray(SCORES), jnp.asarray(CLASSES, dtype)) == expected


@pytest.mark.parametrize("loss", (oo.cross_entropy, oo.accuracy))
@pytest.mark.parametrize("label", (-1, 3, 255, -100))
def test_labels_that_are_no_class_are_refused_or_nan_never_another_class(loss, label):
    scores, classes = jnp.asarray(SCORES), CLASSES.copy()
    classes[2] = label
    with pytest.raises(
        ValueError, match=f"`targets` must hold classes from 0 to 2, but label {label} "
    ):
        loss(scores, classes)
    # Inside jit there is nothing to raise: NaN, and its gradient too.
    assert np.isnan(jax.jit(loss)(scores, classes))
    if loss is oo.cross_entropy:
        assert np.isnan(jax.jit(jax.grad(loss))(scores, classes)).any()
    # Where it does not count it may be anything.
    mask = np.array((1.0, 2.0, 0.0, 0.5, 0.0))
    assert loss(scores, classes, mask) == loss(scores, CLASSES, mask)
    assert jax.jit(loss)(scores, classes, mask) == jax.jit(loss)(scores, CLASSES, mask)


@pytest.mark.parametrize("loss", (oo.cross_entropy, oo.accuracy))
def test_labels_of_a_dtype_of_floats_are_refused(loss):
    for compiled in (loss, jax.jit(loss)):
        with pytest.raises(ValueError, match="classes from 0 to 2, but its dtype is float64"):
            compiled(jnp.asarray(SCORES), np.array((0, 2, 1, 1, 2.7)))


@pytest.mark.parametrize("loss", LOSSES)
def test_what_does_not_count_may_be_nan(loss):
    targets = RNG.normal(size=SCORES.shape) if loss is oo.squared_error else CLASSES
    outputs, filled = SCORES.copy(), np.array(targets)
    outputs[MASK == 0] = np.nan
    filled[MASK == 0] = np.nan if loss is oo.squared_error else 2**30
    both = jax.value_and_grad(loss)
    value, slope = both(jnp.asarray(outputs), jnp.asarray(filled), MASK)
    expected, reference = both(jnp.asarray(SCORES), jnp.asarray(targets), MASK)
    assert value == expected
    np.testing.assert_array_equal(slope, reference)


def test_scores_that_are_nan_are_not_the_first_class():
    assert oo.accuracy(jnp.full((5, 3), jnp.nan), CLASSES) == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_wrong_shapes_of_targets_are_refused_not_broadcast(loss):
    for shape in ((), (4,), (5, 1), (1,), (3,), (5, 4)):
        with pytest.raises(ValueError, match=r"^Argument `targets` must have shape"):
            loss(jnp.asarray(SCORES), jnp.zeros(shape, jnp.int32))


@pytest.mark.parametrize("loss", LOSSES)
def test_wrong_shapes_of_masks_are_refused_not_broadcast(loss):
    targets = jnp.asarray(SCORES if loss is oo.squared_error else CLASSES)
    for shape in ((1,), (4,), (5, 1), (5, 3)):
        with pytest.raises(ValueError, match=r"^Argument `mask` must have shape"):
            loss(jnp.asarray(SCORES), targets, jnp.ones(shape))


def test_gradients_are_those_of_softmax_and_square():
    scores, target = jnp.asarray(SCORES[0]), jnp.asarray(1)
    slope = jax.grad(oo.cross_entropy)(scores, target)
    softmax = scipy.special.softmax(SCORES[0])
    np.testing.assert_allclose(slope, softmax - np.eye(3)[1], atol=1e-15)
    slope = jax.grad(oo.squared_error)(scores, jnp.zeros(3))
    np.testing.assert_allclose(slope, 2 * SCORES[0] / 3, rtol=1e-15)


def test_nan_is_no_right_answer():
    # argmax takes NaN for the largest: a model that diverged would be right by chance.
    outputs = jnp.asarray(SCORES).at[:, 0].set(jnp.nan)
    assert oo.accuracy(outputs, jnp.zeros(5, jnp.int32)) == 0
    assert oo.accuracy(outputs[0], jnp.asarray(0)) == 0


def with_mask(outputs, targets, mask):
    return oo.cross_entropy(outputs, targets, mask)


def named(outputs, targets, mask=1.0):
    return mask


def weighted(outputs, targets, weights=None):
    return weights


def by_keyword(outputs, targets, *, mask=None):
    return mask


def along(outputs, targets, axis=-1, where=None):
    return jnp.full((), axis)


@pytest.mark.parametrize("takes", (named, weighted, by_keyword, lambda *args: args[2]))
def test_what_can_take_the_mask_gets_it(takes):
    mask = jnp.asarray(0.25)
    assert apply_loss("loss", takes, SCORES, CLASSES, mask) is mask
    check_loss("loss", takes)


def test_a_third_argument_with_a_default_of_its_own_is_no_mask():
    outputs, targets = jnp.asarray(SCORES[0]), jnp.asarray(CLASSES[0])
    assert apply_loss("loss", along, outputs, targets, None) == -1
    loss = optax.softmax_cross_entropy_with_integer_labels
    mask = jnp.ones(7)  # of the steps of the inputs: the outputs have no time
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        value = apply_loss("loss", loss, outputs, targets, mask)
    np.testing.assert_allclose(value, oo.cross_entropy(outputs, targets))


def test_a_loss_of_several_values_counts_by_their_mean():
    outputs = jnp.asarray(SCORES)
    value = apply_loss("loss", optax.huber_loss, outputs, 0 * outputs, None)
    size = np.abs(SCORES)
    np.testing.assert_allclose(value, np.where(size < 1, size**2 / 2, size - 0.5).mean())


def test_a_loss_without_a_mask_is_refused_where_one_leaves_out_steps():
    told = r"^Argument `metric` must take \(outputs, targets, mask\), but the samples have a mask"
    with pytest.raises(ValueError, match=told):
        apply_loss("metric", along, jnp.asarray(SCORES), jnp.asarray(CLASSES), jnp.asarray(MASK))
    with pytest.raises(ValueError, match=told.replace("metric", "loss")):
        task = tasks.AddingProblem(6)
        readout = eqx.nn.Linear(4, 1, key=KEY, dtype=np.float64)
        cell = oo.Euler(oo.ORGaNICs(**zoo.values(4, 2)), 0.5)
        batches = oo.trials(task, 4, key=KEY)
        model = oo.SequenceToSequence(cell, readout)
        train(model, batches, loss=optax.squared_error, metric=None)


def test_a_loss_of_two_arguments_trains_to_the_same_bits():
    def plain(outputs, targets):
        return oo.cross_entropy(outputs, targets)

    def hits(outputs, targets):
        is_right = jnp.argmax(outputs).astype(targets.dtype) == targets
        return is_right.astype(outputs.dtype)

    options = {"validation": two_classes(seed=1), "steps": 6}
    one, other = train(**options, loss=with_mask), train(**options, loss=plain, metric=hits)
    assert tree_equal(one.model, other.model)
    for name in ("loss", "validation_loss"):
        np.testing.assert_array_equal(one.history[name], other.history[name])
    np.testing.assert_array_equal(one.history["accuracy"], other.history["hits"])
    scores = oo.evaluate(one.model, two_classes(seed=1), loss=plain, metric=hits)
    np.testing.assert_array_equal(scores["hits"], one.history["validation_accuracy"][-1])


@pytest.mark.parametrize(
    "bad",
    (3, "mse", None, int, lambda outputs: 0, lambda a, b, c, d: 0, lambda a, *, b: 0),
    ids=("number", "text", "None", "class", "one argument", "four arguments", "keyword"),
)
def test_what_is_no_loss_is_refused(unchecked, bad):
    told = r"^Argument `loss` must be a function of \(outputs, targets, mask\) or \(outputs, tar"
    for call in (train, lambda loss: oo.evaluate(classifier(), two_classes(), loss=loss)):
        with pytest.raises(ValueError, match=told):
            call(loss=bad)

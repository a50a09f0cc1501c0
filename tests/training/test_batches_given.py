"""Batches as people have them: pairs of arrays, lists, generators, tasks written in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compared import tree_equal
from trainings import ADAM, KEY, SIZE, classifier, train, two_classes, without_seconds

import organics_ode as oo
from organics_ode.training._members import read_batches

DATA = two_classes()
USUAL = oo.minibatches(DATA, SIZE, key=KEY)
STEPS = 12


def pairs(steps=STEPS):
    """A generator of plain pairs."""
    for step in range(steps):
        batch = USUAL(step)
        yield batch.inputs, batch.targets


class Loader:
    """As torch's: an epoch is an iteration, anew each time."""

    def __len__(self):
        return USUAL.steps_per_epoch

    def __iter__(self):
        return iter([list(batch) for batch in pairs(len(self))])


@pytest.fixture(scope="module")
def usual():
    return train(batches=USUAL, optimizer=ADAM, steps=STEPS)


def fit(batches, **options):
    return train(batches=batches, optimizer=ADAM, **({"steps": STEPS} | options))


def check_same(result, usual, names=("loss", "accuracy", "gradient_norm")):
    assert tree_equal(result.model, usual.model)
    for name in names:
        np.testing.assert_array_equal(result.history[name], usual.history[name])


@pytest.mark.parametrize(
    "data",
    (
        (DATA.inputs, DATA.targets),
        [DATA.inputs.tolist(), DATA.targets.tolist()],
        (jnp.asarray(DATA.inputs), DATA.targets, None),
    ),
    ids=("arrays", "lists", "triple"),
)
def test_minibatches_of_plain_arrays_are_those_of_the_split(data):
    for step in range(7):
        for one, other in zip(oo.minibatches(data, SIZE, key=KEY)(step), USUAL(step), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_pair_is_evaluated_as_a_split_is(usual):
    pair = (DATA.inputs.tolist(), DATA.targets)
    assert oo.evaluate(usual.model, pair) == oo.evaluate(usual.model, DATA)
    validated = train(validation=pair, steps=2)
    whole = train(validation=DATA, steps=2)
    assert without_seconds(validated.history) == without_seconds(whole.history)


def test_functions_lists_and_generators_of_pairs_train_to_the_same_bits(usual):
    check_same(fit(lambda step: USUAL(step)[:2]), usual)
    check_same(fit(list(pairs())), usual)
    check_same(fit(pairs()), usual)
    check_same(fit(pairs(STEPS + 1)), usual)  # an endless one is asked for no more than it needs


def test_what_can_be_iterated_again_has_epochs():
    # Each epoch in the order of the first.
    first = [USUAL(step % USUAL.steps_per_epoch) for step in range(15)]
    expected = fit(first, steps=15)
    for batches in (Loader(), first[:5]):
        result = fit(batches, steps=None, epochs=3)
        check_same(result, expected)
        assert result.history["epoch"][-1] == 3


@pytest.mark.parametrize("count", (1, 4, 5))
def test_a_generator_that_ends_ends_the_training(usual, count):
    options = {"validation": DATA, "validate_every": 4}
    told = f"`batches` ended after {count} of 12 steps, and the training too"
    with pytest.warns(UserWarning, match=told):
        result = fit(pairs(count), **options)
    assert result.outcome == "stopped"
    check_same(result, fit(USUAL, steps=count, **options), ("loss", "validation_loss"))


def test_an_iterable_has_no_checkpoint_and_a_list_has_one(tmp_path, usual):
    told = r"^Argument `checkpoint` must be None, but `batches` is an iterable, which gives its bat"
    for batches in (pairs(), Loader()):
        with pytest.raises(ValueError, match=told):
            fit(batches, checkpoint=tmp_path / "run")
    batches = list(pairs())
    fit(batches, steps=5, checkpoint=tmp_path / "run")
    result = fit(batches, checkpoint=tmp_path / "run")
    assert result.history.resumed == (5,)
    check_same(result, usual)
    with pytest.raises(ValueError, match=r"of `batches` was float64.*checksum"):
        fit(batches[::-1], checkpoint=tmp_path / "run")


def test_a_function_of_pairs_goes_on_from_what_one_of_batches_began(tmp_path, usual):
    # What the pairs are read by is no part of the training.
    def batches(step):
        return USUAL(step)

    fit(batches, steps=5, checkpoint=tmp_path / "run")
    with np.load(tmp_path / "run") as file:
        assert "Function" not in str(file["__header__"])
    check_same(fit(batches, checkpoint=tmp_path / "run"), usual)


def test_members_take_generators_and_lists():
    models = [classifier(seed) for seed in range(2)]
    train_all = lambda batches: oo.ensemble(  # noqa: E731
        models, batches, optimizer=ADAM, steps=4, progress=False
    )
    whole = train_all(USUAL)
    for batches in (pairs(), list(pairs())):
        result = train_all(batches)
        assert all(map(tree_equal, result.models, whole.models))
    own, _ = read_batches([lambda step: USUAL(step)[:2], USUAL], 2)
    for stacked, one in zip(own(1)[:2], USUAL(1), strict=False):
        np.testing.assert_array_equal(stacked, [one, one])


BAD = {
    "it is a data set; `oo.minibatches` makes": (DATA.inputs, DATA.targets),
    "it is a list; `oo.minibatches` makes": [],
    "it is a function that makes a generator; call it": pairs,
    "it is a str": "batches",
    "it is a dict": {"inputs": 1},
    "it is an ndarray": DATA.inputs,
    "it is an int": 3,
}


@pytest.mark.parametrize("found", BAD)
def test_what_gives_no_batches_is_refused(unchecked, found):
    told = "Argument `batches` must be a function of the step, or give batches in turn, but"
    with pytest.raises(ValueError, match=f"^{told} {found}"):
        fit(BAD[found])


@pytest.mark.parametrize(
    ("batches", "told"),
    (
        ((i for i in range(3)), "give a `Batch` or a pair .* for every step, but it is 0"),
        (iter([]), "give a `Batch` .*, but it is empty"),
        (lambda step: None, "give a `Batch` or a pair .* for every step, but it is None"),
        ([(DATA.inputs[:3], DATA.targets[:4])] * 4, r"pair inputs and targets .* \(4,\)"),
        ([([1.0], [2.0]), (3.0, 4.0)] * 2, "pair inputs and targets along a leading axis"),
        (
            [([[1.0], [1.0, 2.0]], [1, 2])] * 4,
            "hold arrays of numbers, but one is a list of lists .*; pad them",
        ),
        ([(["a", "b"], [1, 2])] * 4, "hold arrays of numbers, but one has dtype <U1"),
    ),
)
def test_what_is_no_batch_is_refused(batches, told):
    with pytest.raises(ValueError, match=f"^Argument `batches` must {told}"):
        fit(batches)


def test_arrays_that_are_no_data_set_are_refused(unchecked):
    pair = r"^Argument `split` must have `inputs` and `targets`, or be a pair \(inputs, targets\)"
    for bad in (3, "text", (DATA.inputs,), {"inputs": 1}):
        with pytest.raises(ValueError, match=pair):
            oo.minibatches(bad, 2, key=KEY)
    with pytest.raises(ValueError, match=r"^Argument `split` must have samples along a leading"):
        oo.minibatches((1.0, 2.0), 2, key=KEY)
    with pytest.raises(ValueError, match=r"^Argument `data` must have samples along a leading"):
        oo.evaluate(classifier(), (1.0, 2.0))


class Signs:
    """A task in numpy: the sign of a noisy input."""

    def sample(self, rng):
        label = rng.integers(2)
        return 2.0 * label - 1 + 0.5 * rng.normal(size=(5, 1)), label


class ByKey:
    """Numpy that wants its key as a number."""

    def sample(self, key):
        return np.random.default_rng(int(key)).normal(size=(5, 1)), 0


class Fixed:
    def sample(self, key):
        return np.ones((5, 1)), np.ones(1)


class Ragged:
    def sample(self, rng):
        return rng.normal(size=(rng.integers(3, 9), 1)), 0


class Annotated(Signs):
    def sample(self, random: np.random.Generator):
        return super().sample(random)


def test_trials_in_numpy_are_functions_of_key_step_and_row():
    batches, again = (oo.trials(Signs(), 4, key=KEY) for _ in range(2))
    forth = [batches(step) for step in range(6)]
    for step in (5, 2):
        for one, other in zip(forth[step], again(step), strict=True):
            np.testing.assert_array_equal(one, other)
        for row in range(4):
            rng = np.random.default_rng((0, 0, step, row))  # the words of key(0)
            inputs, label = Signs().sample(rng)
            np.testing.assert_array_equal(forth[step].inputs[row], inputs)
            assert forth[step].targets[row] == label
    assert forth[0].inputs.shape == (4, 5, 1) and forth[0].mask is None
    assert len({batch.inputs.tobytes() for batch in forth}) == 6
    other = oo.trials(Signs(), 4, key=jax.random.key(1))(0)
    assert not np.array_equal(other.inputs, forth[0].inputs)
    part = batches.part(2, np.array([3, 1]))
    np.testing.assert_array_equal(part.inputs, forth[2].inputs[[3, 1]])
    annotated = oo.trials(Annotated(), 4, key=KEY)(0)
    np.testing.assert_array_equal(annotated.inputs, forth[0].inputs)


def test_a_task_in_numpy_trains_and_goes_on_to_the_same_bits(tmp_path):
    batches = oo.trials(Signs(), SIZE, key=KEY)
    whole = fit(batches, steps=8)
    fit(batches, steps=5, checkpoint=tmp_path / "run")
    again = oo.trials(Signs(), SIZE, key=KEY)
    check_same(fit(again, steps=8, checkpoint=tmp_path / "run"), whole)
    with pytest.raises(ValueError, match=r"`seed\[1\]` of `batches` was 0 and is 1"):
        fit(oo.trials(Signs(), SIZE, key=jax.random.key(1)), checkpoint=tmp_path / "run")


def test_numpy_under_a_key_is_told_what_to_do():
    told = r"^Argument `task` must be written in jax.numpy, or in numpy with `sample\(self, rng\)`"
    with pytest.raises(ValueError, match=told):
        oo.trials(ByKey(), 4, key=KEY)(0)
    with pytest.warns(
        UserWarning, match=r"^Every trial of Fixed is the same .* `sample\(self, rng"
    ):
        batch = oo.trials(Fixed(), 4, key=KEY)(0)
    assert batch.inputs.shape == (4, 5, 1)
    with pytest.raises(ValueError, match=r"^Argument `task` must give trials of one shape: pad"):
        oo.trials(Ragged(), 8, key=KEY)(0)


def test_skips_are_trained_on_tasks_in_jax(unchecked):
    class Task(Signs):
        dt, input_size = 0.5, 1

        def score(self, outputs, trial):
            return 1.0

    told = r"^Argument `task` must be written in jax.numpy, for it is compiled with the training"
    with pytest.raises(ValueError, match=told):
        model = oo.SequenceToSequence(classifier().cell, classifier().readout)
        oo.fit_with_skips([model], Task(), optimizer=ADAM, key=KEY, progress=False)

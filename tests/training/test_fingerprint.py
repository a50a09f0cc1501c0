"""What a checkpoint tells a training by: numbers by value, objects by what they hold."""

import optax
import pytest
from trainings import ADAM, KEY, two_classes

import organics_ode as oo
from organics_ode.training._fingerprint import changes, fingerprint
from organics_ode.training._members import Together


@pytest.mark.parametrize(
    ("then", "now", "is_same"),
    [
        ("3000", "3000.0", True),
        ("np.float32(3.0)", "3", True),
        ("0.1", "0.10000000149011612", False),
        ("True", "1", False),
        ("'3'", "3", False),
        (f"{2**60}", f"{2**60 + 1}", False),
        ("absent", "3", False),
    ],
)
def test_numbers_are_compared_by_value(then, now, is_same):
    assert list(changes("optimizer", {"rate": then}, {"rate": now})) == (
        [] if is_same else [f"`rate` of `optimizer` was {then} and is {now}"]
    )


DIFFERENT = {
    "an inner rate": [optax.MultiSteps(optax.adam(r), 2) for r in (0.1, 0.2)],
    "how many": [optax.MultiSteps(ADAM, k).gradient_transformation() for k in (2, 3)],
    "an injected schedule": [
        optax.inject_hyperparams(optax.sgd)(optax.constant_schedule(r)) for r in (0.1, 0.2)
    ],
    "the batches of a member": [
        Together([oo.minibatches(two_classes(), size, key=KEY)]) for size in (4, 8)
    ],
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_objects_are_told_apart_by_what_they_hold(what):
    of_batches = what == "the batches of a member"
    one, other = (fingerprint(value, mutable=not of_batches) for value in DIFFERENT[what])
    assert list(changes("it", one, other)) and one.keys() == other.keys()


def test_functions_without_a_module_are_known_by_their_name_and_numbers():
    """As `exec` makes them, and with them the type checker that wraps methods in these tests."""
    made = {}
    exec("def rate(count): return count * 0.5", made)
    del made["rate"].__module__
    assert made["rate"].__module__ is None
    assert fingerprint(made["rate"])["itself"] == "rate with [0.5]"

"""What results show when they are printed: a card that is read at a glance, whatever they hold."""

import html
import re
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import objects
import pytest
from texts import check_printable

import organics_ode as oo
import tasks

# What one gives, and what a step goes from and to: no results.
KINDS = (oo.AbstractCircuit, oo.AbstractCell, oo.AbstractInput, oo.AbstractSkip)
KINDS += (oo.AbstractOperator,)
GIVEN = {"Bounded", "Connectivity", "Frozen", "NonNegative", "Positive", "SpectralBound"}
GIVEN |= {"IdentityPlusSkew", "SkewSymmetric", "SymmetricPart"}
GIVEN |= {"AtFixedPoint", "FromRest", "LogUniform", "LogitNormal", "Noise", "Rectification"}
GIVEN |= {"MeasurementNoise", "NoiseSum", "OrnsteinUhlenbeckNoise", "PoissonNoise", "SharedNoise"}
GIVEN |= {"Annulus", "AttentionField", "ContrastSteps", "Gabor", "Grating", "OrientedNoise"}
GIVEN |= {"Cue", "Diluted", "Plaid", "ReynoldsHeeger", "TemporalAttention"}
GIVEN |= {"FixedPointLayer", "Readout", "SequenceClassifier", "SequenceToSequence"}
GIVEN |= {
    "EarlyStopping",
    "Minibatches",
    "Trials",
    "SkipSchedule",
    "Stage",
    "BifurcationEvent",
    "BranchEvent",
    "Pair",
    "ReadoutClass",
    "SkipBlock",
}
LINES, LETTERS = 12, 400


def is_result(cls):
    is_kind = issubclass(cls, KINDS) or cls.__name__.endswith("State")
    return cls.__module__.startswith("organics_ode") and not is_kind and cls.__name__ not in GIVEN


RESULTS = [cls for cls in objects.public_classes() if is_result(cls)]
RESULTS += [tasks.Trial, tasks.Split, tasks.Reaction, tasks.Psychometric, tasks.PsychometricFit]
RESULTS += [tasks.Chronometric]


@pytest.fixture(params=RESULTS, ids=lambda cls: cls.__name__, scope="module")
def cls(request):
    return request.param


def check(text, cls):
    lines = text.splitlines()
    assert len(lines) <= LINES and max(map(len, lines)) <= LETTERS
    assert lines[0].startswith(cls.__name__) and "array" not in text
    assert all(line.startswith("  ") for line in lines[1:])
    check_printable(text)


def test_every_public_result_prints_a_card(cls):
    thing = objects.build(cls)
    check(repr(thing), cls)
    assert str(thing) == repr(thing)


def test_a_large_result_prints_a_card_without_its_arrays(cls, monkeypatch):
    monkeypatch.setattr(objects, "SIZE", 40)
    text = repr(objects.build(cls))
    check(text, cls)
    assert len(re.findall(r"\d+\.?\d*", text)) < 120


def test_a_card_is_a_table_in_a_notebook(cls):
    thing = objects.build(cls)
    page = thing._repr_html_()
    words = html.unescape(re.sub(r"<[^>]*>", " ", page)).split()
    assert words == repr(thing).split()


def three(leaf):
    """A batch of one array, by numpy: it compiles nothing."""
    return jax.device_put(np.stack([leaf] * 3))


def unknown(leaf):
    is_number = jnp.issubdtype(leaf.dtype, jnp.inexact)
    return jax.device_put(np.asarray(leaf) * np.nan) if is_number else leaf


def test_cards_are_printed_under_tracers_of_batches_and_of_trees_without_numbers(cls):
    thing = objects.build(cls)
    arrays, rest = eqx.partition(thing, eqx.is_array)
    texts = []

    def seen(arrays):
        texts.append(repr(eqx.combine(arrays, rest)))
        return 0

    jax.eval_shape(seen, arrays)
    batch = jax.tree.map(three, arrays)
    texts.append(repr(eqx.combine(batch, rest)))
    texts.append(repr(eqx.combine(jax.tree.map(unknown, batch), rest)))
    empty = [jax.tree.map(lambda _, value=value: value, thing) for value in (None, 1j)]
    empty.append(eqx.filter_eval_shape(lambda t: t, arrays))
    texts += [repr(each) for each in empty if isinstance(each, cls)]
    for text in texts:
        check(text, cls)


def test_a_batch_says_how_many_of_it_are_stable_and_succeeded():
    point = objects.build(oo.FixedPoint)
    abscissae = jnp.array([-1.0, -2.0, 3.0])
    batch = jax.tree.map(three, point)
    batch = eqx.tree_at(lambda p: (p.abscissa, p.resolution), batch, (abscissae, jnp.zeros(3)))
    title, *lines = [" ".join(line.split()) for line in repr(batch).splitlines()]
    assert title == "FixedPoint: a batch of 3"
    assert {"is_stable 2 of 3", "succeeded 3 of 3", "abscissa (3,), -2 to 3"} <= set(lines)


def test_a_half_made_object_and_one_whose_arrays_are_gone_are_printed():
    empty = object.__new__(oo.Spectrum)
    assert repr(empty) == "Spectrum"
    spectrum = objects.build(oo.Spectrum)
    spectrum.eigenvalues.delete()
    assert repr(spectrum).startswith("Spectrum\n")


def test_a_training_says_what_one_asks_of_it():
    records = [
        {"step": 1, "loss": 2.0, "accuracy": 0.25, "gradient_norm": 1.0, "seconds": 0.5},
        {"step": 1, "validation_loss": 0.9, "validation_accuracy": 0.5},
        {"step": 2, "loss": 1.0, "accuracy": 0.75, "gradient_norm": 1.0, "seconds": 2.5},
        {"step": 2, "validation_loss": float("nan"), "validation_accuracy": 0.1},
    ]
    result = oo.FitResult(oo.Readout(np.ones((2, 3))), oo.History(records))
    assert repr(result).splitlines() == [
        "FitResult: completed after 2 steps",
        "  model       Readout, 6 trained numbers",
        "  loss        2 at step 1, 1 at step 2",
        "  accuracy    0.25 at step 1, 0.75 at step 2",
        "  validation  least loss 0.9 at step 1, accuracy 0.5",
        "  time        2.5 s",
    ]
    better = {"step": 2, "validation_loss": 1.1, "validation_accuracy": 0.625}
    (line,) = [
        text for text in repr(oo.History([*records, better])).splitlines() if "valid" in text
    ]
    assert line.endswith("loss 0.9 at step 1, accuracy 0.5; highest accuracy 0.625 at step 2")
    assert repr(oo.FitResult(None, oo.History([]))).startswith("FitResult: completed after 0 steps")


# Grammar


COUNTED = "units members steps trials models devices records columns events bytes frequencies"
PLURAL = re.compile(
    rf"\{{[^{{}}]*\}} ({'|'.join(COUNTED.split())})\b|\w\(s\)[ .,;]|\b(is|an?) \{{type\("
)


def test_no_message_counts_or_names_without_the_helpers():
    packages = (Path(sys.modules[name].__file__).parent for name in ("organics_ode", "tasks"))
    for path in (path for package in packages for path in package.rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if PLURAL.search(line) and 'f"' in line], path

"""A file that is a checkpoint by its names alone is none."""

import equinox as eqx
import pytest

import organics_ode as oo
from organics_ode.training._checkpoints import _read_rest

HISTORY = oo.History([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]).columns()
REST = {"history": HISTORY, "log_start": None, "library": "0", "of": '{"model": {"W": "mean 1"}}'}
REST |= {"step": 2, "resumed": [1]}
NO_REST = [
    {"step": "2"},
    {"step": -1},
    {"step": True},
    {"step": 2.0},
    {"resumed": (1,)},
    {"resumed": ["1"]},
    {"log_start": -1},
    {"log_start": eqx.nn.Identity()},
    {"history": None},
    {"history": {"order": HISTORY.order, "kinds": HISTORY.kinds}},
    {"library": 1},
    {"of": "{}]"},
    {"of": "[]"},
    {"of": '{"model": {"W": 1}}'},
    {"of": 3},
]


@pytest.mark.parametrize("change", NO_REST, ids=str)
def test_the_parts_of_a_checkpoint_are_what_they_are_read_as(change):
    assert _read_rest(**REST) == {"model": {"W": "mean 1"}}
    with pytest.raises(Exception, match=r"is not a checkpoint|Extra data"):
        _read_rest(**REST | change)

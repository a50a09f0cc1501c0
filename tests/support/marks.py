"""Marks of single parameters."""

import functools

import pytest

# A value of a parametrised test that is tried by .ci/deep only.
slow = functools.partial(pytest.param, marks=pytest.mark.slow)

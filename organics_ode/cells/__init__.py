"""Discrete-time recurrences."""

from ._cell import AbstractCell as AbstractCell
from ._euler import Euler as Euler
from ._runge_kutta import RungeKutta as RungeKutta

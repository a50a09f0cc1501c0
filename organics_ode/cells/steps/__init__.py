"""Steps of a circuit by methods for differential equations: one method per file."""

from ._euler import Euler as Euler
from ._runge_kutta import RungeKutta as RungeKutta, runge_kutta as runge_kutta
from ._semi_implicit import SemiImplicitEuler as SemiImplicitEuler
from ._shu_osher import ShuOsher as ShuOsher
from ._step import AbstractStep as AbstractStep

"""Published networks for sequences, and how they were trained."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray

from .._cards import Card, carded
from .._checks import check_positive_integer, counted, read_key, refuse, shown
from .._types import KeyLike
from ..cells import AbstractStep, Euler, SemiImplicitEuler, Stack
from ..circuits import LEM, AbstractCircuit, CoRNN, LipschitzRNN, UnICORNN
from ._readout import Readout
from ._sequences import SequenceClassifier

Drawn = Callable[[PRNGKeyArray, int, int], tuple[Array, Array]]


@carded
@dataclasses.dataclass(frozen=True, repr=False)
class Recipe:
    """A published network and how it was trained, as far as the authors' code shows.

    - `circuit`, `step`: the classes of its circuit and of its cell.
    - `size`, `layers`: n, and the number of stacked cells.
    - `options`: of the circuit's `random`, by name.
    - `dt`: the step, in the published unit of time (1 ms in this library).
    - `batch`, `epochs`: sequences per update, and passes over the data.
    - `learning_rate`, `drops`: the initial rate, and after how many epochs it is multiplied by
      which factor.
    - `momentum`: of gradient descent; None for Adam.
    - `clip`: the largest norm of a gradient; None for no clipping.
    - `accuracy`: on test data, in percent, as reported by the authors; not measured here.
    - `draw`: maps (key, k, n) to the weights (k, n) and biases (k,) of the readout.
    """

    circuit: type[AbstractCircuit]
    step: type[AbstractStep]
    size: int
    options: Mapping[str, float]
    dt: float
    batch: int
    epochs: int
    learning_rate: float
    drops: Mapping[int, float]
    accuracy: float
    draw: Drawn
    layers: int = 1
    momentum: float | None = None
    clip: float | None = None

    def classifier(self, *, key: KeyLike, inputs: int = 1, classes: int = 10) -> SequenceClassifier:
        """The untrained network, with the authors' initial weights.

        Args:
            key: a PRNG key.
            inputs: m, the number of inputs.
            classes: k, the number of classes.
        """
        key, classes = read_key("key", key), check_positive_integer("classes", classes)
        first, *keys = jax.random.split(key, self.layers + 1)
        sizes = [check_positive_integer("inputs", inputs), *[self.size] * (self.layers - 1)]
        make: Any = self.circuit
        circuits = [
            make.random(m, self.size, key=k, **self.options)
            for m, k in zip(sizes, keys, strict=True)
        ]
        cells = [self.step(circuit, self.dt) for circuit in circuits]
        W_out, b_out = self.draw(first, classes, self.size)
        cell = Stack(*cells) if len(cells) > 1 else cells[0]
        return SequenceClassifier(cell, Readout(W_out, b_out, activation=None))

    def optimizer(self, steps: int) -> optax.GradientTransformation:
        """The published optimizer with its learning rates.

        Args:
            steps: updates per epoch.
        """
        steps = check_positive_integer("steps", steps)
        drops = {epoch * steps: factor for epoch, factor in self.drops.items()}
        rate = optax.piecewise_constant_schedule(self.learning_rate, drops)
        update = optax.adam(rate) if self.momentum is None else optax.sgd(rate, self.momentum)
        if self.clip is None:
            return update
        return optax.chain(optax.clip_by_global_norm(self.clip), update)

    def _card(self) -> Card:
        drops = ", ".join(f"times {f:g} after {counted(e, 'epoch')}" for e, f in self.drops.items())
        how = "Adam" if self.momentum is None else f"momentum {self.momentum:g}"
        clipped = "" if self.clip is None else f", gradients clipped at {self.clip:g}"
        facts = {
            "circuit": f"{self.circuit.__name__}, {self.layers} x {counted(self.size, 'unit')}",
            "options": ", ".join(f"{k}={v:g}" for k, v in self.options.items()) or "none",
            "step": f"{self.step.__name__}, dt = {self.dt:g}",
            "training": f"{how}, batch {self.batch}, {counted(self.epochs, 'epoch')}{clipped}",
            "learning rate": f"{self.learning_rate:g}, {drops}",
            "reported": f"{self.accuracy:g} % of test data",
        }
        return Card("Recipe", facts)


def recipe(name: str) -> Recipe:
    """A published network for sequential MNIST ("…-smnist") or its permuted form ("…-psmnist").

    Args:
        name: one of `recipe_names()`.

    Returns:
        A `Recipe`: `recipe(name).classifier(key=key)` is the network, `.optimizer(steps)` the
        optimizer that trains it.

    Raises:
        ValueError: there is no such recipe.

    Reference:
        The authors' code: tk-rusch/coRNN, tk-rusch/unicornn, tk-rusch/LEM, erichson/LipschitzRNN on
        GitHub. The published UnICORNN has dropout of 0.1 after each layer, which is left out here.
    """
    if not isinstance(name, str) or name not in _RECIPES:
        refuse("name", f"be one of {', '.join(_RECIPES)}", f"it is {shown(name)}")
    return _RECIPES[name]


def recipe_names() -> tuple[str, ...]:
    """The names of the recipes."""
    return tuple(_RECIPES)


def _uniform(key: PRNGKeyArray, k: int, n: int) -> tuple[Array, Array]:
    """All U(±1/√n), the default of PyTorch."""
    drawn = jax.random.uniform(key, (k, n + 1), minval=-(n**-0.5), maxval=n**-0.5)
    return drawn[:, :n], drawn[:, n]


def _kaiming(key: PRNGKeyArray, k: int, n: int) -> tuple[Array, Array]:
    """N(0, 2/n), and biases U(±1/√n)."""
    return (2 / n) ** 0.5 * jax.random.normal(key, (k, n)), _uniform(key, k, n)[1]


def _kaiming_without_bias(key: PRNGKeyArray, k: int, n: int) -> tuple[Array, Array]:
    """N(0, 2/n), and biases 0."""
    return (2 / n) ** 0.5 * jax.random.normal(key, (k, n)), jnp.zeros(k)


def _glorot(key: PRNGKeyArray, k: int, n: int) -> tuple[Array, Array]:
    """N(0, 2/(n + k)), and biases 0."""
    return (2 / (n + k)) ** 0.5 * jax.random.normal(key, (k, n)), jnp.zeros(k)


def _cornn(**more: Any) -> Recipe:
    shared = {"size": 256, "batch": 120, "epochs": 120, "drops": {100: 0.1}, "draw": _uniform}
    return Recipe(circuit=CoRNN, step=SemiImplicitEuler, **shared, **more)


def _lem(**more: Any) -> Recipe:
    shared = {"size": 128, "batch": 128, "epochs": 120, "drops": {100: 0.1}, "draw": _kaiming}
    return Recipe(circuit=LEM, step=SemiImplicitEuler, options={}, **shared, **more)


def _lipschitz(beta: float, accuracy: float) -> Recipe:
    # Their schedule acts after epochs 30, 60 and 80, counted from 0.
    drops: dict[int, float] = {31: 0.2, 61: 0.2, 81: 0.2}
    return Recipe(
        circuit=LipschitzRNN,
        step=Euler,
        size=128,
        options={"scale": 32.0, "beta": beta, "gamma": 0.001},
        dt=0.01,
        batch=128,
        epochs=90,
        learning_rate=0.1,
        drops=drops,
        momentum=0.9,
        clip=10.0,
        accuracy=accuracy,
        draw=_glorot,
    )


_RECIPES = {
    "cornn-smnist": _cornn(
        options={"gamma": 2.7, "epsilon": 4.7}, dt=0.042, learning_rate=0.0021, accuracy=99.35
    ),
    "cornn-psmnist": _cornn(
        options={"gamma": 0.4, "epsilon": 8.0}, dt=0.076, learning_rate=0.0054, accuracy=97.34
    ),
    "unicornn-psmnist": Recipe(
        circuit=UnICORNN,
        step=SemiImplicitEuler,
        size=256,
        layers=3,
        options={"alpha": 30.65},
        dt=0.19,
        batch=32,
        epochs=2600,
        learning_rate=0.00251,
        drops={650: 0.1},
        accuracy=98.4,
        draw=_kaiming_without_bias,
    ),
    "lem-smnist": _lem(dt=0.21, learning_rate=0.0018, clip=1.0, accuracy=99.45),
    "lem-psmnist": _lem(dt=0.31, learning_rate=0.0073, clip=1.1, accuracy=96.62),
    "lipschitz-smnist": _lipschitz(0.65, 99.4),
    "lipschitz-psmnist": _lipschitz(0.8, 96.3),
}

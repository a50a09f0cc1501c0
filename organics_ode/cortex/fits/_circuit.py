"""Fits of a circuit's parameters to the measured responses of its population."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array

from ..._checks import (
    a_or_an,
    as_known_array,
    check_flag,
    check_positive_integer,
    refuse,
    refuse_traced,
)
from ..._constraints import resolve
from ..._types import Numbers
from ...circuits import AbstractCircuit
from ...programs import equal_one
from ...studies import ParameterFit, fit_observations, read_names
from ..responses import AbstractExperiment, AbstractResponse

Response = AbstractResponse | Callable[..., Array]


def fit_circuit(
    responses: Response | Sequence[Response],
    data: Numbers | Sequence[Numbers],
    *,
    free: str | Sequence[str],
    circuit: AbstractCircuit | None = None,
    noise: Numbers | Sequence[Numbers] | None = None,
    steps: int = 100,
    throw: bool = True,
) -> ParameterFit:
    """Fit parameters of a circuit to the data of several experiments at once (host).

        min over θ of  Σ_experiments Σ ((response(circuit(θ)) − data) / noise)²

    A response holds its experiment, and with it the circuit whose values the search starts from:

        response = cortex.contrast_response(ring, grating, contrasts, units=3)
        fit = cortex.fit_circuit(response, rates, free=("sigma", "b1"))

    Uses the Levenberg–Marquardt method in float64 with exact derivatives; those of a steady state
    come from the implicit function theorem. Standard errors are those of `oo.fit_parameters`.

    Args:
        responses: a response of `contrast_response`, `psth`, …, or a function of a circuit, such as
            `lambda circuit: oo.power_spectrum(circuit, x, frequencies, noise)`; or a list of them,
            all of the same circuit.
        data: an array of the shape of the response, with units last, or without this axis if there
            is only one unit; or a list of arrays, one for each response.
        free: names of the fitted parameters, as for `oo.fit_parameters`: `sigma`, `W[0,1]`.
        circuit: the circuit to start from, needed if all of `responses` are functions.
        noise: the standard deviation of the data, a number or an array of their shape, infinite
            where data are missing; or a list of these. By default it is the same fraction of the
            root mean square of the data in each experiment.
        steps: the maximum number of steps of the search.
        throw: whether to raise if no minimum was found; otherwise `succeeded` is False.

    Returns:
        A `ParameterFit`; its `residuals` are a tuple with one array for each experiment. To put its
        circuit into a population: `eqx.tree_at(lambda p: p.circuit, population, fit.circuit)`.

    Warns:
        oo.Unidentified: the data do not determine a parameter, or only a combination of some.

    Raises:
        ValueError: an argument is bad, data are NaN where `noise` is not infinite, or there are
            fewer data than parameters.
        RuntimeError: there is no stable response at the starting values, or no minimum was found.

    Reference:
        Bates, Watts, "Nonlinear regression analysis and its applications", Wiley (1988).
    """
    each = list(responses) if isinstance(responses, list | tuple) else [responses]
    circuit = _read_circuit(each, circuit)
    refuse_traced("responses", each)
    names = read_names(free)
    functions = [_read_function(response, circuit, names) for response in each]
    shapes = [eqx.filter_eval_shape(function, resolve(circuit)).shape for function in functions]
    arrays = _read_data(data, shapes)
    return fit_observations(
        circuit,
        functions,
        arrays,
        _read_noise(noise, arrays),
        free=free,
        steps=check_positive_integer("steps", steps),
        throw=check_flag("throw", throw),
    )


class _Observed(eqx.Module):
    """The observations of an experiment, as a function of the circuit."""

    experiment: AbstractExperiment
    attempts: int = eqx.field(static=True)

    def __call__(self, circuit: Any) -> Array:
        return self.experiment.observe(circuit, self.attempts)


def _read_circuit(responses: list[Any], circuit: Any) -> AbstractCircuit:
    for response in responses:
        if not isinstance(response, AbstractResponse) and (
            not callable(response) or isinstance(response, type)
        ):
            must = "hold responses, as of `cortex.contrast_response`, or functions of a circuit"
            refuse("responses", must, f"one is {a_or_an(type(response).__name__)}")
    own = [r.population.circuit for r in responses if isinstance(r, AbstractResponse)]
    found = own if circuit is None else [circuit, *own]
    if not found:
        refuse("circuit", "be given where all `responses` are functions", "it is None")
    if not isinstance(found[0], AbstractCircuit):
        refuse("circuit", "be a circuit", f"it is {a_or_an(type(found[0]).__name__)}")
    if not all(eqx.tree_equal(found[0], one) for one in found[1:]):
        refuse("responses", "be of one circuit", "their populations have different ones")
    return found[0]


def _read_function(response: Any, circuit: Any, names: Sequence[Any]) -> Callable[..., Array]:
    if not isinstance(response, AbstractResponse):
        return equal_one(response)
    # The closed form holds only for the weights that the circuit starts from.
    is_moved = any(str(name).startswith("W_r") for name in names)
    attempts = max(response.experiment.attempts(circuit), int(is_moved))
    return _Observed(response.experiment, attempts)


def _read_data(data: Any, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    is_one = len(shapes) == 1 and not (isinstance(data, list | tuple) and len(data) == 1)
    each = [data] if is_one else data
    if not isinstance(each, list | tuple) or len(each) != len(shapes):
        refuse("data", f"be a list of {len(shapes)} arrays, one for each response", "it is not")
    return [_read_array("data", v, shape) for v, shape in zip(each, shapes, strict=True)]


def _read_array(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = as_known_array(name, value)
    if array.dtype.kind not in "iuf":
        refuse(name, "hold real numbers", f"its dtype is {array.dtype}")
    if array.shape == shape[:-1] and shape[-1:] == (1,):
        array = array[..., None]
    if array.shape != shape:
        must = f"have the shape of the response, {shape}"
        refuse(name, must, f"it has shape {array.shape}")
    return array.astype(float)


def _read_noise(noise: Any, data: list[np.ndarray]) -> list[np.ndarray] | None:
    if noise is not None:
        each = noise if isinstance(noise, list | tuple) else [noise] * len(data)
        if len(each) != len(data):
            refuse(
                "noise", f"be a list of {len(data)}, one for each response", f"it has {len(each)}"
            )
        noise = [_spread(one, v) for one, v in zip(each, data, strict=True)]
    for i, values in enumerate(data):
        seen = np.ones(values.shape, bool) if noise is None else noise[i] < np.inf
        if not np.all(np.isfinite(values[seen])):
            remedy = "give what is missing a `noise` of infinity"
            refuse("data", "be finite", f"they hold NaN or infinite values; {remedy}")
    return noise


def _spread(noise: Any, data: np.ndarray) -> np.ndarray:
    array = np.asarray(as_known_array("noise", noise), float)
    if array.shape == data.shape[:-1] and array.ndim:
        array = array[..., None]
    if not np.all(array > 0):
        refuse("noise", "be positive", f"its smallest value is {array.min():g}")
    try:
        return np.broadcast_to(array, data.shape)
    except ValueError:
        refuse("noise", f"fit data of shape {data.shape}", f"it has shape {array.shape}")

"""A tree as a flat map, path → facts and arrays, and back: the contents of a saved model."""

import dataclasses
import enum
import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .._checks import a_or_an, is_traced, on_device, refuse
from ._functions import name_of, saved_name

# Their classes and functions have names that do not depend on which script runs.
_PACKAGES = ("organics_ode", "equinox", "jax", "optax")
# The default final activation of equinox.nn.MLP is a lambda, which cannot be found by name.
_IDENTITY = inspect.signature(eqx.nn.MLP.__init__).parameters["final_activation"].default
_CONSTANTS = (bool, int, float, str, type(None))
CONSTANTS = {kind.__name__: kind for kind in _CONSTANTS}

Facts = dict[str, Any]
# The facts of a node, the class or function that they name, and the nodes below it by key.
Node = tuple[Facts, Any, dict[str, Any]]


class Unloadable(Exception):
    """What is wrong with a file, and the remedy."""


class Flat(NamedTuple):
    """An argument's facts, its arrays, and the classes and functions in it, each by path."""

    argument: str
    facts: dict[str, Facts]
    arrays: dict[str, Any]
    named: dict[str, Any]


def flatten(argument: str, tree: PyTree) -> Flat:
    """The tree as a flat map of facts ready for JSON; a `ValueError` names a leaf that cannot be
    stored."""
    flat = Flat(argument, {}, {}, {})
    _add(flat, "", tree, False)
    return flat


def unflatten(
    facts: dict[str, Facts], arrays: Any, find: Callable[[str, str], Any], path: str = ""
) -> PyTree:
    """The tree again; `find` maps a path and a name to the class or function that is meant.

    Nothing found in this way is called.
    """
    label = label_of(path)
    fact = facts[label]
    parts = {key: unflatten(facts, arrays, find, path + key) for key in fact.get("keys", ())}
    named = find(label, fact["name"]) if "name" in fact else None
    match fact["kind"]:
        case "record":
            return _record(label, named, {key[1:]: part for key, part in parts.items()})
        case "dict":
            return {json.loads(key)[0]: part for key, part in parts.items()}
        case "tuple" | "list" as kind:
            return {"tuple": tuple, "list": list}[kind](parts.values())
        case "function":
            return named
        case "identity":
            return _IDENTITY
        case "enum":
            return _member(label, named, fact["member"])
        case "jax array" | "numpy array" | "numpy scalar" | "PRNG key":
            return _array(label, fact, arrays[label])
    return _constant(label, fact)


def label_of(path: str) -> str:
    """The name of a path in files and messages."""
    return path.removeprefix(".") or "(root)"


def to_numpy(path: str, value: Any) -> np.ndarray:
    """The bits of an array leaf, in a dtype that the .npy format knows."""
    if is_traced(value) or isinstance(value, jax.ShapeDtypeStruct):
        refuse("model", "hold values", f"`{path}` has none yet; call `oo.save` outside of jax.jit")
    is_key = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    array = np.asarray(jax.random.key_data(value) if is_key else value)
    # The .npy format keeps only the width of the dtypes that ml_dtypes adds, such as bfloat16.
    if array.dtype.isbuiltin == 2:
        return array.view(f"u{array.itemsize}")
    if array.dtype.kind not in "biufc":
        refuse("model", "hold arrays of numbers", f"`{path}` has dtype {array.dtype}")
    return array


def _add(flat: Flat, path: str, value: object, in_module: bool) -> None:
    label = label_of(path)
    node = _leaf(value, in_module) or _container(value)
    if node is None:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        what = f"`{label}` is {a_or_an(kind)}: {value!r:.99}"
        remedy = "use functions and classes from the top level of a module"
        refuse(flat.argument, "be made of what `oo.save` lists", f"{what}; {remedy}")
    facts, named, parts = node
    flat.facts[label] = facts | ({"keys": list(parts)} if parts else {})
    if named is not None:
        # A class made inside a function cannot be found by name, but `like` may hold it.
        flat.facts[label]["name"], flat.named[label] = saved_name(named), named
    if "shape" in facts:
        flat.arrays[label] = value
    for key, part in parts.items():
        _add(flat, path + key, part, in_module or isinstance(value, eqx.Module))


def _leaf(value: object, in_module: bool) -> Node | None:
    if value is _IDENTITY:
        return {"kind": "identity"}, None, {}
    if facts := _array_facts(value):
        return facts, None, {}
    if type(value) in _CONSTANTS:
        # Numbers in a Module, static or not, are settings (dt); others are data (steps done).
        what = "value" if in_module else "data"
        return {"kind": type(value).__name__, what: json.dumps(value)}, None, {}
    if isinstance(value, enum.Enum) and value.name in type(value).__members__:
        return {"kind": "enum", "member": value.name}, type(value), {}
    return ({"kind": "function"}, value, {}) if callable(value) and name_of(value) else None


def _container(value: Any) -> Node | None:
    cls = type(value)
    if isinstance(value, eqx.Module) or (isinstance(value, tuple) and hasattr(cls, "_fields")):
        # The instance dictionary of a Module lacks the fields that only its class sets.
        own = vars(value) if isinstance(value, eqx.Module) else value._asdict()  # pyright: ignore
        return {"kind": "record"}, cls, {f".{k}": own[k] for k in _fields(cls) if k in own}
    if cls is tuple or cls is list:
        return {"kind": cls.__name__}, None, {f"[{i}]": part for i, part in enumerate(value)}
    if isinstance(value, dict) and cls is dict and all(type(key) in (str, bool) for key in value):
        return {"kind": "dict"}, None, {json.dumps([key]): part for key, part in value.items()}
    return None


def _array_facts(value: object) -> Facts:
    match value:
        case jax.ShapeDtypeStruct():
            facts = {}
        case jax.Array() if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            facts = {"kind": "PRNG key", "impl": str(jax.random.key_impl(value))}
        case jax.Array():
            facts = {"kind": "jax array"}
        case np.generic():
            facts = {"kind": "numpy scalar"}
        case np.ndarray() if type(value) is np.ndarray:
            facts = {"kind": "numpy array"}
        case _:
            return {}
    return facts | {"shape": str(value.shape), "dtype": str(value.dtype)}


def _array(path: str, fact: Facts, array: np.ndarray) -> Array | np.ndarray | np.generic:
    if fact["kind"] == "PRNG key":
        key = jax.random.wrap_key_data(on_device(array), impl=fact["impl"])
        if (str(key.dtype), str(key.shape)) != (fact["dtype"], fact["shape"]):
            raise Unloadable(f"holds `{path}` as a key of {fact['dtype']}, which it is not")
        return key
    dtype = np.dtype(fact["dtype"])
    array = array.view(dtype) if dtype.isbuiltin == 2 else array
    if (array.dtype, str(array.shape)) != (dtype, fact["shape"]):
        raise ValueError(f"`{path}` is not the array that the header describes")
    if fact["kind"] != "jax array":
        return array[()] if fact["kind"] == "numpy scalar" else array
    value = on_device(array)
    if value.dtype != dtype:
        remedy = 'call `jax.config.update("jax_enable_x64", True)` first'
        raise Unloadable(f"holds `{path}` as {dtype}, which jax has turned off; {remedy}")
    return value


def _record(path: str, cls: Any, parts: dict[str, Any]) -> PyTree:
    is_tuple = isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")
    if not is_tuple and not (isinstance(cls, type) and issubclass(cls, eqx.Module)):
        raise Unloadable(f"holds `{path}` as a record of {cls!r:.99}, which cannot be one")
    # Built without calling `cls`, which would check arguments, not stored fields.
    since = cls._field_defaults if is_tuple else {}  # pyright: ignore
    # A file of an earlier version lacks fields that were added later, with a default.
    is_new = lambda k: k in since if is_tuple else hasattr(cls, k)  # noqa: E731
    here = {k for k in _fields(cls) if k in parts or not is_new(k)}
    if differences := sorted(here ^ parts.keys()):
        what = f"holds a `{cls.__qualname__}` whose fields differ from those here: {differences}"
        raise Unloadable(f"{what}; install the version that wrote it")
    if is_tuple:
        return tuple.__new__(cls, [(since | parts)[name] for name in _fields(cls)])  # pyright: ignore
    module = object.__new__(cls)
    vars(module).update(parts)
    return module


def _member(path: str, cls: Any, name: str) -> Any:
    if not isinstance(cls, enum.EnumMeta) or name not in cls.__members__:
        raise Unloadable(f"holds `{path}` as {name!r:.99} of {cls!r:.99}, where there is none")
    return cls.__members__[name]


def _constant(path: str, fact: Facts) -> Any:
    value = json.loads(fact["value"] if "value" in fact else fact["data"])
    if type(value) is not CONSTANTS[fact["kind"]]:
        raise Unloadable(f"holds `{path}` as {value!r:.99}, which is no {fact['kind']}")
    return value


def _fields(cls: Any) -> Sequence[str]:
    return cls._fields if hasattr(cls, "_fields") else [f.name for f in dataclasses.fields(cls)]


def is_allowed(name: str | None) -> bool:
    """Whether a name belongs to a package whose names are stable."""
    return str(name).partition(":")[0].partition(".")[0] in _PACKAGES

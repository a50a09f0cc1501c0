"""What an attacker puts into any file of the library's own format."""

import io
from collections.abc import Iterator
from functools import partial
from typing import Any

import forge
import numpy as np
from file_mutations import Case, forged, members, zipped

CANARY = "attack_canary"
# Of all that a file might make the library find, import or call.
NAMES = (
    *("jax.numpy:load", "jax.numpy:save", "jax.numpy:fromfile", "equinox:Partial"),
    *("jax.tree_util:Partial", "equinox.nn:StatefulLayer", "equinox:tree_deserialise_leaves"),
    *("organics_ode:save", "organics_ode:load", "organics_ode:fit", "optax:adam", "optax:chain"),
    *(*forge.INNER, "jax:jit"),
    *("jax.experimental.jax2tf:convert", "jax.experimental.host_callback:call", "os:system"),
    *("jax.tools.colab_tpu:setup_tpu", "optax._src.doctest_test:x", "builtins:eval", "jax:os"),
    *(f"{CANARY}:run", f"jax.{CANARY}:run", "numpy:load", "pickle:loads", "functools:partial", ""),
)


def headers(facts: Any, arrays: Any) -> Iterator[Case]:
    """Versions, repeated keys, depth, and arrays far larger than they are."""
    for version in (0, -1, True, None, "1", 1.5, 3, 10**30, []):
        yield Case("versions", partial(forged, facts, arrays, version=version), True, True)
    doubled = {"(root)": {"kind": "list", "keys": ["[0]"]}}
    deep = dict(doubled)
    for depth in range(1, 120):
        doubled["[0]" * depth] = {"kind": "list", "keys": ["[0]", "[0]"]}
    for depth in range(1, 5000):
        deep["[0]" * depth] = {"kind": "list", "keys": ["[0]"]}
    for tree in (doubled, deep, {"(root)": {"kind": "list", "keys": ["", ""]}}, {}, []):
        yield Case("keys", partial(forged, tree, {}), True, True)
    for shape in ("(4000000000,)", "(4, 10000000000000)", "(9" + "9" * 300 + ",)", "()", "(-4,)"):
        leaf = next(k for k in arrays if arrays[k].ndim)
        yield Case(
            "sizes",
            partial(forged, facts | {leaf: facts[leaf] | {"shape": shape}}, arrays),
            True,
            True,
        )
    for dtype in (
        "object",
        "O",
        "f8,f8",
        "(9999999,)f8",
        "U99999999",
        "datetime64",
        "V8",
        "longdouble",
    ):
        leaf = next(iter(arrays))
        yield Case(
            "sizes",
            partial(forged, facts | {leaf: facts[leaf] | {"dtype": dtype}}, arrays),
            True,
            True,
        )


def bombs(data: bytes) -> Iterator[Case]:
    """Packed members, in the header's place and in others; preambles that promise more; pickles."""
    parts = members(data)
    header, array = "__header__.npy", next(name for name in parts if "__header__" not in name)
    zeros = bytes(50_000_000)
    for name in (header, array, "more.npy", "more"):
        bombed = list((parts | {name: zeros}).items())
        yield Case("bombs", partial(zipped, bombed, packed=name), False, True)
    for dtype, shape in (
        ("<f8", (10**11,)),
        ("|O", (1,)),
        ("<U100000000", ()),
        ("<f8", (0, 10**15)),
    ):
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            file, {"descr": dtype, "fortran_order": False, "shape": shape}
        )
        for name in (header, array):
            bombed = list((parts | {name: file.getvalue() + b"cos\nsystem\n."}).items())
            yield Case("bombs", partial(zipped, bombed), False, True)
    many = [*parts.items(), *((f"{i}.npy", b"") for i in range(2000))]
    yield Case("bombs", partial(zipped, many), False, True)

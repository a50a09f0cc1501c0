"""The differences between a file and a structure given by the user, leaf by leaf."""

from collections.abc import Iterator

from ._encoding import Facts, is_allowed

_SHOWN = 5  # differences listed in an error message


def listed(differences: list[str]) -> str:
    """The first few differences as one text."""
    more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    return "; ".join(differences[:_SHOWN]) + more


def differences(saved: dict[str, Facts], like: dict[str, Facts], here: str) -> Iterator[str]:
    """The differences between the facts in a file and those expected `here`."""
    for path in saved | like:
        if path in saved and path in like:
            yield from _leaf_differences(path, saved[path], like[path], here)
        else:
            yield f"leaf `{path}` is missing {here if path in saved else 'in the file'}"


def _leaf_differences(path: str, saved: Facts, like: Facts, here: str) -> Iterator[str]:
    # `like` may leave a fact open: a ShapeDtypeStruct stands for arrays of numpy and of jax.
    for what in [what for what in like if what not in ("keys", "data")]:
        ours, theirs = saved.get(what), like[what]
        if _portable(str(ours)) != _portable(theirs) if what == "name" else ours != theirs:
            yield f"leaf `{path}` has {what} {ours} in the file and {theirs} {here}"
            if what == "kind":
                return


def _portable(name: str) -> str:
    # The module of a script is `__main__` when it runs, and `script` when another one imports it.
    return name if is_allowed(name) else name.partition(":")[2]

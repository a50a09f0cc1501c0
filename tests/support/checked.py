"""The tests' checker of types: beartype, which reads annotations when a function is first called.

Reading those of all functions at import takes longer than the import itself, and most belong to
functions that a worker never calls. And jaxtyping binds the arguments of every call to know the
dimensions: so functions without arrays in their annotations are checked by beartype alone, and
those without annotations not at all.
"""

import functools
import inspect
import typing

import beartype
import jaxtyping

# The library warns at the user's line, and knows that jaxtyping may stand between.
__name__ = f"jaxtyping.{__name__}"

# An int where a float is asked for is right, as for every static type checker.
CONF = beartype.BeartypeConf(is_pep484_tower=True)


def when_called(function):
    check = None

    def checked(*args, **kwargs):
        nonlocal check
        if check is None:
            check = beartype.beartype(function, conf=CONF)
        return check(*args, **kwargs)

    return checked


def has_dimensions(annotation):
    """Whether it is jaxtyping's, a text, or holds something of either kind."""
    if isinstance(annotation, str | list | tuple):
        return isinstance(annotation, str) or any(map(has_dimensions, annotation))
    if isinstance(annotation, typing.TypeVar):
        return has_dimensions(annotation.__bound__)
    kinds = annotation, type(annotation)
    if any("jaxtyping" in str(getattr(kind, "__module__", "")) for kind in kinds):
        return True
    return any(map(has_dimensions, typing.get_args(annotation)))


def by_dimensions(jaxtyped):
    """Instead of jaxtyping's decorator: for functions with arrays that one, else a cheaper one."""

    def decorate(function, typechecker):
        if not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
            return jaxtyped(function, typechecker=typechecker)
        annotations = function.__annotations__
        if not annotations:
            return function
        if any(map(has_dimensions, annotations.values())):
            return jaxtyped(function, typechecker=typechecker)
        check = typechecker(function)

        @functools.wraps(function)
        def unless_disabled(*args, **kwargs):
            is_off = jaxtyping.config.jaxtyping_disable
            return function(*args, **kwargs) if is_off else check(*args, **kwargs)

        return unless_disabled

    return lambda *, typechecker: functools.partial(decorate, typechecker=typechecker)

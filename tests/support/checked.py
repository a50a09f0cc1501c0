"""The tests' checker of types: beartype, which reads annotations when a function is first called.

Reading those of all functions at import takes longer than the import itself, and most belong to
functions that a worker never calls.
"""

import beartype

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

"""Many cases of a law that is told in no time, as one test."""


def for_each(cases):
    """A test of all cases, each one argument or a tuple of them; it fails with all that fail.

    A test of pytest takes milliseconds by itself, a module of the library has a dozen laws.
    """
    cases = [case if isinstance(case, tuple) else (case,) for case in cases]
    assert cases

    def decorate(law):
        def test():
            failures = []
            for case in cases:
                try:
                    law(*case)
                except Exception as error:
                    failures.append(f"{', '.join(map(str, case))}: {error!r}")
            assert not failures, "\n".join(failures)

        test.__name__, test.__doc__, test.__module__ = law.__name__, law.__doc__, law.__module__
        return test

    return decorate

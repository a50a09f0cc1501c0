"""Every scheme of temporal skips."""

import organics_ode as oo

SCHEMES = (oo.CoarseStep(), oo.StateSkip(), oo.DerivativeSkip())

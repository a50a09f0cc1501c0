"""Analyses of the responses of many units: `from organics_ode import population`.

Tuning, selectivity and the low-dimensional space of trajectories, computed from plain arrays whose
last axis is units: states of any network, rates, or recorded cells.
"""

from .._namespace import _public as _public
from ._alignment import (
    cosine_similarity as cosine_similarity,
    relative_distance as relative_distance,
)
from ._components import (
    PrincipalComponents as PrincipalComponents,
    principal_components as principal_components,
)
from ._conditions import (
    ConditionMeans as ConditionMeans,
    condition_means as condition_means,
    period_mean as period_mean,
)
from ._selectivity import (
    MixedSelectivity as MixedSelectivity,
    d_prime as d_prime,
    mixed_selectivity as mixed_selectivity,
    selectivity as selectivity,
)
from ._tuning import Tuning as Tuning, tuning as tuning

__dir__ = _public(__name__)

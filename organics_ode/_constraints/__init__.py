"""Parameters as nodes of the parameter tree: how each is trained, its value, and a table."""

from ._nodes import (
    AbstractNode as AbstractNode,
    AbstractProjected as AbstractProjected,
    Bounded as Bounded,
    Connectivity as Connectivity,
    Frozen as Frozen,
    NonNegative as NonNegative,
    Positive as Positive,
    SpectralBound as SpectralBound,
    cast as cast,
)
from ._rotations import (
    IdentityPlusSkew as IdentityPlusSkew,
    SkewSymmetric as SkewSymmetric,
    SymmetricPart as SymmetricPart,
    check_groups as check_groups,
    check_skew_symmetric as check_skew_symmetric,
    check_symmetric_part as check_symmetric_part,
    rotating as rotating,
)
from ._table import Row as Row, described as described, rows as rows, table as table
from ._trees import (
    project as project,
    resolve as resolve,
    trainable as trainable,
    weight_decay_mask as weight_decay_mask,
)
from ._values import replace as replace, values as values

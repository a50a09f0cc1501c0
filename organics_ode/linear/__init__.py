"""The circuit linearised: its equations, Jacobian, spectrum, and the Lyapunov equation."""

from ._balanced import balanced as balanced
from ._equations import (
    Equations as Equations,
    Point as Point,
    blur as blur,
    ravel as ravel,
    target as target,
    tolerance as tolerance,
)
from ._fields import by_block as by_block, by_field as by_field
from ._jacobian import (
    jacobian as jacobian,
    jacobian_blocks as jacobian_blocks,
    jacobian_matrix as jacobian_matrix,
    read_point as read_point,
)
from ._krylov import ritz_values as ritz_values
from ._lyapunov_equation import (
    float64_remedy as float64_remedy,
    refuse_unresolved as refuse_unresolved,
    resolved_lyapunov as resolved_lyapunov,
)
from ._matrix_free import solver as solver
from ._spectrum import (
    Spectrum as Spectrum,
    is_marginal as is_marginal,
    is_stable as is_stable,
    kind_of as kind_of,
    spectrum as spectrum,
    spectrum_at as spectrum_at,
    spectrum_of as spectrum_of,
)

"""ORGaNICs: recurrent circuits that perform divisive normalization in continuous time, in JAX."""

from ._constraints import (
    Bounded as Bounded,
    Connectivity as Connectivity,
    Frozen as Frozen,
    IdentityPlusSkew as IdentityPlusSkew,
    NonNegative as NonNegative,
    Positive as Positive,
    SkewSymmetric as SkewSymmetric,
    SpectralBound as SpectralBound,
    SymmetricPart as SymmetricPart,
    project as project,
    replace as replace,
    resolve as resolve,
    trainable as trainable,
    values as values,
    weight_decay_mask as weight_decay_mask,
)
from ._namespace import __getattr__ as __getattr__, _public as _public
from ._nonlinearities import Rectification as Rectification
from ._operators import (
    AbstractOperator as AbstractOperator,
    Circulant as Circulant,
    Diagonal as Diagonal,
    Kronecker as Kronecker,
    LowRank as LowRank,
    Sparse as Sparse,
)
from ._tables import Table as Table
from ._version import __version__ as __version__
from .cells import *
from .circuits import *
from .citations import Citation as Citation, citation as citation
from .dynamics import (
    AbstractInput as AbstractInput,
    Constant as Constant,
    FunctionInput as FunctionInput,
    LinearInput as LinearInput,
    Trajectory as Trajectory,
    ZeroOrderHold as ZeroOrderHold,
    lyapunov as lyapunov,
    ornstein_uhlenbeck as ornstein_uhlenbeck,
    simulate as simulate,
    unroll as unroll,
)
from .equilibria import (
    Branches as Branches,
    BranchEvent as BranchEvent,
    FixedPoint as FixedPoint,
    FixedPoints as FixedPoints,
    HopfCycles as HopfCycles,
    SlowPoints as SlowPoints,
    SteadyBranch as SteadyBranch,
    continuation as continuation,
    find_fixed_points as find_fixed_points,
    fixed_point as fixed_point,
    slow_points as slow_points,
)
from .linear import (
    Spectrum as Spectrum,
    by_block as by_block,
    by_field as by_field,
    jacobian as jacobian,
    jacobian_blocks as jacobian_blocks,
    spectrum as spectrum,
)
from .models import (
    FixedPointLayer as FixedPointLayer,
    Readout as Readout,
    Recipe as Recipe,
    SequenceClassifier as SequenceClassifier,
    SequenceToSequence as SequenceToSequence,
    recipe as recipe,
    recipe_names as recipe_names,
)
from .noise import (
    AbstractNoise as AbstractNoise,
    LargeNoiseWarning as LargeNoiseWarning,
    MeasurementNoise as MeasurementNoise,
    Noise as Noise,
    NoiseSum as NoiseSum,
    OrnsteinUhlenbeckNoise as OrnsteinUhlenbeckNoise,
    Paths as Paths,
    Peak as Peak,
    PoissonNoise as PoissonNoise,
    SharedNoise as SharedNoise,
    coherence as coherence,
    covariance as covariance,
    cross_spectrum as cross_spectrum,
    fano as fano,
    power_spectrum as power_spectrum,
    sample_paths as sample_paths,
    spectral_peak as spectral_peak,
)
from .parallel import device_mesh as device_mesh, use_cores as use_cores
from .plot import (
    plot_abscissae as plot_abscissae,
    plot_attractors as plot_attractors,
    plot_bifurcation as plot_bifurcation,
    plot_chronometric as plot_chronometric,
    plot_coherence as plot_coherence,
    plot_eigenvalues as plot_eigenvalues,
    plot_energy as plot_energy,
    plot_explained_variance as plot_explained_variance,
    plot_history as plot_history,
    plot_leading_eigenvalues as plot_leading_eigenvalues,
    plot_lyapunov as plot_lyapunov,
    plot_phase_diagram as plot_phase_diagram,
    plot_phase_map as plot_phase_map,
    plot_phase_portrait as plot_phase_portrait,
    plot_power_spectrum as plot_power_spectrum,
    plot_psychometric as plot_psychometric,
    plot_readout_error as plot_readout_error,
    plot_result as plot_result,
    plot_selectivity as plot_selectivity,
    plot_slow_points as plot_slow_points,
    plot_solutions as plot_solutions,
    plot_spectrum as plot_spectrum,
    plot_state_space as plot_state_space,
    plot_sweep as plot_sweep,
    plot_trajectory as plot_trajectory,
    plot_tuning as plot_tuning,
)
from .stability import (
    Certificate as Certificate,
    Energy as Energy,
    Oscillator as Oscillator,
    certify as certify,
    energy as energy,
    oscillator as oscillator,
)
from .storage import (
    load as load,
    model_card as model_card,
    pretrained as pretrained,
    pretrained_names as pretrained_names,
    save as save,
)
from .studies import *
from .training import (
    Batch as Batch,
    EarlyStopping as EarlyStopping,
    EnsembleResult as EnsembleResult,
    FitResult as FitResult,
    History as History,
    SkipResult as SkipResult,
    SkipSchedule as SkipSchedule,
    Task as Task,
    TrainingDiverged as TrainingDiverged,
    TrainingInterrupted as TrainingInterrupted,
    TrainingNotSaved as TrainingNotSaved,
    accuracy as accuracy,
    cross_entropy as cross_entropy,
    ensemble as ensemble,
    evaluate as evaluate,
    fit as fit,
    fit_with_skips as fit_with_skips,
    minibatches as minibatches,
    squared_error as squared_error,
    trials as trials,
)

__dir__ = _public(__name__)

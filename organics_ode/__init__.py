"""ORGaNICs: recurrent circuits of divisive normalization in continuous time, for JAX."""

from . import _upstream as _upstream  # options of XLA, set before anything is compiled
from ._batches import Batch as Batch, minibatches as minibatches, trials as trials
from ._certificate import Certificate as Certificate, certify as certify
from ._constraints import (
    Bounded as Bounded,
    Connectivity as Connectivity,
    Frozen as Frozen,
    NonNegative as NonNegative,
    Positive as Positive,
    SpectralBound as SpectralBound,
    project as project,
    resolve as resolve,
    trainable as trainable,
    weight_decay_mask as weight_decay_mask,
)
from ._devices import device_mesh as device_mesh
from ._energy import Energy as Energy, energy as energy
from ._ensemble import ensemble as ensemble
from ._exponents import lyapunov as lyapunov
from ._find_fixed_points import find_fixed_points as find_fixed_points
from ._fixed_point_layer import FixedPointLayer as FixedPointLayer
from ._fixed_points import FixedPoint as FixedPoint, fixed_point as fixed_point
from ._fourier_memory import fourier_memory as fourier_memory
from ._history import (
    EnsembleResult as EnsembleResult,
    FitResult as FitResult,
    History as History,
    SkipResult as SkipResult,
    TrainingDiverged as TrainingDiverged,
    TrainingInterrupted as TrainingInterrupted,
    TrainingNotSaved as TrainingNotSaved,
)
from ._inputs import (
    AbstractInput as AbstractInput,
    Constant as Constant,
    FunctionInput as FunctionInput,
    LinearInput as LinearInput,
    ZeroOrderHold as ZeroOrderHold,
    ornstein_uhlenbeck as ornstein_uhlenbeck,
)
from ._linearise import jacobian as jacobian, jacobian_blocks as jacobian_blocks
from ._noise import (
    Noise as Noise,
    coherence as coherence,
    covariance as covariance,
    cross_spectrum as cross_spectrum,
    power_spectrum as power_spectrum,
)
from ._nonlinearities import Rectification as Rectification
from ._oscillator import Oscillator as Oscillator, oscillator as oscillator
from ._points import FixedPoints as FixedPoints
from ._pretrained import (
    model_card as model_card,
    pretrained as pretrained,
    pretrained_names as pretrained_names,
)
from ._sample_paths import Paths as Paths, sample_paths as sample_paths
from ._simulate import simulate as simulate
from ._slow_points import SlowPoints as SlowPoints, slow_points as slow_points
from ._spectrum import Spectrum as Spectrum, spectrum as spectrum
from ._trajectory import Trajectory as Trajectory
from ._unroll import unroll as unroll
from .cells import (
    GRU as GRU,
    LSTM as LSTM,
    AbstractCell as AbstractCell,
    AbstractSkip as AbstractSkip,
    CoarseStep as CoarseStep,
    DerivativeSkip as DerivativeSkip,
    Euler as Euler,
    GRUState as GRUState,
    LSTMState as LSTMState,
    RungeKutta as RungeKutta,
    ShuOsher as ShuOsher,
    SkipBlock as SkipBlock,
    StateSkip as StateSkip,
    TemporalSkip as TemporalSkip,
)
from .checkpoint import load as load, save as save
from .circuits import (
    AbstractCircuit as AbstractCircuit,
    AbstractInitializer as AbstractInitializer,
    FeedbackNetwork as FeedbackNetwork,
    FeedbackNetworkState as FeedbackNetworkState,
    GatedORGaNICs as GatedORGaNICs,
    GatedORGaNICsState as GatedORGaNICsState,
    LogitNormal as LogitNormal,
    LogUniform as LogUniform,
    Noisy as Noisy,
    ORGaNICs as ORGaNICs,
    ORGaNICsState as ORGaNICsState,
    RateNetwork as RateNetwork,
    RateNetworkState as RateNetworkState,
    orthogonal_directions as orthogonal_directions,
)
from .losses import (
    accuracy as accuracy,
    cross_entropy as cross_entropy,
    squared_error as squared_error,
)
from .models import (
    SequenceClassifier as SequenceClassifier,
    SequenceToSequence as SequenceToSequence,
)
from .plot import (
    plot_abscissae as plot_abscissae,
    plot_bifurcation as plot_bifurcation,
    plot_chronometric as plot_chronometric,
    plot_eigenvalues as plot_eigenvalues,
    plot_energy as plot_energy,
    plot_explained_variance as plot_explained_variance,
    plot_history as plot_history,
    plot_leading_eigenvalues as plot_leading_eigenvalues,
    plot_phase_diagram as plot_phase_diagram,
    plot_phase_portrait as plot_phase_portrait,
    plot_power_spectrum as plot_power_spectrum,
    plot_psychometric as plot_psychometric,
    plot_selectivity as plot_selectivity,
    plot_slow_points as plot_slow_points,
    plot_spectrum as plot_spectrum,
    plot_state_space as plot_state_space,
    plot_trajectory as plot_trajectory,
    plot_tuning as plot_tuning,
)
from .readouts import Readout as Readout
from .skips import SkipSchedule as SkipSchedule, fit_with_skips as fit_with_skips
from .train import evaluate as evaluate, fit as fit

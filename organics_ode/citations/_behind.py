"""Which publications are behind which names of the library."""

from ._circuits import CIRCUITS
from ._cortex import CORTEX
from ._methods import METHODS
from ._paper import Paper
from ._tasks import TASKS

PAPERS: dict[str, Paper] = {p.key: p for p in (*CIRCUITS, *METHODS, *CORTEX, *TASKS)}

# For each publication, the rooms and names that rest on it.
_BEHIND = {
    "rawat2024": "circuits.ORGaNICs circuits.GatedORGaNICs circuits.RotationalORGaNICs "
    "stability.oscillator stability.Oscillator stability.certify stability.Certificate "
    "stability.energy stability.Energy models.FixedPointLayer",
    "heeger2019": "circuits.ORGaNICs2019",
    "heeger2020": "circuits.ORGaNICs2020",
    "pal2025": "circuits.ORGaNICs2025 cortex.two_areas cortex.three_areas cortex.communication",
    "morone2025": "robustness.phase_diagram robustness.PhaseDiagram robustness.loss_line",
    "soo2023": "circuits.RateNetwork cells.TemporalSkip training.SkipSchedule "
    "training.fit_with_skips training.SkipResult tasks.RingTask tasks.RuleReversal",
    "mastrogiuseppe2019": "circuits.FeedbackNetwork feedback.least_squares mean_field.solutions "
    "mean_field.Solutions mean_field.chaos mean_field.Chaos",
    "wilson1972": "circuits.WilsonCowan",
    "wilson1973": "circuits.WilsonCowan",
    "rubin2015": "circuits.SSN",
    "hennequin2018": "circuits.SSN",
    "song2016": "circuits.balanced_network",
    "rusch2021a": "circuits.CoRNN",
    "rusch2021b": "circuits.UnICORNN",
    "rusch2022": "circuits.LEM",
    "erichson2021": "circuits.LipschitzRNN",
    "chang2019": "circuits.AntisymmetricRNN",
    "orvieto2023": "cells.LRU",
    "hochreiter1997": "cells.LSTM tasks.AddingProblem tasks.CopyMemory",
    "cho2014": "cells.GRU",
    "anderson1965": "equilibria.fixed_point equilibria.FixedPoint",
    "shampine1997": "equilibria.fixed_point equilibria.FixedPoint",
    "good1953": "equilibria.find_fixed_points equilibria.FixedPoints",
    "keller1977": "equilibria.continuation equilibria.Branches",
    "sussillo2013": "equilibria.slow_points equilibria.SlowPoints tasks.FlipFlop",
    "bates1988": "studies.fit_parameters studies.ParameterFit cortex.fit_circuit",
    "shu1988": "cells.ShuOsher",
    "gillespie1996": "dynamics.ornstein_uhlenbeck",
    "uhlenbeck1930": "noise.OrnsteinUhlenbeckNoise",
    "engelken2023": "dynamics.lyapunov",
    "cox1980": "noise.fano",
    "jaeger2001": "circuits.fourier_memory",
    "white2004": "circuits.fourier_memory",
    "ganguli2008": "circuits.fourier_memory",
    "voelker2019": "circuits.fourier_memory",
    "gu2020": "circuits.fourier_memory",
    "jaeger2004": "feedback.least_squares",
    "sussillo2009": "feedback.force",
    "depasquale2018": "feedback.full_force feedback.FullForce",
    "sompolinsky1988": "mean_field.chaos mean_field.Chaos",
    "mardia2000": "population.tuning population.Tuning",
    "rigotti2013": "population.mixed_selectivity population.MixedSelectivity",
    "heeger1992": "cortex.Ring",
    "simoncelli1995": "cortex.Ring cortex.from_image cortex.Image",
    "schmittwilken2023": "cortex.from_stimupy",
    "cavanaugh2002": "cortex.Sheet cortex.size_tuning cortex.SizeTuning cortex.fit_size_tuning "
    "cortex.RatioOfGaussians cortex.synthetic_cells cortex.SyntheticCells",
    "albrecht1982": "cortex.contrast_response cortex.ContrastResponse",
    "carandini1997": "cortex.mask_response cortex.MaskResponse",
    "ringach2002": "cortex.orientation_tuning cortex.OrientationTuning",
    "albrecht1995": "cortex.latency cortex.Latency",
    "ray2010": "cortex.gamma_peak cortex.GammaPeak",
    "churchland2010": "cortex.fano_response cortex.FanoResponse",
    "cohen2011": "cortex.noise_correlations cortex.NoiseCorrelations",
    "naka1966": "cortex.fit_naka_rushton cortex.NakaRushton",
    "peirce2007": "cortex.fit_naka_rushton cortex.NakaRushton",
    "donoghue2020": "cortex.fit_spectrum cortex.PeakAndSlope",
    "reynolds2009": "cortex.ReynoldsHeeger",
    "denison2021": "cortex.TemporalAttention",
    "westrick2016": "cortex.Reweighting",
    "semedo2019": "cortex.reduced_rank_regression cortex.ReducedRank cortex.semedo "
    "cortex.V1V2Counts cortex.communication",
    "sclar1990": "cortex.synthetic_cells cortex.SyntheticCells",
    "alpaydin1998": "tasks.SequentialDigits",
    "le2015": "tasks.SequentialMNIST tasks.AddingProblem",
    "lecun1998": "tasks.MNIST tasks.SequentialMNIST",
    "arjovsky2016": "tasks.CopyMemory",
    "yang2019": "tasks.RingTask",
    "britten1992": "tasks.PerceptualDecision",
    "roitman2002": "tasks.PerceptualDecision tasks.ReactionTime",
    "mante2013": "tasks.ContextDecision",
    "miller1996": "tasks.DelayedMatch",
    "romo1999": "tasks.DelayedComparison",
    "jazayeri2010": "tasks.ReadySetGo",
    "molano2022": "tasks.NeurogymTask",
}

# For each room and name, the publications behind it, in the order of the table.
BEHIND: dict[str, list[str]] = {
    name: [key for key, names in _BEHIND.items() if name in names.split()]
    for name in " ".join(_BEHIND.values()).split()
}

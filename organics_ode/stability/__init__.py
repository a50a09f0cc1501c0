"""What is proved about a circuit's stability: hypotheses, certificates, energies."""

from ._bounded import bounded_checks as bounded_checks
from ._certificate import Certificate as Certificate, certify as certify
from ._energy import Energy as Energy, energy as energy, energy_about as energy_about
from ._hypotheses import Check as Check, normalization_checks as normalization_checks
from ._oscillator import Oscillator as Oscillator, oscillator as oscillator

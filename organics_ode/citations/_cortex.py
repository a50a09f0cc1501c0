"""The publications behind experiments on visual cortex and their models."""

from ._paper import article, talk

CORTEX = (
    article(
        "heeger1992",
        "Heeger, D. J.",
        "Normalization of cell responses in cat striate cortex",
        1992,
        "Visual Neuroscience 9",
    ),
    talk(
        "simoncelli1995",
        "Simoncelli, E. P. and Freeman, W. T.",
        "The steerable pyramid",
        1995,
        "International Conference on Image Processing",
    ),
    article(
        "schmittwilken2023",
        "Schmittwilken, L. and Maertens, M. and Vincent, J.",
        "stimupy: a Python package for creating stimuli in vision science",
        2023,
        "Journal of Open Source Software 8",
    ),
    article(
        "cavanaugh2002",
        "Cavanaugh, J. R. and Bair, W. and Movshon, J. A.",
        "Nature and interaction of signals from the receptive field center and surround "
        "in macaque V1 neurons",
        2002,
        "Journal of Neurophysiology 88",
    ),
    article(
        "albrecht1982",
        "Albrecht, D. G. and Hamilton, D. B.",
        "Striate cortex of monkey and cat: contrast response function",
        1982,
        "Journal of Neurophysiology 48",
    ),
    article(
        "carandini1997",
        "Carandini, M. and Heeger, D. J. and Movshon, J. A.",
        "Linearity and normalization in simple cells of the macaque primary visual cortex",
        1997,
        "Journal of Neuroscience 17",
    ),
    article(
        "ringach2002",
        "Ringach, D. L. and Shapley, R. M. and Hawken, M. J.",
        "Orientation selectivity in macaque V1: diversity and laminar dependence",
        2002,
        "Journal of Neuroscience 22",
    ),
    article(
        "albrecht1995",
        "Albrecht, D. G.",
        "Visual cortex neurons in monkey and cat: effect of contrast on the spatial and "
        "temporal phase transfer functions",
        1995,
        "Visual Neuroscience 12",
    ),
    article(
        "ray2010",
        "Ray, S. and Maunsell, J. H. R.",
        "Differences in gamma frequencies across visual cortex restrict their possible "
        "use in computation",
        2010,
        "Neuron 67",
    ),
    article(
        "churchland2010",
        "Churchland, M. M. and others",
        "Stimulus onset quenches neural variability: a widespread cortical phenomenon",
        2010,
        "Nature Neuroscience 13",
    ),
    article(
        "cohen2011",
        "Cohen, M. R. and Kohn, A.",
        "Measuring and interpreting neuronal correlations",
        2011,
        "Nature Neuroscience 14",
    ),
    article(
        "naka1966",
        "Naka, K. I. and Rushton, W. A. H.",
        "S-potentials from luminosity units in the retina of fish",
        1966,
        "Journal of Physiology 185",
    ),
    article(
        "peirce2007",
        "Peirce, J. W.",
        "The potential importance of saturating and supersaturating contrast response "
        "functions in visual cortex",
        2007,
        "Journal of Vision 7",
    ),
    article(
        "donoghue2020",
        "Donoghue, T. and others",
        "Parameterizing neural power spectra into periodic and aperiodic components",
        2020,
        "Nature Neuroscience 23",
    ),
    article(
        "reynolds2009",
        "Reynolds, J. H. and Heeger, D. J.",
        "The normalization model of attention",
        2009,
        "Neuron 61",
    ),
    article(
        "denison2021",
        "Denison, R. N. and Carrasco, M. and Heeger, D. J.",
        "A dynamic normalization model of temporal attention",
        2021,
        "Nature Human Behaviour 5",
    ),
    article(
        "westrick2016",
        "Westrick, Z. M. and Heeger, D. J. and Landy, M. S.",
        "Pattern adaptation and normalization reweighting",
        2016,
        "Journal of Neuroscience 36",
    ),
    article(
        "semedo2019",
        "Semedo, J. D. and Zandvakili, A. and Machens, C. K. and Yu, B. M. and Kohn, A.",
        "Cortical areas interact through a communication subspace",
        2019,
        "Neuron 102",
    ),
    article(
        "sclar1990",
        "Sclar, G. and Maunsell, J. H. R. and Lennie, P.",
        "Coding of image contrast in central visual pathways of the macaque monkey",
        1990,
        "Vision Research 30",
    ),
)

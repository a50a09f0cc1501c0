"""The publications behind circuits, cells and networks."""

from ._paper import Paper, article, talk

_NEURIPS = "Advances in Neural Information Processing Systems"
_ICLR = "International Conference on Learning Representations"
_ICML = "International Conference on Machine Learning"

CIRCUITS = (
    talk(
        "rawat2024",
        "Rawat, S. and Heeger, D. J. and Martiniani, S.",
        "Unconditional stability of a recurrent neural circuit implementing divisive normalization",
        2024,
        f"{_NEURIPS} 37",
        eprint="2409.18946",
    ),
    article(
        "heeger2019",
        "Heeger, D. J. and Mackey, W. E.",
        "Oscillatory recurrent gated neural integrator circuits (ORGaNICs), a unifying theoretical "
        "framework for neural dynamics",
        2019,
        "Proceedings of the National Academy of Sciences 116",
    ),
    article(
        "heeger2020",
        "Heeger, D. J. and Zemlianova, K. O.",
        "A recurrent circuit implements normalization, simulating the dynamics of V1 activity",
        2020,
        "Proceedings of the National Academy of Sciences 117",
    ),
    Paper(
        "pal2025",
        "Pal, A. and Rawat, S. and Heeger, D. J. and Martiniani, S.",
        "Hierarchical neural circuit theory of normalization and inter-areal communication",
        2025,
        doi="10.1101/2025.07.15.664935",
        note="bioRxiv, PMC12338607",
    ),
    Paper(
        "morone2025",
        "Morone and Rawat, S. and Heeger, D. J. and Martiniani, S.",
        "",
        2025,
        note="On recurrent weights away from the identity; look up the title before you cite it",
    ),
    talk(
        "soo2023",
        "Soo, W. and Goudar, V. and Wang, X.-J.",
        "Training biologically plausible recurrent neural networks on cognitive tasks with "
        "long-term dependencies",
        2023,
        f"{_NEURIPS} 36",
    ),
    article(
        "mastrogiuseppe2019",
        "Mastrogiuseppe, F. and Ostojic, S.",
        "A geometrical analysis of global stability in trained feedback networks",
        2019,
        "Neural Computation 31",
        eprint="1809.02386",
    ),
    article(
        "wilson1972",
        "Wilson, H. R. and Cowan, J. D.",
        "Excitatory and inhibitory interactions in localized populations of model neurons",
        1972,
        "Biophysical Journal 12",
    ),
    article(
        "wilson1973",
        "Wilson, H. R. and Cowan, J. D.",
        "A mathematical theory of the functional dynamics of cortical and thalamic nervous tissue",
        1973,
        "Kybernetik 13",
    ),
    article(
        "rubin2015",
        "Rubin, D. B. and Van Hooser, S. D. and Miller, K. D.",
        "The stabilized supralinear network",
        2015,
        "Neuron 85",
    ),
    article(
        "hennequin2018",
        "Hennequin, G. and Ahmadian, Y. and Rubin, D. B. and Lengyel, M. and Miller, K. D.",
        "The dynamical regime of sensory cortex",
        2018,
        "Neuron 98",
    ),
    article(
        "song2016",
        "Song, H. F. and Yang, G. R. and Wang, X.-J.",
        "Training excitatory-inhibitory recurrent neural networks for cognitive tasks",
        2016,
        "PLoS Computational Biology 12",
    ),
    talk(
        "rusch2021a",
        "Rusch, T. K. and Mishra, S.",
        "Coupled oscillatory recurrent neural network (coRNN): an accurate and (gradient) stable "
        "architecture for learning long time dependencies",
        2021,
        _ICLR,
        eprint="2010.00951",
    ),
    talk(
        "rusch2021b",
        "Rusch, T. K. and Mishra, S.",
        "UnICORNN: a recurrent model for learning very long time dependencies",
        2021,
        _ICML,
        eprint="2103.05487",
    ),
    talk(
        "rusch2022",
        "Rusch, T. K. and Mishra, S. and Erichson, N. B. and Mahoney, M. W.",
        "Long expressive memory for sequence modeling",
        2022,
        _ICLR,
        eprint="2110.04744",
    ),
    talk(
        "erichson2021",
        "Erichson, N. B. and Azencot, O. and Queiruga, A. and Hodgkinson, L. and Mahoney, M. W.",
        "Lipschitz recurrent neural networks",
        2021,
        _ICLR,
        eprint="2006.12070",
    ),
    talk(
        "chang2019",
        "Chang, B. and Chen, M. and Haber, E. and Chi, E. H.",
        "AntisymmetricRNN: a dynamical system view on recurrent neural networks",
        2019,
        _ICLR,
        eprint="1902.09689",
    ),
    talk(
        "orvieto2023",
        "Orvieto, A. and Smith, S. L. and Gu, A. and Fernando, A. and Gulcehre, C. and Pascanu, R. "
        "and De, S.",
        "Resurrecting recurrent neural networks for long sequences",
        2023,
        _ICML,
        eprint="2303.06349",
    ),
    article(
        "hochreiter1997",
        "Hochreiter, S. and Schmidhuber, J.",
        "Long short-term memory",
        1997,
        "Neural Computation 9",
    ),
    talk(
        "cho2014",
        "Cho, K. and others",
        "Learning phrase representations using RNN encoder-decoder for statistical machine "
        "translation",
        2014,
        "Empirical Methods in Natural Language Processing",
        eprint="1406.1078",
    ),
)

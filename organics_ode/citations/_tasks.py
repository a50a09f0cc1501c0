"""The publications behind tasks and data sets."""

from ._paper import Paper, article, talk

TASKS = (
    Paper(
        "alpaydin1998",
        "Alpaydin, E. and Kaynak, C.",
        "Optical recognition of handwritten digits",
        1998,
        doi="10.24432/C50P49",
        note="UCI Machine Learning Repository",
    ),
    Paper(
        "le2015",
        "Le, Q. V. and Jaitly, N. and Hinton, G. E.",
        "A simple way to initialize recurrent networks of rectified linear units",
        2015,
        eprint="1504.00941",
    ),
    article(
        "lecun1998",
        "LeCun, Y. and Bottou, L. and Bengio, Y. and Haffner, P.",
        "Gradient-based learning applied to document recognition",
        1998,
        "Proceedings of the IEEE 86",
    ),
    talk(
        "arjovsky2016",
        "Arjovsky, M. and Shah, A. and Bengio, Y.",
        "Unitary evolution recurrent neural networks",
        2016,
        "International Conference on Machine Learning",
    ),
    article(
        "yang2019",
        "Yang, G. R. and Joglekar, M. R. and Song, H. F. and Newsome, W. T. and Wang, X.-J.",
        "Task representations in neural networks trained to perform many cognitive tasks",
        2019,
        "Nature Neuroscience 22",
    ),
    article(
        "britten1992",
        "Britten, K. H. and Shadlen, M. N. and Newsome, W. T. and Movshon, J. A.",
        "The analysis of visual motion: a comparison of neuronal and psychophysical performance",
        1992,
        "Journal of Neuroscience 12",
    ),
    article(
        "roitman2002",
        "Roitman, J. D. and Shadlen, M. N.",
        "Response of neurons in the lateral intraparietal area during a combined visual "
        "discrimination reaction time task",
        2002,
        "Journal of Neuroscience 22",
    ),
    article(
        "mante2013",
        "Mante, V. and Sussillo, D. and Shenoy, K. V. and Newsome, W. T.",
        "Context-dependent computation by recurrent dynamics in prefrontal cortex",
        2013,
        "Nature 503",
    ),
    article(
        "miller1996",
        "Miller, E. K. and Erickson, C. A. and Desimone, R.",
        "Neural mechanisms of visual working memory in prefrontal cortex of the macaque",
        1996,
        "Journal of Neuroscience 16",
    ),
    article(
        "romo1999",
        "Romo, R. and Brody, C. D. and Hern{\\'a}ndez, A. and Lemus, L.",
        "Neuronal correlates of parametric working memory in the prefrontal cortex",
        1999,
        "Nature 399",
    ),
    article(
        "jazayeri2010",
        "Jazayeri, M. and Shadlen, M. N.",
        "Temporal context calibrates interval timing",
        2010,
        "Nature Neuroscience 13",
    ),
    Paper(
        "molano2022",
        "Molano-Maz{\\'o}n, M. and others",
        "NeuroGym",
        2022,
        doi="10.31234/osf.io/aqc9n",
        note="PsyArXiv",
    ),
)

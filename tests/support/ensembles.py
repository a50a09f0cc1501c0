"""A small ensemble whose third member diverges."""

import numpy as np
import optax
from trainings import KEY, SIZE, classifier, two_classes

import organics_ode as oo

RATES = np.array([0.1, 0.02, 1e200, 0.1])  # the third diverges
BATCHES = oo.minibatches(two_classes(), SIZE, key=KEY)


def seeds(count=4):
    return [classifier(seed) for seed in range(count)]


def train(models=None, batches=BATCHES, **options):
    options = {"steps": 6, "progress": False} | options
    options = {"optimizer": optax.sgd, "hyperparameters": RATES} | options
    return oo.ensemble(seeds() if models is None else models, batches, **options)

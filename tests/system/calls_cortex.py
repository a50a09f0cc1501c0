"""Calls of `cortex`."""

import numpy as np
from calls_parts import Call, draw

import organics_ode as oo
from organics_ode import cortex

CONTRASTS = np.array([0.03, 0.1, 0.2, 0.4, 0.7, 1.0])
ONSET = np.array([0.0, 5.0, 10.0])


def ring(seed):
    return cortex.Ring(4, sigma=0.1 + 0.01 * seed)


def grating(seed):
    return cortex.Grating(45.0, 0.5 + 0.01 * seed)


def noise(seed):
    return oo.Noise(0.01 + 0.001 * seed)


def small_model(seed):
    return cortex.ReynoldsHeeger(
        positions=np.arange(3.0), features=np.arange(-180.0, 180, 90), sigma=0.1 + 0.01 * seed
    )


def short_trial(seed):
    return cortex.TemporalAttention(duration=700.0, tau_1=52.0 + seed)


def reweighting(seed):
    return cortex.Reweighting(ring(seed).circuit, 0.1, 0.01 * np.eye(4))


def naka_rushton(seed):
    return 3 * CONTRASTS**2 / (0.2**2 + CONTRASTS**2) + 0.01 * draw(seed, 6)


def shown(seed, **more):
    return {"population": ring(seed), "stimulus": grating(seed)} | more


def areas(seed):
    return cortex.two_areas(size=9, sigma=0.07 + 0.001 * seed)


def heard(seed):
    return cortex.membrane_noise(areas(seed), sigma=0.01)


CALLS: dict[str, Call] = {
    "cortex.two_areas": Call(
        cortex.two_areas, lambda s: {"feedback": 0.5, "size": 9, "sigma": 0.07 + 0.001 * s}
    ),
    "cortex.three_areas": Call(
        cortex.three_areas, lambda s: {"feedback": 0.5, "size": 9, "sigma": 0.07 + 0.001 * s}
    ),
    "cortex.membrane_noise": Call(
        cortex.membrane_noise, lambda s: {"model": areas(s), "sigma": 0.01, "tau": 1.0 + s}
    ),
    "cortex.shared_spectra": Call(
        cortex.shared_spectra,
        lambda s: {
            "model": areas(s),
            "x": 0.5 * np.ones(9),
            "frequencies": [10.0 + s, 40.0],
            "noise": heard(s),
            "units": (0, 1),
        },
    ),
    "cortex.Grating": Call(
        cortex.Grating,
        lambda s: {"orientation": 45.0 + s, "contrast": 0.5, "radius": 1.0, "position": (0.0, 0.1)},
    ),
    "cortex.Gabor": Call(
        cortex.Gabor, lambda s: {"orientation": 45.0 + s, "contrast": 0.5, "width": 1.0}
    ),
    "cortex.Annulus": Call(
        cortex.Annulus,
        lambda s: {"orientation": 45.0 + s, "contrast": 0.5, "inner": 1.0, "outer": 2.0},
    ),
    "cortex.OrientedNoise": Call(
        cortex.OrientedNoise, lambda s: {"orientation": 45.0 + s, "contrast": 0.5, "spread": 10.0}
    ),
    "cortex.Plaid": Call(cortex.Plaid, lambda s: {"first": grating(s), "second": grating(s + 1)}),
    "cortex.from_image": Call(
        cortex.from_image,
        lambda s: {
            "image": np.eye(4) * (1.0 + s),
            "pixels_per_degree": 4.0,
            "spatial_frequency": 1.5,
            "bandwidth": 1.0 + 0.1 * s,
            "position": (0.0, 0.1),
        },
    ),
    "cortex.from_stimupy": Call(
        cortex.from_stimupy,
        lambda s: {"stimulus": {"img": np.eye(4), "ppd": 4.0 + s}, "spatial_frequency": 1.5},
    ),
    "cortex.ContrastSteps": Call(
        cortex.ContrastSteps,
        lambda s: {"stimulus": grating(s), "ts": [0.0, 5.0 + s], "contrasts": [0.0, 0.5]},
    ),
    "cortex.AttentionField": Call(
        cortex.AttentionField, lambda s: {"gain": 2.0 + s, "orientation": 45.0, "spread": 10.0}
    ),
    "cortex.Ring": Call(
        cortex.Ring, lambda s: {"size": 4, "sigma": 0.1 + 0.01 * s, "pool_spread": 30.0, "power": 1}
    ),
    "cortex.Sheet": Call(
        cortex.Sheet,
        lambda s: {"shape": (2, 2), "orientations": 2, "spacing": 0.3, "sigma": 0.1 + 0.01 * s},
    ),
    "cortex.contrast_response": Call(
        cortex.contrast_response, lambda s: shown(s, contrasts=CONTRASTS, mask=None, units=[0])
    ),
    "cortex.mask_response": Call(
        cortex.mask_response,
        lambda s: shown(s, mask=grating(s), contrasts=CONTRASTS, mask_contrasts=[0.1, 0.2]),
    ),
    "cortex.orientation_tuning": Call(
        cortex.orientation_tuning, lambda s: shown(s, orientations=[0.0, 90.0])
    ),
    "cortex.size_tuning": Call(
        cortex.size_tuning,
        lambda s: {
            "population": cortex.Sheet((2, 2), 2),
            "stimulus": grating(s),
            "radii": [0.5, 1.0],
        },
    ),
    "cortex.psth": Call(cortex.psth, lambda s: shown(s, ts=ONSET)),
    "cortex.latency": Call(
        cortex.latency, lambda s: shown(s, contrasts=[0.5, 1.0], ts=ONSET, share=0.5)
    ),
    "cortex.transient_index": Call(
        cortex.transient_index, lambda s: shown(s, contrasts=[0.5, 1.0], ts=ONSET)
    ),
    "cortex.power_spectra": Call(
        cortex.power_spectra,
        lambda s: shown(s, contrasts=[0.5, 1.0], frequencies=[5.0, 20.0], noise=noise(s)),
    ),
    "cortex.gamma_peak": Call(
        cortex.gamma_peak, lambda s: shown(s, contrasts=[0.5, 1.0], noise=noise(s))
    ),
    "cortex.fano_response": Call(
        cortex.fano_response,
        lambda s: shown(s, contrasts=[0.5, 1.0], noise=noise(s), window=50.0 + s, scale=0.1),
    ),
    "cortex.noise_correlations": Call(
        cortex.noise_correlations,
        lambda s: shown(s, contrasts=[0.5, 1.0], noise=noise(s), window=50.0 + s, scale=0.1),
    ),
    "cortex.fit_naka_rushton": Call(
        cortex.fit_naka_rushton, lambda s: {"contrasts": CONTRASTS, "responses": naka_rushton(s)}
    ),
    "cortex.fit_size_tuning": Call(
        cortex.fit_size_tuning, lambda s: {"radii": CONTRASTS, "responses": naka_rushton(s)}
    ),
    "cortex.fit_spectrum": Call(
        cortex.fit_spectrum,
        lambda s: {"frequencies": np.arange(5.0, 85, 10), "power": draw(s, 8)},
    ),
    "cortex.fit_circuit": Call(
        cortex.fit_circuit,
        lambda s: {
            "responses": cortex.contrast_response(ring(0), grating(0), CONTRASTS, units=1),
            "data": 0.1 * naka_rushton(s),
            "free": "sigma",
        },
    ),
    "cortex.ReynoldsHeeger": Call(
        cortex.ReynoldsHeeger, lambda s: {"positions": np.arange(3.0), "sigma": 0.1 + 0.01 * s}
    ),
    "cortex.TemporalAttention": Call(
        cortex.TemporalAttention, lambda s: {"tau_1": 52.0 + s, "dt": 2.0}
    ),
    "cortex.cueing_effect": Call(
        cortex.cueing_effect, lambda s: {"model": short_trial(s), "soas": [100.0, 150.0]}
    ),
    "cortex.mean_products": Call(
        cortex.mean_products, lambda s: {"circuit": ring(s).circuit, "xs": draw(s, 3, 4)}
    ),
    "cortex.adapt": Call(
        cortex.adapt, lambda s: {"reweighting": reweighting(s), "xs": draw(s, 3, 4)}
    ),
    "cortex.communication": Call(
        cortex.communication,
        lambda s: {
            "covariance": np.eye(3) + 0.1 * np.ones((3, 3)) * (1 + s),
            "source": [0, 1],
            "target": [2],
        },
    ),
    "cortex.reduced_rank_regression": Call(
        cortex.reduced_rank_regression,
        lambda s: {"X": draw(s, 20, 3), "Y": draw(s + 1, 20, 2), "ranks": [1, 2], "folds": 4},
    ),
}

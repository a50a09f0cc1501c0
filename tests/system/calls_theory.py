"""Calls of the submodules: feedback, mean_field, planar, population, robustness."""

import numpy as np
import optax
from calls_parts import (
    GEOMETRY,
    LABELS,
    Call,
    cell,
    draw,
    geometry,
    key,
    network,
    planar_circuit,
    point,
    responses,
    state,
)

import organics_ode as oo
from organics_ode import feedback, mean_field, periods, planar, population, robustness


def visited(seed):
    return periods.visit(cell(seed), draw(seed, 2, 4, 1))


CALLS: dict[str, Call] = {
    # Feedback.
    "feedback.attractors": Call(
        feedback.attractors,
        lambda s: {"network": network(s), "z0": draw(s, 2), "dt": 0.1, "steps": 50},
    ),
    "feedback.teacher_states": Call(
        feedback.teacher_states, lambda s: {"network": network(s), "target": 0.8 + 0.01 * s}
    ),
    "feedback.descend": Call(
        feedback.descend,
        lambda s: {
            "network": network(s),
            "target": 0.8 + 0.01 * s,
            "optimizer": optax.sgd(0.1 + 0.01 * s),
            "steps": 2,
            "weights": lambda network: (network.n,),
            "run": feedback.FromRest(4, 0.5),
        },
    ),
    **{
        f"feedback.{f.__name__}": Call(f, lambda s: {"network": network(s)})
        for f in (feedback.all_weights, feedback.overlaps, feedback.readout_weights)
    },
    "feedback.least_squares": Call(
        feedback.least_squares, lambda s: {"network": network(s), "target": 0.8 + 0.01 * s}
    ),
    "feedback.ridge": Call(
        feedback.ridge,
        lambda s: {"network": network(s), "target": 0.8 + 0.01 * s, "alpha": 0.1 + 0.01 * s},
    ),
    "feedback.force": Call(
        feedback.force,
        lambda s: {
            "network": network(s),
            "target": 0.8 + 0.01 * s,
            "alpha": 1.0 + 0.1 * s,
            "dt": 0.1,
            "every": 2,
            "duration": 2.0,
            "state0": None,
        },
    ),
    "feedback.full_force": Call(
        feedback.full_force,
        lambda s: {
            "network": network(s),
            "target": draw(s, 4),
            "key": key(s),
            "alpha": 1.0 + 0.1 * s,
            "dt": 0.1,
            "probability": 0.5,
            "trials": 2,
            "settling": 1,
            "tests": 1,
            "state0": None,
        },
    ),
    "feedback.AtFixedPoint": Call(feedback.AtFixedPoint, lambda s: {"steps": 10, "dt": 0.1}),
    "feedback.FromRest": Call(feedback.FromRest, lambda s: {"steps": 10, "dt": 0.1}),
    # Mean field.
    "mean_field.Geometry": Call(
        mean_field.Geometry,
        lambda s: dict(
            zip(("sigma_m", "sigma_I", "rho", "p", "p_m", "p_I"), GEOMETRY, strict=True)
        ),
    ),
    "mean_field.average": Call(
        mean_field.average,
        lambda s: {"f": lambda x: x**2, "variance": 1.0 + 0.1 * s, "tolerance": 1e-6},
    ),
    "mean_field.calibrate": Call(
        mean_field.calibrate, lambda s: {"geometry": geometry(s), "g": 0.5, "target": 0.8}
    ),
    "mean_field.solutions": Call(
        mean_field.solutions, lambda s: {"geometry": geometry(s), "g": 0.5, "c": 0.4}
    ),
    "mean_field.padded_solutions": Call(
        mean_field.padded_solutions,
        lambda s: {"geometry": geometry(s), "g": 0.5, "c": 0.4, "most": 3},
    ),
    "mean_field.least_squares": Call(
        mean_field.least_squares,
        # From about .4 on it takes twice as many nodes of quadrature, and a program for them.
        lambda s: {"geometry": geometry(s), "g": 0.5, "target": 0.8, "ridge": 0.005 * s},
    ),
    "mean_field.chaos": Call(
        mean_field.chaos, lambda s: {"geometry": geometry(s), "g": 2.0 + 0.01 * s, "c": 0.4}
    ),
    "mean_field.phase_map": Call(
        mean_field.phase_map,
        lambda s: {
            "geometries": mean_field.Geometry(*(np.full(2, v) + 0.001 * s for v in GEOMETRY)),
            "g": 0.5,
            "targets": 0.5 + draw(s, 2),
        },
    ),
    # The plane.
    "planar.fixed_points": Call(
        planar.fixed_points, lambda s: {"circuit": planar_circuit(s), "x": draw(s, 1)}
    ),
    "planar.quartic": Call(
        planar.quartic, lambda s: {"circuit": planar_circuit(s), "x": draw(s, 1)}
    ),
    "planar.vector_field": Call(
        planar.vector_field,
        lambda s: {
            "circuit": planar_circuit(s),
            "x": draw(s, 1),
            "y": draw(s, 3),
            "a": draw(s, 3),
        },
    ),
    "planar.basins": Call(
        planar.basins,
        lambda s: {
            "circuit": planar_circuit(s),
            "x": draw(s, 1),
            "y": draw(s, 3),
            "a": draw(s, 3),
            "max_steps": 50,
        },
    ),
    "planar.nullclines": Call(
        planar.nullclines,
        lambda s: {"circuit": planar_circuit(s), "x": draw(s, 1), "y": draw(s, 5)},
    ),
    "planar.bifurcation": Call(
        planar.bifurcation,
        lambda s: {
            "circuit": planar_circuit(s),
            "x": draw(s, 1),
            "name": "sigma",
            "values": 0.1 + np.sort(draw(s, 3)),
        },
    ),
    **{
        f"planar.{f.__name__}": Call(
            f,
            lambda s, points=points: {
                "circuit": planar_circuit(s),
                "x": draw(s, 1),
                "y_range": (-1.0, 1.0),
                "a_range": (0.01, 1.0),
                **points,
            },
        )
        for f, points in (
            (planar.nullcline_curves, {"points": 20}),
            (planar.separatrices, {"points": 20}),
            (planar.limit_cycles, {}),
            (planar.window, {}),
        )
    },
    # Periods.
    "periods.visit": Call(
        periods.visit, lambda s: {"cell": cell(s), "inputs": draw(s, 2, 4, 1), "burn_in": 2}
    ),
    "periods.points": Call(
        periods.points,
        lambda s: {"cell": cell(s), "visit": visited(s), "period": (1, 3), "slow": 0.1},
    ),
    "periods.ends": Call(
        periods.ends,
        lambda s: {
            "cell": cell(s),
            "starts": oo.ORGaNICsState(*draw(s, 2, 2, 2)),
            "inputs": draw(s, 2, 1),
            "steps": 3,
        },
    ),
    # Populations.
    "population.cosine_similarity": Call(
        population.cosine_similarity, lambda s: {"first": draw(s, 3), "second": draw(s + 1, 3)}
    ),
    "population.relative_distance": Call(
        population.relative_distance, lambda s: {"first": draw(s, 3), "second": draw(s + 1, 3)}
    ),
    "population.principal_components": Call(
        population.principal_components, lambda s: {"responses": responses(s, 6, 3), "count": 2}
    ),
    "population.condition_means": Call(
        population.condition_means,
        lambda s: {"responses": responses(s, 6, 3), "labels": LABELS, "conditions": 2},
    ),
    "population.period_mean": Call(
        population.period_mean, lambda s: {"responses": responses(s, 6, 3), "period": (1, 3)}
    ),
    "population.d_prime": Call(
        population.d_prime, lambda s: {"responses": responses(s, 6, 3), "labels": LABELS}
    ),
    "population.selectivity": Call(
        population.selectivity,
        lambda s: {"responses": responses(s, 6, 3), "labels": LABELS, "conditions": 2},
    ),
    "population.mixed_selectivity": Call(
        population.mixed_selectivity,
        lambda s: {
            "responses": responses(s, 8, 3),
            "first": np.arange(8) % 2,
            "second": np.arange(8) // 2 % 2,
            "conditions": (2, 2),
        },
    ),
    "population.tuning": Call(
        population.tuning,
        lambda s: {"responses": responses(s, 6, 3), "directions": 6 * draw(s, 6), "bins": 4},
    ),
    # Robustness.
    "robustness.gaussian": Call(robustness.gaussian, lambda s: {"key": key(s), "n": 3}),
    "robustness.symmetric": Call(robustness.symmetric, lambda s: {"key": key(s), "n": 3}),
    "robustness.Diluted": Call(robustness.Diluted, lambda s: {"share": 0.5, "is_symmetric": True}),
    "robustness.anywhere": Call(robustness.anywhere, lambda s: {"key": key(s), "n": 3}),
    "robustness.delocalised": Call(robustness.delocalised, lambda s: {"key": key(s), "n": 3}),
    "robustness.localised": Call(robustness.localised, lambda s: {"key": key(s), "n": 3}),
    "robustness.distance": Call(robustness.distance, lambda s: point(s) | {"state": state(s)}),
    "robustness.loss_line": Call(
        robustness.loss_line,
        lambda s: {"norms": draw(s, 3), "b": 0.5, "sigma": 0.1 + 0.01 * s, "symmetric": True},
    ),
    "robustness.first_order_distance": Call(
        robustness.first_order_distance,
        lambda s: {
            "deltas": draw(s, 2),
            "norms": draw(s, 3),
            "b": 0.5,
            "sigma": 0.1 + 0.01 * s,
            "mean": 0.1,
            "symmetric": True,
        },
    ),
    "robustness.phase_diagram": Call(
        robustness.phase_diagram,
        lambda s: {
            "deltas": [0.1, 0.5],
            "norms": [0.5, 1.0 + 0.01 * s],
            "key": key(s),
            "size": 4,
            "trials": 1,
            "b": 0.5,
            "sigma": 0.1 + 0.01 * s,
            "tau": 2.0,
            "progress": False,
        },
    ),
    "robustness.first_order": Call(robustness.first_order, point),
}

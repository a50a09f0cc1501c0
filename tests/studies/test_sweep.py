"""Sweeps against circuits built one by one, and their files."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode.studies import _sweep

ONE = np.ones((1, 1))
QUIET = {"progress": False}


def unit(W_r=1.0, tau_a=2.0):
    return oo.ORGaNICs(ONE, W_r * ONE, ONE, 0.1, 0.5, 0.5, 2.0, tau_a)


def pair(**given):
    rng = np.random.default_rng(0)
    names = ("W_zx", "W_r", "W", "sigma", "b0", "b1", "tau_y", "tau_a")
    values = (*rng.uniform(0.1, 1.0, (3, 2, 2)), 0.1, 0.5, 0.5, np.array([2.0, 3.0]), 4.0)
    return oo.ORGaNICs(**dict(zip(names, values, strict=True)) | given)


def speed(circuit, x=(0.5,)):
    """Quick to compile, and it depends on every parameter."""
    state = jax.tree.map(lambda leaf: leaf + 0.3, circuit.initial_state())
    x = jnp.broadcast_to(jnp.asarray(x), (circuit.input_size,))
    return jnp.concatenate(circuit.vector_field(0.0, state, x))


AXES = {"W_r": [0.5, 1.0, 1.5], "tau_a": np.array([1.0, 2.0, 3.0, 4.0])}


def test_a_sweep_is_a_loop_over_circuits():
    found = oo.sweep(unit(), AXES, speed, **QUIET)
    assert found.values.shape == (3, 4, 2) and found.name == "speed"
    for (i, w), (j, tau) in itertools.product(*map(enumerate, AXES.values())):
        np.testing.assert_allclose(found.values[i, j], speed(unit(w, tau)), rtol=1e-12)
    np.testing.assert_array_equal(found.axes["W_r"], AXES["W_r"])


@pytest.mark.parametrize("chunk", [1, 5, 12, 100])
def test_chunks_change_nothing(chunk):
    whole = oo.sweep(unit(), AXES, speed, **QUIET).values
    np.testing.assert_allclose(
        oo.sweep(unit(), AXES, speed, chunk=chunk, **QUIET).values, whole, rtol=1e-14
    )


def test_chunks_fit_the_memory(monkeypatch):
    program = _sweep._Program(unit(), None, *_program_parts(), (3, 4))
    assert _sweep._chunk(program, None) == 12
    needed = _sweep._evaluate.lower(program, jnp.zeros(12, int)).compile().compiled
    needed = needed.memory_analysis()
    each = (needed.temp_size_in_bytes + needed.output_size_in_bytes) / 12
    monkeypatch.setattr(_sweep, "device_memory", lambda: int(5.5 * each / _sweep._SHARE))
    assert _sweep._chunk(program, None) == 5


def _program_parts():
    return _sweep.read_axes(unit(), AXES, None)[1], speed


def test_whole_fields_entries_and_arrays_of_a_larger_circuit():
    circuit, R = pair(), np.random.default_rng(1).normal(size=(3, 2, 2))
    axes = {"W_r": R, "tau_y": [1.0, 5.0], "W[0,1]": [0.0, 2.0], "W[1,0]": [3.0]}
    found = oo.sweep(circuit, axes, speed, **QUIET).values
    base = np.asarray(oo.resolve(circuit).W)
    for i, j, k in np.ndindex(3, 2, 2):
        W = base.copy()
        W[0, 1], W[1, 0] = axes["W[0,1]"][k], 3.0
        expected = speed(pair(W_r=R[i], tau_y=np.full(2, axes["tau_y"][j]), W=W))
        np.testing.assert_allclose(found[i, j, k, 0], expected, rtol=1e-12)


def test_the_input_is_an_axis_too():
    circuit, xs = pair(), np.array([[0.1, 0.2], [0.3, 0.4]])
    whole = oo.sweep(circuit, {"x": xs, "sigma": [0.1, 0.2]}, speed, **QUIET).values
    entry = oo.sweep(circuit, {"x[1]": [0.2, 0.7]}, speed, x=xs[0], **QUIET).values
    np.testing.assert_allclose(whole[1, 1], speed(pair(sigma=0.2), xs[1]), rtol=1e-12)
    np.testing.assert_allclose(entry[1], speed(circuit, np.array([0.1, 0.7])), rtol=1e-12)
    one = oo.sweep(unit(), {"x": [0.1, 0.2]}, speed, **QUIET).values
    np.testing.assert_allclose(one[1], speed(unit(), np.array([0.2])), rtol=1e-12)


def test_a_circuit_keeps_its_nodes_and_the_result_its_tree():
    W = oo.Connectivity(np.eye(2), mask=np.eye(2) > 0, signs=np.array([1, 0]))
    circuit = pair(tau_a=oo.Bounded(4.0, 1.0, 9.0), W_r=W)

    def kinds(circuit):
        assert isinstance(circuit.tau_a, oo.Bounded) and isinstance(circuit.W_r, oo.Connectivity)
        c = oo.resolve(circuit)
        return {"tau": c.tau_a, "more": (c.W_r, 2.0), "state": circuit.initial_state()}

    found = oo.sweep(circuit, {"tau_a": [2.0, 8.0], "W_r[1,1]": [0.5]}, kinds, **QUIET).values
    np.testing.assert_allclose(found["tau"][:, 0], [2.0, 8.0], rtol=1e-12)
    np.testing.assert_array_equal(found["more"][0][1, 0], [[1.0, 0.0], [0.0, 0.5]])
    assert found["more"][1].shape == (2, 1) and found["state"].a.shape == (2, 1, 2)


def test_results_of_the_library_come_as_they_are():
    def point(circuit):
        return oo.spectrum(circuit, circuit.initial_state(), jnp.ones(1))

    found = oo.sweep(unit(), {"tau_a": [1.0, 2.0, 4.0]}, point, **QUIET)
    assert isinstance(found.values, oo.Spectrum)
    np.testing.assert_allclose(found.values.abscissa, [-0.025, -0.025, -0.025])
    assert "eigenvalues" in repr(found) and "1 to 4 ms" in repr(found)


def test_the_card_counts_what_is_not_finite():
    root = oo.sweep(unit(), {"W_r": [-1.0, 4.0]}, lambda c: jnp.sqrt(c.W_r[0, 0]), **QUIET)
    assert "value       2 to 2, 1 of 2 not finite" in repr(root)


def test_a_table_of_a_sweep_has_a_row_for_each_combination():
    pytest.importorskip("pandas")
    frame = oo.sweep(unit(), AXES, speed, **QUIET).to_dataframe()
    assert list(frame) == ["W_r", "tau_a", "speed[0]", "speed[1]"]
    np.testing.assert_allclose(frame.iloc[6, 2:], speed(unit(1.0, 3.0)), rtol=1e-12)
    assert frame.attrs["units"] == {"tau_a": "ms"}


def test_there_is_a_progress_bar(capsys):
    oo.sweep(unit(), AXES, speed)
    assert "12/12" in capsys.readouterr().err


# Files


def stopped_after(monkeypatch, count):
    """The sweep is interrupted when it asks for that chunk."""
    compute, calls = _sweep._leaves, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) > count:
            raise KeyboardInterrupt
        return compute(*arguments)

    monkeypatch.setattr(_sweep, "_leaves", interrupted)
    return calls


def test_an_interrupted_sweep_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    path, options = tmp_path / "sweep.npz", {"chunk": 5, "progress": False}
    whole = oo.sweep(unit(), AXES, speed, **options).values
    with monkeypatch.context() as patch:
        stopped_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            oo.sweep(unit(), AXES, speed, path=path, **options)
    with np.load(path) as file:
        assert file["leaves[0]"].shape == (8, 2)  # two chunks of 4: three of one size are 12
    with monkeypatch.context() as patch:
        calls = stopped_after(patch, 99)
        again = oo.sweep(unit(), AXES, speed, path=path, **options).values
        assert [first for _, first, _ in calls] == [0, 8]  # the first is compared
        np.testing.assert_array_equal(again, whole)
    written = path.read_bytes()
    np.testing.assert_array_equal(oo.sweep(unit(), AXES, speed, path=path, **QUIET).values, whole)
    assert path.read_bytes() == written


def other(circuit, x=None):
    return speed(circuit) + 1e-9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"function": other}, "its first values are others than those of this circuit"),
        ({"circuit": unit(tau_a=3.0)}, "`circuit.tau_a.theta` is float64"),
        ({"axes": AXES | {"tau_a": [1.0, 2.0, 3.0, 5.0]}}, r"`axes\['tau_a'\]` is float64\[4\]"),
        ({"axes": dict(reversed(AXES.items()))}, "`names of axes` is"),
        ({"function": lambda c: c.W_r}, "`what `function` gives` is"),
        ({"chunk": 2}, "it holds one with `chunk` = 12, not 2"),
    ],
)
def test_the_file_of_another_sweep_is_refused(tmp_path, change, message):
    path = tmp_path / "sweep.npz"
    arguments = {"circuit": unit(), "axes": AXES, "function": speed}
    oo.sweep(**arguments, path=path, **QUIET)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"`path` must be new or hold this sweep.*{message}"):
        oo.sweep(**arguments | change, path=path, **QUIET)
    assert path.read_bytes() == before


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "sweep.npz"
    oo.sweep(unit(), AXES, speed, path=path, **QUIET)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "flipped").write_bytes(data)
    (tmp_path / "short").write_bytes(data[:100])
    oo.save(tmp_path / "circuit", unit())
    for name in ("flipped", "short", "circuit"):
        with pytest.raises(ValueError, match="`path` must be new or hold a sweep"):
            oo.sweep(unit(), AXES, speed, path=tmp_path / name, **QUIET)
    with pytest.raises(ValueError, match="`path` must lie in an existing folder"):
        oo.sweep(unit(), AXES, speed, path=tmp_path / "none" / "sweep", **QUIET)


# Arguments


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "`axes` must map names of parameters to values.*it is empty"),
        ({"tau": [1.0]}, "`axes` must name parameters of the circuit: W_zx, .*'tau' is none"),
        ({"tau_a!": [1.0]}, "`axes` must name parameters such as 'tau_a'"),
        ({"tau_a[0]": [1.0]}, r"entries that there are, but `tau_a` has shape \(\)"),
        ({"W[0,2]": [1.0]}, r"entries that there are, but `W` has shape \(2, 2\)"),
        ({"tau_a": []}, "`axes` must hold lists of numbers, but `tau_a` is"),
        ({"tau_a": [1.0, np.nan]}, "`axes` must be finite"),
        ({"tau_a": [1.0, -1.0]}, "`axes` must hold values that `tau_a` may have.*positive"),
        ({"W": [np.full((2, 2), -1.0)]}, "values that `W` may have, but one must not be negative"),
        ({"W_r": [1.0]}, r"have shape \(k, 2, 2\) for `W_r`.*name one entry, 'W_r\[0,0\]'"),
        ({"W": [1.0], "W[0,0]": [1.0]}, "`axes` must change every number once, but `W` is"),
        ({"x[0]": [1.0]}, "`x` must be given where an axis is one of its entries"),
        ({"x": [1.0]}, r"`axes` must have shape \(k, 2\) for `x`"),
        ({"rectification": [1.0]}, "'rectification' is none"),
    ],
)
def test_bad_axes_are_refused(axes, message):
    with pytest.raises(ValueError, match=message):
        oo.sweep(pair(), axes, speed, **QUIET)


@pytest.mark.parametrize("function", [lambda c: float(c.W_r[0, 0]), lambda c: np.sin(c.W_r)])
def test_a_function_that_reads_unknown_numbers_is_told_of_jnp(function):
    with pytest.raises(ValueError, match=r"`function` must be pure.*jnp instead of np"):
        oo.sweep(unit(), AXES, function, **QUIET)


def test_a_function_takes_what_it_is_given():
    must = "`function` must be a function of a circuit"
    with pytest.raises(ValueError, match=f"{must} and an input, but too many positional"):
        oo.sweep(unit(), AXES, lambda c: c.W_r, x=[1.0], **QUIET)
    with pytest.raises(ValueError, match=f"{must}, but missing a required argument: 'x'"):
        oo.sweep(unit(), AXES, lambda c, x: c.W_r, **QUIET)


def test_a_function_gives_numbers():
    with pytest.raises(ValueError, match="`function` must give arrays, but it gives None"):
        oo.sweep(unit(), AXES, lambda c: None, **QUIET)
    with pytest.raises(ValueError, match="`function` must give arrays, but it gives 'a'"):
        oo.sweep(unit(), AXES, lambda c: "a", **QUIET)

"""Saved models come back bit for bit, or not at all with a reason."""

import io
import json
import os
import zipfile

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import organics_ode as oo
from organics_ode import load, save
from organics_ode.storage import _archive, _differences


class Wrapper(eqx.Module):
    model: eqx.Module


def classifier(n=3, *, dt=1.0, readout_size=2, **options):
    key, readout_key, state_key = jax.random.split(jax.random.key(0), 3)
    circuit = oo.GatedORGaNICs.random(2, n, key=key, **options)
    readout = eqx.nn.Linear(n, readout_size, key=readout_key)
    state = circuit.random_state(state_key)
    return oo.SequenceClassifier(oo.Euler(circuit, dt), readout, state0=state)


@pytest.fixture(scope="module")
def model():
    return classifier()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def bits(leaf):
    return type(leaf), (leaf.dtype, leaf.shape, leaf.tobytes()) if eqx.is_array(leaf) else leaf


def assert_same(loaded, model):
    assert jax.tree.structure(loaded) == jax.tree.structure(model)
    assert list(map(bits, jax.tree.leaves(loaded))) == list(map(bits, jax.tree.leaves(model)))


def round_trip(path, model, **options):
    save(path, model)
    return load(path, **options)


# --- circuits ---


def test_classifier_comes_back_and_computes_the_same(path, model):
    loaded = round_trip(path, model)
    assert_same(loaded, model)
    assert_same(load(path, like=model), model)
    xs = jnp.ones((4, 2))
    np.testing.assert_array_equal(loaded(xs), model(xs))


def test_like_of_shapes_gives_the_classes_and_the_file_the_values(path, model):
    like = eqx.filter_eval_shape(lambda: model)
    assert_same(round_trip(path, model, like=like), model)


def test_training_checkpoint(path, model):
    moments = jax.tree.map(jnp.zeros_like, eqx.filter(model, oo.trainable(model)))
    saved = {"model": model, "optimizer": (moments,), "step": 7, "outcome": "interrupted"}
    like = {**saved, "step": 0, "outcome": "completed"}
    assert_same(round_trip(path, saved, like=like), saved)


def node(tree):
    return eqx.tree_at(lambda m: m.cell.circuit.W, tree, oo.Frozen(jnp.ones((3, 3))))


MISMATCHES = {
    "size": (
        lambda: eqx.filter_eval_shape(lambda: classifier(4)),
        r"leaf `cell.circuit.W_zx` has shape \(3, 2\) in the file and \(4, 2\) in `like`",
    ),
    "readout": (
        lambda: eqx.filter_eval_shape(lambda: classifier(readout_size=5)),
        r"leaf `readout.weight` has shape \(2, 3\) in the file and \(5, 3\) in `like`",
    ),
    "dtype": (
        lambda: jax.tree.map(
            lambda x: x.astype(jnp.float16) if eqx.is_array(x) else x, classifier()
        ),
        "`cell.circuit.W_zx` has dtype float.. in the file and float16 in `like`",
    ),
    "array library": (
        lambda: jax.tree.map(lambda x: np.asarray(x) if eqx.is_array(x) else x, classifier()),
        "`cell.circuit.W_zx` has kind jax array in the file and numpy array in `like`",
    ),
    "exponent": (
        lambda: classifier(exponent=3.0),
        "`cell.circuit.exponent` has value 2.0 in the file and 3.0 in `like`",
    ),
    "dt": (lambda: classifier(dt=0.5), "`cell.dt` has value 1.0 in the file and 0.5 in `like`"),
    "rectification": (
        lambda: classifier(rectification=oo.Rectification.NONE),
        "`cell.circuit.rectification` has member AFTER in the file and NONE in `like`",
    ),
    "node": (
        lambda: node(classifier()),
        "`cell.circuit.W` has name organics_ode:NonNegative in the file and organics_ode:Frozen in",
    ),
    "None": (
        lambda: eqx.tree_at(lambda m: m.state0, classifier(), None),
        "`state0` has kind record in the file and NoneType in `like`",
    ),
    "lost": (lambda: {"a": 1}, "leaf `cell` is missing in `like`"),
    "added": (lambda: {"a": 1}, r"leaf `\[\"a\"\]` is missing in the file"),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_mismatch_names_the_leaf_and_both_sides(path, model, name, monkeypatch):
    monkeypatch.setattr(_differences, "_SHOWN", 99)
    like, message = MISMATCHES[name]
    save(path, model)
    with pytest.raises(ValueError, match=f"Argument `like` must match the file, but .*{message}"):
        load(path, like=like())


@pytest.mark.parametrize(
    ("saved", "like"),
    [
        (jax.nn.relu, jax.nn.softplus),
        (oo.Bounded(2.0, 1.0), oo.Bounded(2.0, 1.0, 3.0)),
        (jax.random.key(0), jax.random.key(0, impl="rbg")),
        (jax.random.key(0), jax.random.PRNGKey(0)),
        (True, 1),
        ([1, 2], [1, 2, 3]),
        ([1, 2], (1, 2)),
        (oo.ORGaNICsState(1, 2), (1, 2)),
    ],
)
def test_other_mismatches(path, saved, like):
    save(path, saved)
    assert jax.tree.structure(load(path, like=saved)) == jax.tree.structure(saved)
    with pytest.raises(ValueError, match="Argument `like` must match the file"):
        load(path, like=like)


def test_only_some_mismatches_are_listed(path):
    save(path, [jnp.ones(2)] * 9)
    with pytest.raises(ValueError, match="and 4 more") as caught:
        load(path, like=[jnp.ones(3)] * 9)
    assert str(caught.value).count("leaf") == 5


def test_class_from_elsewhere_needs_like(path, model):
    save(path, Wrapper(model))
    assert_same(load(path, like=Wrapper(model)), Wrapper(model))
    with pytest.raises(ValueError, match=r"holds `\S*test_checkpoint:Wrapper`.* as `like`"):
        load(path)


def test_class_of_a_script_may_move_from_main(path, model, monkeypatch):
    save(path, Wrapper(model))
    monkeypatch.setattr(Wrapper, "__module__", "__main__")
    assert_same(load(path, like=Wrapper(model)), Wrapper(model))


def test_like_that_cannot_be_stored(path):
    save(path, [1])
    with pytest.raises(ValueError, match=r"Argument `like` must be made of .*`\[0\]`"):
        load(path, like=[object()])


# --- the file ---


def test_header_is_strict_json_that_plain_numpy_reads(path):
    save(path, {"W": np.arange(3.0), "x": float("nan")})
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(str(file["__header__"]), parse_constant=pytest.fail)
        np.testing.assert_array_equal(file['["W"]'], np.arange(3.0))
    assert (header["format"], header["version"]) == ("organics_ode", 3)


def test_members_are_named_by_path(path, model):
    save(path, model)
    with np.load(path) as file:
        assert {"__header__", "cell.circuit.W.value", "state0.value.b0"} < set(file.files)


def test_equal_models_give_equal_files(tmp_path):
    save(tmp_path / "a", classifier())
    save(tmp_path / "b", classifier())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", ["model", "model.npz", "model.organics", "é ü", "a" * 250])
def test_name_is_kept(tmp_path, name):
    save(str(tmp_path / name), {"a": 1})
    assert os.listdir(tmp_path) == [name]
    assert load(str(tmp_path / name)) == {"a": 1}


def test_permissions_are_those_of_any_new_file(path, tmp_path):
    save(path, {"a": 1})
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_link_is_followed(path, tmp_path):
    (tmp_path / "link").symlink_to(path)
    save(tmp_path / "link", {"a": 1})
    assert (tmp_path / "link").is_symlink()
    assert load(path) == {"a": 1}


@pytest.mark.parametrize("step", ["save", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_failed_write_leaves_the_old_file(path, monkeypatch, step, error):
    def fail(*args, **kwargs):
        raise error

    save(path, {"a": jnp.ones(3)})
    before = path.read_bytes()
    monkeypatch.setattr(np if step == "save" else os, step, fail)
    with pytest.raises(type(error)):
        save(path, {"a": jnp.zeros(3)})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_model_that_cannot_be_saved_leaves_the_old_file(path):
    save(path, {"a": 1})
    with pytest.raises(ValueError, match="`model`"):
        save(path, {"a": object()})
    assert load(path) == {"a": 1}


def test_overwrite(path):
    save(path, {"a": 1})
    assert round_trip(path, {"b": 2}) == {"b": 2}
    assert list(path.parent.iterdir()) == [path]


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"existing folder, but .*nowhere"):
        save(tmp_path / "nowhere" / "model.npz", {"a": 1})


def test_folder_as_path(tmp_path):
    with pytest.raises(ValueError, match="Argument `path` must name a file, but"):
        save(tmp_path, {"a": 1})
    with pytest.raises(FileNotFoundError, match="is not a file"):
        load(tmp_path)


def test_missing_file(path):
    with pytest.raises(FileNotFoundError, match=r"model.npz is not a file; .* extension"):
        load(path)


@pytest.fixture
def content(path):
    model = {"l": eqx.nn.Linear(2, 2, key=jax.random.key(0)), "x": 1.5}
    save(path, model)
    return model, path.read_bytes()


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 0.5, 0.9, 0.99])
def test_truncated_file(path, content, fraction):
    path.write_bytes(content[1][: int(fraction * len(content[1]))])
    with pytest.raises(ValueError, match=r"model.npz is not a saved model, or is damaged .* copy"):
        load(path)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("stride", [21, 7])
def test_flipped_bytes_never_change_a_model(path, content, stride):
    model, data = content
    refused = 0
    for place in range(0, len(data), stride):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            assert_same(load(path), model)
        except ValueError as error:
            refused += "model.npz" in str(error)
    # What is left are time stamps and the like.
    assert refused > 0.8 * len(data) / stride


def test_flipped_byte_in_an_array(path, model):
    save(path, model)
    data = bytearray(path.read_bytes())
    data[data.index(model.cell.circuit.W_r.tobytes()) + 4] ^= 1
    path.write_bytes(data)
    for like in (None, model):
        with pytest.raises(ValueError, match=r"damaged .*CRC.* restore a copy"):
            load(path, like=like)


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def other_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return buffer.getvalue()


FOREIGN = {
    "npz": lambda: npz(W=np.ones(2)),
    "npz with pickles": lambda: npz(W=np.array([None])),
    "npz with a header of its own": lambda: npz(__header__=np.array('{"format": "x"}')),
    "header that is no object": lambda: npz(__header__=np.array("[1]")),
    "zip": other_zip,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files(path, name):
    path.write_bytes(FOREIGN[name]())
    with pytest.raises(ValueError, match=r"was not written by organics_ode.save; use numpy.load"):
        load(path)


@pytest.mark.parametrize("data", [b"hello", b"\x93NUMPY", npz(__header__=np.array("{"))])
def test_no_model_at_all(path, data):
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is not a saved model, or is damaged"):
        load(path)


def rewrite(path, edit):
    """Change the header of a saved file, all checksums right."""
    with np.load(path) as file:
        members = dict(file)
    header = json.loads(str(members.pop("__header__")))
    edit(header)
    with open(path, "wb") as file:
        np.savez(file, **members, __header__=np.array(json.dumps(header)))


@pytest.mark.parametrize("forgery", [{"name": "os:system"}, {"kind": "pickle"}, {"keys": [""]}])
def test_forged_header(path, forgery):
    save(path, eqx.nn.Linear(2, 2, key=jax.random.key(0)))
    rewrite(path, lambda header: header["model"]["(root)"].update(forgery))
    with pytest.raises(ValueError, match=r"Argument `path` must .*model.npz"):
        load(path)


def test_newer_version(path):
    save(path, {"a": 1})
    rewrite(path, lambda header: header.update(version=4, library="9.0"))
    with pytest.raises(ValueError, match=r"a newer version of organics_ode \(9.0\); upgrade"):
        load(path)


def test_library_version_is_recorded(path, monkeypatch):
    monkeypatch.setattr(_archive, "__version__", "1.2.3")
    save(path, 1)
    with np.load(path) as file:
        assert json.loads(str(file["__header__"]))["library"] == "1.2.3"


def test_nothing_is_pickled(path, model, monkeypatch):
    monkeypatch.setattr("pickle.dumps", pytest.fail)
    monkeypatch.setattr("pickle.loads", pytest.fail)
    assert_same(round_trip(path, model), model)

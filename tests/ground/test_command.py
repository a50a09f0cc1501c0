"""The command line, in this process: what it prints, its exit status, and how it evaluates."""

import re
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import organics_ode as oo
import tasks
from organics_ode.__main__ import main


@pytest.fixture(autouse=True, scope="module")
def _jax_has_started():
    """Then `evaluate` does not split this process into a device for each core."""
    jax.devices()


def facts_of(text):
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in text.splitlines())


def test_info_has_the_versions_of_what_is_installed(monkeypatch, capsys):
    def absent(package):
        if package == "bokeh":
            raise PackageNotFoundError
        return version(package)

    monkeypatch.setattr("organics_ode.__main__.version", absent)
    assert main(["info"]) == 0
    facts = facts_of(capsys.readouterr().out)
    assert facts["bokeh"] == "not installed"
    for package in ("jax", "jaxlib", "equinox", "diffrax", "optax", "numpy", "matplotlib"):
        assert facts[package] == version(package)
    assert facts["organics_ode"].startswith(f"{oo.__version__}, ")
    device = jax.devices()[0]
    assert facts["devices"].startswith(f"{device.platform} {device.id} ({device.device_kind})")
    on = "on" if jax.config.read("jax_enable_x64") else "off"
    assert facts["precision"].startswith(f"x64 is {on}")
    assert facts["trained models"].split(", ") == list(oo.pretrained_names())
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert not stopped.value.code
    assert capsys.readouterr().out == f"organics_ode {oo.__version__}\n"


def test_info_says_where_mnist_is(tmp_path, capsys):
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        assert main(["info", "--data-dir", str(tmp_path)]) == 0
        assert re.search(r"^MNIST +not found", capsys.readouterr().out, re.MULTILINE)
        (tmp_path / "mnist").mkdir(exist_ok=True)
        (tmp_path / "mnist" / f"{part}-ubyte").touch()
    assert main(["info", "--data-dir", str(tmp_path)]) == 0
    assert str(tmp_path / "mnist") in capsys.readouterr().out
    assert tasks.MNIST.folder(tmp_path) == tmp_path / "mnist"


@pytest.mark.parametrize("name", oo.pretrained_names())
def test_a_card_is_printed_with_the_values_of_the_model(name, capsys):
    assert main(["card", name]) == 0
    out = capsys.readouterr().out
    card = oo.model_card(name)
    assert card["command"] in out and str(card["accuracy"]["test"]) in out
    for label, value in oo.values(oo.pretrained(name)).items():
        (line,) = [x for x in out.splitlines() if x.split()[:1] == [label]]
        ends = dict.fromkeys(f"{float(x):.4g}" for x in (np.min(value), np.max(value)))
        unit = " ms" * label.rpartition(".")[2].startswith(("tau", "dt"))
        assert f"  {' to '.join(ends)}{unit}, shape {value.shape}" in line


def test_a_saved_file_prints_as_its_model(tmp_path, capsys):
    circuit = oo.ORGaNICs.random(2, 3, key=jax.random.key(0), tau_y=7.0)
    oo.save(tmp_path / "c.npz", circuit)
    assert main(["card", str(tmp_path / "c.npz")]) == 0
    assert capsys.readouterr().out == f"{circuit}\n"
    (tmp_path / "text").write_text("nothing")
    assert main(["card", str(tmp_path / "text")]) == 1
    assert "Argument `path` must name a file" in capsys.readouterr().err


COUNTS = {"validation": (1_500, 1_020), "test": (40, 30)}  # samples, and how many are right


@pytest.fixture(scope="module")
def split():
    """Data of a trained model's own answers, with the wrong ones first."""
    model = oo.pretrained("static-mnist-1")
    answer = jax.jit(jax.vmap(model))
    rng, parts = np.random.default_rng(0), {}
    for part, (count, right) in COUNTS.items():
        inputs = rng.uniform(size=(count, 784)).astype(np.float32)
        targets = np.asarray(answer(inputs)).argmax(axis=1).astype(np.int32)
        targets[: count - right] = (targets[: count - right] + 1) % 10
        parts[part] = tasks.Split(inputs, targets)
    return SimpleNamespace(**parts)


@pytest.mark.parametrize(("told", "status"), [((0.6795, 0.75), 0), ((0.68, 0.752), 1)])
def test_the_accuracy_is_the_share_of_right_answers(told, status, split, monkeypatch, capsys):
    card = oo.model_card("static-mnist-1")
    card["accuracy"] = dict(zip(COUNTS, told, strict=True))
    asked = []
    monkeypatch.setattr("organics_ode.__main__.model_card", lambda name: card)
    monkeypatch.setattr(tasks, "MNIST", lambda folder: asked.append(str(folder)) or split)
    # Within a thousandth of its card it is the same model, on another machine.
    assert main(["evaluate", "static-mnist-1", "--data-dir", "here"]) == status
    out, err = capsys.readouterr()
    assert asked == ["here"]
    assert out == (
        f"validation  accuracy 0.6800, in its card {told[0]:.4f}\n"
        f"test        accuracy 0.7500, in its card {told[1]:.4f}\n"
    )
    # All 480 that are wrong are among the first thousand: parts count by their samples.
    assert err.splitlines()[:3] == [
        "static-mnist-1, validation: 1000 of 1500, 0.5200",
        "static-mnist-1, validation: 1500 of 1500, 0.6800",
        "static-mnist-1, test: 40 of 40, 0.7500",
    ]
    assert ("static-mnist-1 is not what its card says" in err) == bool(status)


@pytest.mark.parametrize("name", ("smnist-64", "psmnist-64"))
def test_pixels_are_permuted_for_the_models_that_were_trained_so(name, monkeypatch, capsys):
    asked = []

    def absent(folder, **options):
        asked.append((folder, options))
        raise FileNotFoundError("no pixels")

    monkeypatch.setattr(tasks, "SequentialMNIST", absent)
    assert main(["evaluate", name]) == 1
    assert asked == [(None, {"permuted": name == "psmnist-64"})]
    assert capsys.readouterr().err == "organics_ode evaluate: no pixels\n"


WRONG = {
    "no command": ([], "COMMAND"),
    "another command": (["train"], "COMMAND: invalid choice"),
    "no name": (["card"], "NAME"),
    "no such card": (["card", "mnist"], "argument NAME: invalid choice: 'mnist'.*smnist-64"),
    "no such model": (["evaluate", "mnist"], "argument NAME: invalid choice: 'mnist'"),
    "another option": (["info", "--data", "x", "--fast"], "--fast"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_words_are_named(case, capsys):
    words, message = WRONG[case]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("name", ("smnist-64", "static-mnist-2"))
def test_absent_data_are_a_clear_error(name, tmp_path, capsys):
    assert main(["evaluate", name, "--data-dir", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.match(r"organics_ode evaluate: Neither file .* exists\..*`data_dir`", captured.err)

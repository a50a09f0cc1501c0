"""Recordings by their checksum from a folder, a server, or not at all; synthetic cells by fits."""

import hashlib
import os
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from organics_ode import cortex
from organics_ode.cortex.data import _source
from organics_ode.cortex.data._semedo import SAMPLE

CONTENT = b"some counts"
SMALL = _source.Recording("set", "a.mat", hashlib.sha256(CONTENT).hexdigest(), ())


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The folder that a local server gives, its address, and one where nobody listens."""
    pytest.importorskip("pooch")
    pytest.importorskip("tqdm")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "www"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_download_is_checked_and_kept(server, tmp_path):
    folder, address = server
    dead, recording = (
        "http://127.0.0.1:9/",
        SMALL._replace(mirrors=("http://127.0.0.1:9/", address)),
    )
    (folder / "a.mat").write_bytes(CONTENT)
    path = _source.download(recording, tmp_path / "cache")
    assert path.read_bytes() == CONTENT and path == tmp_path / "cache" / "set" / "a.mat"
    (folder / "a.mat").unlink()
    assert _source.download(recording, tmp_path / "cache") == path  # it is there
    (folder / "a.mat").write_bytes(b"other counts")
    with pytest.raises(FileNotFoundError, match=r"(hash|checksum)") as caught:
        _source.download(recording, tmp_path / "other")
    assert f"{dead}a.mat" in str(caught.value) and "ORGANICS_DATA" in str(caught.value)
    assert not (tmp_path / "other" / "set" / "a.mat").exists()


def test_a_named_folder_is_used_and_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(_source, "download", lambda *_: pytest.fail("a download was started"))
    with pytest.raises(FileNotFoundError, match=r"sample_data\.mat. does not exist"):
        cortex.data.semedo(tmp_path)
    (tmp_path / "communication-subspace").mkdir()
    (tmp_path / "communication-subspace" / "sample_data.mat").write_bytes(b"other")
    with pytest.raises(ValueError, match="must be intact, but its SHA-256"):
        cortex.data.semedo(tmp_path)
    monkeypatch.setenv("ORGANICS_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="must be intact"):
        cortex.data.semedo()
    with pytest.raises(ValueError, match="`data_dir` must be a path"):
        cortex.data.semedo(3)


def test_a_download_without_its_packages_says_how_to_install_them(monkeypatch):
    monkeypatch.delenv("ORGANICS_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"`pooch`.*pip install organics_ode\[examples\]"):
        cortex.data.semedo()


def test_the_sample_of_two_areas_is_read():
    folder = os.environ.get("ORGANICS_DATA")
    if not folder or not os.path.exists(os.path.join(folder, SAMPLE.folder, SAMPLE.name)):
        pytest.skip("ORGANICS_DATA names no folder with communication-subspace/sample_data.mat")
    X, Y_V1, Y_V2 = cortex.data.semedo()
    assert X.shape == (4000, 79) and Y_V1.shape == Y_V2.shape == (4000, 31)
    # Means over trials are taken off, and the areas vary together.
    assert np.abs(X.mean()) < 0.01 and np.all(np.isfinite(X))
    full = np.linalg.lstsq(X, Y_V2, rcond=None)[0]
    explained = 1 - np.sum((Y_V2 - X @ full) ** 2) / np.sum((Y_V2 - Y_V2.mean(0)) ** 2)
    assert 0.11 < explained < 0.2  # on held-out folds .1124


def test_synthetic_cells_have_the_medians_that_they_are_drawn_about():
    cells = cortex.data.synthetic_cells(400, key=0)
    p = cells.parameters
    for name, median in (("n", 2.4), ("c50", 0.33)):
        # The median of 400 logarithms, each .35 wide, is known to .35 √(π/2)/20.
        assert abs(np.log(np.median(p[name]) / median)) < 3 * 0.35 * 1.2533 / 20
    R = cells.size_responses - p["baseline"]
    assert abs(np.median(1 - R[-1] / R.max(axis=0)) - 0.38) < 0.06
    again = cortex.data.synthetic_cells(400, key=0)
    assert np.array_equal(cells.contrast_responses, again.contrast_responses)
    for bad, message in (
        ({"count": 0}, "`count` must be"),
        ({"contrasts": [2.0]}, "between 0 and 1"),
        ({"radii": [0.0]}, "`radii` must be positive"),
        ({"key": "one"}, "`key` must be"),
        ({"trials": 0}, "`trials` must be"),
    ):
        with pytest.raises(ValueError, match=message):
            cortex.data.synthetic_cells(**{"count": 2, "key": 0} | bad)


@pytest.mark.slow  # fits, which other tests have of exact responses
def test_a_synthetic_cell_is_found_again():
    cells = cortex.data.synthetic_cells(3, key=1, trials=4000)
    fit = cortex.fit_naka_rushton(cells.contrasts, cells.contrast_responses[:, 0])
    for name in ("n", "c50", "r_max", "baseline"):
        error = fit.standard_errors[name]
        assert abs(fit.values[name] - cells.parameters[name][0]) < 4 * error + 1e-9

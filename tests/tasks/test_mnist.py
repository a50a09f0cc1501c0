"""MNIST: the IDX reader on small files, the download on a local server, the split on stand-ins
whose pixels say which image they are, and the real images where they can be found."""

import gzip
import hashlib
import os
import socket
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import tasks
from tasks import _source
from tasks._idx import read_idx
from tasks._mnist import read_labelled_images

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
REMEDY = "Delete it and download it again."
COUNT = 5
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28), np.uint8)
DIGITS = np.array([3, 0, 9, 1, 3], np.uint8)


def idx(array, *, dtype=0x08):
    """An IDX file, from its definition."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes((0, 0, dtype, array.ndim)) + sizes + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    """Five images, gzipped, and their labels, unpacked."""
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(PIXELS)))
    (tmp_path / LABELS).write_bytes(idx(DIGITS))
    return tmp_path


# Reader


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress)])
@pytest.mark.parametrize("array", [DIGITS, PIXELS], ids=["labels", "images"])
def test_reading_gives_what_was_written(tmp_path, array, suffix, pack):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(pack(idx(array)))
    np.testing.assert_array_equal(read_idx(path, array.shape), array)


def test_labelled_images_are_read_from_gzipped_and_from_plain_files(folder):
    images, labels = read_labelled_images(folder, "train", COUNT)
    np.testing.assert_array_equal(images, PIXELS.reshape(COUNT, 784))
    np.testing.assert_array_equal(labels, DIGITS)


PACKED = gzip.compress(idx(PIXELS))
PLAIN = idx(PIXELS)
CORRUPT_IMAGES = {
    "truncated gzip": (".gz", PACKED[:-20], "intact gzip data, but it holds broken"),
    "only a gzip header": (".gz", PACKED[:5], "intact gzip data, but it holds broken"),
    "not gzip": (".gz", PLAIN, "intact gzip data, but it holds broken"),
    "gzip with a flipped bit": (
        ".gz",
        PACKED[:2000] + bytes((PACKED[2000] ^ 1,)) + PACKED[2001:],
        "intact gzip data, but it holds broken",
    ),
    "empty gzip": (".gz", b"", "an IDX header of 16 bytes, but it holds 0 bytes in all"),
    "empty": ("", b"", "an IDX header of 16 bytes, but it holds 0 bytes in all"),
    "half a header": ("", PLAIN[:10], "an IDX header of 16 bytes, but it holds 10 bytes in all"),
    "labels for images": ("", idx(np.zeros(99, np.uint8)), "0x00000803 (unsigned bytes, 3 dim"),
    "other numbers": ("", idx(PIXELS, dtype=0x0D), "dimensions), but it holds 0x00000d03"),
    "a web page": ("", b"<html>" * 20, "the IDX magic number 0x00000803"),
    "other count": ("", idx(PIXELS[:4]), "shape (5, 28, 28), but it holds one of shape (4, 28, 2"),
    "other image size": ("", idx(PIXELS[:, :, 1:]), "but it holds one of shape (5, 28, 27)"),
    "trailing byte": ("", PLAIN + b"\0", "3920 bytes after its header, but it holds 3921"),
    "trailing byte in gzip": (".gz", gzip.compress(PLAIN + b"\0"), "3920 bytes after its header"),
    "missing byte": ("", PLAIN[:-1], "3920 bytes after its header, but it holds 3919"),
}


@pytest.mark.parametrize("kind", CORRUPT_IMAGES)
def test_corrupt_images_are_named_with_what_is_wrong_and_what_to_do(folder, kind):
    suffix, content, message = CORRUPT_IMAGES[kind]
    (folder / f"{IMAGES}.gz").unlink()
    path = folder / f"{IMAGES}{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_labelled_images(folder, "train", COUNT)
    assert f"File `{path}` must hold" in str(caught.value)
    assert message in str(caught.value)
    assert str(caught.value).endswith(REMEDY)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (DIGITS[:4], "an array of shape (5,), but it holds one of shape (4,)"),
        (np.append(DIGITS, DIGITS), "an array of shape (5,), but it holds one of shape (10,)"),
        (DIGITS + np.uint8(1), "labels from 0 to 9, but it holds a label 10"),
    ],
    ids=["too few", "too many", "a label 10"],
)
def test_labels_must_fit_the_images(folder, labels, message):
    (folder / LABELS).write_bytes(idx(labels))
    with pytest.raises(ValueError) as caught:
        read_labelled_images(folder, "train", COUNT)
    assert f"File `{folder / LABELS}` must hold {message}. {REMEDY}" == str(caught.value)


def assert_names_the_three_ways(message):
    for way in ("`data_dir`", "ORGANICS_DATA", "a network connection"):
        assert way in message


@pytest.mark.parametrize("name", [IMAGES, LABELS])
def test_a_missing_file_is_named_with_the_ways_to_provide_it(folder, name):
    for path in folder.glob(f"{name}*"):
        path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        read_labelled_images(folder, "train", COUNT)
    assert f"`{folder / name}.gz`" in str(caught.value)
    assert_names_the_three_ways(str(caught.value))


# Where the data come from


@pytest.mark.parametrize("data_set", [tasks.MNIST, tasks.SequentialMNIST])
def test_a_named_folder_without_the_data_is_an_error_and_not_a_download(
    tmp_path, monkeypatch, data_set
):
    monkeypatch.setattr(_source, "download", lambda *_: pytest.fail("a download was started"))
    with pytest.raises(FileNotFoundError) as caught:
        data_set(tmp_path)
    assert str(tmp_path / "mnist" / f"{IMAGES}.gz") in str(caught.value)
    assert_names_the_three_ways(str(caught.value))


def test_the_argument_comes_before_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("ORGANICS_DATA", str(tmp_path / "variable"))
    assert _source.mnist_folder(tmp_path / "argument") == tmp_path / "argument" / "mnist"
    assert _source.mnist_folder(None) == tmp_path / "variable" / "mnist"


@pytest.mark.parametrize("variable", [{}, {"ORGANICS_DATA": ""}], ids=["unset", "empty"])
def test_without_argument_and_variable_the_canonical_files_are_downloaded(monkeypatch, variable):
    pytest.importorskip("pooch")
    calls = []
    monkeypatch.setattr(_source, "download", lambda *call: calls.append(call) or call[0])
    monkeypatch.delenv("ORGANICS_DATA", raising=False)
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert _source.mnist_folder(None).name == "mnist"
    ((_, md5, mirrors),) = calls
    assert (md5, mirrors) == (_source.MD5, _source.MIRRORS)
    assert len(md5) == 4 and all(len(checksum) == 32 for checksum in md5.values())


def test_a_relative_folder_is_reported_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _source.mnist_folder("here") == tmp_path / "here" / "mnist"


def test_a_folder_may_be_at_home_and_a_tilde_that_names_nobody_is_part_of_the_name(
    tmp_path, monkeypatch
):
    for name in ("HOME", "USERPROFILE"):  # the latter on Windows
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert _source.mnist_folder("~/data") == tmp_path / "home" / "data" / "mnist"
    found = _source.mnist_folder("~draft-of-nobody")
    assert found == tmp_path / "~draft-of-nobody" / "mnist"


# Download


class CountingServer(ThreadingHTTPServer):
    """Serves a folder, and counts the requests."""

    def __init__(self, directory):
        self.requests = []
        super().__init__(("127.0.0.1", 0), partial(QuietHandler, directory=str(directory)))

    @property
    def mirror(self):
        return f"http://127.0.0.1:{self.server_port}/"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_request(self, code="-", size="-"):
        self.server.requests.append(self.path)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def serve(monkeypatch):
    """Starts servers, each with its own files, and stops them after the test."""
    pytest.importorskip("pooch")
    pytest.importorskip("tqdm")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers = []

    def start(directory, files):
        directory.mkdir()
        for name, content in files.items():
            (directory / name).write_bytes(content)
        servers.append(CountingServer(directory))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def dead_mirror():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        # Bound but not listening: connections are refused, and nobody else gets the port.
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/"


FILES = {"a.gz": b"first file", "b.gz": b"second file"}
REGISTRY = {name: hashlib.md5(content).hexdigest() for name, content in FILES.items()}


def downloaded(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_download_fills_the_folder_once(tmp_path, serve, capsys):
    server, cache = serve(tmp_path / "www", FILES), tmp_path / "cache" / "mnist"
    for _ in range(2):
        assert _source.download(cache, REGISTRY, (server.mirror,)) == cache
        assert downloaded(cache) == FILES
    assert server.requests == ["/a.gz", "/b.gz"]
    assert "100%" in capsys.readouterr().err, "no progress bar"


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path, serve):
    server, cache = serve(tmp_path / "www", FILES), tmp_path / "cache"
    cache.mkdir()
    (cache / "a.gz").write_bytes(b"first fi")
    _source.download(cache, REGISTRY, (server.mirror,))
    assert downloaded(cache) == FILES


def test_a_dead_first_mirror_is_passed_over(tmp_path, serve, dead_mirror):
    server, cache = serve(tmp_path / "www", FILES), tmp_path / "cache"
    _source.download(cache, REGISTRY, (dead_mirror, server.mirror))
    assert downloaded(cache) == FILES


@pytest.mark.parametrize("first", [{"a.gz": b"wrong"}, {}], ids=["corrupt", "without the file"])
def test_a_bad_first_mirror_is_passed_over(tmp_path, serve, first):
    bad, good = serve(tmp_path / "bad", first), serve(tmp_path / "good", FILES)
    _source.download(tmp_path / "cache", REGISTRY, (bad.mirror, good.mirror))
    assert downloaded(tmp_path / "cache") == FILES
    assert bad.requests == ["/a.gz", "/b.gz"]


def test_a_corrupt_download_is_refused_and_not_kept(tmp_path, serve):
    server, cache = serve(tmp_path / "www", {**FILES, "b.gz": b"tampered"}), tmp_path / "cache"
    with pytest.raises(FileNotFoundError, match=r"b\.gz.*(hash|checksum)") as caught:
        _source.download(cache, REGISTRY, (server.mirror,))
    assert str(cache / "b.gz") in str(caught.value)
    assert downloaded(cache) == {"a.gz": FILES["a.gz"]}


def test_offline_and_absent_is_a_clear_error(tmp_path, serve, dead_mirror, monkeypatch):
    pooch = pytest.importorskip("pooch")
    mirrors = (dead_mirror, f"{dead_mirror}other/")
    monkeypatch.delenv("ORGANICS_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    monkeypatch.setattr(_source, "MIRRORS", mirrors)
    with pytest.raises(FileNotFoundError) as caught:
        tasks.MNIST()
    message = str(caught.value)
    assert str(tmp_path / "organics_ode" / "mnist" / f"{IMAGES}.gz") in message
    assert_names_the_three_ways(message)
    assert all(f"{mirror}{IMAGES}.gz" in message for mirror in mirrors)


@pytest.mark.parametrize("package", ["pooch", "tqdm"])
def test_a_download_without_its_packages_says_how_to_install_them(monkeypatch, package):
    pytest.importorskip("pooch")
    pytest.importorskip("tqdm")
    monkeypatch.delenv("ORGANICS_DATA", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"`{package}`.*pip install organics_ode\[examples\]"):
        tasks.MNIST()


def test_a_bad_seed_is_named():
    with pytest.raises(ValueError, match="Argument `seed` must be an integer of at least 0, but"):
        tasks.SequentialMNIST(permuted=True, seed=-1)


# The split, on images that carry their own number


@pytest.fixture(scope="module")
def numbered_dir(tmp_path_factory):
    """Files in the shape of MNIST; image i holds i in its first two pixels and has label i % 10.

    The next two pixels are the darkest and the brightest.
    """
    root = tmp_path_factory.mktemp("numbered")
    (root / "mnist").mkdir()
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        numbers = np.arange(count)
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 0, :4] = np.stack([*divmod(numbers, 256), 0 * numbers, 0 * numbers + 255], axis=1)
        (root / "mnist" / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (root / "mnist" / f"{part}-labels-idx1-ubyte").write_bytes(
            idx((numbers % 10).astype(np.uint8))
        )
    yield root
    for path in (root / "mnist").iterdir():
        path.unlink()


@pytest.fixture(scope="module")
def numbered(numbered_dir):
    return tasks.MNIST(numbered_dir)


def image_numbers(split):
    high, low = np.rint(split.inputs.reshape(len(split.inputs), -1)[:, :2].T * 255).astype(int)
    return 256 * high + low


def test_training_images_are_split_without_overlap_or_loss(numbered):
    train, validation = image_numbers(numbered.train), image_numbers(numbered.validation)
    assert (len(train), len(validation)) == (57_000, 3_000)
    np.testing.assert_array_equal(np.sort(np.append(train, validation)), np.arange(60_000))
    assert abs(validation.mean() - 30_000) < 5 * 60_000 / np.sqrt(12 * 3_000)


def test_test_images_are_the_official_ones(numbered):
    np.testing.assert_array_equal(image_numbers(numbered.test), np.arange(10_000))


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_labels_stay_with_their_images(numbered, part):
    split = getattr(numbered, part)
    np.testing.assert_array_equal(split.targets, image_numbers(split) % 10)


def test_pixels_are_scaled_to_one(numbered):
    assert numbered.train.inputs.dtype == np.float32
    np.testing.assert_array_equal(numbered.train.inputs[:, 2], 0)
    np.testing.assert_array_equal(numbered.train.inputs[:, 3], 1)


def test_sequences_are_the_same_images_row_by_row(numbered_dir, numbered):
    rows = tasks.SequentialMNIST(numbered_dir)
    np.testing.assert_array_equal(rows.permutation, np.arange(784))
    for part in ("train", "validation", "test"):
        split, images = getattr(rows, part), getattr(numbered, part)
        assert np.array_equal(split.inputs[..., 0], images.inputs)
        np.testing.assert_array_equal(split.targets, images.targets)


def test_the_seed_sets_the_permutation_and_not_the_split(numbered_dir, numbered):
    data = tasks.SequentialMNIST(numbered_dir, permuted=True, seed=1)
    assert data.permutation.tolist() == np.random.default_rng(1).permutation(784).tolist()
    in_rows = data.validation.inputs[:, np.argsort(data.permutation), 0]
    np.testing.assert_array_equal(in_rows, numbered.validation.inputs)


# The real images


@pytest.fixture(scope="module")
def data_dir():
    beside = Path(__file__).parents[3] / "shared" / "data"
    found = os.environ.get("ORGANICS_DATA") or (beside if (beside / "mnist").is_dir() else None)
    if found is None:
        pytest.skip("MNIST is absent: set ORGANICS_DATA to the folder that holds `mnist/`.")
    return found


@pytest.fixture(scope="module")
def mnist(data_dir):
    return tasks.MNIST(data_dir)


@pytest.mark.parametrize(
    ("part", "count"), [("train", 57_000), ("validation", 3_000), ("test", 10_000)]
)
def test_real_images_have_the_shape_and_range_of_the_contract(mnist, part, count):
    inputs, targets = getattr(mnist, part)
    assert inputs.shape == (count, mnist.input_size) == (count, 784)
    assert targets.shape == (count,)
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int32)
    assert (inputs.min(), inputs.max()) == (0, 1)
    assert mnist.output_size == len(np.unique(targets))


def test_real_labels_have_the_published_counts(mnist):
    training = np.bincount(mnist.train.targets) + np.bincount(mnist.validation.targets)
    assert training.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = np.bincount(mnist.test.targets)
    assert test.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_real_classes_are_balanced_in_the_validation_part(mnist):
    training = np.bincount(mnist.train.targets) + np.bincount(mnist.validation.targets)
    share = training / training.sum()
    error = np.bincount(mnist.validation.targets) - 3_000 * share
    assert (np.abs(error) < 5 * np.sqrt(3_000 * share * (1 - share))).all()


def test_real_pixels_have_the_published_mean(mnist):
    # 0.1307 is rounded to four digits.
    total = sum(split.inputs.sum(dtype=float) for split in (mnist.train, mnist.validation))
    assert total / (60_000 * 784) == pytest.approx(0.1307, abs=5e-5)


def test_real_split_is_the_same_everywhere(mnist):
    assert mnist.validation.targets[:10].tolist() == [2, 3, 1, 0, 1, 1, 0, 3, 4, 3]


def test_real_permuted_sequences_can_be_put_in_order_again(data_dir, mnist):
    data = tasks.SequentialMNIST(data_dir, permuted=True)
    assert data.permutation[:5].tolist() == [318, 2, 606, 446, 758], "not the published order"
    np.testing.assert_array_equal(np.sort(data.permutation), np.arange(784))
    assert data.test.inputs.shape == (10_000, 784, data.input_size) == (10_000, 784, 1)
    for part, every in (("train", 20), ("validation", 1), ("test", 5)):
        split, images = getattr(data, part), getattr(mnist, part)
        in_rows = split.inputs[::every, np.argsort(data.permutation), 0]
        assert np.array_equal(in_rows, images.inputs[::every])
        np.testing.assert_array_equal(split.targets, images.targets)
    assert not np.array_equal(data.test.inputs[..., 0], mnist.test.inputs)

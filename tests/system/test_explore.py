"""The explorer in a real browser: it draws, follows its sliders, and ends with its last tab."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("bokeh", reason="bokeh is absent: pip install 'organics_ode[explore]'.")
api = pytest.importorskip("playwright.sync_api", reason="playwright is absent: pip install it.")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
if CHROMIUM is None:
    pytest.skip("No `chromium` is on the path.", allow_module_level=True)
# Of the page: all that is drawn, as one number.
PICTURE = """() => {
  const found = [];
  const look = (node) => {
    for (const each of node.querySelectorAll('*')) {
      if (each.tagName === 'CANVAS' && each.width > 0) found.push(each.toDataURL());
      if (each.shadowRoot) look(each.shadowRoot);
    }
  };
  look(document);
  const text = found.join();
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (31 * hash + text.charCodeAt(i)) | 0;
  return [found.length, hash];
}"""
STARTED = 400  # s: three circuits are compiled, beside all that the machine does
SHOWN = 60_000  # ms


@pytest.fixture(scope="module")
def explorer():
    """The process, its port, and what it has printed."""
    command = [sys.executable, "-m", "organics_ode", "explore", "--no-browser"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    printed = []
    try:
        for line in process.stdout:
            printed.append(line)
            if line.startswith("It ends"):
                break
        address = re.search(r"http://127\.0\.0\.1:(\d+)/", "".join(printed))
        assert address, printed
        yield process, int(address[1]), printed
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as play:
        shown = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield shown
        shown.close()


def opened(browser, port, complaints):
    """A tab of the explorer, drawn; what its console complains of is added to the list."""
    page = browser.new_page(viewport={"width": 1600, "height": 640})
    page.set_default_timeout(SHOWN)
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.extend(_from_elsewhere(request.url)))
    page.goto(f"http://127.0.0.1:{port}/")
    page.get_by_text("Phase portrait.").wait_for()
    return page


def _from_elsewhere(url):
    parts = urlsplit(url)
    is_here = parts.scheme in ("data", "blob") or parts.hostname == "127.0.0.1"
    return [] if is_here else [f"asks for {url}"]


def changed(page, before):
    """The next picture that differs from the one before."""
    for _ in range(100):
        page.wait_for_timeout(200)
        now = page.evaluate(PICTURE)
        if now != before:
            return now
    raise AssertionError("The picture stays as it was.")


def test_the_page_is_served_to_this_machine_alone(explorer):
    _, port, _ = explorer
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        pass
    # Another address of this machine, as others on its network see it; 127.0.0.2 is one, too.
    others = {"127.0.0.2"} if sys.platform == "linux" else set()
    others |= set(socket.gethostbyname_ex(socket.gethostname())[2]) - {"127.0.0.1"}
    for other in others:
        with pytest.raises(OSError), socket.create_connection((other, port), timeout=10):
            pass


def test_tabs_follow_their_sliders_and_the_server_ends_with_the_last(explorer, browser):
    process, port, _ = explorer
    complaints = []
    page = opened(browser, port, complaints)
    seen = [page.evaluate(PICTURE)]
    assert seen[0][0] >= 5  # canvases
    for name, word in (
        ("Normalization", "W_r = I"),
        ("Gamma peak", "Power of y is highest at"),
        ("Wilson-Cowan cycle", "No stable fixed point"),
    ):
        page.get_by_text(name, exact=True).first.click()
        page.get_by_text(word).first.wait_for()
        seen.append(changed(page, seen[-1]))
    assert len({picture for _, picture in seen}) == 4

    # From the keyboard: the input falls until the cycle has ended in a stable point.
    page.locator(".noUi-handle").first.focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    page.get_by_text("stable node").first.wait_for()
    changed(page, seen[-1])

    second = opened(browser, port, complaints)
    assert second.get_by_text("No stable fixed point").count() == 0  # its sliders are its own
    page.get_by_text("Show the Python").click()
    code = page.get_by_text("import organics_ode as oo").first
    code.wait_for()
    compile(code.inner_text(), "shown", "exec")
    page.close()
    before = second.evaluate(PICTURE)
    second.locator(".noUi-handle").first.focus()
    second.keyboard.press("ArrowRight")
    changed(second, before)
    assert process.poll() is None and complaints == []
    second.close()
    assert process.wait(timeout=120) == 0
    assert "The explorer has ended." in process.stdout.read()

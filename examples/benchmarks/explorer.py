"""How fast the explorer follows a slider: from the key that moves it to the last line drawn.

In a headless Chromium, a key moves the first slider of each preset by a step, and the page itself
measures the time until the last drawing on any of its canvases. `--pictures FOLDER` also writes
screenshots of three presets.

    python examples/benchmarks/explorer.py [--rounds 20 --json rows.json]
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from _measure import machine, print_machine, print_table
from playwright.sync_api import sync_playwright

PRESETS = ("Phase portrait", "Memory", "Normalization", "Gamma peak", "Wilson-Cowan cycle")
PICTURES = {"Phase portrait": "phase", "Normalization": "normalization", "Gamma peak": "gamma"}
QUIET = 400  # ms without any drawing after which the picture is done
# Records when a key is pressed, and when anything was last drawn.
WATCH = """
window.seen = {key: 0, drawn: 0};
const now = () => performance.now();
document.addEventListener('keydown', () => { seen.key = now(); }, true);
for (const name of ['stroke', 'fill', 'fillText', 'drawImage', 'fillRect', 'clearRect']) {
  const prototype = CanvasRenderingContext2D.prototype, draw = prototype[name];
  prototype[name] = function (...args) { seen.drawn = now(); return draw.apply(this, args); };
}
"""
DONE = f"() => seen.drawn > seen.key && performance.now() - seen.drawn > {QUIET}"


def served():
    """The process of the explorer, its address, and the seconds until it served."""
    command = [sys.executable, "-m", "organics_ode", "explore", "--no-browser"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        print(line, end="", file=sys.stderr)
        if "http://" in line:
            return process, line.split()[-1], time.perf_counter() - start
    raise RuntimeError("The explorer did not start.")


def latencies(page, rounds):
    """Milliseconds for the moves of the first slider, after one that is not counted."""
    handle, found = page.locator(".noUi-handle").first, []
    for i in range(rounds + 1):
        handle.focus()
        page.keyboard.press("ArrowRight" if i % 2 == 0 else "ArrowLeft")
        page.wait_for_function(DONE, timeout=30_000)
        found.append(page.evaluate("seen.drawn - seen.key"))
    return found[1:]


def summary(found):
    ordered = sorted(found)
    ninth = ordered[min(len(ordered) - 1, round(0.9 * len(ordered)))]
    numbers = {"median_ms": statistics.median(found), "p90_ms": ninth, "max_ms": ordered[-1]}
    return {name: round(value, 1) for name, value in numbers.items()} | {"moves": len(found)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="moves of each slider")
    parser.add_argument("--json", type=Path, help="a file for the results")
    parser.add_argument("--pictures", type=Path, help="a folder for screenshots")
    args = parser.parse_args()
    process, address, started = served()
    try:
        with sync_playwright() as play:
            path = shutil.which("chromium")
            browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1600, "height": 640})
            page.add_init_script(WATCH)
            page.goto(address)
            page.wait_for_selector(".noUi-handle", timeout=60_000)
            rows = []
            for name in PRESETS:
                page.get_by_text(name, exact=True).first.click()
                page.wait_for_timeout(2000)
                if args.pictures and name in PICTURES:
                    page.screenshot(path=args.pictures / f"explore_{PICTURES[name]}.png")
                if args.rounds:
                    rows.append({"preset": name} | summary(latencies(page, args.rounds)))
            version = browser.version
            browser.close()
        process.wait(timeout=60)
    finally:
        process.kill()
    facts = machine("jax", "bokeh", "organics_ode") | {"chromium": version}
    print_machine(facts)
    names = list(rows[0]) if rows else []
    print_table(names, [row.values() for row in rows])
    print(f"served after {started:.1f} s")
    if args.json:
        record = {"machine": facts, "rows": rows, "served_s": round(started, 1)}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

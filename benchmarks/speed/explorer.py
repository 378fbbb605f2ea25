"""How soon the explorer shows what was changed: milliseconds from a key press to the new list, as a JSON line.

Example: python -m benchmarks.speed.explorer -m config.yaml
Example: python -m benchmarks.speed.explorer -m config.yaml --image docs/images/explorer.png

Opens the page of a running server in headless Chromium, moves the slider of lambda and switches an interest by the
keyboard, and takes the time in the page; needs the extras explorer and browser, and chromium. --image keeps a picture.
"""

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tools.common.errors import UserError, command
from tools.config.arguments import add_arguments, positive

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
CHANGES = {"[aria-label='range slider for Variety (lambda)']": 15 * ["ArrowRight"], "#switch-0-0": 10 * ["Space"]}
# A change is shown when lambda or the number of interests that are not used is another.
WATCH = """() => {
  const shown = () => document.querySelector(".facts b").textContent + document.querySelectorAll("article.off").length
  let before = shown(), start
  window.spent = []
  addEventListener("keydown", () => { start = performance.now() }, true)
  new MutationObserver(() => {
    if (!document.querySelector(".facts b") || shown() === before) return
    before = shown()
    spent.push(performance.now() - start)
  }).observe(document.body, { childList: true, subtree: true, characterData: true })
}"""


@command
def main(argv=None):
    """Start the explorer, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--image", type=Path, metavar="FILE", help="*.png to write")
    parser.add_argument("--width", type=positive, default=1280, help="of the window; default: 1280")
    parser.add_argument("--height", type=positive, default=1000, help="default: 1000")
    parser.add_argument("--port", type=positive, default=7860, help="default: 7860")
    args = parser.parse_args(argv)
    missing = [name for name in ("gradio", "playwright") if find_spec(name) is None]
    chromium = shutil.which("chromium")
    if missing or chromium is None:
        raise UserError("a browser is needed: pip install '.[explorer,browser]' and apt-get install chromium")
    server, address = start(args)
    try:
        spent = measure(chromium, address, args)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
    row = {"changes": len(spent), "median_ms": round(np.median(spent)), "max_ms": round(max(spent))}
    print(json.dumps(row | {"gradio": version("gradio"), "date": date.today().isoformat()}))


def start(args):
    """The running explorer and its address."""
    options = ["-o", *args.opt] if args.opt else []
    words = [sys.executable, "-m", "tools.explorer", "-m", args.config_yaml, *options, "--port", str(args.port)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    found = re.search(r"http://\S+(?=;)", server.stdout.readline())
    if not found:
        raise UserError("the explorer did not start; it says why above")
    return server, found[0]


def measure(chromium, address, args) -> list[float]:
    """Milliseconds of each change."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": args.width, "height": args.height})
        page.goto(address)
        page.wait_for_selector("table.merged")
        page.wait_for_timeout(1000)  # Gradio is still at work
        page.evaluate(WATCH)
        done = 0
        for name, keys in CHANGES.items():
            page.locator(name).focus()
            for key in keys:
                page.keyboard.press(key)
                done += 1
                page.wait_for_function(f"spent.length == {done}")
        if args.image:
            page.evaluate("document.activeElement.blur()")
            page.screenshot(path=args.image)
            Image.open(args.image).quantize().save(args.image, optimize=True)  # 256 colours are enough for a page
        return page.evaluate("spent")


if __name__ == "__main__":
    main()

"""Make the pictures of docs/annotate.md as a new user would; print the seconds of each step.

    PYTHONPATH=tests python tools/make_annotate_pictures.py my-exemplar

The folder must not exist yet: the first start is one of the steps. What follows, down to verified
shards, lies beside it. Wants Chromium with its chromedriver, as the page's tests do.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotate_browser import Browser
from annotate_server import Server
from selenium.webdriver import Keys

PICTURES = Path(__file__).parent.parent / "docs" / "images"
Place = tuple[float, float]
"""Column and row of the scan, in pixels."""

# Where things lie on the scans to label; true of the present bundled generator only.
SCAN = 64
TRAY: tuple[Place, ...] = (
    *((3, 8.5), (20, 7), (40, 5.2), (56, 4.6), (60, 6.3), (62.5, 10), (63.5, 30), (63.5, 45)),
    *((62.5, 53.5), (59, 56), (40, 57.8), (20, 59), (6, 59.2), (3, 57.5), (2, 45), (0.5, 25)),
    (0.7, 11),
)
BLOCK: tuple[Place, ...] = ((36.5, 18.5), (50.5, 14.5), (45.5, 20.5), (48.5, 20.5))
BAR = (20.5, 38.5)
DEVICE: tuple[Place, ...] = ((34, 25.5), (55, 24), (58, 25), (58, 40), (56.5, 44.5), (36.3, 46.5))
SECOND_SCAN = 50
SECOND_TRAY: tuple[Place, ...] = (
    *((0.5, 15), (8, 12.5), (30, 9.5), (54, 6), (58, 7), (60, 12), (63, 45), (62, 49)),
    *((55, 52), (30, 57), (8, 60), (5, 57), (2, 40)),
)
SECOND_BLOCK: tuple[Place, ...] = (
    *((20, 19), (33, 17), (55, 16.5), (56, 20), (57.5, 40), (55, 42), (36, 43.5), (25, 40)),
)
SECOND_BAR: tuple[Place, ...] = (
    *((13, 28), (15, 28), (19, 33), (25, 39), (34, 38.5), (36, 40.5), (33, 43), (28, 43)),
    *((27, 46), (24.5, 46), (18, 38), (13, 31.5)),
)


@contextmanager
def told(step: str) -> Iterator[None]:
    """Print the wall-clock seconds of a step."""
    started = time.monotonic()
    yield
    print(f"{time.monotonic() - started:7.1f} s  {step}", flush=True)


def picture(page: Browser, name: str) -> None:
    """Keep what the browser shows."""
    (PICTURES / f"annotate-{name}.png").write_bytes(page.driver.get_screenshot_as_png())


def fill(page: Browser, class_key: str, *places: Place) -> None:
    """Label the groups at some places."""
    page.keys("f", class_key)
    for place in places:
        page.drag(place)


def outline(page: Browser, class_key: str, *places: Place) -> None:
    """Label a polygon."""
    corners(page, class_key, *places)
    page.keys("c")


def corners(page: Browser, class_key: str, *places: Place) -> None:
    """Click the corners of a polygon, without closing it."""
    page.keys("p", class_key)
    for place in places:
        page.drag(place)


def label(page: Browser) -> None:
    """Label the scan; keep a picture of it half done."""
    page.take(SCAN)
    page.keys("n", "electronics", Keys.ENTER)
    page.wait("return document.querySelectorAll('.class').length === 5")
    outline(page, "1", *TRAY)
    fill(page, "2", *BLOCK)
    page.keys("]", "]")  # Fine groups: the bar is one of them.
    fill(page, "3", BAR)
    corners(page, "4", *DEVICE)
    page.wait(lambda: page.server.labels(SCAN).max() == 3)
    picture(page, "label")
    page.keys("c")
    page.wait(lambda: page.server.labels(SCAN).max() == 4)


def label_second(page: Browser) -> None:
    """Label the scan that shows what the first lacks: a large organic block."""
    page.take(SECOND_SCAN)
    outline(page, "1", *SECOND_TRAY)
    outline(page, "2", *SECOND_BLOCK)
    outline(page, "3", *SECOND_BAR)
    page.wait(lambda: page.server.labels(SECOND_SCAN).max() == 3)


def learn(page: Browser) -> None:
    """Learn on the page and wait for the fresh scans."""
    page.keys("l")
    page.wait(lambda: page.says().startswith("learned from"))
    page.wait(
        "return [...document.querySelectorAll('.results canvas')].filter(c => c.width > 9)"
        ".length === 6"
    )
    print(f"           the page says: {page.says()}")


def save(page: Browser) -> None:
    """Save the exemplar."""
    page.control("s")
    page.wait(lambda: page.says().startswith("saved"))


def on_the_page(folder: Path) -> None:
    """Start the command, label, learn and save in a browser."""
    with told("annotate: the first start, until the address is printed"):
        server = Server(folder)
    try:
        with tempfile.TemporaryDirectory() as profile:
            with told("the page opens"):
                page = Browser(server, Path(profile))
            picture(page, "start")
            with told("labelling, by a program that knows where to click"):
                label(page)
            with told("labelling a second one"):
                label_second(page)
                page.take(SCAN)
            with told("Learn, and six fresh scans labelled"):
                learn(page)
            picture(page, "learn")
            with told("Save"):
                save(page)
            page.driver.quit()
    finally:
        server.stop()


def to_shards(folder: Path) -> None:
    """Go from the exemplar to verified shards by the commands of docs/annotate.md."""
    head, shards = "segmenter.safetensors", "my-shards"
    source = ("--gan", "bundled")
    for words in (
        ("learn", *source, "--exemplar", folder.name, "--out", head),
        ("export", *source, "--segmenter", head, "--count", "1000", "--out", shards),
        ("verify", shards),
    ):
        with told(f"xraysynth {' '.join(words)}"):
            command = [sys.executable, "-m", "xraysynth", *words]
            subprocess.run(command, cwd=folder.parent, check=True, capture_output=True)


def main() -> None:
    """Read the command line; go through everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True)
    with told("all of it"):
        on_the_page(folder)
        to_shards(folder)


if __name__ == "__main__":
    main()

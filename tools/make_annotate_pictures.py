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
SCAN = 47
TRAY: tuple[Place, ...] = (
    *((1, 9), (3, 7), (30, 6), (60, 6.5), (62.5, 9), (63, 30), (63, 50), (61, 56)),
    *((30, 57.5), (6, 57.8), (2, 54), (0.8, 40)),
)
BLOCK: tuple[Place, ...] = ((40.3, 25), (59.2, 25.2), (59.5, 48.3), (41, 48.3))
BAR: tuple[Place, ...] = ((21.5, 34.5), (28.5, 19.5), (13.5, 49))
DEVICE: tuple[Place, ...] = ((39.2, 14), (57.5, 13.6), (58.2, 21.5), (41, 21.3), (39.2, 17))
SECOND_SCAN = 124
SECOND_TRAY: tuple[Place, ...] = (
    *((2, 8), (5, 6.5), (40, 5.3), (58, 5), (62, 8), (63, 30), (63, 50), (60, 54)),
    *((30, 55.5), (8, 55.8), (3, 53), (1.5, 30)),
)
SECOND_BLOCK: tuple[Place, ...] = (
    *((32.7, 13), (55.7, 12.2), (57, 20), (58.8, 29), (58.2, 44.3), (36.8, 44.3)),
)
SECOND_BAR: tuple[Place, ...] = (
    *((25.2, 16.5), (26.8, 16.8), (25.5, 24), (22.5, 30)),
    *((21, 39.5), (19.5, 39.3), (20.5, 31), (23.5, 24)),
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
    outline(page, "2", *BLOCK)
    page.keys("f", "]", "]")  # Fine groups: the bar is one of them.
    fill(page, "3", *BAR)
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

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
SCAN = 112
TRAY: tuple[Place, ...] = (
    *((2, 8), (5, 5), (30, 6), (58, 7), (62.5, 9.5), (62, 30), (60, 52)),
    *((57, 53.5), (30, 52), (4, 49), (1, 45), (1.2, 25)),
)
BLOCKS: tuple[tuple[Place, ...], ...] = (
    ((11.5, 23), (21.5, 23.8), (21, 36.8), (7.5, 36), (8.5, 32.5), (12, 30)),
    ((15.3, 13.5), (18.3, 14), (17.3, 20), (13.5, 19.7)),
    ((24, 31), (33, 32), (39.8, 38), (39, 39), (24, 36.8)),
)
BAR: tuple[Place, ...] = ((40, 25.7), (47, 21.5), (52.5, 18.8), (33, 29))
SECOND_SCAN = 55
SECOND_TRAY: tuple[Place, ...] = (
    *((1.5, 14), (30, 9.5), (52, 6.2), (57, 6.2), (60.5, 9), (63, 30), (62.5, 47)),
    *((60, 49.5), (35, 52.5), (8, 57.5), (4.5, 56), (2.5, 40)),
)
SECOND_BLOCKS: tuple[tuple[Place, ...], ...] = (
    ((28, 26), (37.5, 25.5), (39, 29), (42, 40), (38, 45.5), (29, 45.5)),
    ((8, 28.5), (22, 28.2), (22, 44), (14, 48.5), (11.5, 47)),
    ((28, 16), (33.5, 14.5), (34, 21), (30, 22.3), (28, 20)),
    ((7.3, 20), (10, 19), (11, 21.5), (9.5, 23.5), (7.5, 22.5)),
    ((17, 18.5), (20.5, 17.2), (20.3, 20), (18, 20.8)),
)
DEVICE: tuple[Place, ...] = (
    *((48, 26), (50, 23.8), (58.7, 23), (58.5, 34)),
    *((53, 36), (49.3, 35), (49, 31), (48, 29.5)),
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
    outline(page, "1", *TRAY)
    page.keys("f", "]", "]")  # Fine groups: the bar is some of them.
    fill(page, "3", *BAR)
    page.wait(lambda: page.server.labels(SCAN).max() == 3)
    *first, last = BLOCKS
    for block in first:
        outline(page, "2", *block)
    corners(page, "2", *last)
    picture(page, "label")
    page.keys("c")


def label_second(page: Browser) -> None:
    """Label the scan that shows what the first lacks: a device."""
    page.take(SECOND_SCAN)
    page.keys("n", "electronics", Keys.ENTER)
    page.wait("return document.querySelectorAll('.class').length === 5")
    outline(page, "1", *SECOND_TRAY)
    for block in SECOND_BLOCKS:
        outline(page, "2", *block)
    outline(page, "4", *DEVICE)
    page.wait(lambda: page.server.labels(SECOND_SCAN).max() == 4)


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

"""The page in a real browser: draw, learn, see masks, save, reload, restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotate_browser import CHROMIUM, DRIVER, Browser
from annotate_server import SCANS, Server, quick_folder
from scipy import ndimage
from skimage.draw import polygon2mask

from xraysynth.cli import main
from xraysynth.gan.checkpoint import load_generator
from xraysynth.gan.sampling import EXPORTED_PSI
from xraysynth.oneshot.annotate.runs import label_map_from
from xraysynth.oneshot.annotate.start import open_desk
from xraysynth.oneshot.exemplar_folder import load_exemplars
from xraysynth.oneshot.segmenter import load_segmenter

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with its chromedriver here"),
    # Selenium leaves its own sockets to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(quick_folder(tmp_path_factory.mktemp("annotate")))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def page(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(server, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.driver.quit()


def square(x0: int, y0: int, x1: int, y1: int, value: int) -> np.ndarray:
    labels = np.zeros((64, 64), np.uint8)
    labels[y0:y1, x0:x1] = value
    return labels


def test_a_polygon_labels_the_pixels_inside_and_undo_takes_it_back(page: Browser) -> None:
    index = page.take(SCANS[0])
    page.keys("p", "3")
    for corner in ((10, 12), (20, 12), (20, 18), (10, 18)):
        page.drag(corner)
    page.keys("c")
    page.labels(index, square(10, 12, 20, 18, 3))
    assert page.counts() == [64 * 64 - 60, 0, 0, 60]
    page.control("z")
    page.labels(index, square(0, 0, 0, 0, 0))
    page.control("y")
    page.labels(index, square(10, 12, 20, 18, 3))


def test_brush_and_eraser_follow_the_pointer(page: Browser) -> None:
    index = page.take(SCANS[1])
    page.keys("b", "2", "[", "[")  # A brush of one pixel.
    page.drag((5.5, 7.5), (15.5, 7.5))
    page.labels(index, square(5, 7, 16, 8, 2))
    page.keys("e")
    page.drag((14.5, 7.5), (20.5, 7.5))
    page.labels(index, square(5, 7, 14, 8, 2))
    page.keys("u", "u")
    page.labels(index, square(0, 0, 0, 0, 0))


def test_fill_labels_the_whole_group_at_the_pixel(page: Browser, server: Server) -> None:
    index = page.take(SCANS[2])
    page.keys("f", "1")
    desk = open_desk(load_generator("bundled"), server.folder, 0)
    for level, steps in ((0, ""), (1, "]"), (2, "]")):
        page.keys(*steps)
        groups = desk.scans[2].groups[level]
        parts, _ = ndimage.label(groups == groups[30, 40])
        page.drag((40.5, 30.5))
        page.labels(index, (parts == parts[30, 40]).astype(np.uint8))
        page.control("z")
    assert len(np.unique(desk.scans[2].groups[2])) > len(np.unique(desk.scans[2].groups[0]))


def test_the_page_paints_as_skimage_and_scipy_do(page: Browser) -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        corners = rng.uniform(-5, 45, (7, 2))
        values = rng.integers(0, 3, (30, 40))
        painted = page.driver.execute_async_script(
            "const [corners, values, done] = arguments;"
            "import('xraysynth-annotate').then(m => {"
            " const labels = new Uint8Array(1200); m.fillPolygon(labels, 40, 30, corners, 2);"
            " const region = m.regionAt(Uint8Array.from(values), 40, 30, 20, 15);"
            " done({ runs: m.encodeRuns(labels), region,"
            "  again: [...m.decodeRuns(m.encodeRuns(Uint8Array.from(values)), 1200)] }); })",
            corners.tolist(),
            values.ravel().tolist(),
        )
        expected = polygon2mask((30, 40), corners[:, ::-1] - 0.5)
        assert np.array_equal(label_map_from(painted["runs"], (30, 40), 3) == 2, expected)
        parts, _ = ndimage.label(values == values[15, 20])
        assert sorted(painted["region"]) == np.flatnonzero(parts == parts[15, 20]).tolist()
        assert painted["again"] == values.ravel().tolist()


def test_labels_are_kept_while_it_learns(page: Browser) -> None:
    index = page.take(SCANS[4])
    page.keys("b", "2", "[", "[")
    page.keys("l")
    page.wait(lambda: page.says() == "Learning …" or page.says().startswith("learned"))
    page.drag((5.5, 9.5), (9.5, 9.5))
    page.labels(index, square(5, 9, 10, 10, 2))
    page.wait(lambda: not page.run("return document.querySelector('[data-do=learn]').disabled"))
    page.control("z")
    page.labels(index, square(0, 0, 0, 0, 0))


def test_everything_can_be_done_by_keyboard(page: Browser) -> None:
    from selenium.webdriver import Keys

    index = page.take(SCANS[3])
    page.run("document.querySelector('.stage canvas').focus()")
    page.run("document.querySelector('.new-class input').value = ''")
    # From corner to corner by arrows; C closes.
    page.keys("p", "2", Keys.ENTER, *[Keys.ARROW_RIGHT] * 6, Keys.SPACE)
    page.keys(*[Keys.ARROW_DOWN] * 4, Keys.ENTER, *[Keys.ARROW_LEFT] * 6, Keys.ENTER, "c")
    page.labels(index, square(32, 32, 38, 36, 2))
    page.keys("n", "pocket knife", Keys.ENTER)
    page.wait(lambda: page.server.work()["classes"][-1] == "pocket knife")
    page.wait("return document.querySelectorAll('.class').length === 5")
    page.keys("4", "b", Keys.ARROW_UP, Keys.ENTER)
    page.wait(lambda: bool((page.server.labels(index) == 4).any()))
    assert page.run("return document.querySelector('.class.chosen .name').textContent") == (
        "pocket knife"
    )


def test_a_class_that_tables_cannot_hold_is_refused_in_words(page: Browser) -> None:
    from selenium.webdriver import Keys

    page.keys("n", "knife, gun", Keys.ENTER)
    page.wait(lambda: "is no class name" in page.says())


def test_learning_shows_fresh_scans_with_their_masks(page: Browser) -> None:
    page.take(SCANS[1])
    page.keys("p", "1")
    for corner in ((8, 16), (56, 16), (56, 48), (8, 48)):
        page.drag(corner)
    page.keys("c")
    page.labels(SCANS[1], square(8, 16, 56, 48, 1))  # All scans hold a bag.
    page.take(SCANS[0])
    page.keys("l")
    page.wait(lambda: page.says().startswith("learned from"))
    page.wait(
        "return [...document.querySelectorAll('.results canvas')].filter(c => c.width > 9)"
        ".length === 6"
    )
    drawn = "return [...document.querySelectorAll('.results canvas')].map(c => c.toDataURL())"
    labelled = page.run(drawn)
    page.run(
        "[...document.querySelectorAll('.lesson button')].find("
        "b => b.textContent === 'Hide labels').click()"
    )
    # A fresh scan may hold none of what was labelled: then there is nothing to hide on it.
    page.wait(lambda: labelled != page.run(drawn))
    first = page.run("return document.querySelector('.results b').textContent")
    page.press("[data-do=more]")
    page.wait(f"return document.querySelector('.results b').textContent !== '{first}'")


def test_a_fresh_scan_can_be_corrected(page: Browser) -> None:
    number = page.run("return document.querySelector('.results b').textContent")
    page.press(".results button")
    page.wait(
        f"return document.querySelector('.editor').dataset.ready === '0-{number}-{EXPORTED_PSI}'"
    )
    assert len(page.server.work()["scans"]) == len(SCANS) + 1
    page.wait(lambda: page.counts()[0] == int((page.server.labels(int(number)) == 0).sum()))


def test_saving_writes_exemplars_that_learn_reads(page: Browser, tmp_path: Path) -> None:
    folder = page.server.folder
    page.take(SCANS[0])
    page.control("s")
    page.wait(lambda: page.says().startswith("saved"))
    exemplars = load_exemplars(folder, load_generator("bundled"))
    assert exemplars[0].scan is not None
    assert exemplars[0].scan.index == SCANS[0]
    assert exemplars[0].class_names == ("background", "metal")
    labels = page.server.labels(SCANS[0])
    assert np.array_equal(exemplars[0].label_map * 3, labels)
    out = tmp_path / "segmenter.safetensors"
    words = ["learn", "--gan", "bundled", "--exemplar", str(folder), "--out", str(out)]
    quick = ["--set", "cluster.steps=1", "--set", "cluster.images=1", "--set", "head.steps=3"]
    assert main([*words, *quick, "--set", "cluster.statistics_images=2"]) == 0
    assert {"metal", "organic", "pocket knife"} <= set(load_segmenter(out).class_names)
    assert len(load_segmenter(out).facts.exemplar_ids) == len(exemplars)


def test_a_reload_shows_the_work_and_takes_the_page_over(page: Browser) -> None:
    before, tiles = (
        page.counts(),
        page.run("return document.querySelectorAll('.results li').length"),
    )
    assert before[3] == 60
    page.driver.refresh()
    page.wait("return !!document.querySelector('.editor[data-ready]')")
    page.wait(lambda: page.counts() == before)
    page.wait(f"return document.querySelectorAll('.results li').length === {tiles}")


def test_the_last_tab_that_was_opened_edits(page: Browser) -> None:
    index = page.take(SCANS[4])
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open()
    page.driver.switch_to.window(first)
    page.wait(lambda: "opened again elsewhere" in page.says())
    page.keys("f", "1")
    page.drag((30.5, 30.5))
    page.driver.switch_to.window(page.driver.window_handles[-1])
    assert not page.server.labels(index).any()
    page.keys("b", "2", "[", "[")
    page.drag((5.5, 9.5), (9.5, 9.5))
    page.labels(index, square(5, 9, 10, 10, 2))
    page.driver.close()
    page.driver.switch_to.window(first)
    page.open()


def test_every_control_has_a_name_and_nothing_comes_from_elsewhere(page: Browser) -> None:
    nameless = page.run(
        "return [...document.querySelectorAll('button, input, canvas, [role]')].filter(e =>"
        " !e.closest('#popup') && e.offsetParent && !(e.getAttribute('aria-label') ||"
        " e.textContent.trim() || e.labels?.length || e.getAttribute('aria-labelledby')))"
        ".map(e => e.outerHTML)"
    )
    assert nameless == []
    elsewhere = page.run(
        "return performance.getEntriesByType('resource').map(e => e.name)"
        ".filter(u => !u.startsWith(location.origin) && !u.startsWith('data:'))"
    )
    assert elsewhere == []
    log: list[dict[str, Any]] = page.driver.get_log("browser")  # type: ignore[no-untyped-call]
    troubles = [line for line in log if line["level"] == "SEVERE"]
    assert troubles == []


def test_a_restart_shows_the_work(page: Browser, server: Server) -> None:
    before = page.counts()
    folder = server.folder
    assert server.stop() == 130
    again = Server(folder)
    try:
        page.server = again
        page.open()
        page.wait(lambda: page.counts() == before)
    finally:
        again.stop()
    assert [line for line in again.noise if "Traceback" in line] == []

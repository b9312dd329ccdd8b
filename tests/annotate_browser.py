"""A headless Chromium on the page of `xraysynth annotate`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from annotate_server import PATIENCE_S, Server

from xraysynth.gan.sampling import EXPORTED_PSI

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
DRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--window-size=1440,1040"),
)


class Browser:
    """A headless Chromium on the page."""

    def __init__(self, server: Server, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.server = server
        self.driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        self.open()

    def open(self) -> None:
        """Open the address that the command has printed."""
        self.driver.get(self.server.address)
        self.wait("return !!document.querySelector('.editor[data-ready]')")

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def wait(self, condition: str | Callable[[], bool]) -> None:
        """Wait until a script or a function says so."""
        deadline = time.monotonic() + PATIENCE_S
        while not (self.run(condition) if isinstance(condition, str) else condition()):
            assert time.monotonic() < deadline, f"waited in vain: {condition}"
            time.sleep(0.05)

    def keys(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def control(self, key: str) -> None:
        from selenium.webdriver import ActionChains, Keys

        chain = ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(key)
        chain.key_up(Keys.CONTROL).perform()

    def press(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def drag(self, *points: tuple[float, float]) -> None:
        """Press at the first point of the scan, move over the others, let go."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.by import By

        canvas = self.driver.find_element(By.CSS_SELECTOR, ".stage canvas")
        box = canvas.rect
        scale = min(box["width"], box["height"]) // 64
        chain = ActionChains(self.driver, duration=20)
        for number, (x, y) in enumerate(points):
            place = round((x - 32) * scale), round((y - 32) * scale)
            chain.move_to_element_with_offset(canvas, *place)
            if number == 0:
                chain.click_and_hold()
        chain.release().perform()

    def take(self, index: int) -> int:
        """Choose the scan of a number from the row; return the number."""
        self.press(f'[data-scan="0-{index}-{EXPORTED_PSI}"]')
        self.wait(
            f"return document.querySelector('.editor').dataset.ready === '0-{index}-{EXPORTED_PSI}'"
        )
        return index

    def labels(self, index: int, expected: np.ndarray) -> None:
        """Check that the server keeps these labels, now or soon."""
        try:
            self.wait(lambda: np.array_equal(self.server.labels(index), expected))
        except AssertionError:
            np.testing.assert_array_equal(self.server.labels(index), expected)

    def counts(self) -> list[int]:
        script = "return [...document.querySelectorAll('.class .count')].map(e => +e.textContent)"
        return list(self.run(script))

    def says(self) -> str:
        return str(self.run("return document.querySelector('.says').textContent"))

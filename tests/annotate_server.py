"""Runs `xraysynth annotate` for tests: a process of its own, its address, and what it has kept."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from xraysynth.gan.checkpoint import generator_hash, load_generator
from xraysynth.gan.sampling import EXPORTED_PSI
from xraysynth.oneshot.annotate.desk import FIRST_CLASSES
from xraysynth.oneshot.annotate.runs import label_map_from
from xraysynth.oneshot.annotate.work import Work, WorkScan, save_work
from xraysynth.oneshot.exemplar import ScanNumber

PATIENCE_S = 60


SCANS = (9, 15, 100, 87, 76, 97)
"""Numbers of the scans on the desk, in its order."""


def quick_folder(folder: Path) -> Path:
    """Return a folder with scans chosen: a start takes seconds."""
    generator = load_generator("bundled")
    empty = np.zeros((64, 64), np.uint8)
    numbers = [ScanNumber(seed=0, index=index, truncation_psi=EXPORTED_PSI) for index in SCANS]
    work = Work(
        generator=generator_hash(generator),
        classes=FIRST_CLASSES,
        current=0,
        scans=tuple(WorkScan.of(number, empty, "24 of 24 groups") for number in numbers),
    )
    save_work(folder, work)
    return folder


class Server:
    """One run of the command."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "xraysynth", "annotate", "--gan", "bundled"),
                *("--out", folder.name, "--port", str(port)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder.parent,
            env=environment,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("open http://"):
            raise AssertionError(self.process.communicate(timeout=PATIENCE_S)[1])
        self.address = line.split()[1]
        self.noise: list[str] = []
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()
        parts = urlsplit(self.address)
        assert parts.port is not None
        self.port = parts.port
        self.token = parse_qs(parts.query)["token"][0]

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.noise.append(line)

    def stop(self) -> int:
        """Interrupt it as Ctrl-C does and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=PATIENCE_S)
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return status

    def ask(self, head: str, *, host: str | None = None) -> bytes:
        """Send raw bytes of one request and return the first of the answer."""
        host = f"127.0.0.1:{self.port}" if host is None else host
        lines = [head.split("\n")[0], *([f"Host: {host}"] if host else []), *head.split("\n")[1:]]
        request = "\r\n".join([*lines, "", ""]).encode("latin-1")
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(request)
            return connection.recv(4096)

    @property
    def cookie(self) -> str:
        """Return the header with which the page's own requests come."""
        return f"Cookie: xraysynth-{self.port}={self.token}"

    def work(self) -> dict[str, Any]:
        """Return what is kept."""
        return dict(json.loads((self.folder / "annotate.json").read_text()))

    def labels(self, index: int) -> np.ndarray:
        """Return the labels (64, 64) that are kept of the scan of a number."""
        work = self.work()
        runs = next(scan["labels"] for scan in work["scans"] if scan["index"] == index)
        return label_map_from(runs, (64, 64), len(work["classes"]))

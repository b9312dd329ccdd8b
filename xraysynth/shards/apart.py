"""Check the contents of an export in another process, which may die or hang of what it opens.

Random bytes can crash HDF5 or catch it in an endless loop (seen in `H5HG__cache_heap_deserialize`,
HDF5 2.0). The process is then ended, the file it was at gets a finding, and another process goes on
without that file.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import xraysynth
from xraysynth.progress import Progress
from xraysynth.shards.contents import ContentsTask
from xraysynth.shards.findings import Finding
from xraysynth.shards.manifest import TABLES, Manifest

MOST_DEATHS = 5
SECONDS = 120.0
"""For one file, and one more for each MiB of it."""


def check_apart(
    folder: Path, manifest: Manifest, faulty: list[Finding], progress: Progress
) -> list[Finding]:
    """Return what is wrong inside the shards, and between shards and tables.

    Parameters
    ----------
    folder : of the export
    manifest : of the export
    faulty : what is wrong with files as a whole
    progress : called after each shard
    """
    changed = [finding.file for finding in faulty if finding.code == "file-hash"]
    closed = [finding.file for finding in faulty if finding.code != "file-hash"]
    deaths: list[Finding] = []
    while True:
        task = ContentsTask(folder=str(folder.absolute()), changed=changed, closed=closed)
        findings, death = _run(task, manifest, progress)
        if death is None:
            return findings + deaths
        deaths.append(death)
        if len(deaths) == MOST_DEATHS or death.file in closed:
            return findings + deaths
        closed = [*closed, death.file]


def _run(
    task: ContentsTask, manifest: Manifest, progress: Progress
) -> tuple[list[Finding], Finding | None]:
    """Return the findings of one process, and what it died of."""
    shards = [shard.name for shard in manifest.shards]
    findings: list[Finding] = []
    with _process(task) as lines:
        for step, name in enumerate([TABLES, *shards, TABLES]):
            try:
                line = lines.get(timeout=_patience(Path(task.folder) / name))
                findings += [Finding(**finding) for finding in json.loads(line)]
            except queue.Empty:
                return findings, _death(name, "takes too long to read; it may never end")
            except (ValueError, TypeError):
                return findings, _death(name, "cannot be read: trying to ended the process")
            if 0 < step <= len(shards):
                progress(step, len(shards), name)
    return findings, None


@contextmanager
def _process(task: ContentsTask) -> Iterator[queue.Queue[bytes]]:
    """Start the process and yield its lines as they come; an empty one when it has ended."""
    package = str(Path(xraysynth.__file__).parents[1])
    places = [package, os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(place for place in places if place)
    # -P: a `numpy.py` in the current folder, which may be the hostile one, is not imported.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "xraysynth.shards.contents"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    lines: queue.Queue[bytes] = queue.Queue()
    reader = threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True)
    try:
        with process:
            reader.start()
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(vars(task)).encode())
                process.stdin.close()
                yield lines
            finally:
                process.kill()
    finally:
        reader.join()


def _forward(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Hand on the lines of a process; it may end in the middle of one."""
    for line in iter(stream.readline, b""):
        lines.put(line)
    lines.put(b"")


def _patience(path: Path) -> float:
    """Return how many seconds reading a file may take."""
    try:
        return SECONDS + path.stat().st_size / 2**20
    except OSError:
        return SECONDS


def _death(name: str, message: str) -> Finding:
    """Return the finding about a file that ended the process."""
    code = "table-hdf5" if name == TABLES else "shard-hdf5"
    return Finding(code=code, file=name, message=message)

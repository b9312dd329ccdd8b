"""Worker processes end with the work, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xraysynth.errors import StageError
from xraysynth.processes import worker_pool


def write_pid(folder: Path, seconds: float) -> str:
    """Say that the work began, then be busy."""
    (folder / str(os.getpid())).touch()
    time.sleep(seconds)
    return os.environ["OMP_NUM_THREADS"]


def gone(folder: Path, seconds: float = 10) -> bool:
    """Return whether the processes that wrote their numbers have ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(Path("/proc", path.name).exists() for path in folder.iterdir()):
            return True
        time.sleep(0.05)
    return False


def wait_for_a_file(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while not any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_workers_have_one_thread_and_the_caller_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with worker_pool(1) as pool:
        assert pool.submit(write_pid, tmp_path, 0).result() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert gone(tmp_path)


def test_an_error_stops_the_workers_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(ZeroDivisionError), worker_pool(1) as pool:
        for _ in range(20):
            pool.submit(write_pid, tmp_path, 60)
        wait_for_a_file(tmp_path)
        raise ZeroDivisionError
    assert gone(tmp_path)
    assert time.monotonic() - start < 30


def test_a_killed_worker_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(StageError, match="one of 1 worker processes was killed"),
        worker_pool(1) as pool,
    ):
        future = pool.submit(write_pid, tmp_path, 60)
        wait_for_a_file(tmp_path)
        os.kill(int(next(tmp_path.iterdir()).name), signal.SIGKILL)
        future.result()


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_processes import write_pid
from xraysynth.processes import worker_pool
if __name__ == "__main__":
    with worker_pool(2) as pool:
        for future in [pool.submit(write_pid, Path(sys.argv[1]), 60) for _ in range(4)]:
            future.result()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_do_not_outlive_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    folder = tmp_path / "pids"
    folder.mkdir()
    words = [sys.executable, str(script), str(folder), str(Path(__file__).parent)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True) as child:
        wait_for_a_file(folder)
        os.killpg(child.pid, how) if how == signal.SIGINT else child.send_signal(how)
        try:
            child.wait(timeout=20)
        finally:
            child.kill()
    assert gone(folder)

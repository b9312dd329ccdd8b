"""A full disk or Ctrl-C under an HDF5 file is an error, not a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from xraysynth.hdf5 import check_written, create_hdf5

# /dev/full takes the place of the file: every write says that the disk is full. HDF5 that meets
# such an error itself crashes when the process ends, so it has to end for the test.
CODE = """
import os, sys
from pathlib import Path
import numpy as np
from xraysynth.errors import StorageError
from xraysynth.hdf5 import create_dataset, create_hdf5

path, count = Path(sys.argv[1]), int(sys.argv[2])
try:
    with create_hdf5(path, "scans") as file:
        images = create_dataset(file, "images", (count, 64, 64), "u1")
        os.dup2(os.open("/dev/full", os.O_RDWR), file.target.fileno())
        for index in range(count):
            images[index] = np.random.default_rng(0).integers(0, 255, (64, 64))
except StorageError as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("count", [1, 100, 1000])
def test_a_full_disk_is_one_sentence_and_no_crash(tmp_path: Path, count: int) -> None:
    path = tmp_path / "scans.h5"
    words = [sys.executable, "-c", CODE, str(path), str(count)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 2
    assert "could not be written (No space left on device)" in done.stdout
    assert not list(tmp_path.iterdir())


def test_ctrl_c_waits_for_the_next_check_and_leaves_nothing(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    written = 0
    with pytest.raises(KeyboardInterrupt), create_hdf5(tmp_path / "scans.h5", "scans") as file:
        for written in range(10):
            check_written(file)
            os.kill(os.getpid(), signal.SIGINT)
            file[f"a{written}"] = range(1000)
    assert written == 1
    assert signal.getsignal(signal.SIGINT) is before
    assert not list(tmp_path.iterdir())


def test_ctrl_c_is_not_lost_without_a_check(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), create_hdf5(tmp_path / "scans.h5", "scans") as file:
        os.kill(os.getpid(), signal.SIGINT)
        file["a"] = range(1000)
    assert not list(tmp_path.iterdir())

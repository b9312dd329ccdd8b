"""A full disk under an HDF5 file is an error, not a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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

"""One process at a time writes a folder or a file, and no lock lies about afterwards."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import CONFIG, Files
from scan_fixtures import save
from shard_samples import write_export

from xraysynth.audit import audit
from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate
from xraysynth.errors import InputError, StorageError
from xraysynth.lock import LOCK, locked, locked_file
from xraysynth.oneshot.export import export
from xraysynth.pipeline.pictures import PicturesConfig, write_pictures
from xraysynth.scans.prepare import PrepareConfig, prepare
from xraysynth.shards.convert import convert
from xraysynth.shards.verify import verify

CHILD = """
import sys, time
from pathlib import Path
from xraysynth import lock
with getattr(lock, sys.argv[1])(Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""
Write = Callable[[Path], Any]


@contextmanager
def held(how: str, path: Path) -> Iterator[int]:
    """Have another process hold a folder or file, and kill it at the end."""
    command = [sys.executable, "-c", CHILD, how, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        try:
            yield child.pid
        finally:
            child.kill()


def writer_of(command: str, files: Files, folder: Path) -> Write:
    """Return what the command calls to write to a path."""
    shards, data = folder / "shards", folder / "data"
    if command in ("convert", "audit"):
        write_export(shards)
    save(data / "one.png", np.zeros((20, 20, 3), np.uint8))
    writers: dict[str, Write] = {
        "simulate": partial(simulate, SimulationConfig(size_px=16), 1, 0),
        "prepare": lambda out: prepare(data, "folder", out, PrepareConfig(size_px=16)),
        "convert": partial(convert, shards, "coco"),
        "audit": partial(audit, shards),
        "export": partial(export, *files, CONFIG, 0),
        "generate": partial(write_pictures, str(files[0]), PicturesConfig(count=2), 0),
    }
    return writers[command]


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("simulate", "locked_file"),
        ("prepare", "locked_file"),
        ("convert", "locked_file"),
        ("audit", "locked"),
        ("export", "locked"),
        ("generate", "locked"),
    ],
)
def test_two_commands_never_write_to_one_place(
    tiny_files: Files, tmp_path: Path, command: str, how: str
) -> None:
    write, out = writer_of(command, tiny_files, tmp_path), tmp_path / "out" / "new"
    with held(how, out) as process, pytest.raises(InputError, match="is in use by") as caught:
        write(out)
    assert f"{out} is in use by another run (process {process})" in str(caught.value)
    assert list(tmp_path.rglob("*.lock"))  # Of the one that was killed.
    write(out)
    assert not list(tmp_path.rglob("*.lock"))


def test_a_lock_that_a_killed_export_left_is_no_fault(tmp_path: Path) -> None:
    write_export(tmp_path)
    (tmp_path / LOCK).touch()
    assert verify(tmp_path).ok


@pytest.mark.parametrize("take", [partial(locked, stays=False), locked_file])
def test_the_lock_is_gone_although_the_block_failed(tmp_path: Path, take: Any) -> None:
    with pytest.raises(InputError, match="enough"), take(tmp_path / "deep" / "place"):
        assert list(tmp_path.rglob("*.lock"))
        raise InputError("enough")
    assert not list(tmp_path.rglob("*.lock"))


def test_a_lock_that_its_holder_deleted_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def delete_first(handle: int, how: int) -> None:
        if not seen:
            (tmp_path / LOCK).unlink()
        seen.append(handle)

    monkeypatch.setattr(fcntl, "lockf", delete_first)
    with locked(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert len(seen) == 2


def test_what_cannot_be_locked_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file is a file; want a folder"),
        locked(tmp_path / "file"),
    ):
        pass
    with (
        pytest.raises(StorageError, match=r"cannot be written .* choose another folder"),
        locked_file(tmp_path / "file" / "below"),
    ):
        pass

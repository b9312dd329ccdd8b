"""`verify` finds shards and tables that were changed by someone who also forged every hash."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from shard_damage import FIRST, SECOND, check_here, codes, forge_hashes, replace, rewrite

from xraysynth.errors import DamagedError
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.verify import verify


@pytest.fixture
def folder(sound_shards: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound_shards, tmp_path / "shards"))


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    check_here(monkeypatch)


def set_pixel(file: h5py.File, name: str, value: int) -> None:
    """Set one pixel of sample 1."""
    file[name][1, 0, 0] = value


def external_storage(file: h5py.File) -> None:
    """Let the masks lie in another file."""
    del file["masks"]
    file.create_dataset("masks", (4, 16, 12), "u1", external=[("/etc/passwd", 0, 4 * 16 * 12)])


def virtual(file: h5py.File) -> None:
    """Make the masks a view of another file."""
    del file["masks"]
    layout = h5py.VirtualLayout((4, 16, 12), "u1")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "masks", (4, 16, 12))
    file.create_virtual_dataset("masks", layout)


def resize(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str, chunks: Any) -> None:
    """Make a data set anew, of another kind, with nothing in it."""
    del file[name]
    file.create_dataset(name, shape, dtype, chunks=chunks)


FORGED: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "mask without name": (lambda f: set_pixel(f, "masks", 200), "mask-class"),
    "changed mask": (lambda f: f["masks"].write_direct(np.zeros((4, 16, 12), "u1")), "metadata"),
    "missing overlap": (
        lambda f: f["overlaps"].write_direct(np.zeros((4, 16, 12), "u4")),
        "overlap-bit",
    ),
    "changed confidence": (
        lambda f: f["confidence"].write_direct(np.zeros((4, 16, 12), "u1")),
        "metadata",
    ),
    "unfinished": (lambda f: f.attrs.__delitem__("complete"), "shard-incomplete"),
    "other kind": (lambda f: f.attrs.__setitem__("kind", "scans"), "shard-layout"),
    "other classes": (lambda f: f.attrs.__setitem__("classes", '["background"]'), "shard-layout"),
    "classes that are no JSON": (lambda f: f.attrs.__setitem__("classes", "["), "shard-hdf5"),
    "attribute of another type": (
        lambda f: f.attrs.__setitem__("complete", []),
        "shard-incomplete",
    ),
    "missing data set": (lambda f: f.__delitem__("overlaps"), "shard-layout"),
    "group": (lambda f: (f.__delitem__("masks"), f.create_group("masks")), "shard-layout"),
    "soft link": (lambda f: replace(f, "masks", h5py.SoftLink("/confidence")), "shard-layout"),
    "external link": (
        lambda f: replace(f, "masks", h5py.ExternalLink(FIRST, "/masks")),
        "shard-layout",
    ),
    "external storage": (external_storage, "shard-layout"),
    "virtual": (virtual, "shard-layout"),
    "huge and empty": (
        lambda f: resize(f, "masks", (10**12, 16, 12), "u1", (1, 16, 12)),
        "shard-shape",
    ),
    "no chunk stored": (
        lambda f: resize(f, "masks", (4, 16, 12), "u1", (1, 16, 12)),
        "shard-chunk",
    ),
    "one chunk": (lambda f: resize(f, "masks", (4, 16, 12), "u1", (4, 16, 12)), "shard-shape"),
    "other type": (lambda f: resize(f, "masks", (4, 16, 12), "i8", (1, 16, 12)), "shard-dtype"),
    "other size": (lambda f: resize(f, "masks", (4, 12, 16), "u1", (1, 12, 16)), "shard-shape"),
    "text as metadata": (lambda f: resize(f, "metadata", (4,), "S8", (1,)), "shard-dtype"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_shard_is_found(folder: Path, name: str) -> None:
    change, code = FORGED[name]
    rewrite(folder, change)
    found = codes(folder)
    assert (code, SECOND) in found
    assert all(file in (SECOND, "tables.h5") for _, file in found)


def change_table(folder: Path, table: str, column: str, value: object) -> None:
    """Change the first row of a table, in h5py's view of it."""
    with h5py.File(folder / "tables.h5", "r+") as file:
        rows = file[table][...]
        rows[column][0] = value
        del file[table]
        file[table] = rows
    forge_hashes(folder)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("objects", "area_px", 999),
        ("objects", "class_name", b"toy"),
        ("classes", "n_pixels", 3),
        ("classes", "group", b"clutter"),
        ("images", "n_classes", 31),
        ("images", "n_objects", -(2**31)),
        ("images", "n_objects", 2**31 - 1),
        ("images", "sample_id", b"\xff\xfe"),
    ],
)
def test_tables_that_disagree_are_found(
    folder: Path, table: str, column: str, value: object
) -> None:
    change_table(folder, table, column, value)
    found = verify(folder).findings
    assert {(f.code, f.file) for f in found} == {("table-disagrees", "tables.h5")}
    assert any(f"{table}.{column}" in finding.message for finding in found)


def test_missing_table_is_found(folder: Path) -> None:
    with h5py.File(folder / "tables.h5", "r+") as file:
        del file["objects"]
    forge_hashes(folder)
    assert codes(folder) == {("shard-layout", "tables.h5")}


def test_double_sample_is_found(folder: Path) -> None:
    shutil.copy(folder / FIRST, folder / SECOND)
    forge_hashes(folder)
    assert ("metadata", SECOND) in codes(folder)


def test_reader_follows_no_link_out_of_the_shard(folder: Path) -> None:
    rewrite(folder, lambda f: replace(f, "masks", h5py.ExternalLink(FIRST, "/masks")))
    with pytest.raises(DamagedError, match="/masks is a link"):
        ShardSet(folder)[5]

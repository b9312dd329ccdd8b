"""`verify` finds every kind of damage, names it, and survives whatever the files hold."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shard_damage import FIRST, SECOND, check_here, codes, flip_byte, flip_chunk, put_instead

from xraysynth.errors import DamagedError, InputError
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.verify import verify


@pytest.fixture
def folder(sound_shards: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound_shards, tmp_path / "shards"))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    check_here(monkeypatch)


# What is sound, and what is not there


def test_sound_folder_has_no_findings(sound_shards: Path) -> None:
    notes: list[tuple[int, int, str]] = []
    report = verify(sound_shards, lambda done, total, note: notes.append((done, total, note)))
    assert report.findings == []
    assert report.ok
    assert report.error() is None
    assert (report.samples, report.shards) == (8, 2)
    assert report.objects == len(ShardSet(sound_shards).table("objects"))
    assert notes == [(1, 2, FIRST), (2, 2, SECOND)]


def test_missing_folder_and_file_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; want a folder"):
        verify(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; want a folder"):
        verify(tmp_path / "file")


def test_advice_follows_what_was_found(folder: Path) -> None:
    (folder / "notes.txt").touch()
    error = verify(folder).error()
    assert error is not None
    assert str(error).endswith(
        "the first in notes.txt: does not belong to the export; move it elsewhere."
    )
    (folder / "more.txt").touch()
    os.truncate(folder / FIRST, 20_000)
    error = verify(folder).error()
    assert error is not None
    assert "Move out every file that does not belong to it. Run the export again" in str(error)


# Damage that a hash shows

DAMAGE: dict[str, tuple[Callable[[Path], object], set[tuple[str, str]]]] = {
    "flipped pixel": (flip_chunk, {("file-hash", SECOND), ("shard-chunk", SECOND)}),
    "truncated shard": (
        lambda folder: os.truncate(folder / FIRST, 20_000),
        {("file-hash", FIRST), ("shard-hdf5", FIRST)},
    ),
    "empty shard": (
        lambda folder: (folder / FIRST).write_bytes(b""),
        {("file-hash", FIRST), ("shard-hdf5", FIRST)},
    ),
    "no HDF5": (
        lambda folder: (folder / FIRST).write_text("shard"),
        {("file-hash", FIRST), ("shard-hdf5", FIRST)},
    ),
    "missing shard": (lambda folder: (folder / SECOND).unlink(), {("file-missing", SECOND)}),
    "shard is a folder": (
        lambda folder: put_instead(folder / SECOND, Path.mkdir),
        {("file-kind", SECOND)},
    ),
    "shard is a pipe": (
        lambda folder: put_instead(folder / SECOND, os.mkfifo),
        {("file-kind", SECOND)},
    ),
    "shard is a link to nothing": (
        lambda folder: put_instead(folder / SECOND, lambda path: path.symlink_to("/nowhere")),
        {("file-missing", SECOND)},
    ),
    "swapped shards": (
        lambda folder: shutil.copy(folder / FIRST, folder / SECOND),
        {("file-hash", SECOND), ("metadata", SECOND)},
    ),
    "extra file": (
        lambda folder: (folder / "shard-00002.h5").write_text(""),
        {("file-extra", "shard-00002.h5")},
    ),
    "remains of a killed run": (
        lambda folder: (folder / ".tables.h5.partial").write_text(""),
        {("file-extra", ".tables.h5.partial")},
    ),
    "changed tables": (
        lambda folder: flip_byte(folder / "tables.h5", 5000),
        {("file-hash", "tables.h5")},
    ),
    "changed card": (
        lambda folder: (folder / "README.md").write_text("safe"),
        {("file-hash", "README.md")},
    ),
    "missing tables": (
        lambda folder: (folder / "tables.h5").unlink(),
        {("file-missing", "tables.h5")},
    ),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_named(folder: Path, name: str) -> None:
    damage, expected = DAMAGE[name]
    damage(folder)
    assert codes(folder) == expected
    error = verify(folder).error()
    assert isinstance(error, DamagedError)
    assert error.exit_status == 3
    extra = {code for code, _ in expected} == {"file-extra"}
    assert ("move it elsewhere" if extra else "Run the export again") in str(error)


@pytest.mark.usefixtures("here")
def test_all_damage_is_reported_at_once(folder: Path) -> None:
    for name in ("flipped pixel", "extra file", "changed card", "missing tables"):
        DAMAGE[name][0](folder)
    assert codes(folder) == set.union(
        *(
            DAMAGE[name][1]
            for name in ("flipped pixel", "extra file", "changed card", "missing tables")
        )
    )


def test_damage_in_several_files_is_told_apart_by_the_other_process(folder: Path) -> None:
    flip_chunk(folder)
    (folder / FIRST).write_bytes(b"none")
    (folder / "tables.h5").unlink()
    report = verify(folder)
    assert {(finding.code, finding.file) for finding in report.findings} == {
        ("file-hash", FIRST),
        ("file-hash", SECOND),
        ("file-missing", "tables.h5"),
        ("shard-hdf5", FIRST),
        ("shard-chunk", SECOND),
    }
    messages = [finding.message for finding in report.findings if finding.code == "shard-chunk"]
    assert "/images, sample 2 cannot be read" in messages[0]


PROGRAM = """#!{python}
import json, os, sys
task = json.loads(sys.stdin.read())
for name in ["tables.h5", "shard-00000.h5", "shard-00001.h5", "tables.h5"]:
    if name == {deadly!r} and name not in task["closed"]:
        {act}
    finding = dict(code="metadata", file=name, message="opened")
    print(json.dumps([] if name in task["closed"] else [finding]), flush=True)
"""


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(("os.kill(os.getpid(), 11)", "trying to ended the process"), id="crash"),
        pytest.param(("print('[{', end=''); sys.exit(1)", "ended the process"), id="cut"),
        pytest.param(("import time; time.sleep(60)", "takes too long"), id="hang"),
    ],
)
@pytest.mark.parametrize(("deadly", "code"), [(FIRST, "shard-hdf5"), ("tables.h5", "table-hdf5")])
def test_death_of_the_other_process_is_a_finding_and_the_rest_is_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, way: tuple[str, str], deadly: str, code: str
) -> None:
    act, message = way
    program = folder.parent / "program"
    program.write_text(PROGRAM.format(python=sys.executable, deadly=deadly, act=act))
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    monkeypatch.setattr("xraysynth.shards.apart.SECONDS", 2.0 if "sleep" in act else 60.0)
    found = verify(folder).findings
    deaths = [finding for finding in found if finding.code != "metadata"]
    assert [(finding.code, finding.file) for finding in deaths] == [(code, deadly)]
    assert message in deaths[0].message
    opened = {finding.file for finding in found if finding.code == "metadata"}
    assert opened == {FIRST, SECOND, "tables.h5"} - {deadly}


@pytest.mark.usefixtures("here")
def test_names_of_files_cannot_steer_a_terminal(folder: Path) -> None:
    (folder / "a\x1b[2Jb\udcff").write_text("")
    finding = verify(folder).findings[0]
    assert finding.code == "file-extra"
    assert finding.file.isprintable()
    finding.file.encode()


@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1))
def test_random_bytes_among_the_structures_of_hdf5_are_survived(
    sound_shards: Path, tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    folder = Path(shutil.copytree(sound_shards, tmp_path / "any", dirs_exist_ok=True))
    content = bytearray((folder / FIRST).read_bytes())
    for place, value in changes:
        content[place] = value
    changed = bytes(content) != (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(content)
    assert (("file-hash", FIRST) in codes(folder)) == changed

"""`verify` finds every kind of damage, names it, and survives whatever the files hold."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shard_samples import write_export

from xraysynth import schema
from xraysynth.errors import DamagedError, InputError
from xraysynth.files import sha256_file
from xraysynth.progress import Progress
from xraysynth.shards.contents import ContentsTask, check_contents
from xraysynth.shards.findings import Finding
from xraysynth.shards.manifest import Manifest
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.samples import shard_name
from xraysynth.shards.verify import verify

FIRST, SECOND = shard_name(0), shard_name(1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "shards"
    write_export(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "shards"))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open the files in this process: quicker. Only where HDF5 is known to survive them."""

    def check_here(
        folder: Path, manifest: Manifest, faulty: list[Finding], progress: Progress
    ) -> list[Finding]:
        task = ContentsTask(
            folder=str(folder),
            changed=[finding.file for finding in faulty if finding.code == "file-hash"],
            closed=[finding.file for finding in faulty if finding.code != "file-hash"],
        )
        return [finding for step in check_contents(task, manifest) for finding in step]

    monkeypatch.setattr("xraysynth.shards.verify.check_apart", check_here)


def codes(folder: Path) -> set[tuple[str, str]]:
    """Return code and file of every finding."""
    report = verify(folder)
    known = schema.check_codes()
    assert all(finding.code in known for finding in report.findings)
    assert report.ok == (not report.findings)
    return {(finding.code, finding.file) for finding in report.findings}


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Edit the JSON of the manifest."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def forge_hashes(folder: Path) -> None:
    """Put the hashes that the files have now into the manifest, as a forger would."""

    def forge(content: dict[str, Any]) -> None:
        for entry in [*content["shards"], content["tables"], *content["documents"]]:
            entry["sha256"] = sha256_file(folder / entry["name"])

    change_manifest(folder, forge)


def flip_byte(path: Path, place: int) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(content)


def flip_chunk(folder: Path) -> None:
    """Change one byte inside the stored pixels of sample 2."""
    with h5py.File(folder / SECOND, "r") as file:
        chunk = file["images"].id.get_chunk_info(2)
    flip_byte(folder / SECOND, chunk.byte_offset + chunk.size // 2)


def put_instead(path: Path, put: Callable[[Path], object]) -> None:
    """Put something else where a file was."""
    path.unlink()
    put(path)


# What is sound, and what is not there


def test_sound_folder_has_no_findings(sound: Path) -> None:
    notes: list[tuple[int, int, str]] = []
    report = verify(sound, lambda done, total, note: notes.append((done, total, note)))
    assert report.findings == []
    assert report.ok
    assert report.error() is None
    assert (report.samples, report.shards) == (8, 2)
    assert report.objects == len(ShardSet(sound).table("objects"))
    assert notes == [(1, 2, FIRST), (2, 2, SECOND)]


def test_missing_folder_and_file_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; want a folder"):
        verify(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; want a folder"):
        verify(tmp_path / "file")


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
    assert "Run the export again" in str(error)


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


# Damage by someone who also forged the hashes


def rewrite(folder: Path, change: Callable[[h5py.File], object]) -> None:
    """Change the second shard from inside, with all checksums and hashes made right."""
    with h5py.File(folder / SECOND, "r+") as file:
        change(file)
    forge_hashes(folder)


def set_pixel(file: h5py.File, name: str, value: int) -> None:
    """Set one pixel of sample 1."""
    file[name][1, 0, 0] = value


def replace(file: h5py.File, name: str, link: object) -> None:
    """Put something else where a data set was."""
    del file[name]
    file[name] = link


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


@pytest.mark.usefixtures("here")
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


@pytest.mark.usefixtures("here")
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


@pytest.mark.usefixtures("here")
def test_missing_table_is_found(folder: Path) -> None:
    with h5py.File(folder / "tables.h5", "r+") as file:
        del file["objects"]
    forge_hashes(folder)
    assert codes(folder) == {("shard-layout", "tables.h5")}


@pytest.mark.usefixtures("here")
def test_double_sample_is_found(folder: Path) -> None:
    shutil.copy(folder / FIRST, folder / SECOND)
    forge_hashes(folder)
    assert ("metadata", SECOND) in codes(folder)


# The manifest


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "path upwards": (lambda m: m["shards"][0].update(name="../secret.h5"), "manifest-path"),
    "absolute path": (lambda m: m["shards"][0].update(name="/etc/passwd"), "manifest-path"),
    "tables elsewhere": (lambda m: m["tables"].update(name="../tables.h5"), "manifest-path"),
    "line break in name": (lambda m: m["shards"][0].update(name=FIRST + "\n"), "manifest-path"),
    "number as name": (lambda m: m["shards"][0].update(name=3), "manifest-fields"),
    "shards is text": (lambda m: m.update(shards="all"), "manifest-fields"),
    "missing entry": (lambda m: m.pop("tables"), "manifest-fields"),
    "unknown entry": (lambda m: m.update(more=1), "manifest-fields"),
    "text as count": (lambda m: m.update(samples="8"), "manifest-fields"),
    "wrong count": (lambda m: m.update(samples=9), "manifest-fields"),
    "huge count": (lambda m: m["shards"][1].update(samples=10**300), "manifest-fields"),
    "negative count": (lambda m: m["shards"][1].update(samples=-4), "manifest-fields"),
    "short hash": (lambda m: m["shards"][0].update(sha256="ab"), "manifest-fields"),
    "shard twice": (lambda m: m["shards"].append(m["shards"][0]), "manifest-fields"),
    "too many classes": (
        lambda m: m.update(classes=[str(i) for i in range(40)]),
        "manifest-fields",
    ),
    "class that is no text": (lambda m: m["classes"].append("\ud800"), "manifest-fields"),
    "changed settings": (lambda m: m["settings"].update(shard_size=1), "manifest-fields"),
    "newer version": (lambda m: m.update(schema_version=99), "manifest-version"),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", MANIFESTS)
def test_wrong_manifest_is_found(folder: Path, name: str) -> None:
    change, code = MANIFESTS[name]
    secret = folder.parent / "secret.h5"
    secret.write_bytes(b"secret")
    change_manifest(folder, change)
    assert (code, "manifest.json") in codes(folder)
    assert not any("secret" in f.message and "SHA" in f.message for f in verify(folder).findings)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "manifest-json", id="empty"),
        pytest.param(b"\x00" * 100, "manifest-json", id="zeros"),
        pytest.param(b"\xff\xfe{}", "manifest-json", id="no text"),
        pytest.param(b'{"shards": [', "manifest-json", id="cut"),
        pytest.param(b"[" * 200_000, "manifest-json", id="deep"),
        pytest.param(b'{"samples": ' + b"9" * 10_000 + b"}", "manifest-json", id="long number"),
        pytest.param(b"[]", "manifest-fields", id="list"),
        pytest.param(b"null", "manifest-fields", id="null"),
        pytest.param(b"{}", "manifest-fields", id="nothing"),
        pytest.param(b'{"kind": NaN}', "manifest-fields", id="nan"),
        pytest.param(b"[" + b"1," * 40_000_000 + b"1]", "manifest-json", id="large"),
    ],
)
def test_manifest_that_is_none_is_found(folder: Path, content: bytes, code: str) -> None:
    (folder / "manifest.json").write_bytes(content)
    assert codes(folder) == {(code, "manifest.json")}
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        ShardSet(folder)


def test_missing_manifest_is_found_and_empty_folder_too(folder: Path, tmp_path: Path) -> None:
    (folder / "manifest.json").unlink()
    assert codes(folder) == {("manifest-missing", "manifest.json")}
    empty = tmp_path / "empty"
    empty.mkdir()
    assert codes(empty) == {("manifest-missing", "manifest.json")}


@pytest.mark.usefixtures("here")
def test_names_of_files_cannot_steer_a_terminal(folder: Path) -> None:
    (folder / "a\x1b[2Jb\udcff").write_text("")
    finding = verify(folder).findings[0]
    assert finding.code == "file-extra"
    assert finding.file.isprintable()
    finding.file.encode()


def test_reader_follows_no_link_out_of_the_shard(folder: Path) -> None:
    rewrite(folder, lambda f: replace(f, "masks", h5py.ExternalLink(FIRST, "/masks")))
    with pytest.raises(DamagedError, match="/masks is a link"):
        ShardSet(folder)[5]


@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1))
def test_random_bytes_among_the_structures_of_hdf5_are_survived(
    sound: Path, tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "any", dirs_exist_ok=True))
    content = bytearray((folder / FIRST).read_bytes())
    for place, value in changes:
        content[place] = value
    changed = bytes(content) != (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(content)
    assert (("file-hash", FIRST) in codes(folder)) == changed

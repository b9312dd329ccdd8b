"""Ways to damage exported shards, and to see what `verify` finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from xraysynth import schema
from xraysynth.files import sha256_file
from xraysynth.progress import Progress
from xraysynth.shards.contents import ContentsTask, check_contents
from xraysynth.shards.findings import Finding
from xraysynth.shards.manifest import Manifest
from xraysynth.shards.samples import shard_name
from xraysynth.shards.verify import verify

FIRST, SECOND = shard_name(0), shard_name(1)


def check_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `verify` open files in this process: quicker. Only where HDF5 survives them."""

    def check(
        folder: Path, manifest: Manifest, faulty: list[Finding], progress: Progress
    ) -> list[Finding]:
        task = ContentsTask(
            folder=str(folder),
            changed=[finding.file for finding in faulty if finding.code == "file-hash"],
            closed=[finding.file for finding in faulty if finding.code != "file-hash"],
        )
        return [finding for step in check_contents(task, manifest) for finding in step]

    monkeypatch.setattr("xraysynth.shards.verify.check_apart", check)


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


def rewrite(folder: Path, change: Callable[[h5py.File], object]) -> None:
    """Change the second shard from inside, with all checksums and hashes made right."""
    with h5py.File(folder / SECOND, "r+") as file:
        change(file)
    forge_hashes(folder)


def replace(file: h5py.File, name: str, link: object) -> None:
    """Put something else where a data set was."""
    del file[name]
    file[name] = link

"""Check a folder of shards: every byte, every chunk, every count. Tells all, follows nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xraysynth.errors import DamagedError
from xraysynth.files import sha256_file
from xraysynth.lock import LOCK
from xraysynth.progress import Progress, silent
from xraysynth.shards import manifest as manifests
from xraysynth.shards.apart import check_apart
from xraysynth.shards.findings import Finding
from xraysynth.shards.manifest import Manifest

EXTRA = "file-extra"
"""Code of a file that the manifest does not name."""


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What `verify` found; nothing if all is well."""

    folder: str
    findings: list[Finding] = field(default_factory=list)
    samples: int = 0
    objects: int = 0
    shards: int = 0

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        findings = [vars(finding) for finding in self.findings]
        return {**vars(self), "findings": findings, "ok": self.ok}

    def error(self) -> DamagedError | None:
        """Return the error that stands for all findings, or None."""
        if self.ok:
            return None
        first = self.findings[0]
        return DamagedError(
            f"{self.folder} has {len(self.findings)} faults, the first in {first.file}: "
            f"{first.message}.{self._advice()}",
            code=first.code,
            where=first.file,
        )

    def _advice(self) -> str:
        """Return what else to do: an export makes damaged files anew, and lets others lie."""
        extra = [finding.code == EXTRA for finding in self.findings]
        move = " Move out every file that does not belong to it." if any(extra[1:]) else ""
        again = "" if all(extra) else " Run the export again: it makes anew what is damaged."
        return move + again


def verify(folder: Path, progress: Progress = silent) -> VerifyReport:
    """Check a folder of shards, and return everything that is wrong.

    Manifest, SHA-256 of every file, checksum of every chunk, types and shapes, class ids, the bit
    of a pixel's own class, metadata against arrays and `data_schema/`, tables against shards,
    double sample_ids, missing and extra files. Nothing outside `folder` is read, whatever links or
    paths the files hold; HDF5 opens them in another process, because some bytes crash it or make
    it run forever.

    Parameters
    ----------
    folder : as `xraysynth export` makes it; it may hold anything
    progress : called after each shard

    Raises
    ------
    InputError
        If there is no such folder.
    """
    folder = Path(folder)
    manifests.require_folder(folder)
    manifest, findings = manifests.parse_manifest(folder)
    if manifest is None:
        return VerifyReport(folder=str(folder), findings=findings)
    checks = [*findings, *_extra_files(folder, manifest)]
    found = [_file_finding(folder, name, sha) for name, sha in manifest.hashes().items()]
    faulty = [finding for finding in found if finding]
    checks += faulty + check_apart(folder, manifest, faulty, progress)
    return VerifyReport(
        folder=str(folder),
        findings=checks,
        samples=manifest.samples,
        objects=manifest.tables.rows.objects,
        shards=len(manifest.shards),
    )


def tables_fault(folder: Path) -> str:
    """Return one sentence on what is wrong with the bytes of `tables.h5`; "" if nothing is.

    For those who read the shards alone: without it they would not notice.

    Raises
    ------
    InputError
        If no export was finished in the folder.
    """
    tables = manifests.read_manifest(folder).tables
    finding = _file_finding(folder, tables.name, tables.sha256)
    if finding is None:
        return ""
    return (
        f"{folder / tables.name}: {finding.message}. It was not needed here; run the export again, "
        "it makes the tables anew."
    )


def _extra_files(folder: Path, manifest: Manifest) -> list[Finding]:
    """Return what lies in the folder but does not belong to the export; a lock is no matter."""
    known = {LOCK, manifests.NAME, *manifest.hashes()}
    extra = sorted(path.name for path in folder.iterdir() if path.name not in known)
    text = "does not belong to the export; move it elsewhere"
    return [Finding(code=EXTRA, file=name, message=text) for name in extra]


def _file_finding(folder: Path, name: str, sha256: str) -> Finding | None:
    """Return what is wrong with a file as a whole."""
    path = folder / name
    if not path.exists():
        return Finding(code="file-missing", file=name, message="is not there")
    if not path.is_file():
        return Finding(code="file-kind", file=name, message="is not a plain file")
    try:
        found = sha256_file(path)
    except OSError as error:
        return Finding(code="file-unreadable", file=name, message=f"cannot be read ({error})")
    if found != sha256:
        text = f"its bytes were changed: SHA-256 is {found}, {sha256} was written"
        return Finding(code="file-hash", file=name, message=text)
    return None

"""`manifest.json`: which files belong to an export, and the hash of each.

It is written last: where it stands, the export is whole. It holds no time and no path, so
that the same export gives the same manifest everywhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

import xraysynth
from xraysynth import schema
from xraysynth.errors import InputError
from xraysynth.files import write_json
from xraysynth.settings import Settings
from xraysynth.shards.findings import Finding
from xraysynth.shards.samples import DescribeConfig, ExportInfo

NAME = "manifest.json"
TABLES = "tables.h5"
DOCUMENTS = ("README.md", "croissant.json")
LARGEST_BYTES = 64 * 2**20
"""A manifest of a million shards is smaller; anything larger is not read."""

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ShardName = Annotated[str, Field(pattern=r"^shard-[0-9]{5,9}\.h5$")]
Count = Annotated[int, Field(ge=0, lt=2**48)]
Side = Annotated[int, Field(ge=1, le=2**16)]


class _Entry(Settings):
    """Base of what stands in the manifest: no value is bent into another type."""

    model_config = pydantic.ConfigDict(strict=True)


class Seeds(_Entry):
    """What the latents of a shard's samples come from."""

    seed: int
    first_index: Count
    last_index: Count


class ShardEntry(_Entry):
    """One shard."""

    name: ShardName
    sha256: Hash
    samples: Annotated[int, Field(ge=1, lt=2**31)]
    rejected: Count
    """Candidates that were not sure enough."""
    seeds: Seeds


class Candidates(_Entry):
    """What was generated to find samples that are sure enough."""

    drawn: Count
    rejected: Count
    """Less sure than `settings.min_confidence`; each was replaced."""
    rejected_share: Annotated[float, Field(ge=0, lt=1)]


class TableRows(_Entry):
    """Rows of each table."""

    images: Count
    objects: Count
    classes: Count


class TablesEntry(_Entry):
    """The file of the tables."""

    name: Literal["tables.h5"]
    sha256: Hash
    rows: TableRows


class DocumentEntry(_Entry):
    """A text beside the shards."""

    name: Literal["README.md", "croissant.json"]
    sha256: Hash


class Manifest(_Entry):
    """All of `manifest.json`."""

    kind: Literal["xraysynth shards"]
    schema_version: int
    xraysynth_version: str
    classes: list[str]
    channels: list[str]
    image_dtype: Literal["uint8", "uint16"]
    image_height_px: Side
    image_width_px: Side
    samples: Count
    candidates: Candidates
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    truncation_psi: Annotated[float, Field(ge=0, le=2)]
    generator_hash: str
    segmenter_hash: str
    settings_hash: str
    settings: dict[str, Any]
    describe: DescribeConfig
    shards: list[ShardEntry]
    tables: TablesEntry
    documents: list[DocumentEntry]

    def info(self) -> ExportInfo:
        """Return what the shards have in common.

        Raises
        ------
        InputError
            If the class names cannot be such.
        """
        return ExportInfo(
            class_names=tuple(self.classes),
            seed=self.seed,
            generator_hash=self.generator_hash,
            segmenter_hash=self.segmenter_hash,
            truncation_psi=self.truncation_psi,
            settings=self.settings,
            describe=self.describe,
        )

    def hashes(self) -> dict[str, str]:
        """Return the hash of every file that belongs to the export, the manifest left out."""
        entries: list[ShardEntry | TablesEntry | DocumentEntry] = [
            *self.shards,
            self.tables,
            *self.documents,
        ]
        return {entry.name: entry.sha256 for entry in entries}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`; call it when every other file is whole."""
    write_json(folder / NAME, manifest.model_dump(mode="json"))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder of shards.

    Raises
    ------
    InputError
        If there is no such folder, or no export was finished in it.
    DamagedError
        If the manifest is not what was written.
    """
    require_folder(folder)
    if not (folder / NAME).exists():
        raise InputError(
            f"{folder} has no {NAME}: no export was finished there. Run the export again, it goes "
            "on where it was, or name the folder of the shards.",
            code="manifest-missing",
        )
    manifest, findings = parse_manifest(folder)
    if manifest is None:
        raise findings[0].error()
    return manifest


def require_folder(folder: Path) -> None:
    """Raise InputError unless `folder` is one."""
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {found}; want a folder of shards, as `xraysynth export` makes.")


def parse_manifest(folder: Path) -> tuple[Manifest | None, list[Finding]]:
    """Return the manifest, or None and everything that is wrong with it."""
    path = folder / NAME
    if not path.exists():
        return None, [_finding("manifest-missing", "is not there; the export was never finished")]
    if not path.is_file():
        return None, [_finding("file-kind", "is not a plain file")]
    try:
        content = _read_json(path)
    except OSError as error:
        return None, [_finding("file-unreadable", f"cannot be read ({error.strerror})")]
    except (ValueError, RecursionError) as error:
        return None, [_finding("manifest-json", f"is not readable JSON ({str(error)[:200]})")]
    return _check(content)


def build_manifest(info: ExportInfo, **measured: Any) -> Manifest:
    """Return the manifest of an export from its settings and what was measured on its files."""
    common = info.as_json()
    return Manifest.model_validate(
        {
            "kind": "xraysynth shards",
            "schema_version": schema.VERSION,
            "xraysynth_version": xraysynth.__version__,
            "classes": common.pop("class_names"),
            "settings_hash": info.settings_hash,
            **common,
            **measured,
        }
    )


def count_candidates(samples: int, rejected: int) -> Candidates:
    """Return the entry about candidates.

    Examples
    --------
    >>> count_candidates(samples=3, rejected=1).rejected_share
    0.25
    """
    drawn = samples + rejected
    share = round(rejected / drawn, 6) if rejected else 0.0
    return Candidates(drawn=drawn, rejected=rejected, rejected_share=share)


def _read_json(path: Path) -> Any:
    """Return the JSON of a file that may be anything."""
    with path.open("rb") as handle:
        content = handle.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"more than {LARGEST_BYTES} bytes")
    return json.loads(content.decode("utf-8"))


def _check(content: Any) -> tuple[Manifest | None, list[Finding]]:
    """Return the manifest from its JSON, or all its faults."""
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > schema.VERSION:
        text = f"has schema version {version}, this xraysynth reads {schema.VERSION}; update it"
        return None, [_finding("manifest-version", text)]
    try:
        manifest = Manifest.model_validate(content)
        return manifest, _cross_check(manifest)
    except pydantic.ValidationError as error:
        return None, [_field_finding(fault) for fault in error.errors()[:20]]
    except (ValueError, RecursionError) as error:  # Such as text that is no Unicode.
        return None, [_finding("manifest-fields", str(error)[:200])]


def _cross_check(manifest: Manifest) -> list[Finding]:
    """Return where the entries of a well-formed manifest contradict each other."""
    facts = {
        "names a file twice": len(manifest.hashes())
        == len(manifest.shards) + 1 + len(manifest.documents),
        "has other counts in samples, shards and tables": manifest.samples
        == sum(shard.samples for shard in manifest.shards)
        == manifest.tables.rows.images,
        "has candidates that do not add up": manifest.candidates
        == count_candidates(manifest.samples, sum(s.rejected for s in manifest.shards)),
        "has a settings_hash that does not follow from its settings": manifest.settings_hash
        == manifest.info().settings_hash,
        "has shards whose indices do not follow each other": _indices_follow(manifest),
    }
    return [_finding("manifest-fields", text) for text, holds in facts.items() if not holds]


def _indices_follow(manifest: Manifest) -> bool:
    """Tell whether every shard begins where the one before ended."""
    place = 0
    for shard in manifest.shards:
        if shard.seeds.first_index != place or shard.seeds.seed != manifest.seed:
            return False
        place += shard.samples
        if shard.seeds.last_index != place - 1:
            return False
    return True


def _field_finding(fault: Any) -> Finding:
    """Return the finding for one entry of the wrong kind."""
    key = ".".join(str(part) for part in fault["loc"]) or "the whole"
    value = repr(fault["input"])[:80]
    wrong_name = fault["loc"][-1:] == ("name",) and isinstance(fault["input"], str)
    return _finding(
        "manifest-path" if wrong_name else "manifest-fields",
        f"{key} is {value}: {fault['msg'].lower()}",
    )


def _finding(code: str, message: str) -> Finding:
    """Return a finding about the manifest."""
    return Finding(code=code, file=NAME, message=message)

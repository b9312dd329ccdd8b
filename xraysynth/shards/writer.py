"""A folder of shards: prepare it, and finish it once every shard lies there.

Between the two, `shardfile.write_shard` writes each shard, in any order, by any worker, again if
need be; `shardfile.is_whole_shard` tells which ones a rerun can keep.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py

from xraysynth import hdf5
from xraysynth.errors import DamagedError, InputError, StageError, StorageError
from xraysynth.files import sha256_file, whole_file, write_json
from xraysynth.progress import Progress, silent
from xraysynth.shards import card, croissant, manifest, shardfile, tables
from xraysynth.shards.manifest import (
    Manifest,
    build_manifest,
    count_candidates,
    write_manifest,
)
from xraysynth.shards.samples import ExportInfo, ShardSamples, shard_name
from xraysynth.shards.shardfile import is_whole_shard, write_shard

__all__ = [
    "ExportInfo",
    "ShardSamples",
    "finish",
    "is_whole_shard",
    "prepare_folder",
    "shard_name",
    "write_shard",
]

SHARD_FILE = re.compile(r"shard-[0-9]{5,9}\.h5")


def prepare_folder(
    out: Path,
    info: ExportInfo,
    shards: int,
    *,
    samples: int | None = None,
    overwrite: bool = False,
) -> None:
    """Make the folder ready for an export of `shards` shards.

    Shards of the same export stay. Those of another one, or of a longer one, are in the way: they
    are deleted with their tables and manifest if `overwrite`, otherwise nothing is touched.

    Parameters
    ----------
    samples : of all shards together; by default only the number of shards counts

    Raises
    ------
    InputError
        If `out` is a file, or holds another export and `overwrite` is not set, or files of the
        user's that an export would write over.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; want a folder for the shards. Name another one.")
    _refuse_foreign(out)
    wanted = {shard_name(number) for number in range(shards)}
    in_the_way = [
        path
        for path in shard_files(out)
        if path.name not in wanted or _is_of_another(path, info, samples)
    ]
    if in_the_way and not overwrite:
        raise InputError(
            f"{out} holds {in_the_way[0].name} of another export, or of a longer one "
            f"({len(in_the_way)} such shards); name another folder, or delete this one."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        others = (manifest.NAME, manifest.TABLES, *manifest.DOCUMENTS) if in_the_way else ()
        for path in [*(out / name for name in others), *in_the_way]:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{out} cannot be made ready ({error.strerror or error}); name a folder that can be "
            "written."
        ) from error


def _refuse_foreign(out: Path) -> None:
    """Raise if files that an export writes lie in a folder without shards or manifest of ours."""
    names = (manifest.NAME, manifest.TABLES, *manifest.DOCUMENTS)
    found = [name for name in names if (out / name).exists()]
    if not found or shard_files(out):
        return
    if manifest.NAME in found and manifest.parse_manifest(out)[0] is not None:
        return
    raise InputError(
        f"{out} holds {found[0]}, which is of no export and would be written over; name a folder "
        "of its own for the shards."
    )


def finish(out: Path, info: ExportInfo, progress: Progress = silent) -> Manifest:
    """Write tables, data card and, last, the manifest from the shards that lie in `out`.

    Raises
    ------
    StageError
        If there is no shard, one is missing in the row, or one is of another export.
    DamagedError
        If a shard cannot be read.
    """
    shards = shard_files(out)
    _require_complete_row(out, shards, info)
    classes = tables.write_tables(out / manifest.TABLES, shards, info, progress)
    entries = [_shard_entry(path) for path in shards]
    samples = sum(entry["samples"] for entry in entries)
    measured: dict[str, Any] = {
        **_image_facts(shards[0]),
        "shards": entries,
        "samples": samples,
        "candidates": count_candidates(samples, sum(e["rejected"] for e in entries)).model_dump(),
        "tables": {
            "name": manifest.TABLES,
            "sha256": sha256_file(out / manifest.TABLES),
            "rows": {
                "images": samples,
                "objects": int(classes["n_instances"].sum()),
                "classes": len(classes),
            },
        },
        "documents": [],
    }
    bare = build_manifest(info, **measured)
    with whole_file(out / "README.md") as partial:
        partial.write_text(card.data_card(bare, classes), encoding="utf-8")
    write_json(out / "croissant.json", croissant.croissant(bare))
    measured["documents"] = [
        {"name": name, "sha256": sha256_file(out / name)} for name in manifest.DOCUMENTS
    ]
    whole = build_manifest(info, **measured)
    write_manifest(out, whole)
    return whole


def shard_files(folder: Path) -> list[Path]:
    """Return the shards that lie in a folder, in order."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if SHARD_FILE.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem.split("-")[1]))


def _is_of_another(path: Path, info: ExportInfo, samples: int | None) -> bool:
    """Tell whether a shard is of another export, or holds samples beyond the number of this one.

    One that cannot tell is not: it is made again.
    """
    with suppress(OSError, InputError, ValueError), hdf5.open_hdf5(path, shardfile.KIND) as file:
        if str(file.attrs.get("settings_hash", "")) not in ("", info.settings_hash):
            return True
        last = shardfile.plain_dataset(file, "metadata")[-1:]["sample_index"]
        return samples is not None and bool((last >= samples).any())
    return False


def _require_complete_row(out: Path, shards: list[Path], info: ExportInfo) -> None:
    """Raise unless the shards are one export, none missing in between."""
    wanted = [shard_name(number) for number in range(len(shards))]
    if not shards or [path.name for path in shards] != wanted:
        missing = next(iter(set(wanted) - {path.name for path in shards}), shard_name(0))
        raise StageError(f"{out} lacks {missing}; run the export again, it makes what is missing.")
    for path in shards:
        with hdf5.open_hdf5(path, shardfile.KIND) as file:
            if file.attrs.get("settings_hash") != info.settings_hash:
                raise StageError(
                    f"{path} is of another export; delete it and run the export again."
                )


def _shard_entry(path: Path) -> dict[str, Any]:
    """Return what the manifest says about a shard."""
    with hdf5.open_hdf5(path, shardfile.KIND) as file:
        metadata = shardfile.plain_dataset(file, "metadata")
        index, seed, rejected = (metadata[name] for name in ("sample_index", "seed", "n_rejected"))
    if (seed != seed[0]).any() or (index != index[0] + range(len(index))).any():
        raise DamagedError(
            f"{path}: its samples are of several seeds or not in order; make it again."
        )
    return {
        "name": path.name,
        "sha256": sha256_file(path),
        "samples": len(index),
        "rejected": int(rejected.sum()),
        "seeds": {
            "seed": int(seed[0]),
            "first_index": int(index[0]),
            "last_index": int(index[-1]),
        },
    }


def _image_facts(path: Path) -> dict[str, Any]:
    """Return type, size and channels of the images of a shard."""
    with hdf5.open_hdf5(path, shardfile.KIND) as file:
        images: h5py.Dataset = shardfile.plain_dataset(file, "images")
        return {
            "image_dtype": images.dtype.name,
            "image_height_px": images.shape[1],
            "image_width_px": images.shape[2],
            "channels": shardfile.channels(images.shape[3]),
        }

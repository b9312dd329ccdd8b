"""Where nothing but an export may lie: `verify` wants no other file in its folder."""

from __future__ import annotations

from pathlib import Path

from xraysynth.errors import InputError
from xraysynth.shards import manifest


def refuse_inside_export(out: Path, shards: Path) -> None:
    """Raise if something would be written into a folder of shards, or anywhere below it.

    Parameters
    ----------
    out : file or folder to write
    shards : folder of the export that is read; `out` may lie in no other one either

    Raises
    ------
    InputError
        Naming the folder of the export.
    """
    place = out.resolve()
    for folder in (place, *place.parents):
        if folder == shards.resolve() or _is_export(folder):
            raise InputError(
                f"{out} lies in {folder}, which holds the shards of an export, and `verify` wants "
                "nothing else there; name another folder."
            )


def _is_export(folder: Path) -> bool:
    """Tell whether an export was finished in a folder."""
    return (folder / manifest.NAME).is_file() and manifest.parse_manifest(folder)[0] is not None

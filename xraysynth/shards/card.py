"""The data card: what an export is, for the person who finds the folder."""

from __future__ import annotations

import html
import json
import re

import numpy as np

from xraysynth import schema
from xraysynth.shards.manifest import Manifest

MARKUP = re.compile(r"[\\`*\[\]|~]")
"""What Markdown reads as more than text."""

LIMITS = """\
- The images are generated. A detector trained on them must be tested on real, held-out scans.
- Masks come from a segmenter, not from a person or from physics: a pixel may be wrong. Its
  `confidence` estimates how often such labels are right; it was calibrated without any truth.
  Filter with `flagged`, `foreground_confidence` and `score`.
- Touching items of one class are told apart only where the outline leaves no doubt, which is
  seldom: most are one object. Items that the generator never saw do not occur.
- Frequencies of classes follow the generator, not the traffic at any checkpoint."""

LICENCE = """\
The files themselves come without restriction from xraysynth. If the generator was trained on scans
of others, the terms of those scans may bind what it makes: check them before you pass this on.
The generators bundled with xraysynth saw simulated scans only."""

READING = """\
```python
import h5py, pandas as pd

images = pd.read_hdf("tables.h5", "images")          # also "objects" and "classes"
good = images[~images.flagged]
with h5py.File(good.shard.iloc[0]) as file:
    row = good.row.iloc[0]
    scan, mask = file["images"][row], file["masks"][row]
```

```python
from torch.utils.data import DataLoader
from xraysynth.shards.torch_dataset import ShardDataset

for batch in DataLoader(ShardDataset("."), batch_size=16, shuffle=True):
    batch["image"], batch["mask"]                    # (n, C, H, W) in [0, 1]; (n, H, W) int64
```"""


def data_card(manifest: Manifest, classes: np.ndarray) -> str:
    """Return the text of `README.md` for an export.

    Parameters
    ----------
    manifest : of the export; its documents may still be missing
    classes : (class,) rows of table `classes`
    """
    sections = {
        "What this is": _what(manifest),
        "How it was made": _how(manifest),
        "Classes": _classes(classes),
        "How to read it": READING,
        "Columns": "\n\n".join(column_table(name) for name in ("images", "objects", "classes")),
        "Limits": LIMITS,
        "Licence": LICENCE,
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"# Synthetic baggage X-ray scans with labels\n\n{body}\n"


def column_table(name: str) -> str:
    """Return the columns of a table as Markdown."""
    table = schema.table(name)
    lines = [
        f"### `{name}`: {table.meaning}",
        "",
        "| column | type | unit | range | meaning |",
        "|---|---|---|---|---|",
    ]
    for column in table.columns.values():
        kind = "text" if column.dtype.kind == "S" else column.dtype.name
        key = " (key)" if column.name in table.key else ""
        cells = (f"`{column.name}`{key}", kind, column.unit, _range(column), column.meaning)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _range(column: schema.Column) -> str:
    """Return the range of a column, such as "0 to 1"."""
    if column.smallest is None:
        return ""
    return (
        f"{column.smallest:g} {'or more' if column.largest is None else f'to {column.largest:g}'}"
    )


def _what(manifest: Manifest) -> str:
    """Return the counts."""
    return (
        f"{manifest.samples} generated scans of {manifest.image_width_px} x "
        f"{manifest.image_height_px} pixels, channels {', '.join(manifest.channels)} "
        f"({manifest.image_dtype}), in {len(manifest.shards)} shards; "
        f"{manifest.tables.rows.objects} objects.\n\n"
        "Each `shard-*.h5` holds, one entry a sample: `/images` (N, H, W, C); `/masks` (N, H, W), "
        "the class id of each pixel; `/overlaps` (N, H, W), bit c is set where class c is crossed "
        "by the beam; `/confidence` (N, H, W), 0 to 255 for 0 to 1; `/metadata` (N,), the rows of "
        "table `images`. `tables.h5` holds the tables of all shards, `manifest.json` the SHA-256 "
        "of every file: `xraysynth verify .` checks them."
    )


def _how(manifest: Manifest) -> str:
    """Return where the samples come from."""
    settings = json.dumps(manifest.settings, indent=2, sort_keys=True, ensure_ascii=False)
    return (
        f"xraysynth {manifest.xraysynth_version}, generator `{manifest.generator_hash}`, segmenter "
        f"`{manifest.segmenter_hash}`, seed {manifest.seed}, truncation "
        f"{manifest.truncation_psi:g}. The segmenter reads the generator's own activations while "
        "it draws the scan; it learned from a labelled exemplar. Sample i follows from seed, i "
        f"and `n_rejected` alone.{_rejected(manifest)}\n\n"
        f"```json\n{settings}\n```"
    )


def _rejected(manifest: Manifest) -> str:
    """Return how many candidates were replaced, where there was a limit."""
    found, limit = manifest.candidates, manifest.settings.get("min_confidence")
    if not limit:
        return ""
    return (
        f" Of {found.drawn} generated scans {found.rejected} ({found.rejected_share:.1%}) were "
        f"replaced: their confidence was below {limit:g}."
    )


def _classes(classes: np.ndarray) -> str:
    """Return the table of the classes."""
    lines = [
        "| id | class | group | images | objects | share of pixels |",
        "|---|---|---|---|---|---|",
    ]
    for row in classes:
        lines.append(
            f"| {row['class_id']} | {_cell(row['class_name'])} | {_cell(row['group'])} | "
            f"{row['n_images']} | {row['n_instances']} | {row['pixel_share']:.4f} |"
        )
    return "\n".join(lines)


def _cell(name: bytes) -> str:
    """Return a name as a cell of a Markdown table shows it: no markup, no end of the cell."""
    return MARKUP.sub(r"\\\g<0>", html.escape(name.decode(), quote=False))

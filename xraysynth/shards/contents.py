"""Check what the files of an export hold, shard by shard. `apart` runs this as a program."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xraysynth.shards.findings import Finding
from xraysynth.shards.inspection import Inspection
from xraysynth.shards.manifest import TABLES, Manifest, parse_manifest
from xraysynth.shards.tables_check import TablesCheck, open_tables

MOST_BYTES = 8 * 2**30
"""Memory of the process that opens the files."""


@dataclass(frozen=True, kw_only=True)
class ContentsTask:
    """What to check: plain data, so that it crosses process borders."""

    folder: str
    changed: list[str]
    """Files whose hash is wrong: what they hold does not count for the tables."""
    closed: list[str]
    """Files that must not be opened: absent, no files, or the death of an earlier process."""


def check_contents(task: ContentsTask, manifest: Manifest) -> Iterator[list[Finding]]:
    """Yield what is wrong: on opening the tables, in each shard, and at the end of the tables."""
    folder = Path(task.folder)
    check = TablesCheck(manifest)
    opening: list[Finding] = []
    with open_tables(folder, TABLES not in task.changed + task.closed, opening) as tables:
        yield opening
        for entry in manifest.shards:
            findings, contents = [], None
            if entry.name not in task.closed:
                inspection = Inspection(folder / entry.name, manifest, entry)
                contents = inspection.run()
                findings = inspection.findings
            sound = contents if entry.name not in task.changed else None
            yield findings + check.shard(tables, entry.samples, sound)
        yield check.whole(tables)


def _main(task: ContentsTask) -> None:
    """Write the findings of each step as one line of JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    manifest, _ = parse_manifest(Path(task.folder))
    for findings in check_contents(task, manifest) if manifest else ():
        line: list[dict[str, Any]] = [vars(finding) for finding in findings]
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(ContentsTask(**json.loads(sys.stdin.read())))

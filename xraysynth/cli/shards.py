"""Commands `verify`, `convert` and `audit`: what can be done with shards, without a generator."""

from __future__ import annotations

import argparse
from pathlib import Path

from xraysynth.cli.console import say, show_json, show_table, tell, watched
from xraysynth.cli.parser import Parser, add_command, add_json, add_out, add_settings

FORMATS = ("coco", "yolo", "webdataset")


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    _add_verify(commands)
    _add_convert(commands)
    _add_audit(commands)


def _add_verify(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "verify",
        verify,
        help="Check every byte, chunk and count of exported shards",
        example="xraysynth verify runs/quickstart/shards",
    )
    parser.add_argument("shards", type=Path, metavar="DIR", help="folder of an export")
    add_json(parser)


def verify(arguments: argparse.Namespace) -> int:
    """Check shards; exit status 3 if anything is wrong."""
    from xraysynth.shards.verify import verify as verify_shards

    with watched("verify") as progress:
        report = verify_shards(arguments.shards, progress)
    error = report.error()
    if arguments.json:
        show_json(report.as_json())
    elif error is None:
        say(f"{arguments.shards}: {report.samples} samples in {report.shards} shards are whole")
    else:
        show_table([vars(finding) for finding in report.findings])
    if error is not None:
        raise error
    return 0


def _add_convert(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "convert",
        convert,
        help="Write exported shards in the format of a detector",
        example="xraysynth convert runs/quickstart/shards --to coco --out coco",
    )
    parser.add_argument("shards", type=Path, metavar="DIR", help="folder of an export")
    parser.add_argument("--to", choices=FORMATS, required=True, help="the format")
    add_out(parser, "folder that is not there yet")
    add_json(parser)


def convert(arguments: argparse.Namespace) -> int:
    """Convert shards."""
    from xraysynth.shards.convert import convert as convert_shards

    with watched("convert") as progress:
        done = convert_shards(arguments.shards, arguments.to, arguments.out, progress)
    _warn_of_tables(arguments.shards)
    if arguments.json:
        show_json(vars(done))
    else:
        say(f"{done.samples} samples with {done.objects} objects: {done.folder}")
    return 0


def _warn_of_tables(shards: Path) -> None:
    """Warn if the tables, which only `verify` reads, are not those that were exported."""
    from xraysynth.shards.verify import tables_fault

    fault = tables_fault(shards)
    if fault:
        tell(f"warning: {fault}")


def _add_audit(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "audit",
        audit,
        help="Write tables and a report on what exported shards hold",
        example="xraysynth audit runs/quickstart/shards --out audit",
    )
    parser.add_argument("shards", type=Path, metavar="DIR", help="folder of an export")
    parser.add_argument(
        "--scans", type=Path, metavar="SCANS.h5", help="what the generator learned from, to compare"
    )
    add_out(parser, "folder for the report")
    add_settings(parser)
    add_json(parser)


def audit(arguments: argparse.Namespace) -> int:
    """Audit shards."""
    from xraysynth.audit import AuditConfig
    from xraysynth.audit import audit as audit_shards
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    config = settings_from_mapping(AuditConfig, with_overrides({}, arguments.set))
    with watched("audit") as progress:
        summary = audit_shards(
            arguments.shards, arguments.out, config, arguments.scans, progress=progress
        )
    _warn_of_tables(arguments.shards)
    if arguments.json:
        show_json(summary.as_json())
        return 0
    say(f"{summary.samples} samples with {summary.objects} objects, {summary.flagged} flagged")
    say(f"report: {summary.report}")
    return 0

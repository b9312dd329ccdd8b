"""Command `run`: a whole pipeline."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraysynth.cli.console import StageObserver, say, show_json, show_table, tell
from xraysynth.cli.parser import Parser, add_command, add_json, add_settings
from xraysynth.cli.score_tables import confidence_rows, score_rows

if TYPE_CHECKING:
    from xraysynth.pipeline.definition import Pipeline
    from xraysynth.pipeline.record import RunRecord


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "run",
        run,
        help="Run the stages of a pipeline file, each once; the same command goes on where it was",
        example="xraysynth run pipelines/quickstart.yaml --set train_gan.kimg=2 --out runs/short",
    )
    parser.add_argument(
        "pipeline", metavar="PIPELINE", help="a YAML file, or the name of a bundled one: quickstart"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the run (runs/NAME, NAME from the file)"
    )
    add_settings(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show every setting and what would run; touch nothing",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run a pipeline, or show what would be run."""
    from xraysynth.pipeline.definition import load_pipeline
    from xraysynth.pipeline.engine import run_pipeline

    pipeline = load_pipeline(arguments.pipeline, arguments.set)
    folder = arguments.out or Path("runs") / pipeline.run.name
    if arguments.dry_run:
        _show_plan(pipeline, folder, arguments.json)
        return 0
    observer = StageObserver(len(pipeline.stages))
    try:
        record = run_pipeline(pipeline, folder, observer)
    finally:
        observer.close()
    _show_summary(pipeline, folder, record, arguments.json)
    return 0


def _show_plan(pipeline: Pipeline, folder: Path, as_json: bool) -> None:
    """Print each stage's settings and whether it would run."""
    from xraysynth.pipeline.engine import plan

    reasons = {verdict.stage.name: verdict.reason for verdict in plan(pipeline, folder)}
    resolved = pipeline.resolved()
    if as_json:
        show_json({"out": folder, "settings": resolved, "would_run": reasons})
        return
    say(f"out: {folder}")
    for name, value in resolved.items():
        if name not in reasons:
            say(f"{name}: {_text(value)}")
            continue
        say(f"{name}:  # {'would run: ' + reasons[name] if reasons[name] else 'up to date'}")
        for line in _setting_lines(value):
            say(f"  {line}")


def _setting_lines(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as lines of YAML."""
    lines = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{name}:", *(f"  {line}" for line in _setting_lines(value))]
        else:
            lines.append(f"{name}: {_text(value)}")
    return lines


def _text(value: Any) -> str:
    """Return a plain value as YAML: JSON, but words that YAML takes for words without quotes."""
    import json

    from xraysynth.pipeline.yaml_file import parse_yaml

    word = isinstance(value, str) and value.isidentifier() and parse_yaml(value, "") == value
    return str(value) if word else json.dumps(value)


def _show_summary(pipeline: Pipeline, folder: Path, record: RunRecord, as_json: bool) -> None:
    """Print seconds a stage, how much was made, and where to look."""
    from xraysynth.files import read_json
    from xraysynth.pipeline.stage import AUDIT, EVALUATION, EXEMPLAR, SHARDS

    rows = [
        {"stage": stage.name, "seconds": round(record.stages[stage.name].seconds, 1)}
        for stage in pipeline.stages
    ]
    manifest, report = folder / SHARDS / "manifest.json", folder / AUDIT / "report.html"
    counts = (
        [entry["samples"] for entry in read_json(manifest)["shards"]] if manifest.exists() else []
    )
    if as_json:
        show_json({"out": folder, "stages": rows, "samples": sum(counts), "shards": len(counts)})
        return
    show_table([*rows, {"stage": "total", "seconds": sum(row["seconds"] for row in rows)}])
    if counts:
        say(f"{sum(counts)} labelled scans in {len(counts)} shards: {folder / SHARDS}")
    for path in sorted((folder / EXEMPLAR).rglob("inversion.json")):
        found = read_json(path)
        (tell if found["bad"] else say)(f"{path.parent}: {found['in_words']}")
    coverage = folder / EXEMPLAR / "coverage.json"
    if coverage.exists():
        found = read_json(coverage)
        (tell if found["bad"] else say)(found["in_words"])
    if "evaluate" in pipeline.settings:
        say("masks judged by a network that learned exact ones:")
        scores = read_json(folder / EVALUATION)
        show_table(score_rows(scores))
        show_table(confidence_rows(scores))
    if report.exists():
        say(f"report: {report}")

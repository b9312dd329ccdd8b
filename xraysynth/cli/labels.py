"""Commands `learn` and `export`: from one labelled scan to many."""

from __future__ import annotations

import argparse
from pathlib import Path

from xraysynth.cli.console import say, watched
from xraysynth.cli.gan import add_generator, add_request, given_settings
from xraysynth.cli.parser import (
    Parser,
    add_command,
    add_out,
    add_seed,
    add_settings,
    add_workers,
    positive,
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    _add_learn(commands)
    _add_export(commands)


def _add_learn(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "learn",
        learn,
        help="Learn to label a generator's scans from one labelled scan, or a few",
        example="xraysynth learn --gan bundled --exemplar my-exemplar --out segmenter.safetensors",
    )
    add_generator(parser)
    parser.add_argument(
        "--exemplar",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a labelled scan of this generator, from annotate or another tool; may be given again",
    )
    add_out(parser, "safetensors file to write")
    add_seed(parser)
    add_settings(parser)


def learn(arguments: argparse.Namespace) -> int:
    """Learn a segmenter."""
    from xraysynth.gan.checkpoint import load_generator
    from xraysynth.oneshot.exemplar_folder import load_exemplars
    from xraysynth.oneshot.learn import LearnConfig, learn_segmenter
    from xraysynth.oneshot.segmenter import save_segmenter
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    config = settings_from_mapping(LearnConfig, with_overrides({}, arguments.set))
    generator = load_generator(arguments.gan)
    exemplars = [one for folder in arguments.exemplar for one in load_exemplars(folder, generator)]
    with watched("learn") as progress:
        segmenter = learn_segmenter(generator, exemplars, config, arguments.seed, progress)
    save_segmenter(segmenter, arguments.out)
    say(f"segmenter of {', '.join(segmenter.class_names)}: {arguments.out}")
    return 0


def _add_export(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "export",
        export,
        help="Generate labelled scans in shards, with tables and a manifest",
        example="xraysynth export --gan bundled --segmenter segmenter.safetensors --count 10000 "
        "--out shards",
    )
    add_generator(parser)
    parser.add_argument("--segmenter", required=True, metavar="FILE", help="from learn")
    parser.add_argument(
        "--count", type=positive, required=True, metavar="N", help="number of scans"
    )
    parser.add_argument("--shard-size", type=positive, metavar="K", help="scans a shard")
    parser.add_argument(
        "--min-confidence",
        type=float,
        metavar="C",
        help="draw scans anew whose labels are less sure, 0 to 1 (0)",
    )
    add_request(parser)
    add_out(parser, "folder for the shards")
    add_seed(parser)
    add_workers(parser)
    add_settings(parser)


def export(arguments: argparse.Namespace) -> int:
    """Export shards."""
    from xraysynth.oneshot.export import ExportConfig
    from xraysynth.oneshot.export import export as export_shards
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    names = ("count", "shard_size", "min_confidence", "contains", "balance")
    named = given_settings(arguments, names)
    config = settings_from_mapping(ExportConfig, with_overrides(named, arguments.set))
    with watched("export") as progress:
        manifest = export_shards(
            arguments.gan,
            arguments.segmenter,
            config,
            seed=arguments.seed,
            out=arguments.out,
            workers=arguments.workers,
            progress=progress,
        )
    if config.min_confidence:
        found = manifest.candidates
        say(
            f"{found.rejected} of {found.drawn} generated scans ({found.rejected_share:.1%}) were "
            f"less sure than {config.min_confidence:g} and replaced"
        )
    say(f"{config.count} labelled scans: {arguments.out}")
    return 0

"""Commands `learn` and `export`: from one labelled scan to many."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xraysynth.cli.console import say, tell, watched
from xraysynth.cli.gan import add_generator, add_request, given_settings
from xraysynth.cli.parser import (
    Parser,
    add_command,
    add_out,
    add_out_file,
    add_seed,
    add_settings,
    add_workers,
    positive,
)
from xraysynth.errors import InputError

if TYPE_CHECKING:
    from xraysynth.gan.generator import Generator
    from xraysynth.oneshot.exemplar import Exemplar
    from xraysynth.oneshot.real_scan import InvertedScan


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
        example="xraysynth learn --gan bundled --exemplar my-exemplar --out segmenter.safetensors\n"
        "  xraysynth learn --gan bundled --scan bag.png --labels bag.json "
        "--out segmenter.safetensors",
    )
    add_generator(parser)
    parser.add_argument(
        "--exemplar",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a labelled scan of this generator, from annotate or another tool; may be given again",
    )
    parser.add_argument(
        "--scan",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="picture of a real scan that you labelled, with --labels; may be given again",
    )
    add_label_files(parser, "label file of that scan; one for each --scan")
    add_out_file(parser, "safetensors file to write")
    add_seed(parser)
    add_settings(parser)


def learn(arguments: argparse.Namespace) -> int:
    """Learn a segmenter."""
    from xraysynth.files import check_writable
    from xraysynth.gan.checkpoint import load_generator
    from xraysynth.oneshot.learn import LearnConfig, learn_segmenter
    from xraysynth.oneshot.segmenter import save_segmenter
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    config = settings_from_mapping(LearnConfig, with_overrides({}, arguments.set))
    generator = load_generator(arguments.gan)
    pairs, exemplars = _taught(arguments, generator)
    check_writable(arguments.out)
    if pairs:
        exemplars += _inverted(arguments, generator, pairs)
    with watched("learn") as progress:
        segmenter = learn_segmenter(generator, exemplars, config, arguments.seed, progress)
    save_segmenter(segmenter, arguments.out)
    say(f"segmenter of {', '.join(segmenter.class_names)}: {arguments.out}")
    return 0


def _taught(
    arguments: argparse.Namespace, generator: Generator
) -> tuple[list[tuple[Path, Path]], list[Exemplar]]:
    """Return real scans with their label files, and the exemplars of folders."""
    from xraysynth.oneshot.exemplar_folder import load_exemplars

    pairs = label_files(arguments, arguments.scan)
    if not pairs and not arguments.exemplar:
        raise InputError(
            "learn was given nothing to learn from; want --exemplar DIR, or --scan FILE with "
            "--labels FILE."
        )
    if arguments.classes and not pairs:
        raise InputError(
            "--classes names the classes of --labels, and there are none; leave it out: each "
            "exemplar.json names its own."
        )
    return pairs, [one for path in arguments.exemplar for one in load_exemplars(path, generator)]


def _inverted(
    arguments: argparse.Namespace, generator: Generator, pairs: Sequence[tuple[Path, Path]]
) -> list[Exemplar]:
    """Return the exemplars of real scans, which are inverted, and kept beside the segmenter."""
    from xraysynth.gan.inversion import InversionConfig
    from xraysynth.oneshot.make_exemplars import check_places, places
    from xraysynth.oneshot.real_scan import inverted_exemplars, save_inverted

    # `with_suffix` would give model.v1 and model.v2 one folder.
    name = arguments.out.name.removesuffix(".safetensors")
    folder = arguments.out.with_name(f"{name}.exemplars")
    check_places(folder, len(pairs))
    with watched("invert") as progress:
        found = inverted_exemplars(
            generator,
            pairs,
            InversionConfig(),
            arguments.seed,
            class_names=arguments.classes,
            progress=progress,
        )
    for place, one, (scan, _) in zip(places(folder, len(found)), found, pairs, strict=True):
        save_inverted(one, place)
        tell_inversion(scan, one)
    say(f"inverted scans (compare real.png with scan.png): {folder}")
    return [one.exemplar for one in found]


def add_label_files(parser: Parser, what: str) -> None:
    """Add `--labels` and `--classes`, which go with pictures of real scans."""
    parser.add_argument(
        "--labels",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"{what} (labelme, COCO, indexed PNG)",
    )
    parser.add_argument(
        "--classes",
        type=lambda text: tuple(name.strip() for name in text.split(",")),
        default=(),
        metavar="A,B,...",
        help="names of the class ids of a PNG, background first",
    )


def label_files(arguments: argparse.Namespace, scans: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Return scans, each with its label file, or raise if they do not pair up."""
    if len(scans) != len(arguments.labels):
        raise InputError(
            f"{len(scans)} scans and {len(arguments.labels)} label files were given; want a label "
            "file for each scan, in the same order."
        )
    return list(zip(scans, arguments.labels, strict=True))


def tell_inversion(scan: Path, found: InvertedScan) -> None:
    """Say how well a scan was inverted; what is bad goes to stderr as a warning."""
    if found.is_bad:
        tell(f"warning: {scan}: {found.in_words()}")
    else:
        say(f"{scan}: {found.in_words()}")


def _add_export(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "export",
        export,
        help="Generate labelled scans in shards, with tables and a manifest",
        example="xraysynth export --gan bundled --segmenter bundled --count 10000 --out shards",
    )
    add_generator(parser)
    parser.add_argument(
        "--segmenter", required=True, metavar="FILE", help='from learn, or "bundled"'
    )
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

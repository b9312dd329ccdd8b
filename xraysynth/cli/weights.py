"""Commands `import-gan` and `invert`: what comes from outside, into a generator."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from xraysynth.cli.console import say, show_json, show_table, tell, watched
from xraysynth.cli.gan import add_generator
from xraysynth.cli.labels import add_label_files, label_files, tell_inversion
from xraysynth.cli.parser import (
    Parser,
    add_command,
    add_json,
    add_out,
    add_out_file,
    add_seed,
    add_settings,
    positive,
)
from xraysynth.errors import InputError

if TYPE_CHECKING:
    from xraysynth.gan.inversion import InversionConfig


COUNT = 16
"""Scans of a file that are inverted unless it is said otherwise."""


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    _add_import(commands)
    _add_invert(commands)


def _add_import(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "import-gan",
        import_gan,
        help="Turn published StyleGAN2-ADA weights into a generator file, without running them",
        example="xraysynth import-gan network-snapshot.pkl --out generator.safetensors",
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="official .pkl, .pt with g_ema, or .safetensors"
    )
    add_out_file(parser, "safetensors file to write")
    add_json(parser)


def import_gan(arguments: argparse.Namespace) -> int:
    """Import weights."""
    from xraysynth.files import check_writable
    from xraysynth.gan.foreign import import_generator

    check_writable(arguments.out)
    found = import_generator(arguments.file, arguments.out)
    for note in found.notes:
        tell(f"note: {note}.")
    row = {
        "layout": found.layout,
        **found.config.model_dump(mode="json"),
        "discriminator": found.discriminator,
    }
    if arguments.json:
        show_json(row)
        return 0
    show_table([{"what": name, "value": str(value)} for name, value in row.items()])
    say(f"generator: {arguments.out}")
    return 0


def _add_invert(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "invert",
        invert,
        help="Find the codes with which a generator draws given scans",
        example="xraysynth invert scans.h5 --gan bundled --count 16 --out inverted\n"
        "  xraysynth invert bag.png --labels bag.json --gan bundled --out my-exemplar",
    )
    parser.add_argument(
        "scans",
        type=Path,
        metavar="SCANS",
        help="scans.h5 from simulate or prepare; or the picture of one real scan, with --labels",
    )
    add_generator(parser)
    add_label_files(parser, "label file of the picture; --out becomes an exemplar for `learn`")
    parser.add_argument("--count", type=positive, metavar="N", help=f"the first N scans ({COUNT})")
    add_out(parser, "folder for codes, errors and pictures")
    add_seed(parser)
    add_settings(parser)
    add_json(parser)


def invert(arguments: argparse.Namespace) -> int:
    """Invert scans."""
    from xraysynth.gan.inversion import InversionConfig
    from xraysynth.gan.inversion_files import invert_file
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.scans.readers.folders import IMAGE_SUFFIXES
    from xraysynth.settings import settings_from_mapping

    config = settings_from_mapping(InversionConfig, with_overrides({}, arguments.set))
    if arguments.labels:
        return _invert_labelled(arguments, config)
    if arguments.scans.suffix.lower() in IMAGE_SUFFIXES:
        raise InputError(
            f"{arguments.scans} is a picture; give its label file with --labels, or put pictures "
            "into a scans.h5 with `xraysynth prepare`."
        )
    if arguments.classes:
        raise InputError(
            "--classes names the classes of --labels, and there is none; leave it out."
        )
    with watched("invert") as progress:
        report = invert_file(
            arguments.scans,
            arguments.gan,
            arguments.out,
            config,
            count=arguments.count or COUNT,
            seed=arguments.seed,
            progress=progress,
        )
    if arguments.json:
        show_json(report)
        return 0
    means = report["mean"]
    show_table([{"what": name, "mean over scans": f"{means[name]:.4f}"} for name in means])
    say(f"real | start | found: {arguments.out / 'inversion.png'}")
    return 0


def _invert_labelled(arguments: argparse.Namespace, config: InversionConfig) -> int:
    """Invert one labelled real scan into an exemplar."""
    from xraysynth.files import check_writable
    from xraysynth.gan.checkpoint import load_generator
    from xraysynth.oneshot.make_exemplars import check_places
    from xraysynth.oneshot.real_scan import inverted_exemplars, save_inverted

    if arguments.count is not None:
        raise InputError(
            "--count is for a scans.h5; with --labels one picture is inverted: leave it out."
        )
    pairs = label_files(arguments, [arguments.scans])
    generator = load_generator(arguments.gan)
    check_places(arguments.out, 1)
    check_writable(arguments.out / "exemplar.json")
    with watched("invert") as progress:
        (found,) = inverted_exemplars(
            generator,
            pairs,
            config,
            arguments.seed,
            class_names=arguments.classes,
            progress=progress,
        )
    save_inverted(found, arguments.out)
    if arguments.json:
        show_json(found.as_json())
        return 0
    show_table([{"within": n, "error": f"{e:.4f}"} for n, e in found.class_errors.items()])
    tell_inversion(arguments.scans, found)
    say(f"exemplar (compare real.png with scan.png): {arguments.out}")
    return 0

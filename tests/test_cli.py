"""The command line itself: help, names, exit statuses, one-line errors."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ctrl_c import interrupted

from xraysynth import cli
from xraysynth.cli import build_parser, main
from xraysynth.cli.console import LineMeter, show_table
from xraysynth.cli.parser import Parser
from xraysynth.errors import DamagedError, InputError
from xraysynth.scanfile import open_scans

BUNDLED = ["--gan", "bundled", "--out", "a"]
COMMANDS = {
    name: parser
    for action in build_parser()._actions
    if isinstance(action.choices, dict)
    for name, parser in action.choices.items()
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"example:\n  xraysynth {name} " in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_understood(name: str) -> None:
    epilog = COMMANDS[name].epilog or ""
    lines = [line.strip() for line in epilog.replace("\\\n", " ").splitlines()]
    examples = [line for line in lines if line.startswith("xraysynth ")]
    assert examples
    for example in examples:
        assert build_parser().parse_all(example.split()[1:]).run


def test_help_is_there_at_once_and_without_torch() -> None:
    code = (
        "import sys; from xraysynth.cli import main; main(['--help']); main(['run', '--help']);"
        "sys.exit(sorted({'torch', 'h5py', 'pandas', 'numpy'} & set(sys.modules)) or 0)"
    )
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert time.monotonic() - start < 2


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("xraysynth 0.")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["rnu"], "there is no 'rnu'; did you mean run?"),
        (["fly"], "there is no 'fly'; want one of run, simulate"),
        (["simulate", "--out", "a.h5"], "the following arguments are required: --count"),
        (["simulate", "--out", "a", "--cuont", "3", "--count", "1"], "did you mean --count?"),
        (["simulate", "--out", "a", "--count", "x"], "'x' is not a whole number of at least 1"),
        (["simulate", "--out", "a", "--count", "-1"], "'-1' is not a whole number of at least 1"),
        (["simulate", "--out", "a", "--count", "1", "--channels", "rbg"], "did you mean rgb?"),
        (["simulate", "--out", "a", "--count", "1", "--size", "17"], "size_px is 17; it should be"),
        (
            ["simulate", "--out", "a", "--count", "1", "--set", "pallete=hot"],
            "pallete is not a setting; did you mean palette?",
        ),
        (
            ["simulate", "--out", "a", "--count", "1", "--set", "threat_classes=[gnu]"],
            "did you mean gun?",
        ),
        (["simulate", "--out", "a", "--count", "1", "--seed", "-1"], "at least 0"),
        (["simulate", "--out", "a", "--count", "0"], "'0' is not a whole number of at least 1"),
        (["simulate", "--out", "a", "--count", "9" * 15], "want at most 10000000 scans"),
        (["simulate", "--out", "a", "--count", "1", "--size", "99999999"], "between 16 and 1024"),
        (["simulate", "--out", "a", "--count", "1", "--views", "3"], "views is 3; it should be 1"),
        (
            ["simulate", "--out", "a", "--count", "1", "--set", "clutter_per_litre=[-1, 2]"],
            "clutter_per_litre.0 is -1; it should be greater than or equal to 0",
        ),
        (
            ["simulate", "--out", "a", "--count", "1", "--set", "tilt_deg=.nan"],
            "tilt_deg is nan; it should be a finite number",
        ),
        (
            ["simulate", "--out", "a", "--count", "1", "--set", "palette=neon"],
            "palette is 'neon'; it should be one of",
        ),
        (
            ["simulate", "--out", "a", "--count", "1", "--set", "cases.consel=1"],
            "did you mean cases.conceal?",
        ),
        (["simulate", "--out", "a", "--count", "9" * 20], "is too large; want less than"),
        (["simulate", "--out", ".", "--count", "1"], "'.' is a folder; want the name of a file"),
        (["learn", "--gan", "bundled", "--out", "."], "'.' is a folder; want the name of a file"),
        (["invert", "a.png", "--gan", "bundled", "--out", "a"], "give its label file with"),
        (
            ["invert", "a.h5", *BUNDLED, "--classes", "a,b"],
            "--classes names the classes of --labels, and there is none; leave it out",
        ),
        (
            ["invert", "a.png", *BUNDLED, "--labels", "a.json", "--count", "5"],
            "--count is for a scans.h5",
        ),
        (
            ["export", *BUNDLED, "--segmenter", "bundled", "--count", "2", "--set", "count=3"],
            "--count and --set count=3 are for the same setting; give one of them",
        ),
        (
            ["generate", *BUNDLED, "--count", "2", "--balance", "--set", "balance=false"],
            "--balance and --set balance=false are for the same setting",
        ),
        (["train-gan", ".", "--out", "gan"], ". is a folder; want an HDF5 file of scans"),
        (["run", "nowhere.yaml"], "nowhere.yaml is neither a file nor a bundled pipeline"),
        (["run", "quikstart"], "did you mean quickstart?"),
        (["run", "tiny", "--set", "trian_gan.kimg=1"], "did you mean train_gan?"),
        (["run", "tiny", "--set", "train_gan.kimg=-1"], "train_gan.kimg is -1; it should be"),
        (["run", "tiny", "--set", "train_gan.kimg"], "want --set stage.field=value"),
        (["train-gan", "nowhere.h5", "--out", "gan"], "nowhere.h5 does not exist"),
        (["prepare", "nowhere", "--format", "sixray", "--out", "a.h5"], "nowhere"),
        (["prepare", ".", "--format", "sixrya", "--out", "a.h5"], "did you mean sixray?"),
        (["generate", "--gan", "bundeld", "--count", "1", "--out", "a"], "did you mean bundled"),
        (["learn", "--gan", "bundled", "--exemplar", "nowhere", "--out", "a"], "nowhere has no"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    words: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("xraysynth: error: ")
    assert shown.err.count("\n") == 1
    assert sentence in shown.err
    assert not list(tmp_path.iterdir())


def test_bags_without_items_or_too_small_for_them_are_scanned(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["simulate", "--count", "1", "--size", "32", "--out", str(tmp_path / "a.h5")]
    empty = ["--set", "threats=[0, 0]", "--set", "clutter=[0, 0]", "--set", "two_bags=0"]
    assert main([*words, *empty]) == 0
    full = ["--views", "2", "--set", "clutter=[60, 60]", "--set", "fill=[0.1, 0.1]"]
    assert main([*words, *full]) == 0
    assert "1 scans of 2 views" in capsys.readouterr().out
    with open_scans(tmp_path / "a.h5") as file:
        assert file["metadata"]["n_left_out"].min() > 30


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command line whose command raises."""

    def fail(argv: object) -> int:
        raise error

    monkeypatch.setattr(cli, "_command", fail)
    return main([])


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (InputError("it is wrong"), 2, "xraysynth: error: it is wrong"),
        (InputError("two\n  lines"), 2, "xraysynth: error: two lines"),
        (DamagedError("it is damaged"), 3, "xraysynth: error: it is damaged"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command to go on"),
        (KeyboardInterrupt("interrupted; add this"), 130, "interrupted; add this"),
        (
            OSError(errno.ENOSPC, "x", "a.h5"),
            2,
            "xraysynth: error: a.h5 cannot be used: the disk is full.",
        ),
        (
            PermissionError(errno.EACCES, "x", "a.h5"),
            2,
            "xraysynth: error: a.h5 cannot be used: permission is missing.",
        ),
    ],
)
def test_each_error_has_its_exit_status(
    error: BaseException,
    status: int,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert raising(error, monkeypatch) == status
    shown = capsys.readouterr().err
    assert shown.startswith(sentence)
    assert shown.count("\n") == 1


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError(errno.EIO, "x"), MemoryError()])
def test_an_unexpected_error_is_not_dressed_up(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(type(error)):
        raising(error, monkeypatch)


def test_debugging_shows_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYSYNTH_DEBUG", "1")
    assert raising(InputError("it is wrong"), monkeypatch) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("xraysynth: error: it is wrong\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = (
        "import sys, signal; from xraysynth.cli import main;"
        "sys.exit(main(['run', 'tiny', '--dry-run', '--out', 'nowhere']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 141


def test_ctrl_c_ends_with_status_130(tmp_path: Path) -> None:
    words = ["simulate", "--out", str(tmp_path / "a.h5"), "--count", "100000", "--size", "16"]
    with subprocess.Popen(
        [sys.executable, "-m", "xraysynth", *words], stderr=subprocess.PIPE, text=True
    ) as child:
        deadline = time.monotonic() + 30
        while not any(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        shown = interrupted(child)
    assert child.returncode == 130
    assert shown.splitlines()[-1] == "interrupted; run the same command to go on"
    assert "Traceback" not in shown


def test_lines_of_progress_are_ten_seconds_apart(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    meter = LineMeter("learn", clock=lambda: now[0])
    for step in range(301):
        now[0] = step / 10
        meter(step, 300, "loss 0.5")
    assert capsys.readouterr().err.splitlines() == [
        "learn: 100/300 (33 %), loss 0.5",
        "learn: 200/300 (66 %), loss 0.5",
        "learn: 300/300 (100 %), loss 0.5",
    ]


def test_an_empty_table_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([])
    assert capsys.readouterr().out == ""


def test_a_plan_can_be_read_by_programs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["run", "tiny", "--dry-run", "--json", "--out", str(tmp_path / "run")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["would_run"]["simulate"] == "never run"
    assert shown["settings"]["simulate"]["size_px"] == 16
    assert not (tmp_path / "run").exists()


def test_a_plan_is_valid_as_a_pipeline_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = ["--dry-run", "--out", str(tmp_path / "run")]
    assert main(["run", "tiny", *out]) == 0
    first = capsys.readouterr().out
    path = tmp_path / "again.yaml"
    path.write_text("".join(line for line in first.splitlines(keepends=True)[1:]))
    assert main(["run", str(path), *out]) == 0
    assert capsys.readouterr().out == first


def test_convert_offers_every_format_there_is() -> None:
    from xraysynth.cli.shards import FORMATS as OFFERED
    from xraysynth.shards.convert import FORMATS

    assert set(OFFERED) == set(FORMATS)


def test_a_command_is_a_parser_of_ours() -> None:
    assert all(type(parser) is Parser for parser in COMMANDS.values())
    assert os.environ.get("XRAYSYNTH_DEBUG") is None

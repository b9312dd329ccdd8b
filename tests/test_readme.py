"""README.md works: its Python runs, its commands parse, its tables and links are current."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

from xraysynth.cli import build_parser, main
from xraysynth.pipeline.definition import load_pipeline

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(*languages: str) -> list[str]:
    """Return the code blocks of these languages, in order."""
    return [code for language, code in BLOCK.findall(TEXT) if language in languages]


def shell_lines() -> list[str]:
    """Return every command of the shell blocks, continued lines joined, prompts removed."""
    joined = "\n".join(blocks("sh", "console")).replace("\\\n", " ")
    return [line.removeprefix("$ ").split(" #")[0].strip() for line in joined.splitlines()]


COMMANDS = [line for line in shell_lines() if line.startswith("xraysynth ")]


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which `runs/quickstart` is a finished, tiny run."""
    folder = tmp_path_factory.mktemp("readme")
    pipeline = str(ROOT / "pipelines" / "tiny.yaml")
    assert main(["run", pipeline, "--out", str(folder / "runs" / "quickstart")]) == 0
    return folder


def test_python_blocks_run_in_order(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(finished_run)
    namespace: dict[str, object] = {"__name__": "readme"}
    for number, code in enumerate(blocks("python")):
        exec(compile(code, f"README.md block {number}", "exec"), namespace)
    assert "sample_id" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_command_parses(command: str) -> None:
    arguments = build_parser().parse_all(shlex.split(command)[1:])
    if command.startswith("xraysynth run "):
        load_pipeline(ROOT / arguments.pipeline, arguments.set)


def test_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 4


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"^(?:\$ )?make (\w+)", "\n".join(blocks("sh", "console")), re.M))
    assert named and named <= targets


def test_schema_tables_are_current() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "make_schema_table.py"))
    assert tool["current_section"](TEXT) == tool["schema_section"](), (
        "data_schema/ changed: run python tools/make_schema_table.py"
    )


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []

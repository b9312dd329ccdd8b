"""The shape of the tree: short modules with named homes, and no torch where none is due."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "xraysynth").rglob("*.py"))
HOMELESS = {"utils", "util", "misc", "common", "helpers", "helper", "shared"}
TORCH_FREE = ["scanner", "baggage", "scans", "schema", "shards"]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert names([path for path, length in lengths.items() if length > 300]) == []


def test_every_module_says_what_it_is_for() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
    assert names([path for path, tree in trees.items() if not ast.get_docstring(tree)]) == []


def test_every_module_has_a_home_with_a_name() -> None:
    homeless = [path for path in MODULES if path.stem in HOMELESS or path.parent.name in HOMELESS]
    assert names(homeless) == []


@pytest.mark.parametrize("room", TORCH_FREE)
def test_room_imports_without_torch(room: str) -> None:
    dotted = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if path.relative_to(ROOT).with_suffix("").parts[1] == room and path.stem != "torch_dataset"
    ]
    code = f"import importlib, sys\nfor name in {dotted!r}: importlib.import_module(name)\n"
    code += "sys.exit('torch came along' if 'torch' in sys.modules else 0)"
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert finished.returncode == 0, finished.stderr


def test_no_path_of_a_build_machine_is_pinned() -> None:
    pins = [
        line
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert "torch==2.13.0" in pins
    assert not [line for line in pins if line.count("==") != 1 or "/" in line or "+" in line]


def test_nothing_pulls_torchvision() -> None:
    for name in ("setup.cfg", "constraints.txt"):
        assert "torchvision" not in (ROOT / name).read_text(encoding="utf-8")

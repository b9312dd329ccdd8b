"""The wheel and the editable install carry the same files, data included."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("xraysynth", "data_schema", "pipelines")
NOISE = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")

READ_DATA = """
import sys
from importlib.resources import files
sys.path.insert(0, TARGET) if KIND == "wheel" else __import__("site").addsitedir(TARGET)
import xraysynth
print(xraysynth.__file__)
for package in ("xraysynth.data_schema", "xraysynth.pipelines"):
    for name in sorted(entry.name for entry in files(package).iterdir()):
        if name.endswith(".yaml"):
            print(package, name, len(files(package).joinpath(name).read_text(encoding="utf-8")))
"""


def pip(*arguments: str | Path) -> None:
    """Run pip without index or network: the build tools are of this environment."""
    command = [
        sys.executable,
        "-m",
        "pip",
        *map(str, arguments),
        "--no-deps",
        "--no-build-isolation",
    ]
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def source_files() -> set[str]:
    """Return every file that belongs in the package, by its name in the wheel."""
    found = set()
    for source in SOURCES:
        prefix = "" if source == "xraysynth" else "xraysynth/"
        for path in (ROOT / source).rglob("*"):
            parts = path.relative_to(ROOT).parts
            if path.is_file() and not any(p == "__pycache__" or p.startswith(".") for p in parts):
                found.add(prefix + "/".join(parts))
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources: a build in the checkout would leave its output there."""
    copy = tmp_path_factory.mktemp("source")
    for source in SOURCES:
        shutil.copytree(ROOT / source, copy / source, ignore=NOISE)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel built from the copy."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", tree, "--wheel-dir", folder, "--quiet")
    return next(folder.glob("xraysynth-*.whl"))


def read_data(kind: str, target: Path, cwd: Path) -> list[str]:
    """Return what a Python that knows nothing but `target` reads from the data packages."""
    code = f"KIND, TARGET = {kind!r}, {str(target)!r}\n{READ_DATA}"
    command = [sys.executable, "-I", "-S", "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def expected_data() -> list[str]:
    return [
        f"xraysynth.{source} {path.name} {len(path.read_text(encoding='utf-8'))}"
        for source in SOURCES[1:]
        for path in sorted((ROOT / source).glob("*.yaml"))
    ]


def test_wheel_holds_every_source_and_data_file(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert source_files() - inside == set(), "listed in neither packages nor package_data"
    assert inside - source_files() == set()


def test_wheel_carries_the_licence_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = next(name for name in names if name.endswith("entry_points.txt"))
        assert "xraysynth = xraysynth.cli:main" in archive.read(entry_points).decode()
        assert any(name.endswith("LICENSE") for name in names)


def test_installed_wheel_reads_schema_and_pipelines(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    pip("install", wheel, "--target", target, "--quiet")
    where, *data = read_data("wheel", target, tmp_path)
    assert Path(where).is_relative_to(target)
    assert data == expected_data()


def test_editable_install_reads_schema_and_pipelines(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    pip("install", "--editable", tree, "--target", target, "--quiet")
    where, *data = read_data("editable", target, tmp_path)
    assert Path(where).is_relative_to(tree)
    assert data == expected_data()

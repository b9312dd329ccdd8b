"""What all tests share: one thread a process, the folder of reference data, tiny exports."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest
from jaxtyping import install_import_hook

# Before anything imports torch or numpy: the test processes fill the cores, and sums
# over threads would differ in their last bits.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A shell's background job is started deaf to Ctrl-C, and so would be the children of tests.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time, and no limit on the time of one: machines are busy at times.
hypothesis.settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("repeatable")

# Before anything imports this room: its functions then check the shapes they are annotated with.
install_import_hook("xraysynth.scanner", "shape_checks.checked")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of reference data beside the repository, or skip."""
    folder = Path(os.environ.get("XRAYSYNTH_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("no reference data: ../shared is absent and XRAYSYNTH_SHARED is not set")
    return folder


@pytest.fixture(scope="session")
def sound_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return two made-up shards of four samples; copy them to change anything."""
    from shard_samples import write_export

    folder = tmp_path_factory.mktemp("sound") / "shards"
    write_export(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a tiny generator and a segmenter of it."""
    from export_files import make_files

    return make_files(tmp_path_factory.mktemp("tiny") / "first", 0)


@pytest.fixture(scope="session")
def tiny_export(tiny_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what they export with `export_files.CONFIG` and seed 7."""
    from export_files import CONFIG

    from xraysynth.oneshot.export import export

    out = tmp_path_factory.mktemp("export") / "shards"
    export(*tiny_files, CONFIG, 7, out)
    return out


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return where prepared scans go."""
    return tmp_path / "out" / "scans.h5"


@pytest.fixture
def bags(tmp_path: Path) -> Path:
    """Return a plain folder of five scans."""
    from scan_fixtures import save  # Imports the package: after the hook above.

    for seed in range(5):
        save(tmp_path / "bags" / f"bag_{seed}.png", seed=seed)
    return tmp_path / "bags"

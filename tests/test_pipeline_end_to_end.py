"""The whole way of the data in seconds: repeatable, resumable, and clear about what is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from ctrl_c import interrupted
from skimage import io

from xraysynth.cli import main
from xraysynth.files import sha256_file
from xraysynth.randomness import stream

MANIFEST = "shards/manifest.json"


def run(folder: Path, *words: str, pipeline: str = "tiny") -> int:
    """Run a pipeline in this process."""
    return main(["run", pipeline, "--out", str(folder), *words])


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Run the tiny pipeline in a process that may be killed."""
    command = [sys.executable, "-m", "xraysynth", "run", "tiny", "--out", str(folder), *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def statuses(folder: Path) -> dict[str, str]:
    """Return what `run.json` says of each stage."""
    stages = json.loads((folder / "run.json").read_text())["stages"]
    return {name: stage["status"] for name, stage in stages.items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that nothing interrupted; tests that change something copy it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert run(folder) == 0
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """Return a finished run that may be changed."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_every_promised_file_is_there(finished: Path) -> None:
    promised = [
        *("run.json", "scans.h5", "gan/checkpoint.safetensors", "gan/stats.jsonl"),
        *("segmenter.safetensors", "exemplar/label_map.png", "audit/report.html"),
        *(MANIFEST, "shards/tables.h5", "shards/README.md", "shards/croissant.json"),
        "evaluate/segmenter.json",
    ]
    assert [name for name in promised if not (finished / name).is_file()] == []
    assert main(["verify", str(finished / "shards")]) == 0
    for table in ("images", "objects", "classes"):
        frame = pd.read_hdf(finished / "shards/tables.h5", table)
        assert isinstance(frame, pd.DataFrame)
    with h5py.File(finished / "shards/shard-00000.h5") as shard:
        assert shard["images"].shape == (8, 16, 16, 3)


def stages(shown: str) -> list[str]:
    """Return what was said of each stage: "[2/7] train_gan: up to date" and the like."""
    return [line.split(": ", 1)[1] for line in shown.splitlines() if line.startswith("[")]


def test_a_second_run_skips_everything(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (finished / MANIFEST).stat().st_mtime_ns
    assert run(finished) == 0
    shown = capsys.readouterr()
    assert stages(shown.err) == ["up to date"] * 7
    assert "24 labelled scans in 3 shards" in shown.out
    assert f"report: {finished / 'audit/report.html'}" in shown.out
    assert (finished / MANIFEST).stat().st_mtime_ns == before


def test_the_same_seed_makes_the_same_bytes_with_any_number_of_workers(
    finished: Path, tmp_path: Path
) -> None:
    assert run(tmp_path / "again", "--set", "workers=2") == 0
    for path in sorted((finished / "shards").iterdir()):
        assert sha256_file(path) == sha256_file(tmp_path / "again/shards" / path.name), path.name


def test_another_seed_makes_other_shards(finished: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "other", "--set", "seed=1", "--json") == 0
    first, other = (
        json.loads((folder / MANIFEST).read_text())["shards"]
        for folder in (finished, tmp_path / "other")
    )
    assert all(a["sha256"] != b["sha256"] for a, b in zip(first, other, strict=True))


def test_a_changed_setting_redoes_only_what_follows(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(copy, "--set", "export.count=16") == 0
    assert [said for said in stages(capsys.readouterr().err) if "done in" not in said] == [
        *["up to date"] * 4,
        "changed: settings (count)",
        "changed: upstream (export)",
        "changed: upstream (evaluate, export)",
    ]
    assert len(json.loads((copy / MANIFEST).read_text())["shards"]) == 2
    assert main(["verify", str(copy / "shards")]) == 0


def test_a_damaged_shard_is_made_again(finished: Path, copy: Path) -> None:
    shard = copy / "shards/shard-00001.h5"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    assert main(["verify", str(copy / "shards")]) == 3
    assert run(copy) == 0
    assert sha256_file(shard) == sha256_file(finished / "shards/shard-00001.h5")


def appears(path: Path, child: subprocess.Popen[str]) -> None:
    """Wait until a file exists or the child has ended."""
    deadline = time.monotonic() + 120
    while not path.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_run_killed_at_three_moments_ends_in_the_same_manifest(
    finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    moments = stream(20, "moments of killing")
    for mark in ("scans.h5", "gan/resume.safetensors", "shards/shard-00000.h5"):
        with start(folder) as child:
            appears(folder / mark, child)
            time.sleep(moments.uniform(0, 0.3))
            child.kill()
    assert run(folder) == 0
    assert (folder / MANIFEST).read_bytes() == (finished / MANIFEST).read_bytes()
    assert main(["verify", str(folder / "shards")]) == 0


def test_ctrl_c_is_written_down(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with start(folder, "--set", "train_gan.kimg=50") as child:
        appears(folder / "gan/resume.safetensors", child)
        shown = interrupted(child)
    assert child.returncode == 130
    assert shown.splitlines()[-1] == "interrupted; run the same command to go on"
    assert statuses(folder) == {"simulate": "done", "train_gan": "interrupted"}


def test_a_second_run_in_the_same_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with start(folder) as child:
        appears(folder / "run.json", child)
        assert run(folder) == 2
        child.kill()
    assert f"{folder} is in use by another run" in capsys.readouterr().err


FULL = """
import resource, sys
from xraysynth.cli import main
if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
    sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("max_bytes", "stage"), [(60_000, "simulate"), (200_000, "train_gan"), (28_000, "export")]
)
def test_a_full_disk_is_one_sentence_and_loses_nothing(
    copy: Path, tmp_path: Path, max_bytes: int, stage: str
) -> None:
    # A limit on the size of files, which needs no disk that is really full.
    script = tmp_path / "full.py"
    script.write_text(FULL)
    words = ["run", "tiny", "--out", str(copy)]
    made = {"simulate": "scans.h5", "train_gan": "gan", "export": "shards"}[stage]
    path = copy / made
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = subprocess.run(
        [sys.executable, str(script), str(max_bytes), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    # Scans are written in parts first, beside their file.
    where = path.with_name(f".{made}.parts") if stage == "simulate" else path
    assert last.startswith(f"xraysynth: error: {where}")
    assert "(File too large)" in last
    assert statuses(copy)[stage] == "failed"
    assert (copy / "segmenter.safetensors").exists()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder with one good scan and one that is no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    io.imsave(folder / "good.png", np.full((20, 30, 3), 200, np.uint8), check_contrast=False)
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"no picture" * 20)
    return folder


def refused(words: list[str], capsys: pytest.CaptureFixture[str], status: int = 2) -> str:
    """Return the one line with which a command is refused."""
    capsys.readouterr()
    assert main(words) == status
    lines = [line for line in capsys.readouterr().err.splitlines() if line[0] != "["]
    assert len(lines) == 1
    return lines[0].removeprefix("xraysynth: error: ")


def prepare(source: Path, out: Path) -> list[str]:
    return ["prepare", str(source), "--format", "folder", "--out", str(out), "--size", "16"]


def test_a_corrupt_image_is_set_aside_with_its_reason(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(prepare(pictures, tmp_path / "scans.h5")) == 0
    assert "1 set aside, each with its reason" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "scans.set_aside.csv")
    assert list(table["path"]) == ["bad.png"]


Wrong = Callable[[Path, Path], list[str]]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        pytest.param(
            lambda copy, tmp: prepare(tmp / "nowhere", tmp / "a.h5"), "nowhere", id="no-folder"
        ),
        pytest.param(
            lambda copy, tmp: prepare(tmp / "empty", tmp / "a.h5"), "is empty", id="empty"
        ),
        pytest.param(
            lambda copy, tmp: prepare(tmp / "bad", tmp / "a.h5"), "none is usable", id="corrupt"
        ),
        pytest.param(
            lambda copy, tmp: ["run", "tiny", "--out", str(tmp / "full")],
            "holds files that no run made",
            id="folder-of-somebody-else",
        ),
        pytest.param(
            lambda copy, tmp: ["run", "tiny", "--out", str(tmp / "file")], "is a file", id="file"
        ),
        pytest.param(
            lambda copy, tmp: [
                *("run", "tiny", "--out", str(copy)),
                *("--set", "simulate.threat_classes=[gnu]"),
            ],
            "did you mean gun?",
            id="class-name",
        ),
        pytest.param(
            lambda copy, tmp: [
                *("run", "tiny", "--out", str(tmp / "new"), "--set", "simulate.size_px=24"),
                *("--set", f"train_gan.init={copy / 'gan/checkpoint.safetensors'}"),
            ],
            "draws 16 x 16 px",
            id="resolution",
        ),
        pytest.param(
            lambda copy, tmp: [
                *("run", "tiny", "--out", str(copy), "--set", "train_gan.init=bundeld"),
            ],
            "did you mean bundled",
            id="generator-name",
        ),
        pytest.param(
            lambda copy, tmp: [
                "run",
                "sixray",
                "--out",
                str(tmp / "new"),
                "--set",
                f"prepare.source={tmp / 'nowhere'}",
            ],
            "nowhere does not exist",
            id="no-source",
        ),
        pytest.param(
            lambda copy, tmp: [
                *("export", "--gan", str(copy / "gan/other.safetensors"), "--count", "8"),
                *("--segmenter", str(copy / "segmenter.safetensors"), "--out", str(tmp / "new")),
            ],
            "learned on generator",
            id="segmenter-of-another-generator",
        ),
        pytest.param(
            lambda copy, tmp: [
                *("learn", "--gan", str(copy / "gan/other.safetensors")),
                *("--exemplar", str(copy / "exemplar"), "--out", str(tmp / "a.safetensors")),
            ],
            "labelled on generator",
            id="exemplar-of-another-generator",
        ),
        pytest.param(
            lambda copy, tmp: [
                *("evaluate", "segmenter", str(copy / "shards"), "--out", str(tmp / "a.json")),
                *("--scans", str(copy / "run.json")),
            ],
            "is not a readable HDF5 file",
            id="not-scans",
        ),
        pytest.param(lambda copy, tmp: ["verify", str(tmp / "nowhere")], "nowhere", id="no-shards"),
        pytest.param(
            lambda copy, tmp: ["train-gan", str(copy / "scans.h5"), "--out", str(copy / "gan")],
            "add --resume",
            id="training-in-the-way",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    wrong: Wrong, sentence: str, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("empty", "bad", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "bad/scan.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"no picture" * 20)
    (tmp_path / "full/thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    make_other_generator(copy)
    before = sha256_file(copy / MANIFEST)
    status = 3 if sentence == "is not a readable HDF5 file" else 2
    assert sentence in refused(wrong(copy, tmp_path), capsys, status)
    assert sha256_file(copy / MANIFEST) == before


def make_other_generator(copy: Path) -> None:
    """Write a generator of the same shape with other weights."""
    from xraysynth.gan.checkpoint import load_generator, save_generator

    generator = load_generator(copy / "gan/checkpoint.safetensors")
    for weight in generator.parameters():
        weight.data.mul_(1.01)
    save_generator(copy / "gan/other.safetensors", generator)


@pytest.mark.parametrize("form", ["coco", "yolo", "webdataset"])
def test_shards_can_be_converted(
    form: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["convert", str(finished / "shards"), "--to", form, "--out", str(tmp_path / form)]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 24
    assert "is there already" in refused(words, capsys)


@pytest.mark.parametrize("kept", [0, 100, 2000])
def test_a_truncated_checkpoint_is_damage(
    kept: int, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = copy / "gan/checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    words = ["generate", "--gan", str(checkpoint), "--count", "2", "--out", str(tmp_path / "png")]
    assert "is not a readable safetensors file" in refused(words, capsys, 3)


def test_generated_pictures_repeat_and_come_with_a_grid(finished: Path, tmp_path: Path) -> None:
    words = ["generate", "--gan", str(finished / "gan/checkpoint.safetensors")]
    for name, count in (("first", "3"), ("second", "18")):
        assert main([*words, "--count", count, "--out", str(tmp_path / name)]) == 0
    assert len(list((tmp_path / "second").glob("scan-*.png"))) == 18
    first, second = (io.imread(tmp_path / name / "scan-00002.png") for name in ("first", "second"))
    assert first.shape == (16, 16, 3)
    assert np.array_equal(first, second)
    assert io.imread(tmp_path / "first/grid.png").shape == (18, 54, 3)


def test_real_scans_go_the_same_way(shared: Path, tmp_path: Path) -> None:
    small = [
        *("--set", f"prepare.source={shared / 'real/sixray'}", "--set", "prepare.limit=24"),
        *("--set", "prepare.size_px=16", "--set", "train_gan.init=''"),
        *("--set", "train_gan.kimg=0.05", "--set", "train_gan.batch=8"),
        *("--set", "train_gan.network={channel_base: 256, channel_max: 16}"),
        *("--set", "exemplar.candidates=16", "--set", "exemplar.min_share=0.0001"),
        *("--set", "learn={cluster: {steps: 2}, head: {steps: 5}}"),
        *("--set", "export={count: 8, shard_size: 4}"),
    ]
    assert run(tmp_path / "run", *small, pipeline="sixray") == 0
    assert main(["verify", str(tmp_path / "run/shards")]) == 0

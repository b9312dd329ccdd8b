"""Two processes train as one: same weights from the joined batch, files from the first alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.gan import distributed
from xraysynth.gan.checkpoint import load_tensors
from xraysynth.gan.discriminator import append_minibatch_deviation
from xraysynth.gan.distributed import JoinedRng, Share, share_of
from xraysynth.randomness import stream
from xraysynth.scanfile import ScanBatch, write_scans
from xraysynth.schema import table_dtype

STEPS, BATCH = 4, 16
PROGRAM = f"""
import sys
from xraysynth.cli import main
from xraysynth.gan import moments

moments.LEAST, moments.RANK = {BATCH * STEPS // 2}, 4  # So that they pull before the run ends.
sys.exit(main())
"""
SETTINGS = [
    f"kimg={STEPS * BATCH / 1000}",
    f"batch={BATCH}",
    "precision=float32",
    "r1_interval=2",
    "path_length_interval=2",
    "penalise_fakes=true",
    "moments_weight=0.05",
    "ada_interval=1",
    "ada_kimg=0.1",
    "ada_target=0",
    "snapshot_kimg=0.032",
    "labels=none",
    "least_diversity=0",
    "network.z_dim=8",
    "network.w_dim=8",
    "network.mapping_layers=2",
    "network.channel_base=128",
    "network.channel_max=8",
]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scans") / "scans.h5"
    images = stream(0, "scans").integers(0, 255, (24, 16, 16, 3)).astype(np.uint8)
    batch = ScanBatch(images=images, metadata=np.zeros(24, table_dtype("scans")))
    write_scans(path, iter([batch]), count=24, classes=[], attributes={})
    return path


def commands(scans: Path, out: Path, world: int, *more: str) -> list[subprocess.Popen[str]]:
    """Start the processes that `torchrun` would."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    options = [part for setting in SETTINGS for part in ("--set", setting)]
    words = ["train-gan", str(scans), "--out", str(out), "--seed", "3", *options, *more]
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]


def finish(processes: list[subprocess.Popen[str]]) -> list[tuple[str, str]]:
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return said


def trained(out: Path) -> dict[str, Tensor]:
    """Return all that the run carries on: weights, moments, averages."""
    tensors, metadata = load_tensors(out / "resume.safetensors", "training")
    counters = {name: torch.tensor(float(value)) for name, value in metadata["counters"].items()}
    return tensors | counters


@pytest.fixture(scope="module")
def joined_run(tmp_path_factory: pytest.TempPathFactory, scans: Path) -> Path:
    """Return the folder of a run by two processes, of which the first alone talks."""
    out = tmp_path_factory.mktemp("two") / "run"
    first, second = finish(commands(scans, out, 2))
    assert "generator:" in first[0] and second[0] == ""
    return out


def test_two_processes_end_where_one_does(tmp_path: Path, scans: Path, joined_run: Path) -> None:
    finish(commands(scans, tmp_path / "run", 1))
    alone, joined = trained(tmp_path / "run"), trained(joined_run)
    assert alone.keys() == joined.keys()
    assert alone["augment_p"] > 0  # so that augmentation has had its part
    for name, expected in alone.items():
        scale = max(1.0, expected.abs().max().item())
        # Adam's first moment is the last gradient alone, whose rounding depends on the processor's
        # kernels more than that of the weights does: 2.1e-5 of a gradient of 2 has been seen.
        limit = 1e-4 if "_optimiser." in name else 1e-5
        assert (joined[name] - expected).abs().max() <= limit * scale, name
    ours, theirs = (
        [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
        for run in (tmp_path / "run", joined_run)
    )
    for name in ("loss_generator", "loss_discriminator", "real_sign"):
        assert ours[-1][name] == pytest.approx(theirs[-1][name], rel=1e-5, abs=2e-5), name


def test_two_processes_resume_together(tmp_path: Path, scans: Path, joined_run: Path) -> None:
    half = f"kimg={STEPS * BATCH / 2000}"
    finish(commands(scans, tmp_path / "cut", 2, "--set", half))
    finish(commands(scans, tmp_path / "cut", 2, "--resume"))
    expected, resumed = trained(joined_run), trained(tmp_path / "cut")
    assert all(torch.equal(resumed[name], value) for name, value in expected.items())


@given(world=st.integers(1, 5), quarters=st.integers(1, 4))
def test_every_sample_has_one_process(world: int, quarters: int) -> None:
    batch = 4 * world * quarters
    shares = [Share(rank, world, batch // 4) for rank in range(world)]
    for count in (batch, batch // 2):
        rows = sorted(row for share in shares for row in share.rows(count))
        assert rows == list(range(count))
        assert {len(share.rows(count)) for share in shares} == {count // world}


@pytest.mark.parametrize("parts", [1, 2])
def test_minibatch_groups_stay_together(parts: int) -> None:
    # Two parts: real and generated scans go through the discriminator one after the other.
    joined = torch.randn(parts, 16, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = append_minibatch_deviation(joined.flatten(0, 1)).unflatten(0, (parts, 16))
    for rank in range(2):
        rows = Share(rank, 2, 4).rows(16)
        mine = append_minibatch_deviation(joined[:, rows].flatten(0, 1))
        torch.testing.assert_close(mine.unflatten(0, (parts, 8)), expected[:, rows])


def test_noise_of_all_shares_is_that_of_one_process() -> None:
    drawn = [
        JoinedRng(torch.Generator().manual_seed(1), Share(rank, 2, 2)).normal((4, 1, 3, 3))
        for rank in range(2)
    ]
    whole = torch.randn(8, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(drawn[0], whole[[0, 2, 4, 6]])
    assert torch.equal(drawn[1], whole[[1, 3, 5, 7]])


def test_batch_that_cannot_be_divided_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "processes", lambda: 3)
    with pytest.raises(InputError, match=r"batch is 16 and 3 processes.* multiple of 12"):
        share_of(16)

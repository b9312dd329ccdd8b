"""Exported bytes depend on seed and settings alone: not on workers, order or interruptions."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from export_files import CONFIG, Files, make_files, same_bytes

from xraysynth.errors import CheckpointError, InputError, SettingsError, StageError
from xraysynth.gan.checkpoint import generator_hash, load_generator
from xraysynth.oneshot.export import ExportConfig, export
from xraysynth.oneshot.segmenter import load_segmenter
from xraysynth.settings import settings_from_mapping
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.verify import verify


def test_an_export_verifies_and_holds_what_the_segmenter_says(
    tiny_files: Files, tiny_export: Path
) -> None:
    assert not verify(tiny_export).findings
    shards = ShardSet(tiny_export)
    assert (len(shards), shards.class_names) == (10, ["background", "bag", "gun"])
    assert shards.manifest.generator_hash == generator_hash(load_generator(tiny_files[0]))
    sample = shards[9]
    own = (sample["overlap"] >> sample["mask"]) & 1
    assert own.all()
    assert sample["image"].shape == (16, 16, 3)


def test_what_ships_exports_labelled_scans(tmp_path: Path) -> None:
    segmenter = load_segmenter("bundled")
    assert all("not by a person" in origin for origin in segmenter.facts.exemplar_origins)
    config = ExportConfig(count=6, shard_size=6, balance=True, contains=("none",))
    export("bundled", "bundled", config, 0, tmp_path / "ready")
    assert not verify(tmp_path / "ready").findings
    shards = ShardSet(tmp_path / "ready")
    requests = load_generator("bundled").config.contents
    for index, name in enumerate(requests):  # Every threat that was asked for is found somewhere.
        assert shards.class_names.index(name) in shards[index]["mask"], name
    threats = [shards.class_names.index(name) for name in requests]
    assert not np.isin(shards[len(requests)]["mask"], threats).any()


def test_the_number_of_workers_does_not_change_a_byte(
    tiny_files: Files, tiny_export: Path, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    state = torch.random.get_rng_state()
    export(*tiny_files, CONFIG, 7, tmp_path / "two", workers=2)
    assert same_bytes(tiny_export, tmp_path / "two")
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("count", "shard_size"), [(17, 128), (18, 1)])
def test_neither_count_nor_shard_size_changes_a_sample(
    count: int, shard_size: int, tmp_path: Path
) -> None:
    config = ExportConfig(count=32, balance=True)
    export("bundled", "bundled", config, 0, tmp_path / "whole")
    config = config.model_copy(update={"count": count, "shard_size": shard_size})
    export("bundled", "bundled", config, 0, tmp_path / "parts")
    whole, parts = ShardSet(tmp_path / "whole"), ShardSet(tmp_path / "parts")
    for index in range(count):
        one, other = whole[index], parts[index]
        for name in ("image", "mask", "overlap", "confidence"):
            assert np.array_equal(one[name], other[name]), (index, name)


def test_an_interrupted_export_goes_on_and_keeps_whole_shards(
    tiny_files: Files, tiny_export: Path, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done >= 4:
            raise Killed

    out = tmp_path / "killed"
    with pytest.raises(Killed):
        export(*tiny_files, CONFIG, 7, out, progress=kill)
    kept = (out / "shard-00000.h5").stat().st_mtime_ns
    seen: list[int] = []
    export(*tiny_files, CONFIG, 7, out, progress=lambda done, total, note: seen.append(done))
    assert seen == [4, 8, 10]
    assert (out / "shard-00000.h5").stat().st_mtime_ns == kept
    assert same_bytes(tiny_export, out)


def test_more_samples_of_the_same_export_keep_the_first_ones(
    tiny_files: Files, tiny_export: Path, tmp_path: Path
) -> None:
    export(*tiny_files, CONFIG.model_copy(update={"count": 4}), 7, tmp_path / "grown")
    export(*tiny_files, CONFIG, 7, tmp_path / "grown")
    assert same_bytes(tiny_export, tmp_path / "grown")


def test_fewer_samples_of_the_same_export_need_another_folder(
    tiny_files: Files, tiny_export: Path, tmp_path: Path
) -> None:
    export(*tiny_files, CONFIG, 7, tmp_path / "whole")
    for count in (8, 9):  # Fewer shards, and as many with fewer samples in the last.
        with pytest.raises(InputError, match=r"holds shard-00002\.h5 of .* a longer one"):
            export(*tiny_files, CONFIG.model_copy(update={"count": count}), 7, tmp_path / "whole")
    assert same_bytes(tiny_export, tmp_path / "whole")


def test_another_seed_gives_other_scans_and_needs_another_folder(
    tiny_files: Files, tiny_export: Path, tmp_path: Path
) -> None:
    export(*tiny_files, CONFIG, 8, tmp_path / "other")
    assert not same_bytes(tiny_export, tmp_path / "other")
    with pytest.raises(InputError, match="of another export"):
        export(*tiny_files, CONFIG, 8, tiny_export)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"count": 2**62, "shard_size": 2**62}, "count is 4611686018427387904; it should be less"),
        ({"count": 2**62}, "count is 4611686018427387904; it should be less"),
        ({"shard_size": 2**62}, "shard_size is 4611686018427387904; it should be less"),
        ({"count": 5_000_000, "shard_size": 2}, "make 2500000 shards; want at most 1000000"),
    ],
)
def test_exports_that_no_machine_holds_are_refused(settings: dict[str, int], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings_from_mapping(ExportConfig, settings)


def test_a_segmenter_of_another_generator_is_refused(tiny_files: Files, tmp_path: Path) -> None:
    other = make_files(tmp_path / "other", 1)
    with pytest.raises(CheckpointError, match="was learned on generator"):
        export(tiny_files[0], other[1], CONFIG, 7, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_uint16_scans_have_more_than_256_levels(tiny_files: Files, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"dtype": "uint16", "count": 4})
    export(*tiny_files, config, 7, tmp_path / "deep")
    with h5py.File(tmp_path / "deep" / "shard-00000.h5", "r") as file:
        assert file["images"].dtype == np.uint16
        assert len(np.unique(file["images"][...])) > 256


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none_is_refused(tiny_files: Files, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"device": "cuda"})
    with pytest.raises(InputError, match="has no CUDA"):
        export(*tiny_files, config, 7, tmp_path / "out")


def test_a_killed_worker_is_told_in_a_sentence(
    tiny_files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BrokenPool:
        def __init__(self, *args: object, **settings: object) -> None: ...

        def submit(self, *args: object) -> Future[int]:
            future: Future[int] = Future()
            future.set_exception(BrokenProcessPool())
            return future

        def shutdown(self, **settings: object) -> None: ...

    monkeypatch.setattr("xraysynth.oneshot.export.ProcessPoolExecutor", BrokenPool)
    with pytest.raises(StageError, match=r"was killed or ran out of memory.*same command again"):
        export(*tiny_files, CONFIG, 7, tmp_path / "out", workers=2)

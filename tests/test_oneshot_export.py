"""Exported bytes depend on seed and settings alone: not on workers, order or interruptions."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from xraysynth.errors import CheckpointError, InputError, StageError
from xraysynth.gan.checkpoint import generator_hash, load_generator, save_generator
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.export import ExportConfig, export
from xraysynth.oneshot.features import SiteMap
from xraysynth.oneshot.segmenter import Segmenter, SegmenterFacts, save_segmenter
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.verify import verify

SMALL = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
)
CONFIG = ExportConfig(count=10, shard_size=4, batch=3)
Files = tuple[Path, Path]


def make_files(folder: Path, seed: int) -> Files:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(SMALL).eval()
        weights = tuple(torch.randn(3, site.channels) for site in generator.sites)
    folder.mkdir()
    save_generator(folder / "generator.safetensors", generator)
    facts = SegmenterFacts(
        class_names=("background", "bag", "gun"),
        exemplar_ids=("0" * 16,),
        exemplar_origins=("Drawn by lot.",),
        generator_hash=generator_hash(generator),
    )
    segmenter = Segmenter(site_map=SiteMap(weights=weights, bias=torch.zeros(3)), facts=facts)
    save_segmenter(segmenter, folder / "segmenter.safetensors")
    return folder / "generator.safetensors", folder / "segmenter.safetensors"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("files") / "first", 0)


@pytest.fixture(scope="module")
def exported(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "shards"
    export(*files, CONFIG, 7, out)
    return out


def same_bytes(first: Path, second: Path) -> bool:
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_an_export_verifies_and_holds_what_the_segmenter_says(files: Files, exported: Path) -> None:
    assert not verify(exported).findings
    shards = ShardSet(exported)
    assert (len(shards), shards.class_names) == (10, ["background", "bag", "gun"])
    assert shards.manifest.generator_hash == generator_hash(load_generator(files[0]))
    sample = shards[9]
    own = (sample["overlap"] >> sample["mask"]) & 1
    assert own.all()
    assert sample["image"].shape == (16, 16, 3)


def test_the_number_of_workers_does_not_change_a_byte(
    files: Files, exported: Path, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    state = torch.random.get_rng_state()
    export(*files, CONFIG, 7, tmp_path / "two", workers=2)
    assert same_bytes(exported, tmp_path / "two")
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_interrupted_export_goes_on_and_keeps_whole_shards(
    files: Files, exported: Path, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done >= 4:
            raise Killed

    out = tmp_path / "killed"
    with pytest.raises(Killed):
        export(*files, CONFIG, 7, out, progress=kill)
    kept = (out / "shard-00000.h5").stat().st_mtime_ns
    seen: list[int] = []
    export(*files, CONFIG, 7, out, progress=lambda done, total, note: seen.append(done))
    assert seen == [4, 8, 10]
    assert (out / "shard-00000.h5").stat().st_mtime_ns == kept
    assert same_bytes(exported, out)


def test_more_samples_of_the_same_export_keep_the_first_ones(
    files: Files, exported: Path, tmp_path: Path
) -> None:
    export(*files, CONFIG.model_copy(update={"count": 4}), 7, tmp_path / "grown")
    export(*files, CONFIG, 7, tmp_path / "grown")
    assert same_bytes(exported, tmp_path / "grown")


def test_another_seed_gives_other_scans_and_needs_another_folder(
    files: Files, exported: Path, tmp_path: Path
) -> None:
    export(*files, CONFIG, 8, tmp_path / "other")
    assert not same_bytes(exported, tmp_path / "other")
    with pytest.raises(InputError, match="of another export"):
        export(*files, CONFIG, 8, exported)


def test_a_segmenter_of_another_generator_is_refused(files: Files, tmp_path: Path) -> None:
    other = make_files(tmp_path / "other", 1)
    with pytest.raises(CheckpointError, match="was learned on generator"):
        export(files[0], other[1], CONFIG, 7, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_uint16_scans_have_more_than_256_levels(files: Files, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"dtype": "uint16", "count": 4})
    export(*files, config, 7, tmp_path / "deep")
    with h5py.File(tmp_path / "deep" / "shard-00000.h5", "r") as file:
        assert file["images"].dtype == np.uint16
        assert len(np.unique(file["images"][...])) > 256


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none_is_refused(files: Files, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"device": "cuda"})
    with pytest.raises(InputError, match="has no CUDA"):
        export(*files, config, 7, tmp_path / "out")


def test_a_killed_worker_is_told_in_a_sentence(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        export(*files, CONFIG, 7, tmp_path / "out", workers=2)

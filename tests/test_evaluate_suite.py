"""The suite finds what is true of a toy, goes on where it stopped, and says what it cannot do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oneshot_toy import toy_exemplar, toy_generator, toy_truth
from scipy import stats

from xraysynth import schema
from xraysynth.cli import main
from xraysynth.errors import InputError
from xraysynth.evaluate.metrics import Confusion
from xraysynth.evaluate.oracle import OracleConfig
from xraysynth.evaluate.suite import material as material_module
from xraysynth.evaluate.suite import run as run_module
from xraysynth.evaluate.suite.ablation import CHANGES, changed
from xraysynth.evaluate.suite.config import DownstreamConfig, MaterialConfig, SuiteConfig
from xraysynth.evaluate.suite.counting import counted
from xraysynth.evaluate.suite.figures import cell_scores, difference, reliability, table
from xraysynth.evaluate.suite.jobs import SuiteSource
from xraysynth.evaluate.suite.material import JudgedScans, Material
from xraysynth.evaluate.suite.run import evaluate_suite
from xraysynth.evaluate.suite.takers import contestants
from xraysynth.evaluate.suite.tasks import Task, threat_task
from xraysynth.gan.checkpoint import load_generator, save_generator
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.inversion import Inversion
from xraysynth.gan.sampling import generated_images
from xraysynth.oneshot.baselines.feature_maps import BaselineConfig
from xraysynth.oneshot.clustering import mapped_latents
from xraysynth.oneshot.labeller import LabellerConfig
from xraysynth.oneshot.labelling import ExemplarConfig, Labeller
from xraysynth.oneshot.learn import LearnConfig
from xraysynth.oneshot.methods import METHODS
from xraysynth.scanfile import ScanBatch, write_scans

NAMES = ["background", "gun", "knife"]
UNET = LabellerConfig(steps=60, batch=8, width=8, learning_rate=0.01)
SMALL = SuiteConfig(
    methods=("linear",),
    clusterings=2,
    material=MaterialConfig(
        exemplars=2,
        scans=16,
        inverted=6,
        exemplar=ExemplarConfig(candidates=12, unet=UNET),
        together=ExemplarConfig(count=3, candidates=12),
        oracle=OracleConfig(unet=UNET, held_out=10),
    ),
    downstream=DownstreamConfig(methods=("ours",), pairs=40, unet=UNET),
)


def latents_of_file(generator: Generator) -> torch.Tensor:
    return mapped_latents(generator, 100, 1.0, 5, "file")


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = toy_generator()
    latent_w = latents_of_file(generator)
    batch = ScanBatch(
        images=generated_images(generator, generator.synthesis(latent_w)),
        masks=toy_truth(latent_w),
        metadata=np.zeros(100, schema.table_dtype("scans")),
    )
    path = tmp_path_factory.mktemp("suite") / "scans.h5"
    write_scans(path, iter([batch]), count=100, classes=NAMES, attributes={})
    return path


def known_codes(
    generator: Generator, images: np.ndarray, config: Any, seed: int, progress: Any
) -> Inversion:
    """Stand in for the inversion: the toy's codes are known, and its masks have no gradient."""
    latent_w = latents_of_file(generator)
    drawn = generated_images(generator, generator.synthesis(latent_w))
    rows = [int(np.flatnonzero((drawn == image).all((1, 2, 3)))[0]) for image in images]
    none = np.zeros(len(rows), np.float32)
    return Inversion(
        latent_w_plus=latent_w[rows].numpy().copy(),
        images=images,
        start_images=images,
        error=none,
        start_error=none,
        mean_error=none + 1,
    )


@pytest.fixture(scope="module")
def patched() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "load_generator", lambda _: toy_generator())
        patch.setattr(material_module, "invert", known_codes)
        yield


@pytest.fixture(scope="module")
def folder(scans: Path, patched: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    evaluate_suite(SuiteSource(gan="toy", scans=scans), SMALL, 0, out)
    return out


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "suite.json").read_text())
    return report


def test_exemplars_chosen_together_are_several_of_one_pool(folder: Path) -> None:
    name = "ours, eight scans chosen together"
    own = [cell for cell in report_of(folder)["cells"] if cell["method"] == name]
    ids = [cell["exemplar_ids"] for cell in own if cell["protocol"] == "A"]
    assert [len(some) for some in ids] == [3, 3]
    assert not set(ids[0]) & set(ids[1])
    assert all(set(cell["exemplar_classes"]) == set(NAMES) for cell in own)


def test_all_cells_are_there_and_true_masks_of_a_toy_are_found(folder: Path) -> None:
    cells = report_of(folder)["cells"]
    assert {cell["task"] for cell in cells} == {"gun", "knife", "bag"}
    counts = {p: sum(cell["protocol"] == p for cell in cells) for p in "ABC"}
    # Two methods and ours blind, three tasks, two exemplars; four other ways with the bag's.
    # Exact pairs and the judge's masks beside ours.
    assert counts == {"A": 18 + 8, "B": 18 + 8, "C": 6}
    for protocol in "AB":
        scores = table(cells, protocol, "wiou")["ours"]
        assert np.mean(list(scores["bag"].values())) > 0.6
    exact = np.mean(list(table(cells, "C", "miou")["exact pairs"]["bag"].values()))
    own = np.mean(list(table(cells, "C", "miou")["ours"]["bag"].values()))
    assert 0.4 < own <= exact + 0.1


def test_the_page_names_methods_tasks_exemplars_and_failures(folder: Path) -> None:
    page = (folder / "oneshot.md").read_text()
    for text in ("**ours**", "| linear |", "| knife | 1 |", "## Failures\n\nNone.", "exact pairs"):
        assert text in page
    assert "| ours, scan by lot |" in page
    assert "| ours, all exemplars at once |" in page
    assert "nan" not in page
    assert "missing" not in page
    scores = table(report_of(folder)["cells"], "A", "wiou")
    names = report_of(folder)["choices"]
    ahead = difference(scores["ours"], scores["linear"])
    assert "linear" not in names
    assert f"Ours less the best other method, linear: **{100 * ahead.mean:.1f}**" in page


def test_the_page_tells_what_all_its_parts_cost(folder: Path) -> None:
    cost = report_of(folder)["cost"]
    assert {"networks that label", "exemplars", "ours", "linear", "exact pairs"} < set(cost)
    assert all(part["cpu_seconds"] > 0 for part in cost.values())
    minutes = sum(part["cpu_seconds"] for part in cost.values()) / 60
    assert f"| **all** | {minutes:.1f} |" in (folder / "oneshot.md").read_text()


def test_models_tested_together_are_counted_as_each_alone() -> None:
    generator = toy_generator()
    exemplar = toy_exemplar(generator)
    task = Task(name="disc", class_names=("background", "disc"))
    config = BaselineConfig(statistics_images=4, pixels=256, steps=9, networks=2, network_steps=9)
    latent_w = mapped_latents(generator, 11, 1.0, 3, "test")
    test = JudgedScans(latent_w=latent_w, truth=(toy_truth(latent_w) == 1).astype(np.uint8))
    pupils = [
        (METHODS[name].changed(name, "", config)(generator, [exemplar], 0), task)
        for name in ("linear", "k-means", "cnn", "mlp-ensemble")
    ]
    for pupil, found in zip(pupils, counted(pupils, [test] * 4), strict=True):
        alone = Confusion(task.class_names)
        alone.add(test.truth, (pupil[0].segment(latent_w)[0] == 1).astype(np.uint8))
        assert found["confusion"] == alone.matrix.tolist()
        assert sum(found["reliability"]["pixels"]) == test.truth.size


def test_a_run_that_was_stopped_goes_on_and_gives_the_same_page(
    folder: Path, scans: Path, patched: None, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    cells = sorted((tmp_path / "copy").glob("material-*/cells/*/[ABC]-*.json"))
    untouched = {cell: cell.stat().st_mtime_ns for cell in cells[1::2]}
    for cell in cells[::2]:
        cell.unlink()
    source = SuiteSource(gan="toy", scans=scans)

    def stop(done: int, total: int, note: str = "") -> None:
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_suite(source, SMALL, 0, tmp_path / "copy", progress=stop)
    state = torch.random.get_rng_state()
    evaluate_suite(source, SMALL, 0, tmp_path / "copy", tmp_path / "page.md")
    assert torch.equal(torch.random.get_rng_state(), state)
    again, first = ((tmp_path / "page.md").read_text(), (folder / "oneshot.md").read_text())
    assert again.split("## What this page cost")[0] == first.split("## What this page cost")[0]
    assert all(cell.stat().st_mtime_ns == before for cell, before in untouched.items())


def test_the_interval_of_one_task_is_the_ordinary_paired_one() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(6), rng.random(6)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    found = difference({"x": dict(enumerate(first))}, {"x": dict(enumerate(second))})
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_tasks_weigh_alike_and_failed_exemplars_do_not_count() -> None:
    first = {"x": {0: 1.0, 1: 1.0}, "y": {0: 3.0, 1: 5.0, 2: float("nan")}}
    second = {"x": {0: 0.0, 1: 0.0}, "y": {0: 0.0, 1: 0.0, 2: 0.0}}
    found = difference(first, second)
    assert found.mean == pytest.approx((1.0 + 4.0) / 2)
    assert found.pairs == 4
    assert found.low < found.mean < found.high


def test_a_class_in_neither_truth_nor_prediction_counts_nowhere() -> None:
    cell = {
        "classes": ["background", "gun", "knife", "bag"],
        "confusion": [[6, 0, 0, 0], [0, 2, 2, 0], [0, 0, 4, 0], [0, 0, 0, 0]],
    }
    scores = cell_scores(cell)
    gun, knife = 2 / 4, 4 / 6
    assert scores["miou"] == pytest.approx((1 + gun + knife) / 3)
    assert scores["wiou"] == pytest.approx((gun + knife) / 2)
    assert scores["miou_threats_merged"] == 1.0


def test_confidence_that_is_right_has_no_error() -> None:
    entry = {"pixels": [0, 100], "right": [0, 75], "confidence": [0.0, 0.75]}
    assert reliability([{"reliability": entry}])["error"] == 0.0
    entry = {**entry, "right": [0, 50]}
    assert reliability([{"reliability": entry}])["error"] == pytest.approx(0.25)


def test_every_ablation_changes_exactly_its_settings() -> None:
    plain = LearnConfig()
    for changes in CHANGES.values():
        assert changed(plain, changes) != plain
    names = [who.name for who in contestants("ablation", SMALL)]
    assert len(set(names)) == len(names) == len(CHANGES) + 4


def test_a_small_threat_is_labelled_where_it_is_the_likeliest_class() -> None:
    probability = np.array([0.3, 0.3, 0.4])[None, :, None, None]
    every = Labeller(probabilities=lambda _: probability, class_names=tuple(NAMES), origin="")
    own = threat_task("knife").labeller(every).probabilities(probability)
    assert own[0, :, 0, 0] == pytest.approx([3 / 7, 4 / 7])


def test_unknown_tasks_methods_and_wrong_scans_are_refused(
    folder: Path, scans: Path, patched: None, tmp_path: Path
) -> None:
    source = SuiteSource(gan="toy", scans=scans)
    wrong = SMALL.model_copy(update={"tasks": ("gnu",)})
    with pytest.raises(InputError, match=r"no task 'gnu' .* want some of .*gun"):
        evaluate_suite(source, wrong, 0, folder)
    wrong = SMALL.model_copy(update={"methods": ("liner",)})
    with pytest.raises(InputError, match="did you mean linear"):
        evaluate_suite(source, wrong, 0, folder)
    images = np.zeros((20, 32, 32, 3), np.uint8)
    metadata = np.zeros(20, schema.table_dtype("scans"))
    batch = ScanBatch(images=images, masks=images[..., 0], metadata=metadata)
    write_scans(tmp_path / "big.h5", iter([batch]), count=20, classes=NAMES, attributes={})
    with pytest.raises(InputError, match=r"32 x 32 pixels .* draws 16 x 16"):
        evaluate_suite(SuiteSource(gan="toy", scans=tmp_path / "big.h5"), SMALL, 0, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "no folder of an export was given", id="nothing"),
        pytest.param(["--suite", "paper"], "name one with --gan", id="no-gan"),
        pytest.param(["x", "--gan", "bundled"], "--gan belongs to --suite", id="mixed"),
    ],
)
def test_the_two_forms_of_the_command_do_not_mix(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["evaluate", "segmenter", *arguments, "--scans", "s.h5", "--out", "o"]
    assert main(line) == 2
    assert message in capsys.readouterr().err


def test_a_page_of_a_run_that_was_stopped_says_what_is_missing(
    scans: Path, patched: None, tmp_path: Path
) -> None:
    def stop(done: int, total: int, note: str = "") -> None:
        if "linear" in note:
            raise KeyboardInterrupt

    small = SMALL.model_copy(update={"protocols": ("A",), "tasks": ("gun",)})
    with pytest.raises(KeyboardInterrupt):
        evaluate_suite(SuiteSource(gan="toy", scans=scans), small, 0, tmp_path, progress=stop)
    page = (tmp_path / "oneshot.md").read_text()
    assert "**Not finished: 4 cells are missing**" in page
    assert "| ours | 1 | 0 | 0 |\n| linear | 2 | 0 | 0 |" in page
    assert "| **ours** |" in page


@pytest.fixture(scope="module")
def drawn_by_file(tmp_path_factory: pytest.TempPathFactory) -> SuiteSource:
    """A small generator's file, and its own scans; whatever is bright in them counts as a gun."""
    folder = tmp_path_factory.mktemp("drawn")
    network = NetworkConfig(
        resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=16
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(network).eval().requires_grad_(False)
    save_generator(folder / "g.safetensors", generator)
    images = generated_images(generator, generator.synthesis(latents_of_file(generator)))
    bright = images.mean(3)
    masks = (bright > np.quantile(bright, 0.7)).astype(np.uint8)
    metadata = np.zeros(100, schema.table_dtype("scans"))
    batch = ScanBatch(images=images, masks=masks, metadata=metadata)
    write_scans(folder / "s.h5", iter([batch]), count=100, classes=NAMES[:2], attributes={})
    return SuiteSource(gan=str(folder / "g.safetensors"), scans=folder / "s.h5")


def test_a_second_process_leaves_what_the_first_wrote(
    drawn_by_file: SuiteSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (load_generator(drawn_by_file.gan), drawn_by_file.scans, SMALL.material, 0, tmp_path)
    first = Material(*given)
    monkeypatch.setattr(material_module, "write_json", lambda *_: pytest.fail("written again"))
    assert Material(*given).folder == first.folder
    assert json.loads((first.folder / "made-from.json").read_text()) == first.identity


def test_worker_processes_make_the_same_page(
    drawn_by_file: SuiteSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "load_generator", load_generator)
    config = SuiteConfig(
        methods=("random",),
        tasks=("gun",),
        protocols=("A",),
        clusterings=2,
        ours=changed(LearnConfig(), {"cluster.steps": 2, "cluster.statistics_images": 8}),
        baseline=BaselineConfig(statistics_images=8, steps=20),
        material=SMALL.material,
    )
    pages = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        report = evaluate_suite(drawn_by_file, config, 0, out, workers=workers)
        assert not report["missing"]
        assert not any("failed" in cell for cell in report["cells"])
        pages.append((out / "oneshot.md").read_text().split("## What this page cost")[0])
    assert pages[0] == pages[1]

import html.parser
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from audit_exports import CONFIG, NAMES, export, pictures, samples, training

from xraysynth.audit import AuditConfig, AuditSummary, audit
from xraysynth.audit.flags import REASONS
from xraysynth.audit.view import size_chart
from xraysynth.shards.samples import SampleArrays


class Page(html.parser.HTMLParser):
    """Collects what a browser would fetch or run, and what stands in for pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.pictures_without_words = 0
        self.bare_headers = 0
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.links += [values[name] for name in ("src", "href", "action") if name in values]
        self.handlers += [name for name in values if name.startswith("on")]
        self.pictures_without_words += tag == "img" and not values.get("alt")
        self.bare_headers += tag == "th" and "scope" not in values
        self.ids += [values["id"]] if "id" in values else []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AuditSummary]:
    """One audit with all there is: training scans with masks, flags of every kind, facts."""
    folder = tmp_path_factory.mktemp("audit")
    arrays = samples(12, (24, 32, 3))
    arrays.images[5] = arrays.images[2]
    arrays.images[6] = 0
    arrays.masks[7] = 0
    arrays.masks[8] = 2
    arrays.overlaps[8] |= 4
    arrays.masks[9, ::3, ::3] = 4
    arrays.overlaps[9, ::3, ::3] |= 16
    arrays.confidence[10] = 40
    arrays.images[11] = 120 + arrays.images[11] // 32
    scans = pictures(5, (24, 32, 3), "uint8", "training")
    scans[3] = arrays.images[1]
    masks = arrays.masks[:5]
    train = training(
        folder / "scans.h5",
        scans,
        np.where(masks == 4, 1, masks),
        ["background", "bag", "x", "gun"],
    )
    summary = audit(
        export(folder / "shards", arrays),
        folder / "audit",
        CONFIG,
        train,
        facts={"seconds": {"export": 12.3456}, "note": "a < b"},
    )
    return folder, summary


def test_figures_are_those_of_the_masks(run: tuple[Path, AuditSummary]) -> None:
    folder, summary = run
    classes = pd.read_csv(folder / "audit" / "classes.csv").set_index("class_name")
    with h5py.File(folder / "shards" / "shard-00000.h5") as file:
        first = file["masks"][...]
    assert summary.samples == 12
    assert summary.classes_present == ["bag", "organic", "gun", "samovar"]
    assert classes.loc["background", "n_images"] == 11
    assert classes.loc["organic", "n_images"] == 1
    assert classes["n_pixels"].sum() == 12 * 24 * 32
    assert classes["pixel_share"].sum() == pytest.approx(1, abs=1e-4)
    assert (first == 3).sum() * 10 / 4 == pytest.approx(classes.loc["gun", "n_pixels"], rel=0.1)
    assert classes.loc["gun", "training_n_objects"] == 5
    assert classes.loc["x", "n_pixels"] == 0


def test_audit_counts_what_the_export_counted(run: tuple[Path, AuditSummary]) -> None:
    folder, summary = run
    exported = pd.read_hdf(folder / "shards" / "tables.h5", "classes")
    classes = pd.read_csv(folder / "audit" / "classes.csv").iloc[: len(exported)]
    images = pd.read_csv(folder / "audit" / "images.csv", dtype={"phash": str})
    table = pd.read_hdf(folder / "shards" / "tables.h5", "images")
    assert summary.objects == exported["n_instances"].sum()
    for ours, theirs in (
        ("n_pixels", "n_pixels"),
        ("n_images", "n_images"),
        ("n_objects", "n_instances"),
    ):
        assert classes[ours].tolist() == exported[theirs].tolist()
    assert images["phash"].tolist() == table["phash"].tolist()
    assert images["foreground_share"].to_numpy() == pytest.approx(
        table["foreground_share"].to_numpy(), abs=1e-5
    )


def test_every_reason_finds_the_sample_made_for_it(run: tuple[Path, AuditSummary]) -> None:
    folder, summary = run
    flags = pd.read_csv(folder / "audit" / "flagged.csv")
    found = {reason: set(rows["sample_index"]) for reason, rows in flags.groupby("reason")}
    assert found == {
        "low confidence": {10},
        "empty mask": {7},
        "one class": {8},
        "specks": {9},
        "saturated": {6},
        "flat": {6, 11},
        "near-duplicate": {5},
        "training match": {1},
    }
    assert summary.flags == {reason: len(found[reason]) for reason in REASONS}
    assert summary.flagged == 8


def test_duplicates_and_training_matches_are_named(run: tuple[Path, AuditSummary]) -> None:
    folder, summary = run
    near = pd.read_csv(folder / "audit" / "near_duplicates.csv")
    matches = pd.read_csv(folder / "audit" / "training_matches.csv")
    assert near[["sample_index", "nearest_index", "distance_bits"]].to_numpy().tolist() == [
        [2, 5, 0],
        [5, 2, 0],
    ]
    assert matches[["sample_index", "scan_id"]].to_numpy().tolist() == [[1, "scan-3"]]
    assert (summary.near_duplicates, summary.training_matches) == (1, 1)


def test_pandas_reads_every_table(run: tuple[Path, AuditSummary]) -> None:
    _, summary = run
    assert len(summary.tables) == 13
    for path in summary.tables:
        frame = pd.read_csv(path)
        assert len(frame.columns) > 2
        assert len(frame)


def test_report_is_whole_in_itself_and_has_words_for_every_picture(
    run: tuple[Path, AuditSummary],
) -> None:
    text = run[1].report.read_text(encoding="utf-8")
    page = Page(text)
    assert not set(page.tags) & {"script", "link", "iframe", "object", "embed", "form"}
    assert not page.handlers
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in page.links)
    assert not re.search(r"url\(|@import|https?:", text)
    assert page.tags.count("img") > 10
    assert not page.pictures_without_words
    assert not page.bare_headers
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link[0] == "#"} <= set(page.ids)


def test_report_shows_the_facts_of_the_run(run: tuple[Path, AuditSummary]) -> None:
    text = run[1].report.read_text(encoding="utf-8")
    assert "seconds.export" in text
    assert "12.35" in text
    assert "a &lt; b" in text


def test_every_section_says_how_to_read_it(run: tuple[Path, AuditSummary]) -> None:
    text = run[1].report.read_text(encoding="utf-8")
    sections = text.split("<section")[1:]
    assert len(sections) == 14
    assert all('<p class="how">' in section for section in sections)


def test_same_export_gives_the_same_bytes(run: tuple[Path, AuditSummary], tmp_path: Path) -> None:
    folder, summary = run
    facts = {"seconds": {"export": 12.3456}, "note": "a < b"}
    batchwise = CONFIG.model_copy(update={"batch": 3})
    audit(folder / "shards", tmp_path, CONFIG, folder / "scans.h5", facts=facts)
    for path in [summary.report, *summary.tables]:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    audit(folder / "shards", tmp_path, batchwise, folder / "scans.h5", facts=facts)
    for path in summary.tables:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_hostile_names_come_out_as_text(tmp_path: Path) -> None:
    names = ("background", "<script>alert(1)</script>", "x' onload='f() \"\"", "{{ 7*7 }}$\\frac$")
    arrays = samples(2, (16, 16, 3))
    masks = np.where(arrays.masks > 2, arrays.masks - 1, arrays.masks).astype(np.uint8)
    hostile = SampleArrays(
        images=arrays.images,
        masks=masks,
        overlaps=np.left_shift(1, masks).astype(np.uint32),
        confidence=arrays.confidence,
    )
    shards = export(tmp_path / "shards", hostile, names, generator="<b>bad</b>")
    summary = audit(shards, tmp_path / "out", CONFIG, facts={"<script>f()</script>": "<img src=x>"})
    page = Page(summary.report.read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert "b" in page.tags and not page.handlers
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert "{{ 7*7 }}" in summary.report.read_text(encoding="utf-8")
    assert pd.read_csv(tmp_path / "out" / "classes.csv")["class_name"].tolist() == list(names)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        pytest.param((16, 24, 1), "uint8", id="grey"),
        pytest.param((24, 16, 2), "uint16", id="dual-16-bit-upright"),
        pytest.param((16, 16, 3), "uint16", id="rgb-16-bit"),
    ],
)
def test_one_sample_of_any_kind_is_enough(
    shape: tuple[int, int, int], dtype: str, tmp_path: Path
) -> None:
    arrays = samples(1, shape, dtype)
    train = training(tmp_path / "t.h5", arrays.images, None, [])
    summary = audit(export(tmp_path / "shards", arrays), tmp_path / "out", CONFIG, train)
    assert summary.samples == 1
    assert summary.training_matches == 1
    assert summary.mean_confidence is not None


def test_an_export_without_any_object_is_told_so(tmp_path: Path) -> None:
    arrays = samples(3, (16, 16, 3))
    arrays.masks[:] = 0
    summary = audit(export(tmp_path / "shards", arrays, NAMES[:1]), tmp_path / "out", CONFIG)
    text = summary.report.read_text(encoding="utf-8")
    assert (summary.objects, summary.mean_confidence, summary.classes_present) == (0, None, [])
    assert summary.flags["empty mask"] == 3
    assert summary.training_matches is None
    assert "No mask holds an object" in text
    assert len(pd.read_csv(tmp_path / "out" / "objects_summary.csv")) == 0


def test_no_pictures_wanted_no_pictures_made(tmp_path: Path) -> None:
    config = AuditConfig(
        samples_shown=0, scans_shown=0, class_examples=0, pairs_shown=0, flagged_shown=0, probes=0
    )
    summary = audit(export(tmp_path / "shards", samples(2, (16, 16, 3))), tmp_path / "out", config)
    assert Page(summary.report.read_text(encoding="utf-8")).tags.count("img") == 3


def test_progress_reaches_the_number_of_samples(tmp_path: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    arrays = samples(6, (16, 16, 3))
    audit(
        export(tmp_path / "shards", arrays),
        tmp_path / "out",
        CONFIG.model_copy(update={"batch": 2}),
        progress=lambda done, total, note: calls.append((done, total, note)),
    )
    assert [done for done, _, _ in calls] == [2, 4, 6]
    assert calls[-1] == (6, 6, "exported samples")


def test_training_rows_bear_a_name_where_no_generated_row_stands_above() -> None:
    sizes = pd.DataFrame(
        {"set": ["generated", "training", "training"], "class_id": [1, 1, 2], "n": 1}
    ).assign(**{f"q{share}_px": 4 for share in ("05", "25", "50", "75", "95")})
    classes = pd.DataFrame({"class_id": [0, 1, 2], "colour": "#000000", "group": "threat"})
    rows = size_chart(sizes, classes, 16)["rows"]
    assert [(row["other"], row["named"]) for row in rows] == [
        (False, True),
        (True, False),
        (True, True),
    ]
    assert {value for row in rows for value in row["box"].values()} == {50.0}

"""Scans that the segmenter is unsure of are drawn anew, each in its own place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from export_files import CONFIG, Files, same_bytes
from hypothesis import given
from hypothesis import strategies as st

from xraysynth.audit import audit
from xraysynth.cli import main
from xraysynth.errors import InputError
from xraysynth.oneshot.export import export
from xraysynth.oneshot.selection import Selected, select
from xraysynth.shards.manifest import read_manifest
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.samples import SampleArrays
from xraysynth.shards.verify import verify

LEVELS = st.lists(st.lists(st.integers(0, 255), max_size=6), min_size=1, max_size=9)


def drawn(levels: Sequence[Sequence[int]], limit: float, batch: int = 4) -> Selected:
    """Select among candidates of known confidence; whatever comes after them is quite sure."""

    def draw(indices: Sequence[int], attempts: Sequence[int]) -> SampleArrays:
        assert len(indices) == batch
        confidence = np.full((len(indices), 2, 2), 255, np.uint8)
        for row, (index, attempt) in enumerate(zip(indices, attempts, strict=True)):
            known = levels[index - 5]
            if attempt < len(known):
                confidence[row] = known[attempt]
        # The number of the candidate in the pixels tells which one was kept.
        images = np.array(attempts, np.uint16)[:, None, None, None].repeat(2, 1).repeat(2, 2)
        masks = np.ones_like(confidence)
        return SampleArrays(
            images=images, masks=masks, overlaps=masks.astype(np.uint32) << 1, confidence=confidence
        )

    return select(draw, range(5, 5 + len(levels)), batch, limit)


def test_the_first_candidate_that_is_sure_enough_is_kept() -> None:
    found = drawn([[255], [10, 20, 204, 255], [203, 204]], 0.8)
    assert found.n_rejected.tolist() == [0, 2, 1]
    assert found.arrays.confidence[:, 0, 0].tolist() == [255, 204, 204]
    assert found.arrays.images[:, 0, 0, 0].tolist() == [0, 2, 1]


@given(levels=LEVELS, limit=st.floats(0, 1), batch=st.integers(1, 5))
def test_what_is_kept_depends_on_its_own_place_alone(
    levels: list[list[int]], limit: float, batch: int
) -> None:
    whole = drawn(levels, limit, batch)
    assert (whole.arrays.confidence.min((1, 2)) / 255 >= limit).all()
    for place, known in enumerate(levels):
        first = next((n for n, level in enumerate(known) if level / 255 >= limit), len(known))
        assert whole.n_rejected[place] == first


def test_no_limit_keeps_every_first_candidate() -> None:
    assert drawn([[0], [0], [7]], 0).n_rejected.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("hopeless", "kept"),
    [
        pytest.param(4, 0, id="nothing"),
        pytest.param(1, 3, id="one-place"),  # As where one class is asked for in vain.
    ],
)
def test_a_limit_that_hardly_anything_reaches_is_told_in_a_sentence(
    hopeless: int, kept: int
) -> None:
    levels = [[51] * 2000] * hopeless + [[255]] * (4 - hopeless)
    with pytest.raises(InputError, match=rf"only {kept} of \d+ generated scans reach") as caught:
        drawn(levels, 0.9)
    assert "min_confidence 0.9" in str(caught.value)
    assert caught.value.code == "export-confidence"


@pytest.fixture(scope="module")
def limit(tiny_export: Path) -> float:
    """The median confidence of an export: half of the scans have less."""
    return float(ShardSet(tiny_export).table("images").foreground_confidence.median())


@pytest.fixture(scope="module")
def sure(tiny_files: Files, limit: float, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sure") / "shards"
    export(*tiny_files, CONFIG.model_copy(update={"min_confidence": limit}), 7, out)
    return out


def test_the_asked_count_is_reached_and_the_share_rejected_told(
    tiny_export: Path, sure: Path, limit: float, tmp_path: Path
) -> None:
    assert not verify(sure).findings
    images, manifest = ShardSet(sure).table("images"), read_manifest(sure)
    assert len(images) == CONFIG.count
    assert (images.foreground_confidence >= limit - 1e-6).all()
    rejected = int(images.n_rejected.sum())
    assert manifest.candidates.rejected == rejected > 0
    assert manifest.candidates.rejected_share == pytest.approx(
        rejected / (rejected + len(images)), abs=1e-6
    )
    assert f"{rejected} ({manifest.candidates.rejected_share:.1%})" in (
        sure / "README.md"
    ).read_text(encoding="utf-8")
    summary = audit(sure, tmp_path / "audit")
    assert summary.rejected_share == manifest.candidates.rejected_share
    page = summary.report.read_text(encoding="utf-8")
    assert f"of {rejected + len(images)} candidates, below {limit:g}" in page


def test_scans_that_were_sure_enough_are_those_of_an_export_without_limit(
    tiny_export: Path, sure: Path
) -> None:
    first, second = ShardSet(tiny_export), ShardSet(sure)
    for index in range(CONFIG.count):
        one, other = first[index], second[index]
        stays = other["metadata"]["n_rejected"] == 0
        for name in ("image", "mask", "overlap", "confidence"):
            assert not stays or np.array_equal(one[name], other[name])
        assert np.array_equal(one["image"], other["image"]) == stays
        assert (one["metadata"]["sample_id"] == other["metadata"]["sample_id"]) == stays


def test_neither_workers_nor_an_interruption_change_a_byte(
    tiny_files: Files, sure: Path, limit: float, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done >= 4:
            raise Killed

    config = CONFIG.model_copy(update={"min_confidence": limit})
    with pytest.raises(Killed):
        export(*tiny_files, config, 7, tmp_path / "killed", progress=kill)
    notes: list[str] = []
    export(
        *tiny_files,
        config,
        7,
        tmp_path / "killed",
        workers=2,
        progress=lambda *a: notes.append(a[2]),
    )
    assert same_bytes(sure, tmp_path / "killed")
    assert "% rejected" in notes[-1]


def test_the_command_tells_the_share_and_refuses_what_is_no_share(
    tiny_files: Files, limit: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [
        "export",
        "--gan",
        str(tiny_files[0]),
        "--segmenter",
        str(tiny_files[1]),
        "--count",
        "3",
    ]
    call += ["--out", str(tmp_path / "shards"), "--min-confidence"]
    assert main([*call, "1"]) == 2
    assert "the surest has" in capsys.readouterr().err
    assert main([*call, f"{limit}"]) == 0
    assert f"were less sure than {limit:g} and replaced" in capsys.readouterr().out
    assert main([*call, "1.5"]) == 2
    assert "min_confidence" in capsys.readouterr().err
    assert main([*call, "many"]) == 2
    assert "'many'" in capsys.readouterr().err

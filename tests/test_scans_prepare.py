"""`prepare`: what is kept and how it is written, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scan_fixtures import SMALL, has, picture, rows, run, save, save_text, set_aside, voc_xml

from xraysynth import schema
from xraysynth.errors import InputError
from xraysynth.scanfile import open_scans
from xraysynth.scans import PrepareConfig, prepare


def test_scans_are_letterboxed_with_their_rows(bags: Path, out: Path) -> None:
    summary = run(bags, "folder", out)
    assert (summary.n_scans, summary.n_set_aside) == (5, 0)
    images, table = rows(out, "images"), rows(out, "metadata")
    assert images.shape == (5, 16, 16, 3)
    schema.validate("scans", table)
    assert table["source"].tolist() == [f"bag_{seed}.png".encode() for seed in range(5)]
    assert set(table["seed"].tolist()) == {-1}
    assert (table["width_px"][0], table["height_px"][0]) == (40, 20)
    content = [int(table[f"content_{name}"][0]) for name in ("x", "y", "width", "height")]
    assert content == [0, 4, 16, 8]
    assert (images[:, :4] == 255).all()
    assert (images[0, 8, 8] == picture(0)[10, 20]).all()


def test_width_and_height_make_a_frame_that_is_not_square(bags: Path, out: Path) -> None:
    run(bags, "folder", out, PrepareConfig(width_px=32, height_px=16))
    assert rows(out, "images").shape == (5, 16, 32, 3)


def test_raw_pairs_become_two_channels_of_sixteen_bit(tmp_path: Path, out: Path) -> None:
    for energy, air in (("low", 60000), ("high", 50000)):
        save(tmp_path / "raw" / "knife" / f"knife_1_{energy}.png", np.full((9, 30), air, np.uint16))
    run(tmp_path / "raw", "folder", out)
    images = rows(out, "images")
    assert images.dtype == np.uint16
    assert images[0, 0, 0].tolist() == [60000, 50000]
    with open_scans(out) as file:
        assert file.attrs["channels"] == '["low", "high"]'


def test_grey_scans_join_coloured_ones(tmp_path: Path, out: Path) -> None:
    save(tmp_path / "bags" / "colour.png")
    save(tmp_path / "bags" / "grey.png", np.full((20, 20), 99, np.uint8))
    save(tmp_path / "bags" / "deep.png", np.full((20, 20), 257 * 99, np.uint16))
    run(tmp_path / "bags", "folder", out)
    images = rows(out, "images")
    assert images.dtype == np.uint8
    assert (images[1:] == 99).all()


def test_transparent_pixels_become_air(tmp_path: Path, out: Path) -> None:
    image = np.zeros((20, 20, 4), np.uint8)
    save(tmp_path / "bags" / "clear.png", image)
    run(tmp_path / "bags", "folder", out)
    assert (rows(out, "images") == 255).all()


def test_palettes_tiffs_bitmaps_and_capital_suffixes_are_read(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "bags"
    folder.mkdir()
    image = Image.fromarray(picture(3))
    image.quantize(4).save(folder / "palette.png")
    for name in ("a.tif", "b.bmp", "C.PNG"):
        image.save(folder / name)
    assert run(folder, "folder", out).n_scans == 4
    images = rows(out, "images").astype(int)
    assert abs(images - images[0]).max() <= 8


def test_duplicates_are_counted_and_kept_or_dropped(bags: Path, out: Path) -> None:
    (bags / "copy.png").write_bytes((bags / "bag_0.png").read_bytes())
    kept = run(bags, "folder", out)
    assert (kept.n_scans, kept.n_duplicates, kept.n_set_aside) == (6, 1, 0)
    dropped = run(bags, "folder", out, PrepareConfig(size_px=16, duplicates="drop"))
    assert (dropped.n_scans, dropped.n_duplicates) == (5, 1)
    assert set_aside(out) == {"copy.png": "it has the same bytes as bag_0.png."}


def test_scan_ids_do_not_depend_on_the_other_scans(bags: Path, out: Path) -> None:
    run(bags, "folder", out)
    before = rows(out, "metadata")["scan_id"].tolist()
    save(bags / "aaa.png")
    run(bags, "folder", out)
    assert rows(out, "metadata")["scan_id"].tolist()[1:] == before


def test_splits_and_limit_choose_scans(tmp_path: Path, out: Path) -> None:
    for split in ("train", "test"):
        for seed in range(6):
            save(tmp_path / "bags" / split / f"{seed}.png", seed=seed)
    summary = run(
        tmp_path / "bags", "folder", out, PrepareConfig(size_px=16, splits=("test",), limit=3)
    )
    assert summary.splits == {"test": 3}
    assert rows(out, "metadata")["source"].tolist() == [b"test/0.png", b"test/2.png", b"test/4.png"]
    with pytest.raises(InputError, match="no scans in hard; want other `splits`"):
        run(tmp_path / "bags", "folder", out, PrepareConfig(splits=("hard",)))


def test_boxes_are_mended_and_counted(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "six"
    save(folder / "JPEGImage" / "0001.jpg")
    boxes = [
        ("Gun", 10.0, 5.0, 20.0, 15.0),
        ("Knife", 30.0, 15.0, 20.0, 5.0),
        ("Knife", -5.0, 2.0, 50.0, 18.0),
        ("Wrench", 41.0, 5.0, 60.0, 15.0),
    ]
    save_text(folder / "Annotation" / "0001.xml", voc_xml(boxes))
    summary = run(folder, "sixray", out)
    assert (summary.n_boxes, summary.n_mended_boxes, summary.n_dropped_boxes) == (3, 2, 1)
    table = rows(out, "boxes")
    assert table["name"].tolist() == [b"Gun", b"Knife", b"Knife"]
    corners = [[float(row[key]) for key in ("x_min", "y_min", "x_max", "y_max")] for row in table]
    wanted = np.array([[4, 6, 8, 10], [8, 6, 12, 10], [0, 4.8, 16, 11.2]])
    np.testing.assert_allclose(np.array(corners), wanted, rtol=1e-6)
    assert rows(out, "metadata")["n_items"].tolist() == [3]
    assert rows(out, "metadata")["labels"].tolist() == [b'["Gun", "Knife", "Wrench"]']


def test_two_runs_and_any_number_of_workers_give_the_same_bytes(bags: Path, tmp_path: Path) -> None:
    (bags / "cut.png").write_bytes(b"\x89PNG")
    written = []
    for place, workers in enumerate((1, 1, 2)):
        path = tmp_path / str(place) / "scans.h5"
        run(bags, "folder", path, PrepareConfig(size_px=16, workers=workers))
        written.append((path.read_bytes(), path.with_suffix(".set_aside.csv").read_bytes()))
    assert written[0] == written[1] == written[2]


def test_room_for_set_aside_scans_is_cut(bags: Path, out: Path) -> None:
    (bags / "aaa.png").write_bytes(b"\x89PNG")
    run(bags, "folder", out)
    assert len(rows(out, "metadata")) == len(rows(out, "images")) == 5
    assert rows(out, "images")[-1].any()


def test_pandas_reads_the_tables(bags: Path, out: Path) -> None:
    import pandas as pd

    run(bags, "folder", out)
    frame = pd.read_hdf(out, "metadata")
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["width_px"]) == [40] * 5


def test_progress_ends_at_the_number_of_scans(bags: Path, out: Path) -> None:
    seen: list[tuple[int, int]] = []
    prepare(bags, "folder", out, SMALL, lambda done, total, note: seen.append((done, total)))
    assert seen[-1] == (5, 5)


def test_an_interrupted_run_leaves_the_earlier_file_and_can_be_repeated(
    bags: Path, out: Path
) -> None:
    run(bags, "folder", out)
    before = out.read_bytes()
    save(bags / "new.png", seed=9)

    def stop(done: int, total: int, note: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(bags, "folder", out, SMALL, stop)
    assert out.read_bytes() == before
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "scans.h5",
        "scans.set_aside.csv",
    ]
    assert run(bags, "folder", out).n_scans == 6


def test_real_sixray_scans_are_prepared_in_place(shared: Path, out: Path) -> None:
    source = shared / "real" / "sixray"
    if not source.is_dir():
        pytest.skip("no real scans: ../shared/real/sixray is absent")
    summary = run(source, "sixray", out, PrepareConfig(size_px=32, limit=24))
    assert (summary.n_scans, summary.n_set_aside) == (24, 0)
    assert set(summary.splits) == {"train", "val", "negative"}
    assert set(rows(out, "boxes")["name"].tolist()) <= {b"Gun", b"Knife", b"Wrench"}
    schema.validate("scans", rows(out, "metadata"))


def test_real_raw_pairs_keep_air_at_60000(shared: Path, out: Path) -> None:
    source = shared / "real" / "dual_energy"
    if not source.is_dir():
        pytest.skip("no raw pairs: ../shared/real/dual_energy is absent")
    summary = run(source, "folder", out, PrepareConfig(size_px=32, limit=12))
    images = rows(out, "images")
    assert summary.n_scans == 12
    assert images.shape[-1] == 2
    assert images.dtype == np.uint16
    assert not has(out, "masks")
    corner = images[:, 0, 0].astype(int)
    assert abs(np.median(corner) - 60000) < 1500
    # Low energy is absorbed more, wherever there is something.
    dark = images[..., 1] < 50000
    assert (images[..., 0][dark] < images[..., 1][dark]).mean() > 0.95


def test_the_file_says_how_it_was_made(bags: Path, out: Path) -> None:
    run(bags, "folder", out)
    with h5py.File(out) as file:
        assert file.attrs["format"] == '"folder"'
        assert '"size_px": 16' in file.attrs["settings"]
        assert "workers" not in file.attrs["settings"]

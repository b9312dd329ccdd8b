"""Label files of other tools become label maps, and every mistake in one becomes a sentence."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oneshot_toy import CLASSES, SIZE, toy_exemplar, toy_generator

from xraysynth import schema
from xraysynth.errors import CheckpointError, InputError, ReadError, XraysynthError
from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import generated_images, latents
from xraysynth.oneshot.exemplar_folder import load_exemplar, load_exemplars, save_exemplar
from xraysynth.oneshot.label_files import read_labels
from xraysynth.scans.decode import decode_indices

ROOT = Path(__file__).parents[1]
SQUARE = [[2, 3], [6, 3], [6, 5], [2, 5]]
"""Columns 2 to 5, rows 3 and 4."""
RUNS = [35, 2, 14, 2, 14, 2, 14, 2, 171]
"""The same, down the columns of a scan of 16 x 16."""
COMPRESSED = "S12>00000m4"
"""The same as COCO writes it: five bits a character, differences from the fourth run on."""


def labelme(*shapes: dict[str, Any], size: tuple[int, int] = (SIZE, SIZE)) -> dict[str, Any]:
    return {"version": "5.5.0", "shapes": shapes, "imageWidth": size[0], "imageHeight": size[1]}


def shape(points: Any = SQUARE, kind: str = "polygon", label: str = "disc") -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}}


def coco(segmentation: Any, category: int = 7) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "scan.png", "width": SIZE, "height": SIZE}],
        "categories": [{"id": 7, "name": "disc"}, {"id": 9, "name": "bar"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": category, "segmentation": segmentation}
        ],
    }


def clashing(key: str, *entries: dict[str, Any]) -> dict[str, Any]:
    """Return a COCO document with further `images` or `categories`."""
    document = coco([[2, 3, 6, 3, 6, 5, 2, 5]])
    return {**document, key: [*document[key], *entries]}


def read(folder: Path, document: Any, names: tuple[str, ...] = CLASSES) -> np.ndarray:
    path = folder / "labels.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_labels(path, (SIZE, SIZE), names).label_map


def expected(label: int = 1) -> np.ndarray:
    label_map = np.zeros((SIZE, SIZE), np.uint8)
    label_map[3:5, 2:6] = label
    return label_map


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(labelme(shape()), id="labelme-polygon"),
        pytest.param(labelme(shape([[6, 5], [2, 3]], "rectangle")), id="labelme-rectangle"),
        pytest.param(coco([[2, 3, 6, 3, 6, 5, 2, 5]]), id="coco-polygon"),
        pytest.param(coco({"size": [SIZE, SIZE], "counts": RUNS}), id="coco-runs"),
        pytest.param(coco({"size": [SIZE, SIZE], "counts": COMPRESSED}), id="coco-compressed"),
    ],
)
def test_every_form_of_a_region_gives_the_same_pixels(
    document: dict[str, Any], tmp_path: Path
) -> None:
    assert np.array_equal(read(tmp_path, document), expected())


def test_an_indexed_png_gives_its_ids_and_void_is_background(tmp_path: Path) -> None:
    ids = expected(2)
    ids[0, 0] = 255
    picture = PIL.Image.fromarray(ids)
    picture.putpalette([value for level in range(256) for value in (level, 0, 0)])
    picture.save(tmp_path / "mine.png")
    labels = read_labels(tmp_path / "mine.png", (SIZE, SIZE), CLASSES)
    assert np.array_equal(labels.label_map, expected(2))


def test_a_circle_covers_the_pixels_whose_centres_lie_within(tmp_path: Path) -> None:
    label_map = read(tmp_path, labelme(shape([[8, 8], [12, 8]], "circle")))
    centres = np.arange(SIZE) + 0.5 - 8
    inside = np.hypot(centres[:, None], centres) < 4
    assert np.array_equal(label_map == 1, inside)


def test_what_lies_within_another_region_stays_visible(tmp_path: Path) -> None:
    all_over = shape([[0, 0], [16, 16]], "rectangle", "bar")
    label_map = read(tmp_path, labelme(shape(), all_over))
    assert np.array_equal(label_map == 1, expected() == 1)
    assert set(np.unique(label_map)) == {1, 2}


@pytest.mark.parametrize("file_name", ["C:\\x\\scan.png", "C:/x/scan.png", "scan.png"])
def test_the_scan_is_found_among_several_by_the_last_part_of_its_name(
    file_name: str, tmp_path: Path
) -> None:
    document = clashing("images", {"id": 2, "file_name": "C:\\x\\other.png"})
    document["images"][0]["file_name"] = file_name
    assert np.array_equal(read(tmp_path, document), expected())


def test_a_category_that_is_listed_twice_alike_is_one(tmp_path: Path) -> None:
    document = clashing("categories", {"id": 7, "name": "disc", "supercategory": "thing"})
    assert np.array_equal(read(tmp_path, document), expected())


def test_without_names_the_file_brings_them(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(labelme(shape(label="gun"), shape(label="bag"))))
    assert read_labels(path, (SIZE, SIZE), ()).class_names == ("background", "gun", "bag")


FAULTS = [
    (labelme(shape(), size=(32, 16)), "exemplar-size", "is 32 x 16 pixels; its scan is 16 x 16"),
    (coco({"size": [8, 32], "counts": RUNS}), "exemplar-size", "is 32 x 8 pixels"),
    (coco({"size": [16, 16], "counts": [9, 9]}), "exemplar-size", "covers 18 pixels"),
    (labelme(shape(label="disk")), "exemplar-class", "labels 'disk'.*did you mean 'disc'"),
    (coco([[2, 3, 6, 3, 6, 5]], category=8), "exemplar-files", "category_id 8"),
    (
        labelme(shape([[2, 3], [60, 3], [6, 5]])),
        "exemplar-outside",
        "region of 'disc' reaches to x 60, y 3, outside the scan of 16 x 16",
    ),
    (labelme(shape([[8, 8], [25, 8]], "circle")), "exemplar-outside", "outside the scan"),
    (labelme(shape([[2, float("nan")], [6, 3], [6, 5]])), "exemplar-outside", "y nan"),
    (coco([[2, 3, 6, 3, 6, float("inf")]]), "exemplar-outside", "y inf"),
    (labelme(), "exemplar-label", "holds no region"),
    (labelme(shape([[1, 1], [2, 2]], "line")), "exemplar-label", "shape of type 'line'"),
    (coco([]), "exemplar-label", "a box at most"),
    (labelme(shape([[1, 1]], "polygon")), "exemplar-files", "not a polygon of three"),
    (labelme(shape([[1, 1], ["a", 2]], "rectangle")), "exemplar-files", "want a number"),
    (coco({"size": [16, 16], "counts": "~~"}), "exemplar-files", "run-length code"),
    (coco({"size": "big", "counts": RUNS}), "exemplar-files", "size 'big'"),
    (labelme(shape(), size=(float("inf"), 3)), "exemplar-files", "size is inf"),  # type: ignore[arg-type]
    (labelme(shape(), size=("16.9", 16)), "exemplar-files", "size is 16.9 x 16; want whole"),  # type: ignore[arg-type]
    (
        labelme(shape(), shape([[1, 1], [1, 1], [1, 1]])),
        "exemplar-label",
        "region of 'disc' at x 1, y 1 covers the centre of no pixel",
    ),
    (coco({"size": [16, 16], "counts": ""}), "exemplar-label", "covers the centre of no pixel"),
    (
        {**coco([[2, 3, 6, 3, 6, 5]]), "images": [{"id": 2, "file_name": "scan.png"}]},
        "exemplar-files",
        "annotations of image_id 1, which `images` lacks",
    ),
    ({"points": []}, "exemplar-files", "neither `shapes`"),
    (labelme(shape(label=None)), "exemplar-files", "`label` is None; want text"),  # type: ignore[arg-type]
    (labelme(shape(label=["a"])), "exemplar-files", r"`label` is \['a'\]"),  # type: ignore[arg-type]
    (labelme(shape(label=True)), "exemplar-files", "`label` is True"),  # type: ignore[arg-type]
    (labelme({"points": SQUARE}), "exemplar-files", "`label` is None"),
    (clashing("categories", {"id": 7, "name": "bar"}), "exemplar-files", "to 'disc' and 'bar'"),
    (clashing("categories", {"id": "7", "name": "bar"}), "exemplar-files", "one name an id"),
    (
        clashing("images", {"id": "1", "file_name": "b.png"}),
        "exemplar-files",
        r"image_id 1 .* 'scan\.png' and 'b\.png'; want one image an id\. Export it again\.",
    ),
    (
        {**coco([[2, 3, 6, 3, 6, 5]]), "categories": [{"id": 7, "name": None}]},
        "exemplar-files",
        "name of category 7 is None; want text",
    ),
    (coco([[1, 2, 3]]), "exemplar-files", r"list x1, y1, \.\.\., xn, yn\. Export it again"),
    ([1], "exemplar-files", "want a JSON object"),
    ('{"shapes": [', "exemplar-files", "not readable JSON"),
    ("\x00\xff", "exemplar-files", "labels.json"),
]


@pytest.mark.parametrize(("document", "code", "sentence"), FAULTS)
def test_a_fault_has_a_code_and_a_sentence(
    document: Any, code: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        read(tmp_path, document)
    assert caught.value.code == code
    assert "labels.json" in str(caught.value)
    assert code in schema.check_codes()


@given(cut=st.integers(0, 400), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_in_words(
    cut: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(json.dumps(coco({"size": [SIZE, SIZE], "counts": COMPRESSED})).encode())
    data[cut % len(data)] = value
    path = tmp_path_factory.mktemp("bytes") / "labels.json"
    path.write_bytes(data)
    try:
        assert read_labels(path, (SIZE, SIZE), CLASSES).label_map.max() < len(CLASSES)
    except XraysynthError as error:
        assert error.code.startswith("exemplar-")


def test_every_code_in_the_source_is_in_the_list() -> None:
    used = {
        code
        for path in (ROOT / "xraysynth").rglob("*.py")
        for code in re.findall(r'code="([a-z0-9-]+)"', path.read_text(encoding="utf-8"))
    }
    assert used <= set(schema.check_codes())


# The folder around a label file.


@pytest.fixture
def generator() -> Generator:
    return toy_generator()


@pytest.fixture
def numbered(tmp_path: Path, generator: Generator) -> Path:
    """Return a folder as a person makes it from `xraysynth generate` and labelme."""
    folder = tmp_path / "mine"
    folder.mkdir()
    drawn = generator.synthesis(generator.mapping(latents(generator, 5, [12])))
    image = generated_images(generator, drawn)[0]
    PIL.Image.fromarray(image).save(folder / "scan.png")
    (folder / "scan.json").write_text(json.dumps(labelme(shape())))
    (folder / "exemplar.json").write_text(json.dumps({"seed": 5, "index": 12}))
    return folder


def test_a_labelme_file_beside_a_numbered_scan_is_an_exemplar(
    numbered: Path, generator: Generator
) -> None:
    exemplar = load_exemplar(numbered, generator)
    latent_w = generator.mapping(latents(generator, 5, [12]))[0].numpy()
    assert np.array_equal(exemplar.latent_w, latent_w)
    assert np.array_equal(exemplar.label_map, expected())
    assert exemplar.class_names == ("background", "disc")
    assert exemplar.generator_hash == generator_hash(generator)


def test_saving_it_writes_the_same_exemplar_whole(
    numbered: Path, generator: Generator, tmp_path: Path
) -> None:
    exemplar = load_exemplar(numbered, generator)
    save_exemplar(exemplar, tmp_path / "whole")
    again = load_exemplar(tmp_path / "whole")
    assert again.exemplar_id == exemplar.exemplar_id
    assert again.scan == exemplar.scan


def test_a_scan_of_another_number_is_refused(numbered: Path, generator: Generator) -> None:
    (numbered / "exemplar.json").write_text(json.dumps({"seed": 5, "index": 13}))
    with pytest.raises(InputError, match="is not what this generator draws") as caught:
        load_exemplar(numbered, generator)
    assert caught.value.code == "exemplar-latent"


def test_a_scan_without_number_is_refused(numbered: Path, generator: Generator) -> None:
    (numbered / "exemplar.json").write_text(json.dumps({"classes": ["background", "disc"]}))
    with pytest.raises(InputError, match="no `seed` and `index`"):
        load_exemplar(numbered, generator)


def test_a_number_of_another_generator_is_refused(numbered: Path, generator: Generator) -> None:
    content = {"seed": 5, "index": 12, "generator": "0" * 16}
    (numbered / "exemplar.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="labelled on generator 0000"):
        load_exemplar(numbered, generator)


def test_a_class_without_region_is_named(numbered: Path, generator: Generator) -> None:
    content = {"seed": 5, "index": 12, "classes": CLASSES}
    (numbered / "exemplar.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="no pixel of class 'bar'") as caught:
        load_exemplar(numbered, generator)
    assert caught.value.code == "exemplar-empty"


def test_two_label_files_are_one_too_many(numbered: Path, generator: Generator) -> None:
    PIL.Image.fromarray(expected()).save(numbered / "label_map.png")
    with pytest.raises(InputError, match=r"label_map\.png, scan\.json.*keep one"):
        load_exemplar(numbered, generator)


@pytest.mark.parametrize("name", ["knife,gun", "", " gun", "x" * 33, "bag\n"])
def test_a_name_that_tables_cannot_hold_is_refused(
    name: str, numbered: Path, generator: Generator
) -> None:
    content = {"seed": 5, "index": 12, "classes": ["background", "disc", name]}
    (numbered / "exemplar.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="is no class name"):
        load_exemplar(numbered, generator)


def test_folders_inside_are_further_exemplars(generator: Generator, tmp_path: Path) -> None:
    exemplar = toy_exemplar(generator)
    for place in (tmp_path, tmp_path / "scan-0-4", tmp_path / "scan-0-3"):
        save_exemplar(exemplar, place)
    assert len(load_exemplars(tmp_path, generator)) == 3
    (tmp_path / "exemplar.json").unlink()
    assert len(load_exemplars(tmp_path, generator)) == 2


def test_whole_numbers_written_as_floats_are_the_same_ids(tmp_path: Path) -> None:
    document = coco([[2, 3, 6, 3, 6, 5, 2, 5]])
    document["annotations"][0].update(image_id=1.0, category_id=7.0)
    assert np.array_equal(read(tmp_path, document), expected())


@pytest.mark.parametrize("name", ["nowhere/labels.json", "labels.json", "folder.json"])
def test_a_label_file_that_is_not_there_is_said_to_be_so(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=r"\.json is (not there|a folder); want the label file"):
        read_labels(tmp_path / name, (SIZE, SIZE), CLASSES)


def test_more_names_than_a_label_map_holds_are_counted_first(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(
        json.dumps(labelme(*(shape(label=f"c{number}") for number in range(300))))
    )
    with pytest.raises(InputError, match=r"301 classes .*want 2 to 32") as caught:
        read_labels(tmp_path / "labels.json", (SIZE, SIZE), ())
    assert caught.value.code == "exemplar-classes"


def test_a_png_without_names_says_where_to_give_them(tmp_path: Path) -> None:
    PIL.Image.fromarray(expected()).save(tmp_path / "mine.png")
    with pytest.raises(InputError, match=r"--classes background,knife, or .* in exemplar\.json"):
        read_labels(tmp_path / "mine.png", (SIZE, SIZE), ())


def test_a_jpeg_is_no_label_map(tmp_path: Path) -> None:
    PIL.Image.fromarray(expected()).save(tmp_path / "mine.png", format="JPEG")
    with pytest.raises(InputError, match="it is not a PNG image"):
        read_labels(tmp_path / "mine.png", (SIZE, SIZE), CLASSES)


def test_a_negative_id_is_named() -> None:
    data = io.BytesIO()
    PIL.Image.fromarray(np.full((2, 2), -3, np.int32)).save(data, format="TIFF")
    with pytest.raises(ReadError, match="holds the class id -3; want ids of 0 and above"):
        decode_indices(data.getvalue(), 4)

"""Class ids of grey masks are what the file holds, however few bits it gives a pixel."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oneshot_toy import SIZE, toy_exemplar, toy_generator
from scan_fixtures import HEIGHT, WIDTH, rows, save, save_text

from xraysynth.oneshot.exemplar_folder import load_exemplar, save_exemplar
from xraysynth.scans import PrepareConfig, prepare
from xraysynth.scans.decode import decode_indices

BITS = (1, 2, 4, 8)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG, with length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_png(ids: np.ndarray, bits: int) -> bytes:
    """Return a grey PNG (colour type 0), written from the standard: rows filled up to bytes."""
    height, width = ids.shape
    each = np.unpackbits(ids.astype(np.uint8)[..., None], axis=2)[..., 8 - bits :]
    packed = np.packbits(each.reshape(height, -1), axis=1)
    lines = b"".join(b"\0" + line.tobytes() for line in packed)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize("bits", BITS)
@given(seed=st.integers(0, 2**16), width=st.integers(1, 9))
def test_every_id_of_a_grey_png_comes_back(bits: int, seed: int, width: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 2**bits, (3, width))
    assert np.array_equal(decode_indices(grey_png(ids, bits), 99), ids)


@pytest.mark.parametrize("bits", BITS)
def test_indices_of_a_palette_stay_what_they_are(bits: int) -> None:
    ids = np.arange(2**bits, dtype=np.uint8)[None]
    picture, data = PIL.Image.fromarray(ids), io.BytesIO()
    picture.putpalette([255 - place // 3 for place in range(3 * 2**bits)])
    picture.save(data, format="PNG", bits=bits)
    assert data.getvalue()[24:26] == bytes([bits, 3])
    assert np.array_equal(decode_indices(data.getvalue(), 999), ids)


@pytest.mark.parametrize("bits", [2, 4])
def test_a_label_map_of_few_bits_is_the_same_exemplar(bits: int, tmp_path: Path) -> None:
    exemplar = toy_exemplar(toy_generator())
    save_exemplar(exemplar, tmp_path)
    (tmp_path / "label_map.png").write_bytes(grey_png(exemplar.label_map, bits))
    assert exemplar.label_map.shape == (SIZE, SIZE)
    assert load_exemplar(tmp_path).exemplar_id == exemplar.exemplar_id


@pytest.mark.parametrize(("bits", "class_id"), [(2, 3), (4, 1), (4, 15), (8, 17)])
def test_prepare_keeps_the_ids_of_a_mask_of_few_bits(
    bits: int, class_id: int, tmp_path: Path
) -> None:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[4:9, 10:30] = class_id
    save(tmp_path / "set" / "images" / "a.png")
    names = ["background", *(f"item{place:02}" for place in range(1, 20))]
    save_text(tmp_path / "set" / "classes.txt", "\n".join(names))
    (tmp_path / "set" / "masks").mkdir()
    (tmp_path / "set" / "masks" / "a.png").write_bytes(grey_png(ids, bits))
    prepare(tmp_path / "set", "indexed_png", tmp_path / "out.h5", PrepareConfig(size_px=WIDTH))
    found = rows(tmp_path / "out.h5", "masks")[0]
    assert np.unique(found).tolist() == [0, class_id]
    assert int((found == class_id).sum()) == 5 * 20

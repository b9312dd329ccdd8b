"""Damaged and misleading weights are named in one sentence by every command that takes them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from gan_files import TINY, put, refused, tiny_pickle, tiny_weights
from gan_pickles import as_torch_file, dumped, official_pickle, port_state
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from xraysynth.errors import CheckpointError, DamagedError, XraysynthError
from xraysynth.gan.checkpoint import load_generator
from xraysynth.gan.foreign import import_generator
from xraysynth.gan.generator import Generator

FIR = torch.tensor(np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64).float()


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _safetensors(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


_ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "web-page": b"<!DOCTYPE html><html><body>404: not found</body></html>",
    "text": b"not a checkpoint at all\n",
    "git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "zip-leads-out": _zip({"archive/data.pkl": dumped({}), "../evil.py": b"x"}),
    "zip-absolute": _zip({"archive/data.pkl": dumped({}), "/etc/evil": b"x"}),
    "zip-bomb": _zip({"archive/data.pkl": b"\0" * 10_000_000}, zipfile.ZIP_DEFLATED),
    "zip-two-of-a-name": _zip(
        {"archive/data.pkl": dumped({}), "archive/data.pkx": dumped({})}
    ).replace(b"data.pkx", b"data.pkl"),
    "zip-other": _zip({"readme.txt": b"x"}),
    "zip-script": _zip({"a/data.pkl": dumped({}), "a/code/__torch__.py": b"x"}),
    "zip-negative-offset": _zip({"a/data.pkl": dumped({})}).replace(
        struct.pack("<I", 0) + b"a/data.pkl", struct.pack("<I", 0xFFFFFF00) + b"a/data.pkl"
    ),
    "zip-of-nothing": b"PK\x03\x04" + b"\0" * 40,
    "pickle-list": dumped([1, 2, 3]),
    "pickle-other-names": dumped({"model": 1}),
    "tensorflow": b"cdnnlib.tflib.network\nNetwork\n.",
    "long-number": b"\x8b" + struct.pack("<i", 4000) + b"\x01" * 4000 + b".",
    "claims-gigabytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
    "endless-operations": b"\x80\x02" + b"N0" * 501_000 + b".",
    "header-claims-all": _safetensors({"a": _ENTRY}, b"\0" * 4, length=1 << 62),
    "header-cut": _safetensors({"a": _ENTRY}, b"\0" * 4, length=5000),
    "offsets-overlap": _safetensors({"a": _ENTRY, "b": _ENTRY}, b"\0" * 4),
    "offsets-beyond": _safetensors({"a": {**_ENTRY, "data_offsets": [0, 400]}}, b"\0" * 4),
    "metadata-list": _safetensors({"__metadata__": ["x"], "a": _ENTRY}, b"\0" * 4),
    "metadata-no-text": _safetensors({"__metadata__": {"xraysynth": 7}, "a": _ENTRY}, b"\0" * 4),
    "metadata-no-mapping": _safetensors({"__metadata__": {"xraysynth": "[1]"}}),
    "metadata-deep": _safetensors({"__metadata__": {"xraysynth": "[" * 100_000}}),
    "config-enormous": _safetensors(
        {
            "__metadata__": {
                "xraysynth": json.dumps(
                    {
                        "kind": "generator",
                        "config": {"resolution": 1024, "channel_base": 2**21, "channel_max": 2048},
                    }
                )
            }
        }
    ),
    "config-wrong": _safetensors(
        {"__metadata__": {"xraysynth": json.dumps({"kind": "generator", "config": [1]})}}
    ),
    "pickle-memory": b"\x80\x02]" + b"q\0" + b"h\0\x85" * 20_000 + b".",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("command", ["import-gan", "generate"])
def test_broken_file_is_named_in_one_sentence(
    name: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put(tmp_path / "weights.safetensors", BROKEN[name])
    status, sentence = refused(command, file, tmp_path, capsys)
    assert status in (2, 3)
    assert str(file) in sentence and sentence.count("\n") == 1 and len(sentence) < 500


@pytest.mark.parametrize("command", ["import-gan", "generate"])
def test_folder_in_place_of_a_file_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, sentence = refused(command, tmp_path, tmp_path, capsys)
    assert status == 2
    assert "folder" in sentence


def changed(name: str, tensor: Tensor | None) -> dict[str, Tensor]:
    others = {key: value for key, value in tiny_weights().items() if key != name}
    return others if tensor is None else {**others, name: tensor}


WEIGHT = "synthesis.b8.conv1.weight"
MISFITS: list[tuple[str, Tensor | None, str]] = [
    (WEIGHT, torch.zeros(12, 12, 5, 5), "wants (12, 12, 3, 3)"),
    (WEIGHT, None, "absent"),
    (WEIGHT, torch.full((12, 12, 3, 3), torch.nan), "not finite"),
    (WEIGHT, torch.zeros(12, 12, 3, 3, dtype=torch.int64), "floating point"),
    ("mapping.embed.weight", torch.zeros(9, 10), "conditioned on 10 classes"),
    ("synthesis.b8.skip.weight", torch.zeros(12, 12, 1, 1), "residual"),
    ("synthesis.L0_36_512.weight", torch.zeros(1), "StyleGAN3"),
    ("synthesis.b8.resample_filter", FIR * 2, "[1, 3, 3, 1]"),
    ("synthesis.b16.conv1.weight", torch.zeros(40, 8, 3, 3), "min(base / size, maximum)"),
    ("synthesis.b4.torgb.weight", None, "image skips"),
    ("synthesis.b64.const", torch.zeros(1), "sizes [4, 8, 16, 64]"),
]


@pytest.mark.parametrize(("name", "tensor", "sentence"), MISFITS)
def test_misfit_network_is_named(
    tmp_path: Path, name: str, tensor: Tensor | None, sentence: str
) -> None:
    data = official_pickle(changed(name, tensor), {})
    with pytest.raises(CheckpointError) as caught:
        import_generator(put(tmp_path / "a.pkl", data), tmp_path / "own.safetensors")
    assert sentence in str(caught.value)


def test_safetensors_with_whole_numbers_are_refused(tmp_path: Path) -> None:
    network = Generator(TINY)
    tensors = {name: tensor.to(torch.int64) for name, tensor in network.state_dict().items()}
    metadata = {"kind": "generator", "config": TINY.model_dump(mode="json"), "hash": ""}
    file = tmp_path / "a.safetensors"
    file.write_bytes(safetensors.torch.save(tensors, {"xraysynth": json.dumps(metadata)}))
    with pytest.raises(CheckpointError, match="floating point"):
        load_generator(file)


def test_tensor_that_unfolds_a_few_numbers_is_refused(tmp_path: Path) -> None:
    few = torch.zeros(1).as_strided((1 << 20, 1 << 20), (0, 0))
    file = as_torch_file({"g_ema": {"input.input": few}}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="reaches beyond its numbers"):
        import_generator(file, tmp_path / "own.safetensors")


@given(share=st.floats(0, 0.999))
@settings(max_examples=40)
def test_truncated_pickle_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    file = put(folder / "a.pkl", tiny_pickle()[: int(share * len(tiny_pickle()))])
    with pytest.raises((DamagedError, CheckpointError)):
        import_generator(file, folder / "own.safetensors")


@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8
    ),
    kind=st.sampled_from(["official", "zip", "older", "safetensors"]),
)
@settings(max_examples=150)
def test_changed_bytes_load_or_are_named(
    tmp_path_factory: pytest.TempPathFactory,
    fuzzed: dict[str, bytes],
    changes: list[tuple[float, int]],
    kind: str,
) -> None:
    data = bytearray(fuzzed[kind])
    for place, value in changes:
        # Most bytes are numbers: half of the changes go to the first kilobytes.
        reach = len(data) if value % 2 else min(len(data), 4000)
        data[int(place * reach)] = value
    folder = tmp_path_factory.mktemp("fuzz")
    try:
        import_generator(put(folder / "a.bin", bytes(data)), folder / "own.safetensors")
    except XraysynthError as error:
        assert str(folder) in str(error) and "\n" not in str(error)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    held = {"g_ema": port_state(tiny_weights()), "latent_avg": tiny_weights()["mapping.w_avg"]}
    import_generator(put(folder / "a.pkl", tiny_pickle()), folder / "own.safetensors")
    return {
        "official": tiny_pickle(),
        "zip": as_torch_file(held, folder / "zip.pt").read_bytes(),
        "older": as_torch_file(held, folder / "older.pt", zipped=False).read_bytes(),
        "safetensors": (folder / "own.safetensors").read_bytes(),
    }

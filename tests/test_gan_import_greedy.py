"""Small files that ask for much time or memory, filters of another kind, lengths like pickles."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch
from gan_files import TINY, put, refused, tiny_pickle, tiny_weights
from gan_pickles import as_torch_file, port_judge, port_state
from test_gan_import_stubborn import own_file
from torch import Tensor

from xraysynth.errors import CheckpointError
from xraysynth.gan.allowlist import Storage, StoredTensor, read_all
from xraysynth.gan.checkpoint import generator_config, load_generator, save_generator
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.foreign import import_generator
from xraysynth.gan.generator import Generator
from xraysynth.gan.inert import MAX_TEXT

KERNEL = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def _activation(value: bytes) -> bytes:
    """Return a pickle of one layer with this activation."""
    record = b"cdnnlib.util\nEasyDict\n)R}U\x0aactivation" + value + b"sb"
    return b"\x80\x02}U\x05G_ema" + record + b"s."


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _called(name: bytes, argument: bytes, times: int) -> bytes:
    """Return a pickle that hands one stored argument to a function many times."""
    call = b"h\x01h\x00\x85R"
    return b"\x80\x02" + argument + b"q\x000c" + name + b"q\x010](" + call * times + b"e."


_KEY = b"\x8a\x08" + struct.pack("<q", 2**61 - 1)
_WRONG = "its call of torch.Size has arguments of a wrong kind"
GREEDY = {
    "shared-tuples": (_activation(b"U\x01x" + b"2\x86" * 36), "an activation without name"),
    "deep-tuples": (_activation(b")" + b"\x85" * 200_000), "an activation without name"),
    "text-as-shape": (_called(b"torch\nSize\n", _text("\u4e00" * 4096), 100), _WRONG),
    "bytes-as-shape": (_called(b"torch\nSize\n", b"C\xff" + b"x" * 255, 100), _WRONG),
    "numbers-as-shape": (_called(b"torch\nSize\n", b"(" + b"K\x01" * 9 + b"t", 100), _WRONG),
    "encoded-text": (_called(b"_codecs\nencode\n", _text("x" * 2000), 40_000), "operations"),
    "colliding-keys": (
        b"\x80\x02ccollections\nOrderedDict\n](](" + _KEY + b"Nee\x85R.",
        "keys that are no plain values",
    ),
}


@pytest.mark.parametrize("name", GREEDY)
def test_greedy_pickle_is_named_at_once(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, reason = GREEDY[name]
    file = put(tmp_path / "weights.pkl", data)
    status, sentence = refused("import-gan", file, tmp_path, capsys)
    assert status == 2
    assert str(file) in sentence and reason in sentence and sentence.count("\n") == 1


@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_what_is_too_deep_or_too_large_is_named(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(held: object) -> None:
        raise error

    monkeypatch.setattr("xraysynth.gan.foreign._networks", fail)
    with pytest.raises(CheckpointError, match="nested too deeply, or takes more memory"):
        import_generator(put(tmp_path / "a.pkl", tiny_pickle()), tmp_path / "own.safetensors")


def test_bytes_of_a_sparse_file_are_refused_before_they_are_read(tmp_path: Path) -> None:
    file = put(tmp_path / "a.pkl", b"\x80\x03B" + struct.pack("<I", MAX_TEXT + 1))
    with file.open("r+b") as stream:
        stream.truncate(MAX_TEXT + 100)
    with pytest.raises(CheckpointError, match=f"claims a text or number of {MAX_TEXT + 1} bytes"):
        import_generator(file, tmp_path / "own.safetensors")


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_that_share_their_numbers_are_refused(zipped: bool, tmp_path: Path) -> None:
    weights = port_state(tiny_weights())
    numbers = torch.randn(max(tensor.numel() for tensor in weights.values()))
    shared = {n: numbers[: tensor.numel()].view(tensor.shape) for n, tensor in weights.items()}
    file = as_torch_file({"g_ema": shared}, tmp_path / "a.pt", zipped=zipped)
    with pytest.raises(CheckpointError, match="its tensors share numbers"):
        import_generator(file, tmp_path / "own.safetensors")


def test_a_storage_that_holds_several_tensors_is_read_once() -> None:
    reads: list[int] = []

    def read() -> bytes:
        reads.append(1)
        return struct.pack("<4f", 0, 1, 2, 3)

    storage = Storage(torch.float32, 4, read)
    halves = {str(at): StoredTensor(storage, at, (2,), (1,)) for at in (0, 2)}
    assert {name: tensor.tolist() for name, tensor in read_all(halves)} == {
        "0": [0.0, 1.0],
        "2": [2.0, 3.0],
    }
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mapping_layers": 16}, "has more than"),
        ({"label_names": [str(index) for index in range(999)]}, "has more than"),
        ({"label_names": [f"{index:x}" for index in range(400_000)]}, "at most 1000 labels"),
        (
            {
                "z_dim": 128,
                "mapping_layers": 1,
                "clutter": [
                    {"name": str(index), "share": 0.5, "class_name": "x"} for index in range(128)
                ],
            },
            "has more than",
        ),
    ],
    ids=["layers", "labels", "many-labels", "clutter"],
)
def test_a_small_file_of_a_huge_mapping_takes_no_memory(
    changes: dict[str, object], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xraysynth.gan.checkpoint.Generator", None)
    few = {"x": torch.zeros(200_000, dtype=torch.uint8)}
    file = own_file(tmp_path / "a.safetensors", few, **{"w_dim": 1024, **changes})
    with pytest.raises(ValueError, match=sentence) as caught:
        load_generator(file)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("least", [0x80, 0x50])
def test_own_file_whose_length_begins_like_a_pickle_is_imported(least: int, tmp_path: Path) -> None:
    generator = Generator(TINY)
    file = tmp_path / "a.safetensors"
    for count in range(0, 512, 4):
        save_generator(file, generator, {"note": "x" * count})
        if file.read_bytes()[0] == least:
            break
    assert file.read_bytes()[0] == least
    import_generator(file, tmp_path / "own.safetensors")
    assert generator_config(tmp_path / "own.safetensors") == TINY


def _with_kernel(network: dict[str, Tensor], name: str, kernel: Tensor) -> dict[str, Tensor]:
    return {**network, name: kernel}


@pytest.mark.parametrize("gain", [1.0, 4.0])
def test_kernels_are_known_up_to_their_gain(gain: float, tmp_path: Path) -> None:
    named = _with_kernel(port_state(tiny_weights()), "convs.0.conv.blur.kernel", KERNEL * gain)
    file = as_torch_file({"g_ema": named}, tmp_path / "a.pt")
    assert import_generator(file, tmp_path / "own.safetensors").config.resolution == 16


SMALL = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16


@pytest.mark.parametrize("kernel", [SMALL, KERNEL * 0, KERNEL.flip(0) + torch.eye(4) / 9])
def test_other_kernels_are_refused(kernel: Tensor, tmp_path: Path) -> None:
    named = _with_kernel(port_state(tiny_weights()), "to_rgbs.0.upsample.kernel", kernel)
    file = as_torch_file({"g_ema": named}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"its filter to_rgbs.*is not \[1, 3, 3, 1\]"):
        import_generator(file, tmp_path / "own.safetensors")


def test_a_discriminator_with_other_kernels_is_left_out(tmp_path: Path) -> None:
    judge = port_judge(dict(Discriminator(TINY).state_dict()), 16)
    held = {
        "g_ema": port_state(tiny_weights()),
        "latent_avg": tiny_weights()["mapping.w_avg"],
        "d": _with_kernel(judge, "convs.1.conv2.0.kernel", SMALL),
    }
    found = import_generator(as_torch_file(held, tmp_path / "a.pt"), tmp_path / "own.safetensors")
    assert not found.discriminator and "its filter convs.1" in found.notes[0]

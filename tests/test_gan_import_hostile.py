"""What asks to run something when it is loaded is refused, and does not run."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gan_files import put, refused, tiny_weights
from gan_pickles import Bomb, dumped, load_ordinarily, official_pickle

from xraysynth.gan.foreign import import_generator


def test_source_text_of_an_official_pickle_is_not_executed(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    data = official_pickle(tiny_weights(), {}, source=f"open({str(mark)!r}, 'w').close()")
    import_generator(put(tmp_path / "a.pkl", data), tmp_path / "own.safetensors")
    assert not mark.exists()
    load_ordinarily(data)
    assert mark.exists(), "the fixture is harmless, so this test shows nothing"


class _Nested:
    """An object that hands a call to its builder as state or argument."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, (), {"state": self.inner}


def _in_storage(bomb: Bomb) -> bytes:
    """Return a pickle whose tensor numbers are a nested file that holds the bomb."""
    inner = io.BytesIO()
    torch.save(bomb, inner, _use_new_zipfile_serialization=False)
    call = b"ctorch.storage\n_load_from_bytes\n" + dumped(inner.getvalue(), 3)[2:-1] + b"\x85R."
    return b"\x80\x03" + call


def _in_zip(bomb: Bomb) -> bytes:
    stream = io.BytesIO()
    torch.save({"g_ema": bomb}, stream)
    return stream.getvalue()


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "reduce": lambda mark: dumped({"G_ema": Bomb(mark)}),
    "reduce-protocol-0": lambda mark: dumped({"G_ema": Bomb(mark)}, 0),
    "eval": lambda mark: dumped({"G_ema": Bomb(mark, "eval")}),
    "getattr": lambda mark: dumped([Bomb(mark, "getattr")]),
    "build": lambda mark: dumped({"G_ema": _Nested(Bomb(mark))}),
    "inst": lambda mark: b"(S'touch " + str(mark).encode() + b"'\nios\nsystem\n.",
    "nested-in-storage": lambda mark: _in_storage(Bomb(mark)),
    "torch-zip": lambda mark: _in_zip(Bomb(mark)),
    "torch-older": lambda mark: _older(Bomb(mark)),
}


def _older(bomb: Bomb) -> bytes:
    stream = io.BytesIO()
    torch.save({"g_ema": bomb}, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("command", ["import-gan", "generate", "train-gan"])
def test_hostile_file_is_named_and_does_not_run(
    name: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "it-ran"
    file = put(tmp_path / "weights.pkl", HOSTILE[name](mark))
    status, sentence = refused(command, file, tmp_path, capsys)
    assert status in (2, 3)
    assert str(file) in sentence and sentence.count("\n") == 1 and len(sentence) < 400
    assert not mark.exists()


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"getattr"}))
def test_hostile_file_is_hostile(name: str, tmp_path: Path) -> None:
    """The files do run when loaded the ordinary way: else the test above shows nothing."""
    mark = tmp_path / "it-ran"
    data = HOSTILE[name](mark)
    if name.startswith("torch"):
        torch.load(io.BytesIO(data), weights_only=False)
    elif name == "nested-in-storage":
        inner = data[data.index(b"\x80\x02\x8a", 3) :]
        torch.load(io.BytesIO(inner), weights_only=False)
    else:
        load_ordinarily(data)
    assert mark.exists()

"""Published weights come in with the same pictures; what asks to run something is refused."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from gan_pickles import (
    Bomb,
    as_torch_file,
    dumped,
    load_ordinarily,
    official_pickle,
    port_judge,
    port_state,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from xraysynth.cli import main
from xraysynth.errors import CheckpointError, DamagedError, InputError, XraysynthError
from xraysynth.gan.checkpoint import discriminator_path, load_generator, load_tensors
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.foreign import import_generator
from xraysynth.gan.generator import Generator
from xraysynth.gan.layouts import network_config

TOLERANCE = 1e-4
TINY = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=12
)
FIR = torch.tensor(np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64).float()


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, Tensor]:
    with np.load(shared / "reference" / "stylegan2_ada_tiny.npz") as arrays:
        kinds = {name: arrays[name] for name in arrays.files if arrays[name].dtype.kind == "f"}
        return {name: torch.from_numpy(array) for name, array in kinds.items()}


@pytest.fixture(scope="module")
def tiny() -> dict[str, Tensor]:
    return weights_of(Generator(TINY))


@pytest.fixture(scope="module")
def tiny_pickle(tiny: dict[str, Tensor]) -> bytes:
    return official_pickle(tiny, weights_of(Discriminator(TINY)))


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def official(reference: dict[str, Tensor], path: Path, protocol: int) -> Path:
    data = official_pickle(part(reference, "G/"), part(reference, "D/"), protocol=protocol)
    return put(path, data)


def port(reference: dict[str, Tensor], path: Path, *, zipped: bool = True) -> Path:
    held = {
        "g_ema": OrderedDict(port_state(part(reference, "G/"))),
        "d": OrderedDict(port_judge(part(reference, "D/"), 32)),
        "latent_avg": reference["G/mapping.w_avg"],
        "g_optim": {"state": {0: {"step": 3}}, "param_groups": []},
    }
    return as_torch_file(held, path, zipped=zipped)


# Reference values


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda tensors, path: official(tensors, path, 4), id="official"),
        pytest.param(lambda tensors, path: official(tensors, path, 2), id="official-protocol-2"),
        pytest.param(port, id="pt"),
        pytest.param(lambda tensors, path: port(tensors, path, zipped=False), id="pt-older-form"),
    ],
)
def test_imported_network_draws_the_reference_images(
    reference: dict[str, Tensor], tmp_path: Path, write: Callable[[Any, Path], Path]
) -> None:
    out = tmp_path / "own.safetensors"
    found = import_generator(write(reference, tmp_path / "published"), out)
    generator = load_generator(out)
    assert found.discriminator and found.notes == ()
    close(generator.mapping(reference["z"], 0.7), reference["w_psi0.7"])
    close(generator(reference["z"]), reference["image_const_noise"])
    judge = Discriminator(found.config)
    partner = discriminator_path(out)
    assert partner is not None
    judge.load_state_dict(load_tensors(partner, "discriminator")[0])
    close(judge(reference["D_input"]), reference["D_logits"])


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual.detach(), expected, rtol=0, atol=TOLERANCE)


def test_published_256_network_is_recognised(shared: Path) -> None:
    keys = json.loads((shared / "reference" / "stylegan2_ada_256_keys.json").read_text())
    shapes = {
        name: tuple(shape)
        for name, shape in keys["G"].items()
        if not name.endswith("resample_filter")
    }
    judge = {name: tuple(shape) for name, shape in keys["D"].items()}
    config = network_config(shapes, judge)
    assert (config.resolution, config.z_dim, config.w_dim, config.mapping_layers) == (
        *(256, 512, 512),
        8,
    )
    with torch.device("meta"):
        ours = Generator(config).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in ours.items()} == shapes


@given(
    level=st.integers(3, 6),
    base=st.integers(64, 600),
    limit=st.integers(4, 64),
    judge_base=st.one_of(st.none(), st.integers(64, 600)),
)
@settings(max_examples=25)
def test_size_is_read_from_shapes(
    level: int, base: int, limit: int, judge_base: int | None
) -> None:
    config = NetworkConfig(
        resolution=2**level, channel_base=base, channel_max=limit, discriminator_base=judge_base
    )
    with torch.device("meta"):
        networks = Generator(config), Discriminator(config)
    shapes, judge = (
        {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        for network in networks
    )
    read = network_config(shapes, judge)
    assert [read.channels(size) for size in config.resolutions] == [
        config.channels(size) for size in config.resolutions
    ]
    if max(map(config.discriminator_channels, config.resolutions[1:])) == read.channel_max:
        with torch.device("meta"):
            again = Discriminator(read).state_dict()
        assert {name: tuple(tensor.shape) for name, tensor in again.items()} == judge


@pytest.mark.parametrize(
    "changes", [{"label_names": ("class 0", "class 1")}, {"base_grid": (4, 6)}]
)
def test_labels_and_sides_come_along(changes: dict[str, Any], tmp_path: Path) -> None:
    config = TINY.model_copy(update=changes)
    whole = Generator(config), Discriminator(config)
    data = official_pickle(weights_of(whole[0]), weights_of(whole[1]))
    out = tmp_path / "own.safetensors"
    found = import_generator(put(tmp_path / "a.pkl", data), out)
    assert found.discriminator
    assert (found.config.label_names, found.config.base_grid) == (
        config.label_names,
        config.base_grid,
    )
    codes = torch.randn(2, TINY.z_dim)
    labels = torch.eye(2) if config.label_names else None
    close(load_generator(out)(codes, labels=labels), whole[0](codes, labels=labels).detach())


def test_own_file_is_checked_and_copied(tiny_pickle: bytes, tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    import_generator(put(tmp_path / "a.pkl", tiny_pickle), first)
    import_generator(first, second)
    assert first.read_bytes() == second.read_bytes()


def test_absent_mean_is_taken_of_many_codes(tiny: dict[str, Tensor], tmp_path: Path) -> None:
    source = as_torch_file({"g_ema": port_state(tiny)}, tmp_path / "a.pt")
    found = import_generator(source, tmp_path / "own.safetensors")
    generator = load_generator(tmp_path / "own.safetensors")
    codes = torch.randn(4096, TINY.z_dim, generator=torch.Generator().manual_seed(1))
    expected = generator.mapping.single(codes)
    assert "mean of w" in found.notes[0]
    torch.testing.assert_close(
        generator.mapping.w_avg, expected.mean(0), rtol=0, atol=float(expected.std()) / 10
    )


def test_channels_last_weights_keep_their_order(tiny: dict[str, Tensor], tmp_path: Path) -> None:
    turned = {
        name: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in tiny.items()
    }
    data = official_pickle(turned, {})
    import_generator(put(tmp_path / "a.pkl", data), tmp_path / "own.safetensors")
    state = load_generator(tmp_path / "own.safetensors").state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in tiny.items())


def test_misfit_discriminator_is_left_out_with_a_note(
    tiny: dict[str, Tensor], tmp_path: Path
) -> None:
    data = official_pickle(tiny, {"b16.conv0.weight": torch.zeros(8, 8, 3, 3)})
    found = import_generator(put(tmp_path / "a.pkl", data), tmp_path / "own.safetensors")
    assert not found.discriminator
    assert "left out" in found.notes[0]


# Nothing runs


def test_source_text_of_an_official_pickle_is_not_executed(
    tiny: dict[str, Tensor], tmp_path: Path
) -> None:
    mark = tmp_path / "it-ran"
    data = official_pickle(tiny, {}, source=f"open({str(mark)!r}, 'w').close()")
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
    status, sentence = run(command, file, tmp_path, capsys)
    assert status in (2, 3)
    assert str(file) in sentence and sentence.count("\n") == 1 and len(sentence) < 400
    assert not mark.exists()
    assert not (tmp_path / "out.safetensors").exists()


def run(
    command: str, file: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    out = str(folder / "out.safetensors")
    if command == "import-gan":
        arguments = ["import-gan", str(file), "--out", out]
    elif command == "train-gan":
        arguments = ["train-gan", str(scans(folder)), "--init", str(file), "--out", f"{out}.d"]
    else:
        arguments = ["generate", "--gan", str(file), "--count", "1", "--out", f"{out}.d"]
    status = main(arguments)
    return status, capsys.readouterr().err


def scans(folder: Path) -> Path:
    from xraysynth.baggage.config import SimulationConfig
    from xraysynth.baggage.simulate import simulate

    path = folder / "scans.h5"
    return path if path.exists() else simulate(SimulationConfig(size_px=16), 1, 0, path)


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


# Damaged and misleading files, by every command that takes a generator


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
    status, sentence = run(command, file, tmp_path, capsys)
    assert status in (2, 3)
    assert str(file) in sentence and sentence.count("\n") == 1 and len(sentence) < 500
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("command", ["import-gan", "generate"])
def test_folder_in_place_of_a_file_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, sentence = run(command, tmp_path, tmp_path, capsys)
    assert status == 2
    assert "folder" in sentence


def changed(tiny: dict[str, Tensor], name: str, tensor: Tensor | None) -> dict[str, Tensor]:
    others = {key: value for key, value in tiny.items() if key != name}
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
    tiny: dict[str, Tensor], tmp_path: Path, name: str, tensor: Tensor | None, sentence: str
) -> None:
    data = official_pickle(changed(tiny, name, tensor), {})
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


def test_own_file_is_not_overwritten(tiny_pickle: bytes, tmp_path: Path) -> None:
    file = put(tmp_path / "a.pkl", tiny_pickle)
    with pytest.raises(InputError, match="another name"):
        import_generator(file, file)
    assert file.read_bytes() == tiny_pickle


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        import_generator(tmp_path / "none.pkl", tmp_path / "own.safetensors")


@given(share=st.floats(0, 0.999))
@settings(max_examples=40)
def test_truncated_pickle_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, tiny_pickle: bytes, share: float
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    file = put(folder / "a.pkl", tiny_pickle[: int(share * len(tiny_pickle))])
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
def fuzzed(
    tiny: dict[str, Tensor], tiny_pickle: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    held = {"g_ema": port_state(tiny), "latent_avg": tiny["mapping.w_avg"]}
    import_generator(put(folder / "a.pkl", tiny_pickle), folder / "own.safetensors")
    return {
        "official": tiny_pickle,
        "zip": as_torch_file(held, folder / "zip.pt").read_bytes(),
        "older": as_torch_file(held, folder / "older.pt", zipped=False).read_bytes(),
        "safetensors": (folder / "own.safetensors").read_bytes(),
    }

"""`verify` finds what is wrong in a manifest, and follows none of its paths out of the folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shard_damage import FIRST, change_manifest, check_here, codes

from xraysynth.errors import DamagedError
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.verify import verify


@pytest.fixture
def folder(sound_shards: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound_shards, tmp_path / "shards"))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    check_here(monkeypatch)


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "path upwards": (lambda m: m["shards"][0].update(name="../secret.h5"), "manifest-path"),
    "absolute path": (lambda m: m["shards"][0].update(name="/etc/passwd"), "manifest-path"),
    "tables elsewhere": (lambda m: m["tables"].update(name="../tables.h5"), "manifest-path"),
    "line break in name": (lambda m: m["shards"][0].update(name=FIRST + "\n"), "manifest-path"),
    "number as name": (lambda m: m["shards"][0].update(name=3), "manifest-fields"),
    "shards is text": (lambda m: m.update(shards="all"), "manifest-fields"),
    "missing entry": (lambda m: m.pop("tables"), "manifest-fields"),
    "unknown entry": (lambda m: m.update(more=1), "manifest-fields"),
    "text as count": (lambda m: m.update(samples="8"), "manifest-fields"),
    "wrong count": (lambda m: m.update(samples=9), "manifest-fields"),
    "huge count": (lambda m: m["shards"][1].update(samples=10**300), "manifest-fields"),
    "negative count": (lambda m: m["shards"][1].update(samples=-4), "manifest-fields"),
    "short hash": (lambda m: m["shards"][0].update(sha256="ab"), "manifest-fields"),
    "shard twice": (lambda m: m["shards"].append(m["shards"][0]), "manifest-fields"),
    "too many classes": (
        lambda m: m.update(classes=[str(i) for i in range(40)]),
        "manifest-fields",
    ),
    "class that is no text": (lambda m: m["classes"].append("\ud800"), "manifest-fields"),
    "changed settings": (lambda m: m["settings"].update(shard_size=1), "manifest-fields"),
    "newer version": (lambda m: m.update(schema_version=99), "manifest-version"),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", MANIFESTS)
def test_wrong_manifest_is_found(folder: Path, name: str) -> None:
    change, code = MANIFESTS[name]
    secret = folder.parent / "secret.h5"
    secret.write_bytes(b"secret")
    change_manifest(folder, change)
    assert (code, "manifest.json") in codes(folder)
    assert not any("secret" in f.message and "SHA" in f.message for f in verify(folder).findings)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "manifest-json", id="empty"),
        pytest.param(b"\x00" * 100, "manifest-json", id="zeros"),
        pytest.param(b"\xff\xfe{}", "manifest-json", id="no text"),
        pytest.param(b'{"shards": [', "manifest-json", id="cut"),
        pytest.param(b"[" * 200_000, "manifest-json", id="deep"),
        pytest.param(b'{"samples": ' + b"9" * 10_000 + b"}", "manifest-json", id="long number"),
        pytest.param(b"[]", "manifest-fields", id="list"),
        pytest.param(b"null", "manifest-fields", id="null"),
        pytest.param(b"{}", "manifest-fields", id="nothing"),
        pytest.param(b'{"kind": NaN}', "manifest-fields", id="nan"),
        pytest.param(b"[" + b"1," * 40_000_000 + b"1]", "manifest-json", id="large"),
    ],
)
def test_manifest_that_is_none_is_found(folder: Path, content: bytes, code: str) -> None:
    (folder / "manifest.json").write_bytes(content)
    assert codes(folder) == {(code, "manifest.json")}
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        ShardSet(folder)


def test_missing_manifest_is_found_and_empty_folder_too(folder: Path, tmp_path: Path) -> None:
    (folder / "manifest.json").unlink()
    assert codes(folder) == {("manifest-missing", "manifest.json")}
    empty = tmp_path / "empty"
    empty.mkdir()
    assert codes(empty) == {("manifest-missing", "manifest.json")}

"""Files that `torch.save` writes, and pickles that hold tensors, read without running them.

Three containers: a zip (since torch 1.6) with one pickle and one member a storage; the form
before it, five pickles and then the storages; and a plain pickle in which each storage is a
nested file of that older form.
"""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from xraysynth.errors import CheckpointError, DamagedError, InputError
from xraysynth.gan.allowlist import STORAGES, Storage, allow_list
from xraysynth.gan.checkpoint import check_regular
from xraysynth.gan.inert import AllowList, Budget, ByteSource, Name
from xraysynth.gan.pickle_machine import read_pickle

MAX_BYTES = 4 << 30
"""Largest file; published networks of 1024x1024 have 400 MB."""
MAX_MEMBERS = 10_000
MAX_PICKLE = 64 << 20
"""Largest pickle inside a zip; the numbers are not in it."""
MAX_NESTING = 3
MAX_LINE = 4096
MAX_NAME = 200
"""Characters by which a pickle names a row of numbers; torch counts them."""
_GARBLED = (EOFError, NotImplementedError, RuntimeError, KeyError, OverflowError, struct.error)
_MAGIC = 0x1950A86A20F9469CFC6C


@contextmanager
def open_checkpoint(path: Path) -> Iterator[Any]:
    """Yield what a checkpoint holds: plain values, records and tensors not yet in memory.

    Parameters
    ----------
    path : a pickle or a file of `torch.save`; it stays open inside the block

    Raises
    ------
    InputError
        If there is no such file, or it is empty or far too large.
    CheckpointError
        If it asks for code, or is another kind of file.
    DamagedError
        If it is cut short.
    """
    path = Path(path)
    size = _size(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            if view[:4] == b"PK\x03\x04":
                yield _read_zip(file, size)
            else:
                _check_beginning(view)
                yield _read_plain(view)
    except CheckpointError as error:
        raise CheckpointError(f"{path} was not imported: {error}.") from None
    except DamagedError as error:
        raise DamagedError(
            f"{path} was not imported: {error}; copy or download it again."
        ) from None
    except (RecursionError, MemoryError):
        raise CheckpointError(
            f"{path} was not imported: it is nested too deeply, or takes more memory than there "
            "is; choose the file with the weights."
        ) from None


def _size(path: Path) -> int:
    """Return the size of a regular file that is worth opening."""
    check_regular(path, "a file with weights")
    size = path.stat().st_size
    if not size:
        raise DamagedError(f"{path} is empty; copy or download it again.")
    if size > MAX_BYTES:
        raise InputError(
            f"{path} has {size} bytes; published networks have less than {MAX_BYTES}. Choose the "
            "file with the weights."
        )
    return size


def _check_beginning(view: mmap.mmap) -> None:
    """Name files that are often taken for checkpoints."""
    head = bytes(view[:256]).lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise CheckpointError(
            "it is a web page, such as a login or an error in place of the download; fetch the "
            "file itself"
        )
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError("it is a pointer of Git LFS; fetch the file itself with git lfs pull")
    if b"ustar" in view[257:263]:
        raise CheckpointError("it is a tar archive; unpack it, or save it with torch 1.6 or later")


def _read_plain(view: mmap.mmap) -> Any:
    """Return what a plain pickle, or a file of the older form, holds."""
    budget = Budget()
    allowed = _allowed(budget, 0)
    first = read_pickle(_Mapped(view), allowed, budget)
    if first != _MAGIC:
        return first
    return _read_older(view, _Mapped(view), budget, 0)


class _Mapped:
    """A memory map from its beginning, with a position of its own."""

    def __init__(self, view: mmap.mmap) -> None:
        self._view = view
        self._view.seek(0)

    def read(self, count: int, /) -> bytes:
        """Return the next bytes."""
        return self._view.read(count)

    def readline(self) -> bytes:
        """Return the bytes up to the end of the line, if it is no longer than names are."""
        start = self._view.tell()
        end = self._view.find(b"\n", start, start + MAX_LINE)
        return self._view.read(end + 1 - start if end >= 0 else MAX_LINE)

    def tell(self) -> int:
        """Return the position."""
        return self._view.tell()


def _allowed(budget: Budget, depth: int) -> AllowList:
    """Return the allow-list of a pickle that is nested `depth` times."""
    loaded: dict[int, tuple[bytes, Storage]] = {}

    def load_storage(data: bytes) -> Storage:
        # Bytes that a file holds once are one storage, however often it hands them over.
        if id(data) in loaded:
            return loaded[id(data)][1]
        if depth >= MAX_NESTING:
            raise CheckpointError("files in it are nested too often")
        if data[:4] == b"PK\x03\x04":
            raise CheckpointError("numbers in it are a zip archive, which no checkpoint writes")
        held = _read_older(data, io.BytesIO(data), budget, depth + 1)
        if not isinstance(held, Storage):
            raise CheckpointError("numbers in it are none")
        loaded[id(data)] = data, held
        return held

    return allow_list(load_storage, budget)


def _read_older(buffer: bytes | mmap.mmap, source: ByteSource, budget: Budget, depth: int) -> Any:
    """Return the value of the older form: magic, version, system, value, keys, numbers."""
    allowed = _allowed(budget, depth)
    if read_pickle(source, allowed, budget) != _MAGIC:
        raise CheckpointError("numbers in it are not what torch writes")
    read_pickle(source, allowed, budget)  # version
    system = read_pickle(source, allowed, budget)
    if not isinstance(system, dict) or not system.get("little_endian", True):
        raise CheckpointError("it was written on a big-endian machine")
    starts: dict[str, int] = {}
    found: dict[str, Storage] = {}

    def persistent(reference: Any) -> Storage:
        dtype, key, count = _reference(reference)
        if key not in found:
            found[key] = Storage(dtype, count, lambda: _slice(buffer, starts[key], dtype, count))
        return found[key]

    value = read_pickle(source, allowed, budget, persistent)
    keys = read_pickle(source, allowed, budget)
    _locate(buffer, source.tell(), keys, found, starts)
    return value


def _locate(
    buffer: bytes | mmap.mmap,
    position: int,
    keys: Any,
    found: dict[str, Storage],
    starts: dict[str, int],
) -> None:
    """Note where each storage begins: each is its number of elements, then their bytes."""
    if not isinstance(keys, list) or {*found} - {key for key in keys if isinstance(key, str)}:
        raise CheckpointError("it does not list its numbers")
    for key in keys:
        if not isinstance(key, str) or key not in found:
            raise CheckpointError("it lists numbers that nothing uses")
        if position + 8 > len(buffer):
            raise DamagedError("it ends before its numbers do")
        (count,) = struct.unpack("<q", buffer[position : position + 8])
        if count != found[key].count:
            raise CheckpointError("it tells two lengths for the same numbers")
        starts[key] = position + 8
        position += 8 + count * found[key].dtype.itemsize
        if position > len(buffer):
            raise DamagedError("it ends before its numbers do")


def _slice(buffer: bytes | mmap.mmap, start: int, dtype: Any, count: int) -> bytes:
    """Return the bytes of one storage."""
    return buffer[start : start + count * dtype.itemsize]


def _reference(reference: Any) -> tuple[Any, str, int]:
    """Return element type, key and count of a storage that a pickle refers to."""
    if (
        not isinstance(reference, tuple)
        or len(reference) not in (5, 6)
        or reference[0] != "storage"
        or not isinstance(reference[1], Name)
        or str(reference[1]) not in STORAGES
    ):
        raise CheckpointError("it refers to something that is no row of numbers")
    _, kind, key, _, count, *view = reference
    if (
        not isinstance(key, str)
        or len(key) > MAX_NAME
        or type(count) is not int
        or count < 0
        or any(view)
    ):
        raise CheckpointError("it refers to numbers in a way that torch does not")
    return STORAGES[str(kind)], key, count


def _read_zip(file: Any, size: int) -> Any:
    """Return the value of a zip of `torch.save`."""
    with _named():
        archive = zipfile.ZipFile(file)
    members = {member.filename: member for member in archive.infolist()}
    _check_members(archive, size)
    pickles = [name for name in members if PurePosixPath(name).name == "data.pkl"]
    if len(pickles) != 1:
        raise CheckpointError("it is a zip archive, but not one of torch; unpack it first")
    folder = pickles[0].removesuffix("data.pkl")
    if any(name.startswith(f"{folder}code/") for name in members):
        raise CheckpointError("it holds a compiled program (TorchScript), not weights")
    order = members.get(f"{folder}byteorder")
    if order is not None and _member(archive, order).strip() != b"little":
        raise CheckpointError("it was written on a big-endian machine")
    if members[pickles[0]].file_size > MAX_PICKLE:
        raise CheckpointError("its pickle is absurdly long")

    found: dict[str, Storage] = {}

    def persistent(reference: Any) -> Storage:
        dtype, key, count = _reference(reference)
        if key in found:
            return found[key]
        member = members.get(f"{folder}data/{key}")
        if member is None or member.file_size != count * dtype.itemsize:
            raise DamagedError(f"the numbers {key[:20]!r} are absent or of another length")
        found[key] = Storage(dtype, count, lambda: _member(archive, member))
        return found[key]

    budget = Budget()
    data = io.BytesIO(_member(archive, members[pickles[0]]))
    return read_pickle(data, _allowed(budget, 0), budget, persistent)


@contextmanager
def _named() -> Iterator[None]:
    """Turn what zipfile raises for garbled archives into our error."""
    try:
        yield
    except (zipfile.BadZipFile, OSError, ValueError, *_GARBLED) as error:
        raise DamagedError(f"its zip archive is garbled ({str(error)[:60]})") from None


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a member; its checksum is verified."""
    with _named():
        return archive.read(member)


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse what torch never writes: paths that lead out, compression, overlap, encryption."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise CheckpointError(f"it is a zip archive of {len(members)} files")
    if len({member.filename for member in members}) < len(members):
        raise CheckpointError("two of its members have one name; torch writes every name once")
    for member in members:
        parts = PurePosixPath(member.filename).parts
        if ".." in parts or member.filename.startswith("/") or "\\" in member.filename:
            raise CheckpointError(
                f"its member {member.filename[:60]!r} points outside the archive; torch writes no "
                "such name"
            )
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise CheckpointError("its members are compressed or encrypted, which torch never does")
    if sum(member.file_size for member in members) > size:
        raise CheckpointError("its members claim more bytes than the file has")

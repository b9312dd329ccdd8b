"""A data set's folder, and the only way into it: no path and no link leads out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from xraysynth.errors import InputError, ReadError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MAX_XML_BYTES = 16 * 2**20
MAX_TEXT_BYTES = 4 * 2**30


class DataFolder:
    """The folder of one data set; every name is relative to it, with forward slashes.

    Raises
    ------
    InputError
        If it is not there, or not a folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        if not self.root.exists():
            raise InputError(f"{root} does not exist; want the folder of a data set of scans.")
        if not self.root.is_dir():
            raise InputError(f"{root} is a file; want the folder of a data set of scans.")
        self.real_root = self.root.resolve()

    def path(self, name: str) -> Path:
        """Return where `name` lies, or raise `ReadError` if that is no plain file in here."""
        relative = inside(name)
        path = self.root / relative
        try:
            real = path.resolve()
            found = real.is_file()
        except (OSError, RuntimeError, ValueError) as error:
            raise ReadError(f"{name!r} cannot be opened ({error}).") from error
        if not real.is_relative_to(self.real_root):
            raise ReadError(f"{name} is a link out of the data set's folder; refused.")
        if not found:
            raise ReadError(f"{name} is not there.")
        return path

    def has_file(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return (self.root / name).is_file()

    def has_folder(self, name: str) -> bool:
        """Tell whether there is such a folder."""
        return (self.root / name).is_dir()

    def folders(self, under: str = "") -> list[str]:
        """Return the names of the folders directly below `under`, sorted; hidden ones are not."""
        place = self.root / under
        if not place.is_dir():
            return []
        return sorted(
            entry.name for entry in os.scandir(place) if entry.is_dir() and entry.name[0] != "."
        )

    def files(self, under: str = "", suffixes: Sequence[str] = IMAGE_SUFFIXES) -> list[str]:
        """Return every file below `under` with one of the suffixes, sorted; hidden ones are not.

        Hidden names start with a dot: macOS leaves `._NAME.png` beside every image it copies.
        """
        found = []
        for place, names in self._walk(under):
            prefix = Path(place).relative_to(self.root).as_posix()
            for name in names:
                if name.lower().endswith(tuple(suffixes)):
                    found.append(name if prefix == "." else f"{prefix}/{name}")
        return sorted(found)

    def any_file(self, under: str = "", suffixes: Sequence[str] = IMAGE_SUFFIXES) -> bool:
        """Tell whether `files` would return anything, without listing them all."""
        for _, names in self._walk(under):
            if any(name.lower().endswith(tuple(suffixes)) for name in names):
                return True
        return False

    def _walk(self, under: str) -> Iterator[tuple[str, list[str]]]:
        """Yield every folder below `under` with its files, without hidden ones."""
        for place, folders, names in os.walk(self.root / under, onerror=_unlistable):
            folders[:] = [name for name in folders if name[0] != "."]
            for name in folders:
                _refuse_link(Path(place) / name)
            yield place, [name for name in names if name[0] != "."]

    def data(self, name: str, limit: int = MAX_TEXT_BYTES) -> bytes:
        """Return the bytes of a file of at most `limit` bytes."""
        path = self.path(name)
        try:
            size = path.stat().st_size
            if size > limit:
                raise ReadError(f"{name} has {size:,} bytes; the limit is {limit:,}.")
            return path.read_bytes()
        except OSError as error:
            if isinstance(error, ReadError):
                raise
            raise ReadError(f"{name} cannot be read ({error.strerror or error}).") from error

    def text(self, name: str) -> str:
        """Return a UTF-8 text file, with or without byte order mark."""
        try:
            return self.data(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ReadError(f"{name} is not UTF-8 text ({error}).") from error

    def json(self, name: str) -> Any:
        """Return the value in a JSON file."""
        text = self.text(name)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ReadError(f"{name} is not readable JSON ({error}).") from error

    def json_mapping(self, name: str) -> dict[str, Any]:
        """Return the object in a JSON file."""
        value = self.json(name)
        if not isinstance(value, dict):
            raise ReadError(f"{name} holds a {type(value).__name__}; want a JSON object.")
        return value

    def xml(self, name: str) -> ElementTree.Element:
        """Return the root element of an XML file that declares no document type or entities."""
        data = self.data(name, MAX_XML_BYTES)
        upper = data.upper()
        # A NUL byte means UTF-16, in which the two words would look otherwise.
        if b"<!DOCTYPE" in upper or b"<!ENTITY" in upper or b"\0" in data:
            raise ReadError(f"{name} declares a document type or entities; refused.")
        try:
            return ElementTree.fromstring(
                data, parser=ElementTree.XMLParser(target=_WithoutDocumentType())
            )
        except (ElementTree.ParseError, LookupError, ValueError) as error:
            raise ReadError(f"{name} is not readable XML ({error}).") from error


def _refuse_link(path: Path) -> None:
    """Refuse a link to a folder: followed it may lead out, left aside its scans would be lost."""
    if path.is_symlink():
        raise InputError(
            f"{path} is a link to a folder; want a plain folder there: copy it, or prepare "
            "the folder that it leads to."
        )


def _unlistable(error: OSError) -> None:
    """Refuse a folder that cannot be listed: its scans would be dropped silently."""
    if not isinstance(error, FileNotFoundError):
        raise InputError(
            f"{error.filename} cannot be listed ({error.strerror}); want a folder that can be read."
        ) from error


class _WithoutDocumentType(ElementTree.TreeBuilder):
    """Refuses what the search for words missed in an unusual encoding."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError(f"it declares the document type {name}")


def bare_name(name: str) -> str:
    """Return the last part of a path without the suffix of an image or annotation.

    Examples
    --------
    >>> bare_name("JPEGImage/bag.0001.jpg"), bare_name("bag.0001")
    ('bag.0001', 'bag.0001')
    """
    path = PurePosixPath(name)
    known = path.suffix.lower() in (*IMAGE_SUFFIXES, ".xml", ".json", ".txt", ".csv")
    return path.stem if known else path.name


def inside(name: str) -> str:
    """Return `name` as a plain relative path, or raise `ReadError` if it leaves the folder.

    Examples
    --------
    >>> inside("train/./a.png")
    'train/a.png'
    >>> inside("../secret.png")
    Traceback (most recent call last):
    ...
    xraysynth.errors.ReadError: '../secret.png' leaves the data set's folder; refused.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    drive = len(name) > 1 and name[1] == ":"
    if path.is_absolute() or ".." in path.parts or drive or "\0" in name or not path.parts:
        raise ReadError(f"{name!r} leaves the data set's folder; refused.")
    return path.as_posix()

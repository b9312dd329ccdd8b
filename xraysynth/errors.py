"""Every error that xraysynth raises on purpose.

Each message says what we got, what we want and what to do. The command line
prints it alone, without traceback, and ends with the error's `exit_status`.
"""

from __future__ import annotations


class XraysynthError(Exception):
    """Base class: catch this to catch us and nothing else."""

    exit_status = 2

    def __init__(self, message: str, *, code: str = "", where: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.where = where


class InputError(XraysynthError, ValueError):
    """A path, a name or a value that the user gave does not serve."""


class SettingsError(InputError):
    """A setting is unknown, of the wrong type or out of range."""


class SchemaError(XraysynthError, ValueError):
    """A table or shard breaks `data_schema/`."""


class PhysicsError(XraysynthError, ValueError):
    """A physical quantity is impossible."""


class ReadError(XraysynthError, OSError):
    """A file cannot be read as what it claims to be."""


class DamagedError(ReadError):
    """A file that was whole once is truncated, changed or incomplete."""

    exit_status = 3


class CheckpointError(XraysynthError, ValueError):
    """Weights are of another network, resolution or generator."""


class StageError(XraysynthError, RuntimeError):
    """A pipeline stage cannot run."""


class StorageError(XraysynthError, OSError):
    """The disk is full, or the folder cannot be written."""

"""What a check found: plain data, so that it crosses process borders and fits a table."""

from __future__ import annotations

from dataclasses import dataclass

from xraysynth.errors import DamagedError, XraysynthError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    code: str
    """A code of `data_schema/checks.yaml`."""
    file: str
    """File name, relative to the folder that was checked."""
    message: str

    def __post_init__(self) -> None:
        # Names and messages may come from hostile files and end on a terminal.
        for name in ("file", "message"):
            text = "".join(c if c.isprintable() else "\ufffd" for c in getattr(self, name))
            object.__setattr__(self, name, text)

    def error(self) -> DamagedError:
        """Return it as the error that a reader raises."""
        return DamagedError(f"{self.file}: {self.message}", code=self.code, where=self.file)


def from_error(error: Exception, code: str, file: str) -> Finding:
    """Return the finding that an error stands for; our own errors bring their code."""
    if isinstance(error, XraysynthError) and error.code:
        return Finding(code=error.code, file=file, message=str(error))
    return Finding(code=code, file=file, message=f"{error} ({type(error).__name__})")

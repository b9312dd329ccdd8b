"""Who takes part, and where in the table each result stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from xraysynth.evaluate.suite.config import Protocol
from xraysynth.evaluate.suite.material import Choice
from xraysynth.evaluate.suite.tasks import Task
from xraysynth.oneshot.baselines.model import Method
from xraysynth.oneshot.learn import LearnConfig


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A method as it takes part: with how many exemplars, chosen how."""

    method: Method
    """How it learns."""
    exemplars: int = 1
    """Labelled scans that it learns from at once."""
    choice: Choice = "proposed"
    """How the scan to label is chosen."""
    tasks: tuple[str, ...] = ()
    """Only these tasks; all if empty."""

    @property
    def name(self) -> str:
        """As in tables."""
        return self.method.name

    def renamed(self, name: str) -> Contestant:
        """Return the same with another name and no summary of its own."""
        return replace(self, method=self.method.changed(name, "", self.method.config))

    @property
    def identity(self) -> dict[str, Any]:
        """Return what tells two contestants apart, whatever their names."""
        return {
            "teach": f"{self.method.teach.__module__}.{self.method.teach.__name__}",
            "prepare": self.method.prepare.__name__,
            "config": self.method.config.model_dump(mode="json"),
            "exemplars": self.exemplars,
            "choice": self.choice,
        }

    @property
    def prepared_identity(self) -> dict[str, Any]:
        """Return what the part without labels depends on; contestants alike in it share it."""
        config = self.method.config
        parts: Any = None
        if isinstance(config, LearnConfig):
            read = {"reads": True, "sites_from_px": True, "dim": True}
            parts = {"cluster": True, "interpolation": True, "head": read}
        return {
            "prepare": f"{self.method.prepare.__module__}.{self.method.prepare.__name__}",
            "config": config.model_dump(mode="json", include=parts),
        }


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the table a cell stands."""

    protocol: Protocol
    """A, B or C."""
    task: Task
    """What is told apart."""
    exemplar: int
    """Number of the exemplar."""
    requests: bool = False
    """In protocol C: whether masks follow what scans were asked to hold. A has both in one cell."""

    def title(self, name: str) -> str:
        """Return a method's name as it stands in tables here.

        Examples
        --------
        >>> Place(protocol="C", task=None, exemplar=0, requests=True).title("ours")
        'ours, requests known'
        """
        return f"{name}, requests known" if self.requests else name

"""Which classes some exemplars hold, and which they lack: no segmenter finds what none holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xraysynth.oneshot.exemplar import Exemplar

COVERAGE = "coverage.json"
"""File beside the exemplars."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How many exemplars hold each class."""

    exemplars: int
    """How many there are."""
    held: dict[str, int]
    """Exemplars that hold a class, by its name."""
    missing: tuple[str, ...]
    """Classes that were looked for and that none holds."""

    @classmethod
    def of(cls, exemplars: Sequence[Exemplar], wanted: Sequence[str]) -> Coverage:
        """Return what exemplars hold of the classes that were looked for."""
        held = Counter(name for exemplar in exemplars for name in exemplar.class_names)
        known = {name.casefold() for name in held}
        missing = tuple(name for name in wanted if name.casefold() not in known)
        return cls(exemplars=len(exemplars), held=dict(held), missing=missing)

    def in_words(self) -> str:
        """Return one sentence for people.

        Examples
        --------
        >>> Coverage(exemplars=2, held={"bag": 2, "gun": 1}, missing=("metal",)).in_words()
        'no exemplar (of 2) holds metal, so it cannot be learned; raise \
exemplar.count or exemplar.candidates, or paint a scan that shows it (xraysynth annotate).'
        """
        if not self.missing:
            return f"the exemplars ({self.exemplars}) hold every class: {', '.join(self.held)}."
        which = ", ".join(self.missing)
        it = "it" if len(self.missing) == 1 else "they"
        return (
            f"no exemplar (of {self.exemplars}) holds {which}, so {it} cannot be learned; raise "
            "exemplar.count or exemplar.candidates, or paint a scan that shows "
            f"{it.replace('they', 'them')} (xraysynth annotate)."
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "bad": bool(self.missing),
            "in_words": self.in_words(),
            "exemplars": self.exemplars,
            "held": self.held,
            "missing": list(self.missing),
        }

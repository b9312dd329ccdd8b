"""Stage `audit`: tables and a report on what was exported."""

from __future__ import annotations

from pathlib import Path

from xraysynth.pipeline.stage import AUDIT, SCANS, SHARDS, Context
from xraysynth.settings import Settings


class Audit:
    """Looks at the shards as a user of them would."""

    name = "audit"
    room = "audit"
    needs = ("simulate|prepare", "export")

    def settings(self) -> type[Settings]:
        """`AuditConfig`."""
        from xraysynth.audit.config import AuditConfig

        return AuditConfig

    def inputs(self, context: Context) -> list[Path]:
        """Nothing from outside."""
        return []

    def outputs(self, context: Context) -> list[Path]:
        """`report.html` and the tables behind it."""
        return [context.folder / AUDIT]

    def scratch(self, context: Context) -> list[Path]:
        """Nothing: it begins again."""
        return []

    def run(self, context: Context) -> None:
        """Audit."""
        from xraysynth.audit import audit

        audit(
            context.folder / SHARDS,
            context.folder / AUDIT,
            scans=context.folder / SCANS,
            config=context.settings,
            progress=context.progress,
        )

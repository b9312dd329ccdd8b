"""What an export holds, and what to look at before use: tables and one report with pictures."""

from xraysynth.audit.config import AuditConfig
from xraysynth.audit.pictures import grid, overlay
from xraysynth.audit.run import AuditSummary, audit

__all__ = ["AuditConfig", "AuditSummary", "audit", "grid", "overlay"]

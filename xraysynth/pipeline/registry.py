"""Every stage, in the order in which stages run."""

from __future__ import annotations

from xraysynth.pipeline.stage import Stage

STAGES: dict[str, Stage] = {}

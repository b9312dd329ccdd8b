"""Real scans of any readable format, made equal: readers, letterbox, `prepare`."""

from xraysynth.scans.prepare import PrepareConfig, prepare
from xraysynth.scans.stream import PrepareSummary

__all__ = ["PrepareConfig", "PrepareSummary", "prepare"]

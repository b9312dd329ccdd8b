"""Annotated synthetic baggage X-ray scans, from unlabelled ones and a single label."""

__version__ = "0.1.0"

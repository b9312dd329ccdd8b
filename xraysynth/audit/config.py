"""What an audit shows, and what it flags."""

from __future__ import annotations

from pydantic import Field

from xraysynth.settings import Settings


class AuditConfig(Settings):
    """Limits of the flags, and how many pictures the report holds."""

    samples_shown: int = Field(16, ge=0, le=64)
    """Generated samples in the first grid, evenly spread over the export."""
    scans_shown: int = Field(16, ge=0, le=60)
    """Training scans, and as many generated ones, side by side."""
    class_examples: int = Field(2, ge=0, le=12)
    """Samples shown of each class, drawn by chance among those that hold it."""
    pairs_shown: int = Field(6, ge=0, le=24)
    """Closest pairs shown, within the export and against the training scans."""
    flagged_shown: int = Field(24, ge=0, le=96)
    """Flagged samples with a picture; the table lists all."""
    panel_px: int = Field(192, ge=64, le=512)
    """Side of a picture in the report; small scans are enlarged by a whole number."""
    hash_distance: int = Field(4, ge=0, le=10)
    """Scans whose 64-bit perceptual hashes differ in at most so many bits are near-duplicates."""
    probes: int = Field(2000, ge=0, le=20000)
    """Scans whose nearest neighbour is searched however far off, for the histograms."""
    min_confidence: float = Field(0.5, ge=0, le=1)
    """Flag samples whose mean confidence off the background is below this."""
    max_class_share: float = Field(0.95, gt=0, le=1)
    """Flag samples in which one class, background included, fills more than this share."""
    min_object_px: int = Field(4, ge=1)
    """Connected regions with fewer pixels are specks, no objects."""
    max_specks: int = Field(5, ge=0)
    """Flag samples with more specks than this."""
    max_black_share: float = Field(0.25, gt=0, le=1)
    """Flag samples in which more than this share of the pixels is black in every channel."""
    max_white_share: float = Field(0.98, gt=0, le=1)
    """Flag samples in which more than this share of the pixels is white in every channel."""
    min_contrast: float = Field(0.02, ge=0, le=1)
    """Flag samples whose standard deviation is below this share of the full scale."""
    batch: int = Field(64, ge=1, le=4096)
    """Samples in memory at once."""

"""HiXray: the form of OPIXray with eight everyday classes.

Tao et al., Towards real-world X-ray security inspection: a high-quality benchmark, ICCV 2021.
"""

from __future__ import annotations

from xraysynth.scans.readers.opixray import HIXRAY_CLASSES, first_class, has_layout, read_lines
from xraysynth.scans.readers.record import Reader

READER = Reader(
    name="hixray",
    layout="train/train_image/*.jpg and train/train_annotation/*.txt of its eight classes",
    looks_like=lambda folder: has_layout(folder) and first_class(folder) in HIXRAY_CLASSES,
    read=read_lines,
)

"""Pixel clustering, the exemplar, and the segmenter that reads a generator's hidden features."""

import xraysynth.gan  # noqa: F401  # What PyTorch computes is exact from then on.

"""Proof: scores of exported masks against a judge trained apart."""

import xraysynth.gan  # noqa: F401  # What PyTorch computes is exact from then on.

"""Pixel clustering, the exemplar, and the segmenter that reads a generator's hidden features."""

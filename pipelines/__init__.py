"""Pipelines that ship with the package, as YAML; see `xraysynth.pipeline`."""

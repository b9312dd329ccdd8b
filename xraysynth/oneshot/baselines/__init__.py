"""Other one-shot segmenters of generated scans, on the same generator and exemplars as ours."""

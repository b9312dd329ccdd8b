"""All one-shot segmenters on the same generator, tasks, exemplars and truths, as one table."""

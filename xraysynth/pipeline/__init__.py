"""One YAML file to everything: stages in order, each once, resumable.

`definition` reads pipeline files, `engine` runs their stages, `stages` holds one file a stage.
"""

"""The YAML that defines every column, table and check once; see `xraysynth.schema`."""

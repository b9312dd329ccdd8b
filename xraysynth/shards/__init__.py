"""Shards: write, read, verify and convert generated scans with their labels."""

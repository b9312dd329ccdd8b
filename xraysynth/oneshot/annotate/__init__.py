"""The page on which a person labels one generated scan, sees what it teaches, and saves it."""

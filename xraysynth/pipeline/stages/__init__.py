"""One file a stage: its settings, the files it reads and makes, and the call that does the work.

Rooms are imported inside the methods: naming a stage costs nothing.
"""

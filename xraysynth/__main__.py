"""`python -m xraysynth` is the command `xraysynth`."""

from __future__ import annotations

import sys

from xraysynth.cli import main

if __name__ == "__main__":
    sys.exit(main())

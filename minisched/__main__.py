"""`python -m minisched`."""

from __future__ import annotations

import sys

from minisched.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

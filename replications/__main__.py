"""`python -m replications`: see replications/cli.py."""

from __future__ import annotations

import sys

from replications.cli import main

if __name__ == "__main__":
    sys.exit(main())

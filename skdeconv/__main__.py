"""``python -m skdeconv``."""

import sys

from skdeconv.cli import main

if __name__ == "__main__":
    sys.exit(main())

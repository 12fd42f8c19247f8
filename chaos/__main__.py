# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m chaos``."""

import sys

from chaos.cli import main

if __name__ == "__main__":
    sys.exit(main())

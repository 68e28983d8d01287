"""`python -m swapgate` is the command `swapgate`."""

import sys

from swapgate.cli import main

sys.exit(main())

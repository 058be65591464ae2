"""The command; the package's own docstring says what it replays."""

import sys

from drivers.conformance.command import main

sys.exit(main(sys.argv[1:]))

"""`python -m offhook`."""

import sys

from offhook.cli.main import main

sys.exit(main())

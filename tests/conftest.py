"""Settings for every test."""

import os

from hypothesis import settings

# No deadline: a busy machine is not a failure. In CI the same examples on every run, so that a red run is about the
# change; on a laptop new ones each time, which is where new ones are wanted.
settings.register_profile("laptop", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "laptop")

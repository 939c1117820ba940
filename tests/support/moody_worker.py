"""An echo that is well for as long as a file says nothing else: `tests.support.moody_worker:MoodyEcho`."""

import os
from pathlib import Path

from offhook_worker.echo import EchoWorker

SICK_FILE = "OFFHOOK_TEST_SICK_FILE"


class MoodyEcho(EchoWorker):
    """Serves while the file that the environment names is not there."""

    def is_healthy(self) -> bool:
        return not Path(os.environ[SICK_FILE]).exists()

"""The worker of the product, except that it dies between the provider's yes and our record of it: once a call.

Which calls have killed a worker is remembered in files, so that the next attempt lives.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from pathlib import Path

from capabilities.payment.providers.protocol import Action, ProviderCall, ProviderReport
from capabilities.payment.providers.simulator import Simulator
from workflows import worker

FOLDER = Path(os.environ["FAULTS_FOLDER"]) / "deaths"
FOLDER.mkdir(exist_ok=True)
ACTION = Action(os.environ.get("FAULTS_ACTION", Action.CAPTURE.value))
"""The kind of call that kills."""
_send = Simulator.send


def send_and_die(self: Simulator, call: ProviderCall) -> tuple[ProviderReport, ...]:
    reports = _send(self, call)
    if call.action is ACTION:
        try:
            (FOLDER / hashlib.sha256(call.key.encode()).hexdigest()).touch(exist_ok=False)
        except FileExistsError:
            return reports
        os.kill(os.getpid(), signal.SIGKILL)
    return reports


if __name__ == "__main__":
    Simulator.send = send_and_die  # type: ignore[method-assign]
    sys.exit(worker.main())

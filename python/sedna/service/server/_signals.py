"""How a server that a script started ends in good order."""

from __future__ import annotations

import signal
import threading
from typing import Callable


def stop_on_sigterm(stopping: threading.Event) -> Callable[[], None]:
    """From now on SIGTERM sets ``stopping``, where this is the main thread and nobody else has claimed the signal. Returns
    what puts it back as it was."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return lambda: None
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())
    return lambda: (signal.signal(signal.SIGTERM, signal.SIG_DFL), None)[1]

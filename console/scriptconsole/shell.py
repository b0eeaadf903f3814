"""Whether there is a shell to go back to for a while."""

from __future__ import annotations

import os


def started_by_shell() -> bool:
    """Whether a shell with job control waits: a parent in this session, but in another process group."""
    parent = os.getppid()
    try:
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgrp()
    except OSError:  # it is gone, or may not be looked at
        return False

"""Tells when something in a folder changes; imported only where there is a folder to watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed"})
"""All that watchdog tells but that a file was opened or read."""


class _Handler(FileSystemEventHandler):
    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """For watchdog, on its thread."""
        if event.event_type in _CHANGES:
            self._changed()


def watch_folder(folder: Path, changed: Callable[[], object]) -> Callable[[], None]:
    """Watch the files of a folder.

    Args:
        folder: It must exist.
        changed: Called on another thread, several times for one change.

    Returns:
        What ends it.
    """
    observer = Observer()
    observer.schedule(_Handler(changed), str(folder))
    observer.start()
    return observer.stop

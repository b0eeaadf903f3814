"""Tells when a script's file has a new content, whatever way the editor saves it."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPLETE = frozenset({"closed", "moved"})
_UNDER_WAY = frozenset({"modified", "created"})

SETTLED = 0.005
"""Seconds without another event after which a file that was closed or renamed counts as saved."""

UNSETTLED = 0.1
"""The same for a file that is still open, or on a system that does not tell when it is closed."""


class Watcher(FileSystemEventHandler):
    """Watches the folders of scripts, because editors replace files rather than write to them.

    Args:
        changed: Called with the path, on a thread of the watcher's own, once for each burst of events.
    """

    def __init__(self, changed: Callable[[Path], None]) -> None:
        super().__init__()
        self._changed = changed
        self._paths: set[Path] = set()
        self._folders: set[Path] = set()
        self._events: queue.SimpleQueue[tuple[Path, float] | None] = queue.SimpleQueue()
        self._observer = Observer()
        self._observer.start()
        self._thread = threading.Thread(target=self._work, name="reloads", daemon=True)
        self._thread.start()

    def add(self, path: Path) -> None:
        """Watch a file.

        Raises:
            OSError: Its folder cannot be watched.
        """
        self._paths.add(path)
        if path.parent not in self._folders:
            self._observer.schedule(self, str(path.parent), recursive=False)
            self._folders.add(path.parent)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """For watchdog, on its thread: note which watched files an event is about."""
        if event.is_directory or event.event_type not in _COMPLETE | _UNDER_WAY:
            return
        settles = time.monotonic() + (SETTLED if event.event_type in _COMPLETE else UNSETTLED)
        for name in (event.src_path, event.dest_path):
            path = Path(name.decode() if isinstance(name, bytes) else name) if name else None
            if path is not None and path in self._paths:
                self._events.put((path, settles))

    def _work(self) -> None:
        # A file that is being written is empty or cut off at times, and may be valid code even then.
        settling: dict[Path, float] = {}
        while True:
            delay = max(0.0, min(settling.values()) - time.monotonic()) if settling else None
            try:
                event = self._events.get(timeout=delay)
            except queue.Empty:
                path = min(settling, key=settling.__getitem__)
                del settling[path]
                self._changed(path)
                continue
            if event is None:
                return
            settling[event[0]] = event[1]

    def close(self) -> None:
        """Stop watching."""
        self._events.put(None)
        self._observer.stop()
        self._observer.join(2.0)
        self._thread.join(2.0)

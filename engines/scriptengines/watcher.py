"""Tells when a script's file has a new content, whatever way the editor saves it."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS = frozenset({"closed", "moved", "modified", "created"})


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
        self._events: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._observer = Observer()
        self._observer.start()
        self._thread = threading.Thread(target=self._work, name="reloads", daemon=True)
        self._thread.start()

    def add(self, path: Path) -> None:
        """Watch a file."""
        self._paths.add(path)
        if path.parent not in self._folders:
            self._folders.add(path.parent)
            self._observer.schedule(self, str(path.parent), recursive=False)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """For watchdog, on its thread: note which watched files an event is about."""
        if event.is_directory or event.event_type not in _KINDS:
            return
        for name in (event.src_path, event.dest_path):
            path = Path(name.decode() if isinstance(name, bytes) else name) if name else None
            if path in self._paths:
                self._events.put(path)

    def _work(self) -> None:
        while (path := self._events.get()) is not None:
            self._changed(path)

    def close(self) -> None:
        """Stop watching."""
        self._events.put(None)
        self._observer.stop()
        self._observer.join(2.0)
        self._thread.join(2.0)

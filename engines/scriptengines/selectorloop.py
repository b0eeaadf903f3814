"""What ScriptLoop uses of asyncio's selector loop and typeshed leaves out; for type checkers only.

Never imported at run time. Names and arguments are those of CPython 3.13, Lib/asyncio/base_events.py and
selector_events.py.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import selectors
    import socket
    from collections import deque
    from collections.abc import Mapping


class SelectorLoop(asyncio.SelectorEventLoop):
    """asyncio's selector loop with the members that ScriptLoop reads or overrides."""

    _selector: selectors.BaseSelector
    _ready: deque[Any]
    _scheduled: list[Any]
    _timer_cancelled_count: int
    _ssock: socket.socket | None
    _csock: socket.socket | None
    _internal_fds: int
    _stopping: bool
    _closed: bool
    _debug: bool
    _transports: Mapping[int, Any]

    def _write_to_self(self) -> None: ...
    def _check_closed(self) -> None: ...
    def _process_events(self, event_list: list[Any]) -> None: ...
    def _remove_reader(self, fd: int) -> bool: ...
    def _ensure_fd_no_transport(self, fd: Any) -> None: ...
    def _make_socket_transport(self, sock: Any, *args: Any, **kwargs: Any) -> Any: ...
    def _make_ssl_transport(self, rawsock: Any, *args: Any, **kwargs: Any) -> Any: ...
    def _make_datagram_transport(self, sock: Any, *args: Any, **kwargs: Any) -> Any: ...
    def _start_serving(
        self, protocol_factory: Any, sock: socket.socket, *args: Any, **kwargs: Any
    ) -> None: ...
    def _stop_serving(self, sock: socket.socket) -> None: ...

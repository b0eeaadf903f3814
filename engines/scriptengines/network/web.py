"""What HTTP and WebSocket share: the texts of failures."""

from __future__ import annotations

import socket
import ssl

TIMEOUT = "timeout"
"""How the text of every error begins that means: it took too long."""


def failure(what: str, error: BaseException) -> OSError:
    """The error a script gets: of the OSError family, its text plain and beginning with what was tried.

    Args:
        what: Such as "GET http://127.0.0.1:1/".
        error: What happened.
    """
    if isinstance(error, TimeoutError):
        reason = "" if not error.args or error.errno else str(error)
        return TimeoutError(f"{TIMEOUT}: {what}{': ' if reason else ''}{reason}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionError(f"{what}: TLS: the certificate is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return ConnectionError(f"{what}: TLS: {(error.reason or str(error)).replace('_', ' ').lower()}")
    if isinstance(error, socket.gaierror):
        return OSError(f"{what}: the host cannot be found: {error.strerror}")
    if isinstance(error, OSError):
        kind: type[OSError] = type(error) if isinstance(error, ConnectionError) else OSError
        refused = isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error)
        if isinstance(error, ConnectionRefusedError) or (refused and error.errno is None):
            return ConnectionRefusedError(f"{what}: connection refused")
        return kind(f"{what}: {_reason(error)}")
    return ConnectionError(f"{what}: {error}")


def _reason(error: OSError) -> str:
    import os

    return os.strerror(error.errno).lower() if error.errno else str(error)

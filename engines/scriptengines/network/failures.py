"""What network errors look like to scripts: one plain sentence that begins with what was tried and where.

The class stays that of the standard library, so that `except ConnectionRefusedError` works in a script.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any, cast


class IncompleteRead(ConnectionError):
    """The other side ended before all of what was asked for had come; what has come can still be read."""


def format_address(name: Any) -> str:
    """ "host:port" of what a socket calls its name; a path or "" otherwise."""
    if isinstance(name, tuple):
        host, port = cast("tuple[Any, ...]", name)[:2]
        return format_endpoint(host, port)
    return str(name or "")


def format_endpoint(host: Any, port: Any) -> str:
    """ "host:port", with brackets round an IPv6 address."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def explain(action: str, error: BaseException) -> OSError:
    """The error as a script gets it.

    Args:
        action: What was tried, with the address: "connect 127.0.0.1:80".
        error: What came of it; a group stands for its first error.

    Returns:
        An error of the same class whose text is "action: reason".
    """
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    ssl: Any = sys.modules.get("ssl")  # an error of it needs the module; nobody else does
    if ssl is not None and isinstance(error, ssl.SSLError):
        failure: Any = error
        return type(failure)(failure.errno or 1, f"{action}: {_tls_reason(ssl, failure)}")
    if isinstance(error, UnicodeError):  # a name that cannot be one: too long, an empty label
        return socket.gaierror(f"{action}: not a valid name: {error}")
    known = isinstance(error, (ConnectionError, TimeoutError, socket.gaierror))
    told = (type(error) if known else OSError)(f"{action}: {_reason(error)}")
    told.errno = getattr(error, "errno", None)
    return told


def _reason(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror or error})"
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return str(error) or type(error).__name__


def _tls_reason(ssl: Any, error: Any) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    text = error.strerror or str(error)
    return "TLS: " + text.partition("] ")[2].partition(" (_ssl.c")[0] if "] " in text else f"TLS: {text}"

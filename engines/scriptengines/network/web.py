"""What HTTP and WebSocket share: checked options, TLS contexts, the texts of failures."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any, cast

from scriptnative.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TIMEOUT = "timeout"
"""How the text of every error begins that means: it took too long."""


def options_of(given: Any, known: Iterable[str], what: str) -> dict[str, Any]:
    """The options a script gave.

    Args:
        given: A dict; None, or an empty list, which is what Lua's `{}` arrives as.
        known: The names there are.
        what: Whose they are, for messages.

    Raises:
        TypeError: It is no dict.
        ValueError: There is no such option.
    """
    if given is None or given == []:
        return {}
    if not isinstance(given, dict):
        raise TypeError(f"the options of {what} must be a table of names, got {type(given).__name__}")
    options = cast("dict[str, Any]", given)
    known = tuple(known)
    for name in options:
        if name not in known:
            raise ValueError(f'{what} has no option "{name}".{did_you_mean(str(name), known)}')
    return {name: value for name, value in options.items() if value is not None}


def mapping_of(given: Any, what: str) -> dict[str, Any]:
    """A dict that a script gave, or {} for None and for Lua's empty table.

    Raises:
        TypeError: It is something else.
    """
    if given is None or given == []:
        return {}
    if not isinstance(given, dict):
        raise TypeError(f"{what} must be a table of names, got {type(given).__name__}")
    return dict(cast("dict[str, Any]", given))


def seconds_of(options: Mapping[str, Any], name: str, default: float | None) -> float | None:
    """An option in milliseconds, as seconds; None for none, which 0 says too.

    Raises:
        ValueError: It is no number, or negative.
    """
    ms = options.get(name)
    if ms is None:
        return default
    if isinstance(ms, bool) or not isinstance(ms, (int, float)) or not ms >= 0:
        raise ValueError(f"{name} must be a number of milliseconds, got {ms!r}")
    return ms / 1000.0 or None


def count_of(options: Mapping[str, Any], name: str, default: int) -> int:
    """An option that is a whole number, at least 0.

    Raises:
        ValueError: It is none.
    """
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value != int(value):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    return int(value)


def bytes_of(payload: Any) -> bytes:
    """What a script sends: bytes, or a str as UTF-8.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(payload, str):
        return payload.encode("utf-8", "surrogateescape")
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", payload))
    raise TypeError(f"only a text or bytes can be sent, got {type(payload).__name__}")


# ---- TLS -------------------------------------------------------------------------------------------------


def client_context(*, verify: bool = True, ca: str | None = None, cert: Any = None, key: Any = None) -> Any:
    """A TLS context for connecting; certificates and names are checked unless told otherwise.

    Args:
        verify: Whether to.
        ca: A file, or a folder, of certificates to trust instead of the system's.
        cert: An own certificate.
        key: Its key, where it is not in the same file.

    Raises:
        OSError: A file cannot be read, or holds no certificate.
    """
    folder = (
        ca if ca is not None and not str(ca).endswith((".pem", ".crt", ".cer")) and _is_folder(ca) else None
    )
    context = ssl.create_default_context(cafile=None if folder else ca, capath=folder)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


def _is_folder(path: str) -> bool:
    import os

    return os.path.isdir(path)


def server_context(tls: Any) -> Any:
    """A TLS context for serving, of an option {"cert": path, "key": path}; None without the option.

    Raises:
        ValueError: There is no certificate in it.
        OSError: A file cannot be read, or holds no certificate.
    """
    if not tls:
        return None
    wanted = options_of(tls, ("cert", "key", "ca"), "tls") if tls is not True else {}
    if "cert" not in wanted:
        raise ValueError('a server needs a certificate: tls = {"cert": path, "key": path}')
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=wanted.get("ca"))
    context.load_cert_chain(wanted["cert"], wanted.get("key"))
    if "ca" in wanted:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


# ---- failures --------------------------------------------------------------------------------------------


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


def wake(future: asyncio.Future[None] | None) -> None:
    """Let whoever waits go on."""
    if future is not None and not future.done():
        future.set_result(None)


def format_address(name: Any) -> str:
    """ "host:port" of what a socket tells."""
    if isinstance(name, tuple):
        host, port = cast("tuple[Any, ...]", name)[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return str(name or "")

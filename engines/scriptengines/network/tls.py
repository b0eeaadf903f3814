"""TLS for scripts: contexts of what a script gives; certificates are checked unless it says otherwise."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from .settings import values_of

if TYPE_CHECKING:
    from scriptengines.host import Host

_KNOWN = {"verify": True, "ca": None, "cert": None, "key": None, "server_name": None}


def client_context(host: Host, given: Any, name: str) -> tuple[ssl.SSLContext, str]:
    """For connecting.

    Args:
        host: Of the script, which may be confined to files of its own.
        given: True, or a table: "verify" (false accepts any certificate), "ca" (file with the certificates
            that are trusted, instead of the system's), "cert" and "key" (files with our own), "server_name"
            (the name that the certificate must have, if not `name`).
        name: That was connected to.

    Returns:
        The context and the name.
    """
    verify, ca, cert, key, server_name = _options(given)
    context = ssl.create_default_context(cafile=None if ca is None else _file(host, "ca", ca))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load(host, context, cert, key)
    return context, str(server_name or name)


def server_context(host: Host, given: Any) -> ssl.SSLContext:
    """For listening.

    Args:
        host: As for `client_context`.
        given: A table: "cert" and "key" (files), "ca" (file: clients need a certificate of one of these).
    """
    verify, ca, cert, key, server_name = _options(given)
    if cert is None:
        raise ValueError('tls: a server needs "cert", the file of its certificate, and "key"')
    if server_name is not None or verify is not True:
        raise TypeError('tls: a server has "cert", "key" and "ca" only')
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load(host, context, cert, key)
    if ca is not None:
        context.load_verify_locations(cafile=_file(host, "ca", ca))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _options(given: Any) -> tuple[Any, ...]:
    if given is True:
        return tuple(_KNOWN.values())
    if not isinstance(given, dict):
        raise TypeError(f"tls: true or a table, got {given!r}")
    found = values_of("tls", given, **_KNOWN)
    if not isinstance(found[0], bool):
        raise TypeError(f"tls: verify must be true or false, got {found[0]!r}")
    return found


def _file(host: Host, name: str, path: Any) -> str:
    host.check_file(path)
    try:
        with open(path, "rb"):
            return str(path)
    except OSError as error:
        raise type(error)(error.errno, f"tls: {name} cannot be read: {error.strerror}", str(path)) from None


def _load(host: Host, context: ssl.SSLContext, cert: Any, key: Any) -> None:
    if cert is None:
        return
    try:
        context.load_cert_chain(_file(host, "cert", cert), None if key is None else _file(host, "key", key))
    except ssl.SSLError as error:
        raise ValueError(
            f"tls: {cert} and {key or cert} are no certificate and its key: {error.reason}"
        ) from None

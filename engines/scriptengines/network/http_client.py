"""HTTP for scripts, the asking side: whole answers, and answers that arrive piece by piece.

httpx makes requests and follows redirects; connections are kept in http_pool.py. Nothing of either is
imported before the first request.
"""

from __future__ import annotations

import asyncio
import json
import sys
import weakref
from typing import TYPE_CHECKING, Any, cast

from scriptengines.host import Host, HostObject
from scriptengines.hostapi.registry import host_function

from .http_answer import named_exactly
from .limits import limits_of
from .settings import bytes_of, count_in, options_of, seconds_in, table_of
from .web import failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

MAX_BODY = 64 * 2**20
"""Bytes that the body of a whole answer may have, unless the script says otherwise."""
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
_OPTIONS = (
    "method",
    "headers",
    "body",
    "data",
    "json",
    "params",
    "form",
    "timeout",
    "connect_timeout",
    "read_timeout",
    "verify",
    "ca",
    "follow_redirects",
    "max_body",
    "exact_names",
)
_DEFAULTS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "scriptconsole"}
_clients: weakref.WeakKeyDictionary[Host, httpx.AsyncClient] = weakref.WeakKeyDictionary()


def _client_of(host: Host) -> httpx.AsyncClient:
    client = _clients.get(host)
    if client is None:
        # Its command line, which would load rich and click, is not wanted.
        without = "httpx._main" not in sys.modules
        if without:
            cast("dict[str, Any]", sys.modules)["httpx._main"] = None
        try:
            import httpx
        finally:
            if without:
                del sys.modules["httpx._main"]
        from http.cookiejar import DefaultCookiePolicy

        from .http_pool import Pool

        client = httpx.AsyncClient(transport=Pool(host), trust_env=False)
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        _clients[host] = client
    return client


class _Asked:
    """A request as a script asks for it.

    Raises:
        ValueError: The address or an option cannot be.
        TypeError: An option is of the wrong type.
    """

    def __init__(self, host: Host, url: Any, options: Any, accept: str = "") -> None:
        given = options_of("http_request", options, _OPTIONS)
        if not isinstance(url, str):
            raise TypeError(f"url must be a text, got {type(url).__name__}")
        self.url = url
        self.method = str(given.get("method") or ("POST" if _has_body(given) else "GET")).upper()
        self.what = f"{self.method} {url}"
        self.total = seconds_in("http_request", given, "timeout", None)
        self.max_body = count_in("http_request", given, "max_body", MAX_BODY)
        self.follow = bool(given.get("follow_redirects", True))
        self._exact_names = bool(given.get("exact_names", False))
        self.client = _client_of(host)
        self.request = self._build(given, accept)

    def _build(self, given: dict[str, Any], accept: str) -> httpx.Request:
        import httpx

        from .http_pool import Way

        way = Way(
            seconds_in("http_request", given, "connect_timeout", CONNECT_TIMEOUT),
            seconds_in("http_request", given, "read_timeout", READ_TIMEOUT),
            bool(given.get("verify", True)),
            given.get("ca"),
        )
        params = table_of("http_request: params", given.get("params"))
        headers = {**_DEFAULTS, **({"accept": accept} if accept else {}), **_headers(given)}
        try:
            request = httpx.Request(
                self.method,
                self.url,
                params=params or None,
                headers=headers,
                extensions={"way": way},
                **_content(given),
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise ValueError(f"{self.what}: {error}") from None
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise ValueError(f"{self.what}: the address must begin with http:// or https:// and a host")
        return request

    async def open(self) -> httpx.Response:
        """The head of the answer; its body is still to be read.

        Raises:
            OSError: There is none.
        """
        return await self.client.send(self.request, stream=True, follow_redirects=self.follow)

    async def read(self, response: httpx.Response) -> bytes:
        """All of the body."""
        pieces: list[bytes] = []
        size = 0
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > self.max_body:
                raise OSError(f"the body has over {self.max_body} bytes (max_body)")
            pieces.append(piece)
        return b"".join(pieces)

    def headers(self, response: httpx.Response) -> dict[str, str]:
        """Those of the answer, as the script wants their names."""
        return _headers_of(response, exact=self._exact_names)

    def failed(self, error: BaseException) -> OSError:
        """The error a script gets."""
        import h11
        import httpx

        if isinstance(error, httpx.TooManyRedirects):
            return ConnectionError(f"{self.what}: over {self.client.max_redirects} redirects")
        if isinstance(error, (httpx.HTTPError, h11.ProtocolError)):
            return ConnectionError(f"{self.what}: {error}")
        return failure(self.what, error)


def _has_body(given: Mapping[str, Any]) -> bool:
    return any(name in given for name in ("body", "data", "json", "form"))


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in table_of("http_request: headers", given.get("headers")).items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if any(each in f"{name}{text}" for each in "\r\n\0"):
            raise ValueError(f"the header {name!r} has a line break in it")
        headers[str(name).lower()] = text
    return headers


def _content(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the body is to be, as httpx.Request takes it."""
    told = [name for name in ("body", "data", "json", "form") if name in given]
    if len(told) > 1:
        raise ValueError(f"a request has one body, not {' and '.join(told)}")
    if not told:
        return {}
    if told[0] == "json":
        return {"json": given["json"]}
    if told[0] == "form":
        return {
            "data": {
                str(name): _text(value)
                for name, value in table_of("http_request: form", given["form"]).items()
            }
        }
    return {"content": bytes_of(f"http_request: {told[0]}", given[told[0]])}


def _text(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_text(each) for each in cast("list[Any]", value)]
    return value if isinstance(value, (str, bytes)) else str(value)


def _headers_of(response: httpx.Response, *, exact: bool) -> dict[str, str]:
    """By lower-case names; of several lines one text, with ", " between, for cookies a line break.

    Args:
        response: The answer.
        exact: The names are those of the lines that came first.
    """
    found: dict[str, str] = {}
    for name, value in response.headers.multi_items():
        between = "\n" if name == "set-cookie" else ", "
        found[name] = f"{found[name]}{between}{value}" if name in found else value
    return named_exactly(found, response.headers.raw) if exact else found


def _json_of(kind: str, body: bytes) -> Any:
    if "json" not in kind:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def _text_of(response: httpx.Response, body: bytes) -> str:
    try:
        return body.decode(response.charset_encoding or "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


@host_function("http")
async def http_request(host: Host, url: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Ask a server for something, and give its whole answer. Any status is an answer.

    Connections are kept and used again. Certificates are verified. No proxy and no cookie jar is used.

    Args:
        url: Begins with http:// or https://.
        options: method, headers, params (of the query); one of body (or data: text or bytes), json, form;
            timeout (for all of it), connect_timeout (10,000), read_timeout (60,000, between two pieces), in
            milliseconds, 0 for none; verify (true), ca (file to trust instead of the system's),
            follow_redirects (true), max_body (64 MiB), exact_names (false: lower-case) of headers.

    Returns:
        status, reason, headers (lower-case names), body (bytes), text, json (None if it is none), url (after
        redirects).

    Raises:
        OSError: No answer: TimeoutError ("timeout: …"), ConnectionRefusedError, ConnectionError, OSError.
            The text names method and address.
    """
    asked = _Asked(host, url, options)
    try:
        async with asyncio.timeout(asked.total):
            response = await asked.open()
            try:
                body = await asked.read(response)
            finally:
                await response.aclose()
    except Exception as error:  # noqa: BLE001 - whatever the network does becomes one kind of error
        raise asked.failed(error) from None
    return {
        "status": response.status_code,
        "reason": response.reason_phrase,
        "headers": asked.headers(response),
        "body": body,
        "text": _text_of(response, body),
        "json": _json_of(response.headers.get("content-type", ""), body),
        "url": str(response.url),
    }


class HttpStream(HostObject):
    """An answer that arrives piece by piece.

    Attributes:
        url: What was asked for.
        status: Of the answer; 0 until it is there.
        received: Bytes so far.
    """

    def __init__(self, host: Host, asked: _Asked, handlers: Mapping[str, Any]) -> None:
        super().__init__(host)
        self.url = asked.url
        self.status = 0
        self.received = 0
        self._asked = asked
        self._handlers = {name: host.asking(handler) for name, handler in handlers.items()}
        self._task = host.loop.create_task(self._follow(), name=f"http_stream {asked.url}")
        self._task.add_done_callback(self._ended)

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return not self._task.done()

    def close(self) -> bool:
        """End it; `closed` is called, without an error. Whether it was still going on."""
        return self._task.cancel()

    def __str__(self) -> str:
        return f"stream {self.url}"

    async def _tell(self, event: str, *args: Any) -> None:
        handler = self._handlers.get(event)
        if handler is not None:
            await limits_of(self._host).turn()
            await handler.wait(f"http_stream {event} callback", args)

    def _ended(self, task: asyncio.Task[OSError | None]) -> None:
        """Tell the script, however it has ended; a task that was cancelled may never have begun."""
        if self._host.loop.stopping:
            return
        failed = None if task.cancelled() else task.exception() or task.result()
        handler = self._handlers.get("closed")
        if handler is not None:
            handler.begin("http_stream closed callback", (None if failed is None else str(failed),), _nothing)
        elif failed is not None:
            self._host.reporter.error("http_stream", failed)

    async def _follow(self) -> OSError | None:
        asked = self._asked
        try:
            async with asyncio.timeout(asked.total):
                response = await asked.open()
                try:
                    await self._pass_on(response)
                finally:
                    await response.aclose()
        except Exception as error:  # noqa: BLE001 - as in http_request
            return asked.failed(error)
        return None

    async def _pass_on(self, response: httpx.Response) -> None:
        from .server_sent import Events

        self.status = response.status_code
        await self._tell("response", response.status_code, self._asked.headers(response))
        events = Events() if "event" in self._handlers else None
        async for piece in response.aiter_bytes():
            self.received += len(piece)
            await self._tell("data", piece)
            if events is not None:
                for event in events.feed(piece):
                    await self._tell("event", event)


def _nothing(well: bool, result: Any) -> None:
    pass


@host_function("http")
def http_stream(
    host: Host,
    url: str,
    options: Mapping[str, Any] | None = None,
    handlers: Mapping[str, Any] | None = None,
    **named: Any,
) -> HttpStream:
    """Ask a server for something, and call back with each piece of the answer as it arrives.

    The next piece is read when the handler has ended, also one that waits: memory stays bounded.

    Args:
        url: Begins with http:// or https://.
        options: As for `http_request`; max_body does not count.
        handlers: "response"(status, headers), "data"(bytes), "event"({event, data, id}) for each server-sent
            event, "closed"(text of an error or None), always last; may be given by keyword too.

    Returns:
        The stream; `close()` ends it.
    """
    wanted = {**table_of("http_stream: handlers", handlers), **named}
    return HttpStream(
        host, _Asked(host, url, options, "text/event-stream" if "event" in wanted else ""), wanted
    )

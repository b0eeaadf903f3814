"""Routes of a script's HTTP server: patterns of paths, and answers made of what functions give."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import parse_qsl, unquote

from .settings import bytes_of, table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_NAME = re.compile(r"\{([A-Za-z_]\w*)(\*?)\}")
_KEYS = frozenset({"status", "body", "headers", "json"})


class Pattern:
    """A path with places for parameters: "/rooms/{name}/lamps", "/files/{rest*}".

    Args:
        text: Begins with "/". `{name}` stands for one segment, `{name*}` at the end for all the rest.

    Raises:
        ValueError: It is none.
    """

    def __init__(self, text: Any) -> None:
        if not isinstance(text, str) or not text.startswith("/"):
            raise ValueError(f'a pattern must begin with "/", such as "/rooms/{{name}}", got {text!r}')
        self.text = text
        self.segments: list[str] = []
        self.names: dict[int, str] = {}
        self.rest = ""
        for number, segment in enumerate(text[1:].split("/")):
            found = _NAME.fullmatch(segment)
            if self.rest or (found is None and ("{" in segment or "}" in segment)):
                raise ValueError(
                    f"in a pattern, {{name}} is a whole segment, {{name*}} the last one: {text!r}"
                )
            if found is None:
                self.segments.append(unquote(segment))
            elif found[2]:
                self.rest = found[1]
            else:
                self.names[number] = found[1]
                self.segments.append("")
        self.is_plain = not self.names and not self.rest

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The parameters, when these segments, decoded, fit it."""
        count = len(self.segments)
        if len(segments) != count and not (self.rest and len(segments) > count):
            return None
        parameters: dict[str, str] = {}
        for number, wanted in enumerate(self.segments):
            name = self.names.get(number)
            if name is None:
                if segments[number] != wanted:
                    return None
            elif not segments[number]:
                return None
            else:
                parameters[name] = segments[number]
        if self.rest:
            parameters[self.rest] = "/".join(segments[count:])
        return parameters


def named_exactly(headers: dict[str, str], raw: Any) -> dict[str, str]:
    """Headers by the names that came instead of lower-case ones.

    Args:
        headers: By lower-case names.
        raw: Names and values as they came, bytes; the first of a name counts.
    """
    names: dict[str, str] = {}
    for name, _ in raw:
        text = name.decode("latin-1")
        names.setdefault(text.lower(), text)
    return {names.get(name, name): value for name, value in headers.items()}


class Target(NamedTuple):
    """What a request asks for.

    Attributes:
        raw: Path and query as they came.
        path: Decoded.
        segments: Of the path, each decoded: an encoded "/" does not part one.
        raw_query: As it came.
    """

    raw: str
    path: str
    segments: tuple[str, ...]
    raw_query: str


def target_of(raw: bytes) -> Target | None:
    """The target of a request line; None when it is none."""
    text = raw.decode("ascii")
    if not text.startswith("/"):
        if text == "*":
            return Target("*", "*", ("*",), "")
        scheme, found, rest = text.partition("://")
        if not found or scheme.lower() not in ("http", "https"):
            return None
        slash = rest.find("/")
        text = "/" if slash < 0 else rest[slash:]
    text = text.partition("#")[0]
    path, _, raw_query = text.partition("?")
    if "%" not in path:
        return Target(text, path, tuple(path[1:].split("/")), raw_query)
    segments = tuple(unquote(each) for each in path[1:].split("/"))
    return Target(text, "/" + "/".join(segments), segments, raw_query)


def query_of(raw_query: str) -> dict[str, str]:
    """The parameters of a query; of several with one name the last."""
    if not raw_query:
        return {}
    try:
        return dict(parse_qsl(raw_query, keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        return {}


def headers_of(raw: Any) -> dict[str, str]:
    """By lower-case names; several of one name are one text with ", " between."""
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def json_of(headers: dict[str, str], body: bytes) -> Any:
    """The body, if its type says that it is JSON and it is; else None."""
    if not body or "json" not in headers.get("content-type", ""):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


class Answer(NamedTuple):
    """What is sent back.

    Attributes:
        status: 200 to 599.
        body: Of it.
        headers: Names and values, without those of the connection and of the length.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def plain(status: int, text: str = "", *headers: tuple[str, str]) -> Answer:
    """An answer of the server's own, with a line of text."""
    line = text or f"{status} {HTTPStatus(status).phrase}"
    return Answer(status, f"{line}\n".encode(), (("content-type", "text/plain; charset=utf-8"), *headers))


def answer_of(result: Any) -> Answer:
    """The answer that a route's result stands for; see `http_serve`.

    Raises:
        TypeError: It stands for none.
        ValueError: Its status or a header cannot be.
    """
    if result is None:
        return Answer(204)
    status, body, headers, as_json = 200, result, None, False
    if isinstance(result, tuple):
        parts = cast("tuple[Any, ...]", result)
        if not 2 <= len(parts) <= 3:
            raise TypeError(
                f"a route gives (status, body) or (status, body, headers), not {len(parts)} values"
            )
        status, body, headers = (*parts, None)[:3]
    elif _is_answer(result):
        status, headers = result.get("status", 200), result.get("headers")
        as_json = "json" in result
        body = result["json"] if as_json else result.get("body")
    if isinstance(status, bool) or not isinstance(status, (int, float)) or not 200 <= status <= 599:
        raise ValueError(f"a status is a number from 200 to 599, got {status!r}")
    content, kind = _content(body, as_json)
    named = _named(headers)
    if kind and not any(name == "content-type" for name, _ in named):
        named.insert(0, ("content-type", kind))
    return Answer(int(status), content, tuple(named))


def _is_answer(result: Any) -> bool:
    """Whether a dict says what to answer, rather than being it."""
    if not isinstance(result, dict) or not result or not cast("dict[Any, Any]", result).keys() <= _KEYS:
        return False
    status = cast("dict[str, Any]", result).get("status")
    return isinstance(status, (int, float)) or (status is None and ("body" in result or "json" in result))


def _content(body: Any, as_json: bool) -> tuple[bytes, str]:
    if not as_json:
        if body is None:
            return b"", ""
        if isinstance(body, str):
            start = body[:20].lstrip().lower()
            kind = "html" if start.startswith(("<!doctype html", "<html")) else "plain"
            return bytes_of("body", body), f"text/{kind}; charset=utf-8"
        if isinstance(body, (bytes, bytearray, memoryview)):
            return bytes_of("body", body), "application/octet-stream"
        if not isinstance(body, (dict, list, tuple, bool, int, float)):
            raise TypeError(
                f"a {type(body).__name__} cannot be sent; give a text, bytes, or a dict or list for JSON"
            )
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode(), "application/json"
    except (TypeError, ValueError) as error:
        raise TypeError(f"the result of the route cannot be JSON: {error}") from None


def _named(headers: Any) -> list[tuple[str, str]]:
    named: list[tuple[str, str]] = []
    for name, value in table_of("headers", headers).items():
        key = str(name).lower()
        if key in ("content-length", "transfer-encoding", "connection"):
            continue  # the server's to say
        several = cast("list[Any]", value) if isinstance(value, (list, tuple)) else [value]
        for each in several:
            text = each.decode("latin-1") if isinstance(each, bytes) else str(each)
            if any(mark in key + text for mark in "\r\n\0"):
                raise ValueError(f"the header {key!r} has a line break in it")
            named.append((key, text))
    return named

"""Write docs/host-api.md anew from the table of host functions: ``python docs/reference.py``.

What is above the marker is written by hand and stays.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from scriptengines.hostapi.registry import HostFunction, find, names

PAGE = Path(__file__).parent / "host-api.md"
MARK = "<!-- from here on written by docs/reference.py -->\n"
_SECTION = re.compile(r"^(Args|Returns|Raises):$")


def reference() -> str:
    """The generated part of the page."""
    by_category: dict[str, list[HostFunction]] = {}
    for function in map(find, names()):
        if not function.function.__module__.startswith("scriptengines."):
            continue  # of another package that is installed here
        by_category.setdefault(function.category, []).append(function)
    parts: list[str] = []
    for category, functions in by_category.items():
        parts.append(f"## {category.capitalize()}")
        parts += map(_section, functions)
    return "\n\n".join(parts) + "\n"


def _section(function: HostFunction) -> str:
    parameters = list(inspect.signature(function.function).parameters.values())[1:]
    lua: list[str] = []
    for each in parameters:
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
            lua.append(each.name)
        elif each.kind is each.VAR_POSITIONAL:
            lua.append("...")
    if function.waits:
        lua.append("callback")
    waits = "await " if function.waits else ""
    rows = (
        "| | |",
        "|---|---|",
        f"| Python | `{waits}host.{function.name}{function.signature}` |".replace(" | None", " or None"),
        f"| Lua | `host.{function.name}({', '.join(lua)})` |",
        f'| C | `ctx->host(ctx, "{function.name}", …)` |',
    )
    return f"### `{function.name}`\n\n" + "\n".join(rows) + "\n\n" + _prose(function.doc)


def _prose(doc: str) -> str:
    """A docstring as Markdown: sections become lists."""
    lines: list[str] = []
    in_section = False
    for line in doc.splitlines():
        title = _SECTION.match(line)
        if title:
            in_section = True
            lines += [f"*{title[1]}*", ""] if lines and lines[-1] == "" else ["", f"*{title[1]}*", ""]
        elif in_section and line.startswith("        "):
            lines[-1] += " " + line.strip()
        elif in_section and line.startswith("    "):
            lines.append("- " + re.sub(r"^(\w+): ", r"`\1`: ", line.strip()))
        else:
            lines.append(line)
    return "\n".join(lines)


def written() -> str:
    """The generated part as the page has it."""
    return PAGE.read_text().partition(MARK)[2]


if __name__ == "__main__":
    by_hand = PAGE.read_text().partition(MARK)[0]
    PAGE.write_text(by_hand + MARK + reference())

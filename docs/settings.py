"""Writes the table of settings into configuration.md: `python docs/settings.py`."""

from __future__ import annotations

from pathlib import Path

from scriptconsole.config.command import toml
from scriptconsole.config.settings import SETTINGS, variable

PAGE = Path(__file__).with_name("configuration.md")
MARKS = "<!-- settings -->\n", "<!-- /settings -->"


def table() -> str:
    """The rows, from the code."""
    rows = ["| setting | default | | variable |", "|---|---|---|---|"]
    for name, setting in SETTINGS.items():
        choices = f" One of {', '.join(f'`{each}`' for each in setting.choices)}." if setting.choices else ""
        if setting.kind == "count" and setting.most < 2**31:
            choices = f" From {setting.least:,} to {setting.most:,}."
        rows.append(f"| `{name}` | `{toml(setting.default)}` | {setting.doc}{choices} | `{variable(name)}` |")
    return "\n".join(rows) + "\n"


def written() -> str:
    """The rows, as they stand in the page."""
    return PAGE.read_text().partition(MARKS[0])[2].partition(MARKS[1])[0]


if __name__ == "__main__":
    text = PAGE.read_text()
    PAGE.write_text(text.replace(MARKS[0] + written() + MARKS[1], MARKS[0] + table() + MARKS[1]))

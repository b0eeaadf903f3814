"""Write the tables of keys in docs/console.md anew from the registry of actions: ``python docs/keys.py``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scriptconsole.actions import MOVES, Action, PaneName, key_name
from scriptconsole.registry import REGISTRY

PAGE = Path(__file__).parent / "console.md"
TABLES: dict[str, Iterable[Action]] = {"actions": REGISTRY.actions, "moves": MOVES}
"""The actions between the marks `<!-- name -->` and `<!-- /name -->`."""


def table_of(actions: Iterable[Action]) -> str:
    """The rows of a table of actions, with the id under which their keys can be changed."""
    rows = ["| key | does | id |", "|---|---|---|"]
    for action in actions:
        keys = " ".join(f"`{key_name(key)}`" for key in action.keys)
        few = len(action.scope) < len(PaneName) // 2
        scope = f" ({', '.join(sorted(action.scope))})" if few else ""
        rows.append(f"| {keys} | {action.tooltip}{scope} | `{action.id}` |")
    return "\n".join(rows)


def renewed(page: str) -> str:
    """The page with its tables as they should be."""
    for mark, actions in TABLES.items():
        before, opened, rest = page.partition(f"<!-- {mark} -->\n")
        _, closed, after = rest.partition(f"\n<!-- /{mark} -->")
        assert closed, f"{PAGE.name} lacks the marks of {mark}"
        page = before + opened + table_of(actions) + closed + after
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))

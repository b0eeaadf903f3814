"""How the languages of the engines are written, as far as finding the expression before a cursor needs it."""

from __future__ import annotations

import re
from typing import NamedTuple

_COMMON = r"""
  |(?P<number>\d[\w.]*)
  |(?P<name>[^\W\d]\w*)
  |(?P<sign>.)
"""
_SHORT_STRINGS = r"""'(?!'')(?:\\.|[^'\\\n])*'|"(?!"")(?:\\.|[^"\\\n])*\""""


class Grammar(NamedTuple):
    """One language.

    Attributes:
        tokens: Matches one token; its groups are space, comment, string, open (a string that does not end,
            with the groups quote and body), number, name and sign.
        keywords: Its keywords, none of which is a value.
        values: Keywords that are.
        methods: Sign before the name of a method, "" when there is none.
        imports: Whether it has the import statements of Python, and its displays of lists and dicts.
    """

    tokens: re.Pattern[str]
    keywords: frozenset[str]
    values: frozenset[str]
    methods: str = ""
    imports: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PYTHON = Grammar(
    re.compile(
        r"""
   (?P<space>\s+|\\\n)
  |(?P<comment>\#[^\n]*)
  |(?P<string>[rRbBuUfFtT]{0,2}(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|"""
        + _SHORT_STRINGS
        + r"""))
  |(?P<open>[rRbBuUfFtT]{0,2}(?P<quote>'''|\"\"\"|'|")(?P<body>.*))
"""
        + _COMMON,
        re.VERBOSE | re.DOTALL,
    ),
    _words(
        "and as assert async await break case class continue def del elif else except finally for from "
        "global if import in is lambda match nonlocal not or pass raise return try type while with yield"
    ),
    frozenset({"False", "None", "True"}),
    imports=True,
)

_LUA = Grammar(
    re.compile(
        r"""
   (?P<space>\s+)
  |(?P<comment>--(?:\[(?P<c>=*)\[.*?(?:\](?P=c)\]|\Z)|[^\n]*))
  |(?P<string>\[(?P<s>=*)\[.*?\](?P=s)\]|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
  |(?P<open>(?P<quote>\[=*\[|'|")(?P<body>.*))
"""
        + _COMMON,
        re.VERBOSE | re.DOTALL,
    ),
    _words(
        "and break do else elseif end for function goto if in local not or repeat return then until while"
    ),
    frozenset({"false", "nil", "true"}),
    ":",
)

_PLAIN = Grammar(_LUA.tokens, frozenset(), frozenset())

GRAMMARS = {"python": _PYTHON, "lua": _LUA}


def grammar_of(engine: str) -> Grammar:
    """The grammar of an engine's language; of one that we do not know, names, dots and brackets are read."""
    return GRAMMARS.get(engine, _PLAIN)

"""A recorded call as a test case for pytest, over scriptengines alone."""

from __future__ import annotations

import re
from string import Template

from scriptengines.view import CallView, ScriptView

_TEST = Template('''\
"""A call of $alias, as it was recorded in the console."""

$imports
SCRIPT = Path($path)


def test_$name() -> None:
    with Session() as session:
        script = session.load(SCRIPT$options)
$check
''')


class NoTest(ValueError):
    """The call cannot be written as a test; the message says why."""


def as_test(call: CallView, script: ScriptView) -> str:
    """Write a call as a test.

    Args:
        call: It has ended, or runs.
        script: That of the call.

    Returns:
        The text of a test file: it makes the call again and expects what came of it, as far as that can be
        written.

    Raises:
        NoTest: It cannot be repeated.
    """
    if not call.function.isidentifier():
        raise NoTest(f"{call.function} has no name by which a test could call it.")
    if not call.whole:
        raise NoTest("Its arguments cannot all be written as literals, so a test could not pass them.")
    made = f"script.function({call.function!r})({call.arguments})"
    expected = re.sub(r"\Acall_?error: ", "", call.error, flags=re.IGNORECASE)
    if call.error:
        match = f"re.escape({_first_part(expected)!r})"
        check = f"        with pytest.raises(CallError, match={match}):\n            {made}"
    elif call.duration is None or not call.result_whole or "float('nan')" in call.result:
        gave = "it had not ended" if call.duration is None else f"it gave {call.result}"
        check = f"        {made}  # {gave}"
    else:
        result = call.result
        comparison = "is" if result in ("None", "True", "False") else "=="
        check = f"        assert {made} {comparison} {result}"
    return _TEST.substitute(
        alias=repr(script.alias).replace('"', '\\"'),
        path=repr(script.path),
        options=_options(script),
        imports=_imports(failing=bool(call.error)),
        name=call.function,
        check=check,
    )


def _first_part(error: str) -> str:
    """What of an error's text will be there again: no place, no ellipsis."""
    return error.partition("…")[0].strip()


def _options(script: ScriptView) -> str:
    kept_apart = script.isolation
    if kept_apart == "process" or (script.engine == "python" and kept_apart in ("shared", "main")):
        return f", isolation={kept_apart!r}"
    return ""


def _imports(*, failing: bool) -> str:
    path, session = "from pathlib import Path", "from scriptengines import Session"
    if failing:
        errors = "from scriptengines.errors import CallError"
        return f"import re\n{path}\n\nimport pytest\n\n{session}\n{errors}\n"
    return f"{path}\n\n{session}\n"

"""The arrows between the packages point down only, and nothing heavy is imported before it is needed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
USER_INTERFACE = {"textual", "rich", "prompt_toolkit"}
NOT_IN_BATCH = {"textual", "rich", "prompt_toolkit", "watchdog", "click", "httpx"}

# The modules go to stderr because stdout belongs to the script that runs.
REPORT = """
import sys
try:
    {code}
finally:
    print("modules:", *sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""


def imported_by(code: str, *arguments: str) -> set[str]:
    """Run one statement in a process of its own and return the top-level modules it left in `sys.modules`."""
    run = subprocess.run(
        [sys.executable, "-c", REPORT.format(code=code), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    last_line = run.stderr.splitlines()[-1]
    assert last_line.startswith("modules: "), run.stderr
    return set(last_line.split()[1:])


def test_import_contracts() -> None:
    # A process of its own, because import-linter changes sys.path and the log configuration.
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([linter, "--no-cache"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_engines_need_no_user_interface() -> None:
    modules = imported_by("import scriptengines, scriptengines.session")
    assert "scriptengines" in modules
    assert not modules & USER_INTERFACE


def test_batch_imports_nothing_heavy() -> None:
    script = str(ROOT / "examples" / "hello" / "hello.lua")
    modules = imported_by("from scriptconsole.cli import main; sys.exit(main())", "--batch", script)
    assert "lupa" in modules
    assert not modules & NOT_IN_BATCH

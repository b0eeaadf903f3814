"""Native components for tests: short C bodies and manifests, written into a folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

HAS_COMPILER = bool(
    os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
)
STEPS = ("load", "unload", "start", "pause", "resume", "stop", "save", "restore", "statistics")
_OPENINGS = {
    "unload": "static void unload(sc_ctx *ctx) {",
    "save": "static int save(sc_ctx *ctx, sc_value *out) {",
    "restore": "static int restore(sc_ctx *ctx, const sc_value *state) {",
    "statistics": "static int statistics(sc_ctx *ctx, sc_value *out) {",
}


def component_c(
    functions: dict[str, str] | None = None, *, prefix: str = "", flags: str = "0", **steps: str
) -> str:
    """A C module.

    Args:
        functions: Body of each exported function, by name; `a`, `n` and `out` are its parameters.
        prefix: C code before them.
        flags: Of the module.
        steps: Body of each callback. A step without a `return` returns 0.
    """
    lines = ["#include <scriptconsole.h>", prefix]
    for name, body in (functions or {}).items():
        lines.append(
            f"static int {name}(sc_ctx *ctx, const sc_value *a, size_t n, sc_value *out) {{ "
            f"(void)ctx; (void)a; (void)n; *out = sc_nil(); {body} return 0; }}"
        )
    for step, body in steps.items():
        opening = _OPENINGS.get(step, f"static int {step}(sc_ctx *ctx) {{")
        lines.append(f"{opening} (void)ctx; {body} {'' if step == 'unload' else 'return 0;'} }}")
    table = "".join(f'{{"{name}", {name}, NULL, NULL, 0}}, ' for name in functions or {})
    callbacks = "".join(f".{step} = {step}, " for step in steps)
    lines.append(f"static const sc_export exports[] = {{{table}{{0}}}};")
    lines.append(
        f'static const sc_module module = {{.abi = SC_ABI_VERSION, .name = "part", .version = "", '
        f".exports = exports, .flags = {flags}, {callbacks}}};\nSC_MODULE(module)\n"
    )
    return "\n".join(lines)


def says(*steps: str) -> dict[str, str]:
    """Bodies that log "NAME STEP", where NAME is a macro of the source."""
    return {step: f'sc_log(ctx, NAME " {step}");' for step in steps}


LIFE = says("load", "unload", "start", "pause", "resume", "stop")


def write_component(
    folder: Path, name: str, source: str = "", *, version: str = "1.0", **manifest: object
) -> Path:
    """Write NAME.c and NAME.scmod; `requires`, `groups` and others go into the manifest as they are."""
    folder.mkdir(exist_ok=True)
    text = source or component_c({"who": f'*out = sc_str("{name}");'})
    (folder / f"{name}.c").write_text(f'#define NAME "{name}"\n{text}')
    lines = [f'name = "{name}"', f'version = "{version}"', f'sources = ["{name}.c"]']
    lines += [f"{key} = {value}" for key, value in manifest.items()]
    path = folder / f"{name}.scmod"
    path.write_text("\n".join(lines) + "\n")
    return path

"""The scripts of the conformance suite, in C.

`@name` at the start of a line opens an exported function of the uniform signature, without a check of its
arguments; `@name "ll:l" "doc"` names signature and documentation. `$variable` lines are the module's
variables.
"""

import re

SUFFIX = ".c"
_EXPORT = re.compile(r'^@(\w+)(?: ("[^"]*"))?(?: ("[^"]*"))? \{', re.MULTILINE)
_VARIABLE = re.compile(r"^\$(.*)\n", re.MULTILINE)
_OPENING = r"static int \1(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {"


def module(body: str) -> str:
    """A whole C file for the shorthand above; keeps the number of each line."""
    exports = "".join(
        f'{{"{name}", {name}, {s or 0}, {doc or 0}}}, ' for name, s, doc in _EXPORT.findall(body)
    )
    variables = "".join(f"{{{row}}}, " for row in _VARIABLE.findall(body))
    table = f"static const sc_variable variables[] = {{{variables}{{0}}}};\n" if variables else ""
    load = "load" if "static int load(" in body else "0"
    return (
        "#include <scriptconsole.h>\n"
        + _VARIABLE.sub("", _EXPORT.sub(_OPENING, body))
        + f"static const sc_export exports[] = {{{exports}{{0}}}};\n{table}"
        + 'static const sc_module module = {SC_ABI_VERSION, "demo", "1.0", exports, '
        + f"{'variables' if table else 0}, {load}, 0}};\nSC_MODULE(module)\n"
    )


_BODIES = {
    "plain": r"""
static int64_t count;
static char label[16] = "red";
static double levels[3] = {1, 2, 3};
@add "ll:l" "Add two numbers.\n\nOf any size." {
    *out = sc_int(args[0].as.integer + args[1].as.integer);
    return 0;
}
@echo { *out = args[0]; return 0; }
@set_count "l:l" { count = args[0].as.integer; *out = sc_int(count); return 0; }
$"count", SC_VAR_INT64, &count, 1
$"label", SC_VAR_STRING, label, sizeof label
$"levels", SC_VAR_DOUBLE, levels, 3
""",
    "huge": """
static int32_t numbers[10000000];
static int load(sc_ctx *ctx) { for (int i = 0; i < 10000000; i++) numbers[i] = 7; return 0; }
$"numbers", SC_VAR_INT32, numbers, 10000000
""",
    "kinds": """
@kind {
    static const char *const names[] = {"NIL", "BOOL", "INT", "BIGINT", "DOUBLE", "STR", "BYTES", "BYTEARRAY",
                                        "LIST", "TUPLE", "SET", "FROZENSET", "DICT", "REF"};
    *out = sc_str(names[args[0].tag]);
    return 0;
}
""",
    "callbacks": """
static sc_ref *kept;
@apply { return ctx->call_ref(ctx, args[0].as.ref, args + 1, 1, out); }
@keep { kept = args[0].as.ref; ctx->retain(ctx, kept); *out = sc_nil(); return 0; }
@use_kept { return ctx->call_ref(ctx, kept, args, 1, out); }
@double_it { *out = sc_int(2 * args[0].as.integer); return 0; }
@give { *out = sc_callback("double_it"); return 0; }
""",
    "endless value": """
static sc_value items[2], inner[2], levels[1000];
@loop {
    items[0] = sc_int(1);
    items[1] = sc_items(SC_LIST, inner, 2);
    inner[0] = sc_int(2);
    inner[1] = sc_items(SC_LIST, items, 2);
    *out = inner[1];
    return 0;
}
@deep {
    for (int i = 0; i < 999; i++) levels[i] = sc_items(SC_LIST, &levels[i + 1], 1);
    *out = levels[0];
    return 0;
}
@echo { *out = args[0]; return 0; }
""",
    "failing": """
@fail { /* HERE */
    return ctx->fail(ctx, "ValueError", "out of paint");
}
""",
    "forward": """
@forward { /* FORWARD */
    return ctx->host(ctx, "call", args, n, out);
}
@fail { return ctx->fail(ctx, "ValueError", "out of paint"); } /* HERE */
@echo { *out = args[0]; return 0; }
""",
    "hooks": """
#include <stdio.h>
static char text[64];
static int on(sc_ctx *ctx, const char *function, const sc_value *priority, sc_value *out) {
    sc_value wanted[3] = {sc_str("paint"), sc_callback(function), *priority};
    return ctx->host(ctx, "on", wanted, 3, out);
}
@saw {
    snprintf(text, sizeof text, "saw %.*s", (int)args[0].length, args[0].as.bytes);
    *out = sc_nil();
    return sc_log(ctx, text);
}
@broken { /* HERE */
    snprintf(text, sizeof text, "no %.*s", (int)args[0].length, args[0].as.bytes);
    return ctx->fail(ctx, "ValueError", text);
}
@subscribe { return on(ctx, "saw", args, out); }
@subscribe_broken { return on(ctx, "broken", args, out); }
@unsubscribe { return ctx->host(ctx, "off", args, 1, out); }
@emit {
    sc_value all[2] = {sc_str("paint"), args[0]};
    return ctx->host(ctx, "emit", all, 2, out);
}
""",
    "rulings": """
#include <stdio.h>
static char text[64];
@deny {
    snprintf(text, sizeof text, "no %.*s", (int)args[0].length, args[0].as.bytes);
    sc_value reason = sc_str(text);
    return ctx->host(ctx, "veto", &reason, 1, out);
}
@lighten {
    snprintf(text, sizeof text, "light %.*s", (int)args[0].length, args[0].as.bytes);
    sc_value colour = sc_str(text);
    return ctx->host(ctx, "replace", &colour, 1, out);
}
@answer { *out = sc_int(0); return 0; }
@subscribe {
    static char wanted[16];
    snprintf(wanted, sizeof wanted, "%.*s", (int)args[0].length, args[0].as.bytes);
    sc_value all[3] = {sc_str("paint"), sc_callback(wanted), args[1]};
    return ctx->host(ctx, "on", all, 3, out);
}
@consult {
    sc_value all[2] = {sc_str("paint"), args[0]};
    return ctx->host(ctx, "consult", all, 2, out);
}
""",
    "waiting": """
#include <stdio.h>
static int64_t value = 20;
$"value", SC_VAR_INT64, &value, 1
static int told(sc_ctx *ctx, const char *what, const sc_value *v) {
    static char text[200];
    const char *none = v->tag == SC_NIL ? "none" : "";
    int size = v->tag == SC_STR ? (int)v->length : 0;
    snprintf(text, sizeof text, "%s%s%.*s", what, none, size, size ? v->as.bytes : "");
    return sc_log(ctx, text);
}
@rested { *out = sc_nil(); return told(ctx, "rested: ", &args[0]); }
@refused { *out = sc_nil(); return told(ctx, "refused: ", &args[0]); }
@rest {
    sc_value all[2] = {args[0], sc_callback("rested")}, operation;
    *out = sc_nil();
    return ctx->host(ctx, "sleep", all, 2, &operation);
}
@misuse {
    sc_value all[2] = {sc_str("long"), sc_callback("refused")}, operation;
    *out = sc_nil();
    return ctx->host(ctx, "sleep", all, 2, &operation);
}
@once { *out = sc_nil(); return told(ctx, "once ", &args[0]); }
@next_time {
    sc_value all[2] = {sc_str("paint"), sc_callback("once")};
    return ctx->host(ctx, "once", all, 2, out);
}
@setting {
    sc_value all[2] = {args[0], sc_str("none")};
    return ctx->host(ctx, "config", all, 2, out);
}
@on_paint { *out = sc_nil(); return told(ctx, "by name ", &args[0]); }
""",
    "timers": """
#include <stdio.h>
static int64_t ticks, repeating;
@tick {
    static char text[32];
    snprintf(text, sizeof text, "tick %d", (int)++ticks);
    *out = sc_nil();
    if (ticks == 3 && repeating && sc_clear_timer(ctx, repeating)) return -1;
    return sc_log(ctx, text);
}
@broken { return ctx->fail(ctx, "ValueError", "no paint"); } /* HERE */
static int start_any(sc_ctx *ctx, const char *function, const sc_value *args, sc_value *out) {
    int64_t id = 0;
    int rc = sc_set_timeout(ctx, function, sc_number(&args[0]), &id);
    *out = sc_int(id);
    return rc;
}
@start { return start_any(ctx, "tick", args, out); }
@start_broken { return start_any(ctx, "broken", args, out); }
@repeat {
    int rc = sc_set_interval(ctx, "tick", sc_number(&args[0]), &repeating);
    *out = sc_int(repeating);
    return rc;
}
@clear { return ctx->host(ctx, "clear_timer", args, 1, out); }
$"ticks", SC_VAR_INT64, &ticks, 1
""",
    "talk": """
@say { return ctx->host(ctx, "log", args, 1, out); }
@show { return ctx->host(ctx, "print", args, 1, out); }
""",
    "server": """
static int64_t bound;
static int load(sc_ctx *ctx) {
    sc_value key = sc_str("port"), old, none, handlers[2] = {sc_str("data"), sc_callback("echo")};
    if (ctx->host(ctx, "state_get", &key, 1, &old)) return -1;
    sc_value port = old.tag == SC_INT ? old : sc_int(0), got;
    sc_value wanted[3] = {sc_str("127.0.0.1"), port, sc_items(SC_DICT, handlers, 2)};
    if (ctx->host(ctx, "tcp_serve", wanted, 3, &got)) return -1;
    bound = got.as.integer;
    sc_value pair[2] = {key, got};
    return ctx->host(ctx, "state_set", pair, 2, &none);
}
@echo { return ctx->host(ctx, "tcp_send", args, 2, out); }
@port { *out = sc_int(bound); return 0; }
""",
    "client": """
#include <stdio.h>
static char text[64];
@connected {
    sc_value sent[2] = {args[0], sc_str("hello")};
    return ctx->host(ctx, "tcp_send", sent, 2, out);
}
@received {
    snprintf(text, sizeof text, "got %.*s", (int)args[1].length, args[1].as.bytes);
    if (sc_log(ctx, text)) return -1;
    return ctx->host(ctx, "tcp_close", args, 1, out);
}
@closed { *out = sc_nil(); return sc_log(ctx, "closed"); }
@failed {
    snprintf(text, sizeof text, "failed: %.*s", (int)args[0].length, args[0].as.bytes);
    *out = sc_nil();
    return sc_log(ctx, text);
}
@connect {
    sc_value handlers[8] = {sc_str("connected"), sc_callback("connected"), sc_str("data"),
                            sc_callback("received"), sc_str("closed"), sc_callback("closed"), sc_str("error"),
                            sc_callback("failed")};
    sc_value wanted[3] = {sc_str("127.0.0.1"), args[0], sc_items(SC_DICT, handlers, 8)}, got;
    *out = sc_nil();
    return ctx->host(ctx, "tcp_connect", wanted, 3, &got);
}
""",
    "version": "@version { *out = sc_int($VERSION); return 0; }\n",
    "state": """
@bump {
    sc_value key = sc_str("n"), old, none;
    if (ctx->host(ctx, "state_get", &key, 1, &old)) return -1;
    sc_value pair[2] = {key, sc_int((old.tag == SC_INT ? old.as.integer : 0) + 1)};
    *out = pair[1];
    return ctx->host(ctx, "state_set", pair, 2, &none);
}
""",
    "spoiling": """
static int load(sc_ctx *ctx) {
    sc_value pair[2] = {sc_str("n"), sc_int(1000)}, none;
    if (ctx->host(ctx, "state_set", pair, 2, &none)) return -1;
    return ctx->fail(ctx, "ValueError", "no paint at load");
}
""",
    "broken": "@version { *out = sc_int(2); return 0; }\n\nint oops( { /* HERE */\n",
    "mutual": """
@echo { *out = args[0]; return 0; }
@meet {
    sc_value none, wanted[3] = {args[1], sc_str("echo"), sc_int(1)};
    if (ctx->call_ref(ctx, args[0].as.ref, NULL, 0, &none)) return -1;
    return ctx->host(ctx, "call", wanted, 3, out);
}
@ping {
    *out = args[0];
    if (args[2].as.integer == 0) return 0;
    sc_value wanted[5] = {args[1], sc_str("ping"), args[1], args[0], sc_int(args[2].as.integer - 1)};
    return ctx->host(ctx, "call", wanted, 5, out);
}
""",
}

TEXTS = {behaviour: module(body) for behaviour, body in _BODIES.items()}

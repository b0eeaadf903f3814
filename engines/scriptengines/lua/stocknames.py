"""Parameters of the functions that come with Lua, which no runtime can tell; all versions together."""

from __future__ import annotations

_GROUPS = {
    "": """assert(v, message) collectgarbage(option, arg) dofile(filename) error(message, level) getfenv(f)
        getmetatable(object) ipairs(t) load(chunk, chunkname, mode, env) loadfile(filename, mode, env)
        loadstring(string, chunkname) next(table, index) pairs(t) pcall(f, ...) print(...) rawequal(v1, v2)
        rawget(table, index) rawlen(v) rawset(table, index, value) require(modname) select(index, ...)
        setfenv(f, table) setmetatable(table, metatable) tonumber(e, base) tostring(v) type(v)
        unpack(list, i, j) warn(msg1, ...) xpcall(f, msgh, ...) module(name, ...)""",
    "coroutine": """close(co) create(f) isyieldable(co) resume(co, ...) running() status(co) wrap(f)
        wrapdebug(f, handler) yield(...)""",
    "debug": """debug() gethook(thread) getinfo(thread, f, what) getlocal(thread, f, local)
        getmetatable(value) getregistry() getupvalue(f, up) getuservalue(u, n)
        sethook(thread, hook, mask, count)
        setlocal(thread, level, local, value) setmetatable(value, table) setupvalue(f, up, value)
        setuservalue(udata, value, n) traceback(thread, message, level) upvalueid(f, n)
        upvaluejoin(f1, n1, f2, n2)""",
    "io": """close(file) flush() input(file) lines(filename, ...) open(filename, mode) output(file)
        popen(prog, mode) read(...) tmpfile() type(obj) write(...)""",
    "math": """abs(x) acos(x) asin(x) atan(y, x) atan2(y, x) ceil(x) cos(x) cosh(x) deg(x) exp(x) floor(x)
        fmod(x, y) frexp(x) ldexp(m, e) log(x, base) log10(x) max(x, ...) min(x, ...) modf(x) pow(x, y)
        rad(x) random(m, n) randomseed(x, y) sin(x) sinh(x) sqrt(x) tan(x) tanh(x) tointeger(x) type(x)
        ult(m, n)""",
    "os": """clock() date(format, time) difftime(t2, t1) execute(command) exit(code, close)
        getenv(varname, default) remove(filename) rename(oldname, newname) setlocale(locale, category)
        time(table) tmpname()""",
    "package": "loadlib(libname, funcname) searchpath(name, path, sep, rep) seeall(module)",
    "string": """byte(s, i, j) char(...) dump(function, strip) find(s, pattern, init, plain)
        format(formatstring, ...) gmatch(s, pattern, init) gsub(s, pattern, repl, n) len(s) lower(s)
        match(s, pattern, init) pack(fmt, v1, ...) packsize(fmt) rep(s, n, sep) reverse(s) sub(s, i, j)
        unpack(fmt, s, pos) upper(s)""",
    "table": """concat(list, sep, i, j) create(nseq, nrec) insert(list, pos, value) maxn(table)
        move(a1, f, e, t, a2) pack(...) remove(list, pos) sort(list, comp) unpack(list, i, j)""",
    "utf8": """char(...) codepoint(s, i, j, lax) codes(s, lax) len(s, i, j, lax) offset(s, n, i)""",
    "bit": """arshift(x, n) band(x1, ...) bnot(x) bor(x1, ...) bswap(x) bxor(x1, ...) lshift(x, n)
        rol(x, n) ror(x, n) rshift(x, n) tobit(x) tohex(x, n)""",
}


def _read() -> dict[str, str]:
    import re

    found: dict[str, str] = {}
    for group, text in _GROUPS.items():
        for name, parameters in re.findall(r"(\w+)(\([^)]*\))", text):
            found[f"{group}.{name}" if group else name] = parameters
    return found


SIGNATURES = _read()
"""By name, as "string.format"."""

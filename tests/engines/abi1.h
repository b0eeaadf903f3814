/* scriptconsole.h: what a native script module includes.
 *
 * A module is a shared library (or one .c file, compiled on load) that defines its
 * functions with the uniform signature sc_function and lists them with SC_MODULE.
 * Values travel as sc_value trees; nothing of Python or Lua is visible here.
 * The console calls functions of one module one at a time, without the Python GIL.
 */
#ifndef SCRIPTCONSOLE_H
#define SCRIPTCONSOLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SC_ABI_VERSION 1

typedef enum sc_tag {
    SC_NIL = 0,
    SC_BOOL,      /* as.integer: 0 or 1 */
    SC_INT,       /* as.integer */
    SC_BIGINT,    /* as.bytes: little-endian two's complement */
    SC_DOUBLE,    /* as.number */
    SC_STR,       /* as.bytes: UTF-8, length in bytes, not NUL-terminated */
    SC_BYTES,     /* as.bytes */
    SC_BYTEARRAY, /* as.bytes */
    SC_LIST,      /* as.items */
    SC_TUPLE,     /* as.items */
    SC_SET,       /* as.items */
    SC_FROZENSET, /* as.items */
    SC_DICT,      /* as.items: key, value, key, value …; length counts both */
    SC_REF,       /* as.ref: an object or function of another runtime */
    SC_FUNCTION   /* as.bytes: name of a function of this module, for callbacks */
} sc_tag;

typedef struct sc_value sc_value;
typedef struct sc_ref sc_ref;

struct sc_value {
    uint32_t tag;   /* sc_tag */
    uint32_t flags; /* SC_SURROGATES: SC_STR holds lone surrogates, encoded as surrogatepass does */
    size_t length;  /* bytes or items */
    union {
        int64_t integer;
        double number;
        const char *bytes;
        sc_value *items;
        sc_ref *ref;
    } as;
};

#define SC_SURROGATES 1u

/* The context of one call. Memory from `alloc` lives until the caller has read the result. */
typedef struct sc_ctx sc_ctx;
struct sc_ctx {
    uint32_t abi;
    void *(*alloc)(sc_ctx *ctx, size_t size);
    /* Report failure: `return ctx->fail(ctx, "ValueError", "message")`. Always returns -1. */
    int (*fail)(sc_ctx *ctx, const char *type, const char *message);
    /* Call a host function by its name ("log", "set_interval", "emit", "call", …).
     * Returns 0, or -1 with the failure recorded: just return -1 in turn. */
    int (*host)(sc_ctx *ctx, const char *name, const sc_value *args, size_t n, sc_value *out);
    /* Call a reference (a function another script passed in). */
    int (*call_ref)(sc_ctx *ctx, sc_ref *ref, const sc_value *args, size_t n, sc_value *out);
    /* Keep a reference beyond this call, and give it back. */
    void (*retain)(sc_ctx *ctx, sc_ref *ref);
    void (*release)(sc_ctx *ctx, sc_ref *ref);
};

typedef int (*sc_function)(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out);

typedef struct sc_export {
    const char *name;
    sc_function function;
    /* "ll:l": argument letters, a colon, the result letter. l integer, d double, b bool, s string,
     * y bytes, p pointer, L list, D dict, O reference, A anything, T(..) tuple; "..." after the last for any number more.
     * NULL: unchecked. */
    const char *signature;
    const char *doc;
} sc_export;

/* SC_VAR_BOOL is one byte, as C's bool is. */
typedef enum sc_kind { SC_VAR_INT64 = 1, SC_VAR_INT32, SC_VAR_DOUBLE, SC_VAR_FLOAT, SC_VAR_BOOL, SC_VAR_STRING } sc_kind;

typedef struct sc_variable {
    const char *name;
    sc_kind kind;
    void *address; /* SC_VAR_STRING: of a char array with `count` bytes; else `count` elements */
    size_t count;
} sc_variable;

typedef struct sc_module {
    uint32_t abi;
    const char *name;
    const char *version;
    const sc_export *exports;     /* ends with name == NULL */
    const sc_variable *variables; /* ends with name == NULL, or NULL */
    int (*load)(sc_ctx *ctx);     /* may be NULL; set timers and hooks here */
    void (*unload)(sc_ctx *ctx);  /* may be NULL */
} sc_module;

#if defined(__GNUC__)
#define SC_EXPORT __attribute__((visibility("default")))
#else
#define SC_EXPORT
#endif

/* The one symbol the console looks for: `const sc_module *scriptconsole_module(void)`. */
#define SC_MODULE(table) SC_EXPORT const sc_module *scriptconsole_module(void) { return &(table); }

/* ---- building and reading values --------------------------------------------------------- */

static inline sc_value sc_nil(void) { sc_value v; memset(&v, 0, sizeof v); return v; }
static inline sc_value sc_bool(int b) { sc_value v = sc_nil(); v.tag = SC_BOOL; v.as.integer = b != 0; return v; }
static inline sc_value sc_int(int64_t i) { sc_value v = sc_nil(); v.tag = SC_INT; v.as.integer = i; return v; }
static inline sc_value sc_double(double d) { sc_value v = sc_nil(); v.tag = SC_DOUBLE; v.as.number = d; return v; }
static inline sc_value sc_strn(const char *s, size_t n) { sc_value v = sc_nil(); v.tag = SC_STR; v.as.bytes = s; v.length = n; return v; }
static inline sc_value sc_str(const char *s) { return sc_strn(s, strlen(s)); }
static inline sc_value sc_bytes(const void *p, size_t n) { sc_value v = sc_strn((const char *)p, n); v.tag = SC_BYTES; return v; }
static inline sc_value sc_callback(const char *name) { sc_value v = sc_str(name); v.tag = SC_FUNCTION; return v; }
static inline sc_value sc_items(sc_tag tag, sc_value *items, size_t n) { sc_value v = sc_nil(); v.tag = tag; v.as.items = items; v.length = n; return v; }

static inline int sc_is_number(const sc_value *v) { return v->tag == SC_INT || v->tag == SC_DOUBLE || v->tag == SC_BOOL; }
static inline double sc_number(const sc_value *v) { return v->tag == SC_DOUBLE ? v->as.number : (double)v->as.integer; }

/* ---- the host, in one line each ------------------------------------------------------------ */

static inline int sc_log(sc_ctx *ctx, const char *text) {
    sc_value a = sc_str(text), out; return ctx->host(ctx, "log", &a, 1, &out);
}
static inline int sc_print(sc_ctx *ctx, const char *text) {
    sc_value a = sc_str(text), out; return ctx->host(ctx, "print", &a, 1, &out);
}
static inline int sc_set_interval(sc_ctx *ctx, const char *function, double ms, int64_t *id) {
    sc_value a[2] = { sc_callback(function), sc_double(ms) }, out = sc_nil();
    int rc = ctx->host(ctx, "set_interval", a, 2, &out);
    if (rc == 0 && id) *id = out.as.integer;
    return rc;
}
static inline int sc_set_timeout(sc_ctx *ctx, const char *function, double ms, int64_t *id) {
    sc_value a[2] = { sc_callback(function), sc_double(ms) }, out = sc_nil();
    int rc = ctx->host(ctx, "set_timeout", a, 2, &out);
    if (rc == 0 && id) *id = out.as.integer;
    return rc;
}
static inline int sc_clear_timer(sc_ctx *ctx, int64_t id) {
    sc_value a = sc_int(id), out; return ctx->host(ctx, "clear_timer", &a, 1, &out);
}
static inline int sc_on(sc_ctx *ctx, const char *hook, const char *function) {
    sc_value a[2] = { sc_str(hook), sc_callback(function) }, out; return ctx->host(ctx, "on", a, 2, &out);
}

#ifdef __cplusplus
}
#endif
#endif

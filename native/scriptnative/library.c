/* library.c: calls into native modules, the context their functions get, and the life of a library. */
#include "library.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define FEW 8
/* A value with more parts than this is taken for one that holds itself twice, not for a large one. */
#define MAX_PARTS ((size_t)1 << 25)

typedef enum failure_t { NO_FAILURE, FAILED, CROSSING, DESCRIBED } failure_t;

typedef struct call_t {
    sc_ctx ctx; /* first: it is all the module sees */
    sc_library *library;
    const sc_native *fn; /* NULL: a callback of the module */
    const char *name;    /* of the function, for messages and frames */
    sc_interp *here;
    PyThreadState *state; /* while the GIL is released */
    int keeps_gil;
    failure_t failure;
    int has_cause; /* `description` tells what failed further out */
    const char *type, *message;
    sc_value description;
    sc_arena arena;
} call_t;

/* Where in the arguments or the result we are; lives on the C stack. */
typedef struct place_t {
    const struct place_t *outer; /* NULL: an argument, or the result */
    size_t index;                /* RESULT: the result */
} place_t;

#define RESULT SIZE_MAX

/* ---- failures: recorded first, raised once the thread is back with the caller ------------------------- */

static int record(call_t *call, failure_t kind, const char *type, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    char *text = size < 0 ? NULL : sc_arena_alloc(&call->arena, (size_t)size + 1);
    if (text != NULL) vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    va_end(arguments);
    call->failure = kind;
    call->type = type;
    call->message = text == NULL ? "out of memory" : text;
    return -1;
}

static int record_exception(call_t *call) {
    if (!PyErr_Occurred()) return -1;
    call->failure = DESCRIBED;
    call->has_cause = sc_describe_exception(&call->arena, call->here, &call->description) == 0;
    if (!call->has_cause)
        record(call, FAILED, "MemoryError", "out of memory while an error was being reported");
    return -1;
}

/* Text of a module may be anything; an error about it must not fail for that. */
static PyObject *text_of(const char *text) {
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
}

static PyObject *own_frame(const call_t *call) {
    const char *source = call->fn == NULL || call->fn->source == NULL ? call->library->source : call->fn->source;
    return Py_BuildValue("(NiNss)", text_of(source), call->fn == NULL ? 0 : call->fn->line,
                         text_of(call->name), "", "native");
}

/* What errors.describe() would have told: (type, message, notes, frames, cause, detail). */
static PyObject *describe_report(const call_t *call) {
    PyObject *cause = call->has_cause ? sc_decode(call->here, &call->description) : Py_NewRef(Py_None);
    return Py_BuildValue("(NN[][N]Ns)", text_of(call->type), text_of(call->message), own_frame(call), cause, "");
}

/* What went wrong further out, with the module's own frame before those of what it called. */
static PyObject *describe_outer(const call_t *call) {
    PyObject *description = sc_decode(call->here, &call->description);
    if (description == NULL || !PyTuple_Check(description) || PyTuple_GET_SIZE(description) < 4) return description;
    PyObject *frames = PyTuple_GET_ITEM(description, 3), *frame = PyList_Check(frames) ? own_frame(call) : NULL;
    if (frame == NULL || PyList_Insert(frames, 0, frame) < 0) PyErr_Clear();
    Py_XDECREF(frame);
    return description;
}

static void raise_failure(call_t *call) {
    if (PyErr_Occurred()) return;
    if (call->failure == CROSSING) {
        sc_raise(call->here, SC_E_CROSSING, "%s", call->message);
        return;
    }
    if (call->failure == NO_FAILURE)
        record(call, FAILED, "RuntimeError",
               "%s() returned failure without a reason; end it with `return ctx->fail(ctx, type, message)`", call->name);
    PyObject *description = call->failure == DESCRIBED ? describe_outer(call) : describe_report(call);
    PyObject *rebuild = call->here->rebuild == NULL ? PyExc_RuntimeError : call->here->rebuild;
    PyObject *error = description == NULL ? NULL : PyObject_CallOneArg(rebuild, description);
    if (error != NULL) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    Py_XDECREF(description);
}

/* ---- signatures ------------------------------------------------------------------------------------------ */

static const char *letter_name(char letter) {
    switch (letter) {
    case 'l': return "integer";
    case 'd': return "double";
    case 'b': return "bool";
    case 's': return "str";
    case 'y': return "bytes";
    case 'p': return "pointer";
    case 'L': return "list";
    case 'D': return "dict";
    case 'O': return "reference";
    case 'T': return "tuple";
    default: return "None";
    }
}

static const char *tag_name(const sc_value *value) {
    static const char *const names[] = { "None",      "bool", "int",   "an int over 64 bits", "float", "str",  "bytes",
                                         "bytearray", "list", "tuple", "set",                 "frozenset", "dict",
                                         "reference", "function" };
    return value->tag < sizeof names / sizeof *names ? names[value->tag] : "an unknown tag";
}

static void write_place(const place_t *place, char *text, size_t size) {
    if (place->outer == NULL && place->index == RESULT) {
        snprintf(text, size, "result");
    } else if (place->outer == NULL) {
        snprintf(text, size, "argument %zu", place->index + 1);
    } else {
        write_place(place->outer, text, size);
        size_t used = strlen(text);
        snprintf(text + used, size - used, "[%zu]", place->index);
    }
}

static int mismatch(call_t *call, const sc_type *type, const sc_value *value, const place_t *place) {
    char where[128];
    write_place(place, where, sizeof where);
    if (type->letter == 'T' && (value->tag == SC_TUPLE || value->tag == SC_LIST))
        return record(call, FAILED, "TypeError", "%s() %s must be a tuple of %s%u items, got %zu", call->name, where,
                      type->variadic ? "at least " : "", type->minimum, value->length);
    return record(call, FAILED, "TypeError", "%s() %s must be %s, got %s", call->name, where, letter_name(type->letter),
                  tag_name(value));
}

static int check_items(call_t *call, const sc_type *group, sc_value *items, size_t n, const place_t *outer, int ours);

/* What is close enough is turned into what the signature says, where the memory is `ours` to write. */
static int check(call_t *call, const sc_type *type, sc_value *value, const place_t *place, int ours) {
    uint32_t tag = value->tag;
    if (tag == type->tag) return 0;
    switch (type->letter) {
    case 'A': return 0;
    case 'l':
        if (tag != SC_BOOL) break;
        if (ours) value->tag = SC_INT;
        return 0;
    case 'd':
        if (tag != SC_INT && tag != SC_BOOL) break;
        if (ours) {
            value->tag = SC_DOUBLE;
            value->as.number = (double)value->as.integer;
        }
        return 0;
    case 'y': if (tag == SC_BYTEARRAY) return 0; break;
    case 'p': if (tag == SC_NIL) return 0; break;
    case 'L':
    case 'D': {
        /* An empty Lua table is either. */
        uint32_t other = type->letter == 'L' ? SC_DICT : SC_LIST;
        if (type->letter == 'L' && tag == SC_TUPLE) return 0;
        if (tag != other || value->length != 0) break;
        if (ours) value->tag = type->tag;
        return 0;
    }
    case 'T':
        if ((tag != SC_TUPLE && tag != SC_LIST) || value->length < type->minimum) break;
        if (!type->variadic && value->length > type->count) break;
        return check_items(call, type, value->as.items, value->length, place, ours);
    }
    return mismatch(call, type, value, place);
}

static int check_items(call_t *call, const sc_type *group, sc_value *items, size_t n, const place_t *outer, int ours) {
    const sc_type *type = group + 1;
    for (size_t i = 0; i < n; i++) {
        place_t place = { outer, i };
        if (check(call, type, &items[i], &place, ours) < 0) return -1;
        if (i + 1 < group->count) type += type->span;
    }
    return 0;
}

static inline int check_count(call_t *call, const sc_type *group, size_t n) {
    if (n >= group->minimum && (group->variadic || n <= group->count)) return 0;
    return record(call, FAILED, "TypeError", "%s() takes %s%u argument%s, got %zu", call->name,
                  group->variadic ? "at least " : "", group->minimum, group->minimum == 1 ? "" : "s", n);
}

/* ---- values of the module: checked, and names of its functions turned into references -------------------- */

typedef struct walk_t {
    call_t *call;
    size_t parts;
} walk_t;

static sc_ref *resolve_name(call_t *call, const sc_value *name) {
    sc_library *library = call->library;
    size_t i = 0;
    while (i < library->count && (strlen(library->functions[i].name) != name->length ||
                                  memcmp(library->functions[i].name, name->as.bytes, name->length) != 0)) i++;
    if (i == library->count || library->resolve == NULL) {
        record(call, FAILED, "UnknownFunction", "%s() names the callback '%.*s', which the module does not export", call->name,
               (int)(name->length < 100 ? name->length : 100), name->as.bytes);
        return NULL;
    }
    PyObject *resolve = Py_NewRef(library->resolve);
    PyObject *callable = PyObject_CallFunction(resolve, "s", library->functions[i].name);
    Py_DECREF(resolve);
    sc_ref *ref = callable == NULL ? NULL : sc_ref_new(call->here, callable);
    Py_XDECREF(callable);
    if (ref == NULL) record_exception(call);
    return ref;
}

static int resolve_function(walk_t *walk, const sc_value *name, sc_value *out) {
    call_t *call = walk->call;
    sc_ref *ref = resolve_name(call, name);
    if (ref == NULL) return -1;
    if (sc_arena_hold_ref(&call->arena, ref) < 0) {
        sc_ref_release(ref);
        return record(call, FAILED, "MemoryError", "out of memory");
    }
    *out = sc_nil();
    out->tag = SC_REF;
    out->as.ref = ref;
    return 1;
}

static int prepare(walk_t *walk, const sc_value *in, sc_value *out, int depth);

static int prepare_items(walk_t *walk, const sc_value *in, sc_value *out, int depth) {
    call_t *call = walk->call;
    sc_value *copy = NULL;
    if (depth >= SC_MAX_DEPTH)
        return record(call, CROSSING, NULL, "%s() gave a value nested deeper than %d levels", call->name, SC_MAX_DEPTH);
    for (size_t i = 0; i < in->length; i++) {
        sc_value item;
        int changed = prepare(walk, &in->as.items[i], &item, depth + 1);
        if (changed < 0) return -1;
        if (!changed) continue;
        if (copy == NULL) {
            copy = sc_arena_alloc(&call->arena, in->length * sizeof *copy);
            if (copy == NULL) return record(call, FAILED, "MemoryError", "out of memory");
            memcpy(copy, in->as.items, in->length * sizeof *copy);
            out->as.items = copy;
        }
        copy[i] = item;
    }
    return copy != NULL;
}

/* 1 when `out` is another value than `in`, 0 when it is the same, -1 with a failure recorded. */
static int prepare(walk_t *walk, const sc_value *in, sc_value *out, int depth) {
    call_t *call = walk->call;
    *out = *in;
    if (++walk->parts > MAX_PARTS)
        return record(call, CROSSING, NULL, "%s() gave a value that contains itself, or one of over %zu parts", call->name,
                      MAX_PARTS);
    switch ((sc_tag)in->tag) {
    case SC_NIL:
    case SC_BOOL:
    case SC_INT:
    case SC_DOUBLE: return 0;
    case SC_REF:
        if (in->as.ref != NULL) return 0;
        break;
    case SC_BIGINT:
    case SC_STR:
    case SC_BYTES:
    case SC_BYTEARRAY:
    case SC_FUNCTION:
        if ((in->as.bytes == NULL && in->length != 0) || in->length > PY_SSIZE_T_MAX) break;
        return in->tag == SC_FUNCTION ? resolve_function(walk, in, out) : 0;
    case SC_LIST:
    case SC_TUPLE:
    case SC_SET:
    case SC_FROZENSET:
    case SC_DICT:
        if (in->as.items == NULL && in->length != 0) break;
        if (in->tag == SC_DICT && in->length % 2 != 0)
            return record(call, CROSSING, NULL, "%s() gave a dict of %zu items; its length counts keys and values",
                          call->name, in->length);
        return prepare_items(walk, in, out, depth);
    }
    return record(call, CROSSING, NULL, "%s() gave %s without content", call->name, tag_name(in));
}

static int prepare_value(call_t *call, const sc_value *in, sc_value *out) {
    walk_t walk = { call, 0 };
    return prepare(&walk, in, out, 0) < 0 ? -1 : 0;
}

static PyObject *decode(call_t *call, const sc_value *prepared) {
    PyObject *object = sc_decode(call->here, prepared);
    if (object != NULL || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return object;
    PyErr_Clear();
    record(call, CROSSING, NULL, "%s() gave a str that is not UTF-8; other bytes are made with sc_bytes()", call->name);
    return NULL;
}

/* ---- the context of a call: out of the module and back in --------------------------------------------------- */

static PyObject *decode_arguments(call_t *call, const sc_value *args, size_t n) {
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    for (size_t i = 0; tuple != NULL && i < n; i++) {
        sc_value value;
        PyObject *object = prepare_value(call, &args[i], &value) < 0 ? NULL : decode(call, &value);
        if (object == NULL) Py_CLEAR(tuple);
        else PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, object);
    }
    return tuple;
}

static PyObject *call_host(call_t *call, const char *name, PyObject *arguments) {
    if (call->library->host == NULL) {
        record(call, FAILED, "RuntimeError", "%s() asked for the host's %s(), but the module is closed", call->name, name);
        return NULL;
    }
    PyObject *host = Py_NewRef(call->library->host);
    PyObject *text = text_of(name);
    PyObject *pair[] = { text, arguments };
    PyObject *result = text == NULL ? NULL : PyObject_Vectorcall(host, pair, 2, NULL);
    Py_XDECREF(text);
    Py_DECREF(host);
    return result;
}

static PyObject *call_object(sc_interp *here, sc_ref *ref, PyObject *arguments) {
    PyObject *callable = sc_reference_wrap(here, ref);
    PyObject *result = callable == NULL ? NULL : PyObject_Call(callable, arguments, NULL);
    Py_XDECREF(callable);
    return result;
}

/* `ref`, or the host function `name` when it is NULL; attached. */
static int invoke(call_t *call, const char *name, sc_ref *ref, const sc_value *args, size_t n, sc_value *out) {
    PyObject *arguments = decode_arguments(call, args, n);
    PyObject *result = NULL;
    if (arguments != NULL) result = ref != NULL ? call_object(call->here, ref, arguments) : call_host(call, name, arguments);
    int rc = result == NULL ? -1 : sc_encode_plain(&call->arena, call->here, result, -1, out);
    Py_XDECREF(result);
    Py_XDECREF(arguments);
    return rc < 0 ? record_exception(call) : 0;
}

static int go_out(call_t *call, const char *name, sc_ref *ref, const sc_value *args, size_t n, sc_value *out) {
    sc_value ignored;
    if (out == NULL) out = &ignored;
    *out = sc_nil();
    /* A thread of the module's own has no business with the thread state of this call. */
    if (!sc_runlock_held(call->library->lock)) return -1;
    if (call->keeps_gil) return invoke(call, name, ref, args, n, out);
    PyEval_RestoreThread(call->state);
    int rc = invoke(call, name, ref, args, n, out);
    call->state = PyEval_SaveThread();
    return rc;
}

static void *ctx_alloc(sc_ctx *ctx, size_t size) { return sc_arena_alloc(&((call_t *)ctx)->arena, size); }

static int ctx_fail(sc_ctx *ctx, const char *type, const char *message) {
    call_t *call = (call_t *)ctx;
    record(call, FAILED, NULL, "%s", type == NULL || *type == '\0' ? "RuntimeError" : type);
    const char *kept = call->message;
    return record(call, FAILED, kept, "%s", message == NULL ? "" : message);
}

static int ctx_host(sc_ctx *ctx, const char *name, const sc_value *args, size_t n, sc_value *out) {
    return go_out((call_t *)ctx, name == NULL ? "" : name, NULL, args, n, out);
}

static int ctx_call_ref(sc_ctx *ctx, sc_ref *ref, const sc_value *args, size_t n, sc_value *out) {
    if (ref == NULL) return ctx_fail(ctx, "TypeError", "call_ref() was given no reference");
    return go_out((call_t *)ctx, NULL, ref, args, n, out);
}

/* Outside a call the table of what is kept is not ours to touch: a count too many is lost then, never one too few. */
static void ctx_retain(sc_ctx *ctx, sc_ref *ref) {
    sc_library *library = ((call_t *)ctx)->library;
    if (ref == NULL) return;
    if (!sc_runlock_held(library->lock) || sc_kept_add(&library->kept, ref) < 0) sc_ref_retain(ref);
}

static void ctx_release(sc_ctx *ctx, sc_ref *ref) {
    sc_library *library = ((call_t *)ctx)->library;
    if (ref != NULL && sc_runlock_held(library->lock)) sc_kept_remove(&library->kept, ref);
}

static int ctx_import(sc_ctx *ctx, const char *script, const char *function, sc_ref **out) {
    sc_value names[2] = { sc_str(script == NULL ? "" : script), sc_str(function == NULL ? "" : function) }, got;
    *out = NULL;
    if (go_out((call_t *)ctx, "import", NULL, names, 2, &got) < 0) return -1;
    if (got.tag != SC_REF) return ctx_fail(ctx, "TypeError", "the host gave no function");
    *out = got.as.ref;
    return 0;
}

/* ---- calls ----------------------------------------------------------------------------------------------------- */

static const sc_ctx context = {
    SC_ABI_VERSION, ctx_alloc, ctx_fail, ctx_host, ctx_call_ref, ctx_retain, ctx_release, ctx_import,
};

static inline void begin(call_t *call, sc_library *library, const sc_native *fn, const char *name, sc_interp *here) {
    call->ctx = context;
    call->library = library;
    call->keeps_gil = fn != NULL ? fn->keeps_gil : library->table.flags & SC_KEEP_GIL;
    call->fn = fn;
    call->name = name;
    call->here = here;
    call->failure = NO_FAILURE;
    call->has_cause = 0;
    sc_arena_init(&call->arena);
}

static inline void end(call_t *call) {
    if (call->arena.kept != NULL) sc_kept_release(&call->arena);
    sc_arena_free(&call->arena);
    if (atomic_load_explicit(&call->here->pending, memory_order_relaxed) != NULL) sc_drain_pending(call->here);
}

static void refuse(call_t *call, sc_lock_status status) {
    const char *module = sc_runlock_name(call->library->lock);
    if (status == SC_LOCK_CYCLE)
        sc_raise(call->here, SC_E_CYCLE, "calling %s() of %s would wait for ever: it waits for a script that waits for this one",
                 call->name, module);
    else if (status == SC_LOCK_BUSY)
        sc_raise(call->here, SC_E_BUSY, "%s is busy; %s() was not called", module, call->name);
    else
        sc_raise(call->here, SC_E_CLOSED, "%s is closed; load it again to call %s()", module, call->name);
}

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* The rest of `enter`: waiting for the lock, or refusing. */
static __attribute__((noinline)) int enter_slowly(call_t *call, sc_lock_status status, double seconds, int entering) {
    sc_library *library = call->library;
    call->state = PyEval_SaveThread();
    if (status == SC_LOCK_BUSY || (status != SC_LOCK_OK && !entering))
        status = sc_runlock_acquire(library->lock, seconds, entering);
    int nested = status == SC_LOCK_OK && library->handle != NULL;
    if (nested && library->depth < SC_MAX_NESTED) {
        library->depth++;
        if (call->keeps_gil) PyEval_RestoreThread(call->state);
        return 0;
    }
    if (status == SC_LOCK_OK) sc_runlock_release(library->lock);
    PyEval_RestoreThread(call->state);
    if (!nested) refuse(call, status == SC_LOCK_OK ? SC_LOCK_CLOSED : status);
    else record(call, FAILED, "RecursionError", "%s() and its callbacks call each other more than %d times deep", call->name,
                SC_MAX_NESTED);
    return -1;
}

/* Into the module: the run lock is taken and the GIL released, unless it is to be kept. Or -1 with an exception set or
 * a failure recorded, and neither. */
static ALWAYS_INLINE int enter(call_t *call, double seconds, int entering) {
    sc_library *library = call->library;
    sc_lock_status status = sc_runlock_try(library->lock);
    if (status != SC_LOCK_OK || library->handle == NULL || library->depth >= SC_MAX_NESTED)
        return enter_slowly(call, status, seconds, entering);
    library->depth++;
    if (!call->keeps_gil) call->state = PyEval_SaveThread();
    return 0;
}

/* Back with the caller, who still holds the run lock: what the module returned may be memory of its own. */
static inline int leave(call_t *call, int rc) {
    call->library->depth--;
    if (!call->keeps_gil) PyEval_RestoreThread(call->state);
    /* Code that may use Python may fail as Python does. */
    else if (PyErr_Occurred()) return record_exception(call);
    return rc;
}

/* Field by field: sc_int() is put together in memory here, and copying it from there at once stalls. */
static inline int encode_argument(call_t *call, PyObject *o, size_t i, sc_value *out) {
    if (PyLong_CheckExact(o) && PyUnstable_Long_IsCompact((PyLongObject *)o)) {
        out->tag = SC_INT;
        out->as.integer = PyUnstable_Long_CompactValue((PyLongObject *)o);
    } else if (PyFloat_CheckExact(o)) {
        out->tag = SC_DOUBLE;
        out->as.number = PyFloat_AS_DOUBLE(o);
    } else {
        return sc_encode_plain(&call->arena, call->here, o, (Py_ssize_t)i, out);
    }
    out->flags = 0;
    out->length = 0;
    return 0;
}

static int encode_arguments(call_t *call, const sc_native *fn, PyObject *const *args, size_t n, sc_value *values) {
    const sc_type *type = fn->types;
    if (type != NULL && check_count(call, type, n) < 0) return -1;
    for (size_t i = 0; i < n; i++) {
        if (encode_argument(call, args[i], i, &values[i]) < 0) return -1;
        if (type == NULL) continue;
        if (i < fn->types->count) type += i == 0 ? 1 : type->span;
        if (type->tag == values[i].tag) continue;
        place_t place = { NULL, i };
        if (check(call, type, &values[i], &place, 1) < 0) return -1;
    }
    return 0;
}

static PyObject *finish(call_t *call, const sc_native *fn, sc_value *out) {
    const sc_type *type = fn->types == NULL ? NULL : fn->types + fn->types->span;
    if (type == NULL || type->tag == out->tag) {
        /* Read field by field: copying what the module has just written field by field would stall. */
        if (out->tag == SC_INT) return PyLong_FromLongLong(out->as.integer);
        if (out->tag == SC_DOUBLE) return PyFloat_FromDouble(out->as.number);
    }
    sc_value value;
    if (prepare_value(call, out, &value) < 0) return NULL;
    if (type != NULL && type->tag != value.tag) {
        place_t place = { NULL, RESULT };
        if (check(call, type, &value, &place, 0) < 0) return NULL;
        if (type->letter == 'd') value = sc_double((double)value.as.integer);
    }
    return decode(call, &value);
}

/* Whether a reload has put another build in place while this thread waited: its state has gone there. */
static inline int is_stale(sc_fresh *fresh) {
    if (fresh == NULL || atomic_load_explicit(fresh->current, memory_order_acquire) == fresh->expected) return 0;
    fresh->stale = 1;
    return 1;
}

PyObject *sc_native_call(sc_native *fn, sc_interp *here, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                         sc_fresh *fresh) {
    call_t call;
    sc_value few[FEW], out = sc_nil(), *values = few;
    PyObject *result = NULL;
    assert(here == fn->library->home);
    begin(&call, fn->library, fn, fn->name, here);
    if (nargs > FEW) values = sc_arena_alloc(&call.arena, (size_t)nargs * sizeof *values);
    if (values == NULL) {
        PyErr_NoMemory();
    } else if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) != 0) {
        record(&call, FAILED, "TypeError", "%s() takes no keyword arguments", fn->name);
    } else if (encode_arguments(&call, fn, args, (size_t)nargs, values) == 0 && enter(&call, -1, 1) == 0) {
        int stale = is_stale(fresh);
        int rc = leave(&call, stale ? -1 : fn->function(&call.ctx, values, (size_t)nargs, &out));
        if (rc == 0) result = finish(&call, fn, &out);
        if (result == NULL && !stale) raise_failure(&call);
        sc_runlock_release(fn->library->lock);
        end(&call);
        return result;
    }
    raise_failure(&call);
    end(&call);
    return NULL;
}

/* ---- callbacks of the module ------------------------------------------------------------------------------- */

static const char *const step_names[] = { "load",   "start", "pause",   "resume",    "stop",
                                          "unload", "save",  "restore", "statistics" };

static int (*plain_step(const sc_module *module, sc_step step))(sc_ctx *) {
    switch (step) {
    case SC_LOAD: return module->load;
    case SC_START: return module->start;
    case SC_PAUSE: return module->pause;
    case SC_RESUME: return module->resume;
    case SC_STOP: return module->stop;
    default: return NULL;
    }
}

int sc_library_has(const sc_library *library, sc_step step) {
    const sc_module *module = &library->table;
    switch (step) {
    case SC_UNLOAD: return module->unload != NULL;
    case SC_SAVE: return module->save != NULL;
    case SC_RESTORE: return module->restore != NULL;
    case SC_STATISTICS: return module->statistics != NULL;
    default: return plain_step(module, step) != NULL;
    }
}

static int run_step(const sc_module *module, sc_step step, sc_ctx *ctx, const sc_value *state, sc_value *out) {
    switch (step) {
    case SC_UNLOAD: module->unload(ctx); return 0;
    case SC_SAVE: return module->save(ctx, out);
    case SC_RESTORE: return module->restore(ctx, state);
    case SC_STATISTICS: return module->statistics(ctx, out);
    default: return plain_step(module, step)(ctx);
    }
}

static PyObject *finish_step(call_t *call, const sc_value *out) {
    sc_value value;
    return prepare_value(call, out, &value) < 0 ? NULL : decode(call, &value);
}

PyObject *sc_library_step(sc_library *library, sc_step step, PyObject *state, double seconds, int entering) {
    call_t call;
    sc_value given = sc_nil(), out = sc_nil();
    PyObject *result = NULL;
    if (!sc_library_has(library, step)) Py_RETURN_NONE;
    begin(&call, library, NULL, step_names[step], library->home);
    if ((state == NULL || sc_encode(&call.arena, library->home, state, -1, &given) == 0) &&
        enter(&call, seconds, entering) == 0) {
        int rc = leave(&call, run_step(library->module, step, &call.ctx, &given, &out));
        if (rc == 0) result = finish_step(&call, &out);
        if (result == NULL) raise_failure(&call);
        sc_runlock_release(library->lock);
    } else {
        raise_failure(&call);
    }
    end(&call);
    return result;
}

/* ---- the life of a library ------------------------------------------------------------------------------------- */

static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;
static void **open_handles; /* under open_mutex; a free slot is NULL */
static size_t open_slots;

void *sc_handle_open(const char *path, const char **why) {
    *why = NULL;
    pthread_mutex_lock(&open_mutex);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    size_t slot = 0, vacant = open_slots;
    if (handle == NULL) *why = dlerror();
    for (; handle != NULL && slot < open_slots; slot++) {
        if (open_handles[slot] == NULL && slot < vacant) vacant = slot;
        if (open_handles[slot] != handle) continue;
        dlclose(handle);
        handle = NULL;
    }
    if (handle != NULL && vacant == open_slots) {
        void **larger = realloc(open_handles, (open_slots + 1) * sizeof *larger);
        if (larger == NULL) {
            dlclose(handle);
            handle = NULL;
            *why = "out of memory";
        } else {
            open_handles = larger;
            open_slots++;
        }
    }
    if (handle != NULL) open_handles[vacant] = handle;
    pthread_mutex_unlock(&open_mutex);
    return handle;
}

void sc_handle_close(void *handle, int stays) {
    pthread_mutex_lock(&open_mutex);
    if (!stays) dlclose(handle);
    for (size_t slot = 0; slot < open_slots; slot++) {
        if (open_handles[slot] == handle) open_handles[slot] = NULL;
    }
    pthread_mutex_unlock(&open_mutex);
}

static char *copy_of(const char *text) { return text == NULL ? NULL : strdup(text); }

static int copy_export(sc_native *fn, const sc_export *source, uint32_t flags) {
    fn->keeps_gil = (flags & SC_KEEP_GIL) != 0;
    fn->function = source->function;
    fn->name = copy_of(source->name);
    fn->signature = copy_of(source->signature);
    fn->doc = copy_of(source->doc);
    if (source->signature != NULL) fn->types = calloc(sc_signature_room(source->signature), sizeof *fn->types);
    return fn->name == NULL || (source->signature != NULL && (fn->signature == NULL || fn->types == NULL)) ? -1 : 0;
}

sc_library *sc_library_new(void *handle, const sc_module *module, const char *path, sc_runlock *lock, sc_interp *home) {
    size_t count = 0;
    while (module->exports != NULL && sc_module_export(module, count)->name != NULL) count++;
    sc_library *library = calloc(1, sizeof *library + count * sizeof *library->functions);
    if (library == NULL) return NULL;
    library->count = count;
    library->source = copy_of(path);
    library->lock = lock;
    library->home = home;
    sc_runlock_retain(lock);
    sc_interp_retain(home);
    memcpy(&library->table, module, module->abi == 1 ? offsetof(sc_module, flags) : sizeof *module);
    int failed = library->source == NULL;
    for (size_t i = 0; i < count && !failed; i++) {
        const sc_export *entry = sc_module_export(module, i);
        library->functions[i].library = library;
        failed = copy_export(&library->functions[i], entry, library->table.flags | (module->abi == 1 ? 0 : entry->flags)) < 0;
    }
    if (!failed) {
        library->handle = handle;
        library->module = &library->table;
        return library;
    }
    sc_library_free(library);
    return NULL;
}

static int replace_text(char **text, const char *by) {
    char *copy = strdup(by);
    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    free(*text);
    *text = copy;
    return 0;
}

int sc_library_locate(sc_library *library, const char *source) { return replace_text(&library->source, source); }

int sc_native_locate(sc_native *fn, const char *source, int line) {
    fn->line = line;
    return replace_text(&fn->source, source);
}

void sc_library_free(sc_library *library) {
    sc_kept_clear(&library->kept);
    if (library->handle != NULL) sc_handle_close(library->handle, library->stays);
    for (size_t i = 0; i < library->count; i++) {
        sc_native *fn = &library->functions[i];
        free(fn->name);
        free(fn->signature);
        free(fn->source);
        free(fn->doc);
        free(fn->types);
    }
    sc_runlock_drop(library->lock);
    sc_interp_drop(library->home);
    free(library->source);
    free(library);
}

int sc_library_close(sc_library *library, double seconds) {
    void *handle = NULL;
    PyThreadState *state = PyEval_SaveThread();
    sc_lock_status status = sc_runlock_acquire(library->lock, seconds, 0);
    PyEval_RestoreThread(state);
    if (status != SC_LOCK_OK) return 0;
    int idle = library->depth == 0;
    if (idle) {
        handle = library->handle;
        library->handle = NULL;
        library->module = NULL;
        sc_kept_clear(&library->kept);
    }
    state = PyEval_SaveThread();
    if (handle != NULL) sc_handle_close(handle, library->stays);
    sc_runlock_release(library->lock);
    PyEval_RestoreThread(state);
    sc_drain_pending(library->home);
    return idle;
}

/* ---- NativeFunction ------------------------------------------------------------------------------------------------ */

typedef struct native_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    sc_native *fn;
    PyObject *owner; /* the NativeLibrary */
} native_object;

static PyObject *native_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    sc_native *fn = ((native_object *)self)->fn;
    return sc_native_call(fn, fn->library->home, args, PyVectorcall_NARGS(nargsf), kwnames, NULL);
}

static int native_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((native_object *)self)->owner);
    return 0;
}

static void native_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(((native_object *)self)->owner);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *native_repr(PyObject *self) {
    return PyUnicode_FromFormat("<NativeFunction %s>", ((native_object *)self)->fn->name);
}

static PyObject *text_or_none(const char *text) { return text == NULL ? Py_NewRef(Py_None) : text_of(text); }

static PyObject *native_name(PyObject *self, void *closure) {
    (void)closure;
    return text_of(((native_object *)self)->fn->name);
}

static PyObject *native_signature(PyObject *self, void *closure) {
    (void)closure;
    return text_or_none(((native_object *)self)->fn->signature);
}

static PyObject *native_doc(PyObject *self, void *closure) {
    (void)closure;
    return text_or_none(((native_object *)self)->fn->doc);
}

static PyMemberDef native_members[] = {
    { "__vectorcalloffset__", Py_T_PYSSIZET, offsetof(native_object, vectorcall), Py_READONLY, NULL },
    { NULL, 0, 0, 0, NULL },
};

static PyGetSetDef native_getset[] = {
    { "name", native_name, NULL, "By which the module exports it.", NULL },
    { "__name__", native_name, NULL, NULL, NULL },
    { "signature", native_signature, NULL, "Letters of the arguments, a colon, the result; None: unchecked.", NULL },
    { "__doc__", native_doc, NULL, NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

/* No tp_clear: the cycle it can be part of runs through the host's closures, which have one. */
static PyType_Slot native_slots[] = {
    { Py_tp_dealloc, native_dealloc },   { Py_tp_traverse, native_traverse }, { Py_tp_call, PyVectorcall_Call },
    { Py_tp_repr, native_repr },         { Py_tp_members, native_members },   { Py_tp_getset, native_getset },
    { 0, NULL },
};

static PyType_Spec native_spec = {
    .name = "scriptnative._native.NativeFunction",
    .basicsize = sizeof(native_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = native_slots,
};

PyObject *sc_native_type_new(PyObject *module) { return PyType_FromModuleAndSpec(module, &native_spec, NULL); }

PyObject *sc_native_wrap(PyObject *type, PyObject *owner, sc_native *fn) {
    native_object *self = (native_object *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self == NULL) return NULL;
    self->vectorcall = native_vectorcall;
    self->fn = fn;
    self->owner = Py_NewRef(owner);
    return (PyObject *)self;
}

sc_native *sc_native_unwrap(PyObject *object) {
    return Py_TYPE(object)->tp_dealloc == native_dealloc ? ((native_object *)object)->fn : NULL;
}

/* function.c: the Function type, the handle by which a script's function is called. */
#include "function.h"

#include "luacross.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- Function ----------------------------------------------------------------------------------------- */

sc_cell *sc_cell_new(void) {
    sc_cell *cell = calloc(1, sizeof *cell);
    if (cell == NULL) return NULL;
    atomic_init(&cell->refs, 1);
    atomic_init(&cell->serial, 1);
    return cell;
}

void sc_cell_drop(sc_cell *cell) {
    if (atomic_fetch_sub(&cell->refs, 1) != 1) return;
    sc_calls_drop(cell->record);
    free(cell);
}

void sc_cell_record_into(sc_cell *cell, sc_calls *calls, uint32_t script) {
    sc_calls_retain(calls);
    cell->record = calls;
    cell->script = script;
}

typedef struct function_object function_object;
typedef PyObject *(*invoker)(function_object *, PyObject *const *, Py_ssize_t, PyObject *, sc_fresh *);

struct function_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    invoker invoke;
    unsigned serial; /* of the generation it is bound to; 0: not bound */
    sc_cell *cell;
    sc_interp *here;
    sc_ref *ref;
    sc_native *native;
    PyObject *target; /* what `native` belongs to, or the callable */
    PyObject *name;
    PyObject *resolve;
    PyObject *weakrefs;
    PyObject *last_error; /* its text; NULL: none yet */
    sc_stats stats;
    unsigned under_way; /* calls that are not on record; under the GIL, as stats */
};

static __thread unsigned resolving; /* the generation that this thread looks a function up for */

/* Whether it failed because a reload closed what it went to. */
static int was_replaced(function_object *function, unsigned serial) {
    PyObject *closed = function->here->closed_error;
    return closed != NULL && PyErr_ExceptionMatches(closed) && atomic_load(&function->cell->serial) != serial;
}

/* Bind to the running generation, if that is not the one it is bound to. Another thread may bind it meanwhile, to
   another generation even: its serial tells which one it was, and the call finds out whether that still runs. */
static int make_current(function_object *function) {
    for (;;) {
        unsigned serial = atomic_load_explicit(&function->cell->serial, memory_order_acquire);
        if (function->serial == serial) return 0;
        unsigned outer = resolving;
        resolving = serial;
        PyObject *bound = PyObject_CallOneArg(function->resolve, (PyObject *)function);
        resolving = outer;
        if (bound != NULL) {
            Py_DECREF(bound);
            if (function->invoke != NULL) return 0;
            PyErr_SetString(PyExc_SystemError, "the function was not bound");
        }
        if (!was_replaced(function, serial)) return -1;
        PyErr_Clear();
    }
}

/* The text of the pending exception becomes the function's last error; it stays pending. */
static void note_error(function_object *function) {
    PyObject *error = PyErr_GetRaisedException();
    PyObject *text = error == NULL ? NULL : PyObject_Str(error);
    if (text == NULL) PyErr_Clear();
    else Py_XSETREF(function->last_error, text);
    PyErr_SetRaisedException(error);
}

static const char *name_of(const function_object *function) {
    const char *name = PyUnicode_AsUTF8(function->name);
    if (name == NULL) PyErr_Clear();
    return name == NULL ? "?" : name;
}

static inline PyObject *perform(function_object *function, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    sc_cell *cell = function->cell;
    sc_fresh fresh = { &cell->serial, 0, 0 };
    uint64_t begin = sc_stats_begin(&function->stats);
    PyObject *result;
    for (;;) {
        if (make_current(function) < 0) return NULL;
        fresh.expected = function->serial;
        fresh.stale = 0;
        result = function->invoke(function, args, nargs, kwnames, &fresh);
        if (result != NULL) break;
        if (!fresh.stale) {
            if (!was_replaced(function, fresh.expected)) break;
            PyErr_Clear();
        }
    }
    if (result == NULL) note_error(function);
    sc_cell_count(cell, result == NULL);
    sc_stats_end(&function->stats, begin, result == NULL);
    return result;
}

static __attribute__((noinline)) PyObject *perform_on_record(function_object *function, PyObject *const *args,
                                                             Py_ssize_t nargs, PyObject *kwnames) {
    sc_call call;
    sc_cell *cell = function->cell;
    sc_call_begin(&call, cell->record, cell->script, name_of(function), NULL, args, nargs, kwnames, NULL);
    PyObject *result = perform(function, args, nargs, kwnames);
    sc_call_end(&call, result);
    return result;
}

static PyObject *function_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    function_object *function = (function_object *)self;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (sc_calls_on(function->cell->record)) return perform_on_record(function, args, nargs, kwnames);
    function->under_way++;
    PyObject *result = perform(function, args, nargs, kwnames);
    function->under_way--;
    return result;
}

/* Each way holds what it calls: a reload during the call may bind the handle anew. */

static PyObject *invoke_reference(function_object *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                sc_fresh *fresh) {
    sc_ref *ref = f->ref;
    sc_ref_retain(ref);
    PyObject *result = sc_reference_call(f->here, ref, args, nargs, kwnames, SC_LOCKED, fresh);
    sc_ref_release(ref);
    return result;
}

static PyObject *invoke_native(function_object *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                sc_fresh *fresh) {
    PyObject *owner = Py_NewRef(f->target);
    PyObject *result = sc_native_call(f->native, f->here, args, nargs, kwnames, fresh);
    Py_DECREF(owner);
    return result;
}

static PyObject *invoke_plain(function_object *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                sc_fresh *fresh) {
    (void)fresh;
    PyObject *target = Py_NewRef(f->target);
    PyObject *result = PyObject_Vectorcall(target, args, (size_t)nargs, kwnames);
    Py_DECREF(target);
    return result;
}

static PyObject *invoke_lua(function_object *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                            sc_fresh *fresh) {
    PyObject *target = Py_NewRef(f->target);
    PyObject *result = sc_lua_call_reference(target, args, nargs, kwnames, fresh->current, fresh->expected, &fresh->stale);
    Py_DECREF(target);
    return result;
}

/* All at once: nothing else runs until what it was bound to is let go of. The reference is the function's from here. */
static int set_binding(PyObject *function, invoker invoke, sc_ref *ref, sc_native *native, PyObject *target) {
    function_object *f = (function_object *)function;
    sc_ref *old_ref = f->ref;
    PyObject *old_target = f->target;
    f->invoke = invoke;
    f->ref = ref;
    f->native = native;
    f->target = Py_XNewRef(target);
    f->serial = invoke == NULL ? 0 : resolving;
    if (old_ref != NULL) sc_ref_release(old_ref);
    Py_XDECREF(old_target);
    return 0;
}

int sc_function_bind_reference(PyObject *function, PyObject *reference) {
    sc_ref *ref = sc_reference_unwrap(reference);
    if (ref == NULL) return sc_function_bind_plain(function, reference);
    sc_ref_retain(ref);
    return set_binding(function, invoke_reference, ref, NULL, NULL);
}

int sc_function_bind_native(PyObject *function, PyObject *owner, sc_native *native) {
    return set_binding(function, invoke_native, NULL, native, owner);
}

int sc_function_bind_lua(PyObject *function, PyObject *target) {
    return set_binding(function, invoke_lua, NULL, NULL, target);
}

int sc_function_bind_plain(PyObject *function, PyObject *callable) {
    return set_binding(function, invoke_plain, NULL, NULL, callable);
}

PyObject *sc_function_new(PyObject *type, PyObject *name, PyObject *resolve, sc_cell *cell) {
    function_object *f = (function_object *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (f == NULL) return NULL;
    f->vectorcall = function_vectorcall;
    f->here = sc_interp_current();
    f->name = Py_NewRef(name);
    f->resolve = Py_NewRef(resolve);
    atomic_fetch_add(&cell->refs, 1);
    f->cell = cell;
    return (PyObject *)f;
}

static int function_traverse(PyObject *self, visitproc visit, void *arg) {
    function_object *f = (function_object *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(f->target);
    Py_VISIT(f->resolve);
    return 0;
}

static int function_clear(PyObject *self) {
    function_object *f = (function_object *)self;
    set_binding(self, NULL, NULL, NULL, NULL);
    Py_CLEAR(f->resolve);
    return 0;
}

static void function_dealloc(PyObject *self) {
    function_object *f = (function_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (f->weakrefs != NULL) PyObject_ClearWeakRefs(self);
    function_clear(self);
    Py_XDECREF(f->name);
    Py_XDECREF(f->last_error);
    if (f->cell != NULL) sc_cell_drop(f->cell);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *function_repr(PyObject *self) {
    return PyUnicode_FromFormat("<Function %U>", ((function_object *)self)->name);
}

/* ---- many calls at once ------------------------------------------------------------------------------- */

static int call_each(function_object *f, PyObject *const *items, Py_ssize_t count, PyObject *results) {
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *result = PyObject_Call((PyObject *)f, items[i], NULL);
        int rc = result == NULL ? -1 : PyList_Append(results, result);
        Py_XDECREF(result);
        if (rc < 0) return -1;
    }
    return 0;
}

/* As many calls in one visit as SC_BATCH allows; their time is shared out evenly. */
static int call_some(function_object *f, PyObject *const *items, Py_ssize_t count, PyObject *results) {
    sc_fresh fresh = { &f->cell->serial, 0, 0 };
    if (make_current(f) < 0) return -1;
    if (count > SC_BATCH) count = SC_BATCH;
    if (f->invoke != invoke_reference || !sc_reference_can_batch(f->here, f->ref)) return call_each(f, items, count, results);
    fresh.expected = f->serial;
    sc_ref *ref = f->ref;
    sc_ref_retain(ref);
    Py_ssize_t before = PyList_GET_SIZE(results);
    uint64_t begin = sc_ticks();
    sc_call call = { NULL, NULL, NULL };
    if (sc_calls_on(f->cell->record)) {
        char note[48];
        snprintf(note, sizeof note, "%zd calls at once", count);
        sc_call_begin(&call, f->cell->record, f->cell->script, name_of(f), NULL, NULL, 0, NULL, note);
    }
    int rc = sc_reference_call_batch(f->here, ref, items, count, results, &fresh);
    sc_call_end(&call, rc < 0 ? NULL : Py_None);
    Py_ssize_t done = PyList_GET_SIZE(results) - before + (rc < 0);
    if (rc < 0) note_error(f);
    if (!fresh.stale) sc_stats_add(&f->stats, (uint64_t)done, rc < 0, sc_ticks() - begin);
    for (Py_ssize_t i = 0; !fresh.stale && i < done; i++) sc_cell_count(f->cell, rc < 0 && i + 1 == done);
    sc_ref_release(ref);
    return rc;
}

/* many(list of argument tuples, list for the results): up to the first call that fails. */
static PyObject *function_many(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 2 || !PyList_Check(args[0]) || !PyList_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "many() takes a list of tuples, and a list that receives the results");
        return NULL;
    }
    PyObject *items = PyList_AsTuple(args[0]); /* nobody can change it meanwhile */
    if (items == NULL) return NULL;
    Py_ssize_t first = PyList_GET_SIZE(args[1]), count = PyTuple_GET_SIZE(items), done = 0;
    int rc = 0;
    while (rc == 0 && done < count) {
        rc = call_some((function_object *)self, &PyTuple_GET_ITEM(items, done), count - done, args[1]);
        done = PyList_GET_SIZE(args[1]) - first;
        if (rc == 0) rc = PyErr_CheckSignals();
    }
    Py_DECREF(items);
    if (rc < 0) return NULL;
    Py_RETURN_NONE;
}

/* (calls, errors, total, mean, p50, p99, longest, last error or None), times in seconds. */
static PyObject *function_statistics(PyObject *self, PyObject *Py_UNUSED(none)) {
    const sc_stats *stats = &((function_object *)self)->stats;
    double second = sc_tick_ns() * 1e-9;
    double mean = stats->timed == 0 ? 0.0 : (double)stats->total * second / (double)stats->timed;
    PyObject *last_error = ((function_object *)self)->last_error;
    return Py_BuildValue("(KKdddddO)", (unsigned long long)stats->calls, (unsigned long long)stats->errors,
                         mean * (double)stats->calls, mean, (double)sc_stats_percentile(stats, 0.5) * second,
                         (double)sc_stats_percentile(stats, 0.99) * second, (double)stats->longest * second,
                         last_error == NULL ? Py_None : last_error);
}

static PyMemberDef function_members[] = {
    { "__vectorcalloffset__", Py_T_PYSSIZET, offsetof(function_object, vectorcall), Py_READONLY, NULL },
    { "__weaklistoffset__", Py_T_PYSSIZET, offsetof(function_object, weakrefs), Py_READONLY, NULL },
    { "name", Py_T_OBJECT_EX, offsetof(function_object, name), Py_READONLY, "By which it is looked up." },
    { "under_way", Py_T_UINT, offsetof(function_object, under_way), Py_READONLY,
      "Calls under way that began while calls were not recorded." },
    { NULL },
};

static PyMethodDef function_methods[] = {
    { "many", (PyCFunction)(void (*)(void))function_many, METH_FASTCALL,
      "many(arguments, results): call with each tuple of a list and append what comes back, until one call fails." },
    { "statistics", function_statistics, METH_NOARGS,
      "(calls, errors, total, mean, p50, p99, longest, last error) of its calls; times in seconds." },
    { NULL },
};

static PyType_Slot function_slots[] = {
    { Py_tp_doc, "Cached handle to a function of a script, by name; finds the new one after a reload." },
    { Py_tp_dealloc, function_dealloc },
    { Py_tp_traverse, function_traverse },
    { Py_tp_clear, function_clear },
    { Py_tp_call, PyVectorcall_Call },
    { Py_tp_repr, function_repr },
    { Py_tp_members, function_members },
    { Py_tp_methods, function_methods },
    { 0, NULL },
};

static PyType_Spec function_spec = {
    .name = "scriptnative._native.Function",
    .basicsize = sizeof(function_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = function_slots,
};

PyObject *sc_function_type_new(PyObject *module) { return PyType_FromModuleAndSpec(module, &function_spec, NULL); }

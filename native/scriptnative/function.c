/* function.c: calling through a reference, and the Reference and Function types. */
#include "function.h"

#include "luacross.h"

#include <stddef.h>
#include <stdlib.h>

#define STACK_ARGS 8

/* ---- the call ------------------------------------------------------------------------------------ */

/* Encoded arguments of one call; positional first, then keyword values. */
typedef struct call_t {
    sc_arena arena;
    sc_value inline_values[STACK_ARGS];
    sc_value *values;
    sc_value *names; /* one per keyword */
    Py_ssize_t positional;
    Py_ssize_t keywords;
    sc_value result;
    int failed; /* result describes an exception */
} call_t;

static int encode_arguments(call_t *call, sc_interp *here, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    call->positional = nargs;
    call->keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    Py_ssize_t total = nargs + call->keywords;
    call->values = call->inline_values;
    call->names = NULL;
    if (total > STACK_ARGS) call->values = sc_arena_alloc(&call->arena, (size_t)total * sizeof(sc_value));
    if (call->keywords != 0) call->names = sc_arena_alloc(&call->arena, (size_t)call->keywords * sizeof(sc_value));
    if (call->values == NULL || (call->keywords != 0 && call->names == NULL)) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        if (sc_encode(&call->arena, here, args[i], i, &call->values[i]) < 0) return -1;
    }
    for (Py_ssize_t k = 0; k < call->keywords; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        if (sc_encode(&call->arena, here, name, k, &call->names[k]) < 0) return -1;
        if (sc_encode_keyword(&call->arena, here, args[nargs + k], name, &call->values[nargs + k]) < 0) return -1;
    }
    return 0;
}

static PyObject *decode_names(call_t *call, sc_interp *there) {
    PyObject *names = PyTuple_New(call->keywords);
    for (Py_ssize_t k = 0; names != NULL && k < call->keywords; k++) {
        PyObject *name = sc_decode(there, &call->names[k]);
        if (name == NULL) Py_CLEAR(names);
        else PyTuple_SET_ITEM(names, k, name);
    }
    return names;
}

/* Decode the arguments, call, and return the result; attached to `there`. */
static PyObject *invoke(call_t *call, sc_interp *there, PyObject *target) {
    PyObject *inline_objects[STACK_ARGS + 1], **objects = inline_objects;
    Py_ssize_t total = call->positional + call->keywords, decoded = 0;
    PyObject *names = NULL, *result = NULL;
    if (total > STACK_ARGS) {
        objects = PyMem_Malloc((size_t)(total + 1) * sizeof *objects);
        if (objects == NULL) return PyErr_NoMemory();
    }
    for (; decoded < total; decoded++) {
        objects[decoded + 1] = sc_decode(there, &call->values[decoded]);
        if (objects[decoded + 1] == NULL) break;
    }
    if (decoded == total && call->keywords != 0) names = decode_names(call, there);
    if (decoded == total && (call->keywords == 0 || names != NULL)) {
        size_t flags = (size_t)call->positional | PY_VECTORCALL_ARGUMENTS_OFFSET;
        result = PyObject_Vectorcall(target, objects + 1, flags, names);
    }
    Py_XDECREF(names);
    for (Py_ssize_t i = 0; i < decoded; i++) Py_DECREF(objects[i + 1]);
    if (objects != inline_objects) PyMem_Free(objects);
    return result;
}

/* Call inside `there` and leave the encoded outcome in `call`; nothing of `there` is referred to afterwards. */
static void run_inside(call_t *call, sc_interp *there, PyObject *target) {
    PyObject *result = invoke(call, there, target);
    if (result != NULL) {
        call->failed = sc_encode(&call->arena, there, result, -1, &call->result) < 0;
        Py_DECREF(result);
        if (!call->failed) return;
    }
    call->failed = 1;
    if (sc_describe_exception(&call->arena, there, &call->result) < 0) {
        call->result.tag = SC_NIL;
    }
}

static PyObject *call_at_home(sc_interp *here, sc_ref *ref, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    sc_visit visit;
    sc_lock_status status = sc_visit_begin(&visit, here, 1);
    if (status != SC_LOCK_OK) {
        sc_raise_refused(here, status, here);
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(ref->object, args, (size_t)nargs, kwnames);
    sc_visit_end(&visit);
    return result;
}

static inline int is_stale(sc_fresh *fresh) {
    if (fresh == NULL || atomic_load_explicit(fresh->current, memory_order_acquire) == fresh->expected) return 0;
    fresh->stale = 1;
    return 1;
}

PyObject *sc_reference_call(sc_interp *here, sc_ref *ref, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                            int locked, sc_fresh *fresh) {
    sc_interp *there = ref->home;
    if (there == here) return call_at_home(here, ref, args, nargs, kwnames);
    call_t call;
    sc_visit visit;
    PyObject *result = NULL;
    sc_arena_init(&call.arena);
    if (encode_arguments(&call, here, args, nargs, kwnames) == 0) {
        sc_lock_status status = sc_visit_begin(&visit, there, locked);
        if (status == SC_LOCK_OK && is_stale(fresh)) {
            sc_visit_end(&visit);
        } else if (status == SC_LOCK_OK && ref->tenant != NULL && ref->tenant != atomic_load(&there->lock)) {
            sc_visit_end(&visit);
            sc_raise_refused_by(here, SC_LOCK_CLOSED, sc_runlock_name(ref->tenant));
        } else if (status == SC_LOCK_OK) {
            run_inside(&call, there, ref->object);
            sc_visit_end(&visit);
            if (!call.failed) result = sc_decode(here, &call.result);
            else if (call.result.tag != SC_NIL) sc_raise_described(here, &call.result);
            else PyErr_NoMemory();
        } else {
            sc_raise_refused(here, status, there);
        }
    }
    if (call.arena.kept != NULL) sc_kept_release(&call.arena);
    sc_arena_free(&call.arena);
    sc_drain_pending(here);
    return result;
}

/* ---- Reference -------------------------------------------------------------------------------------- */

typedef struct reference_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    sc_ref *ref;
    sc_interp *here;
    PyObject *weakrefs;
} reference_object;

static PyObject *reference_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    reference_object *reference = (reference_object *)self;
    return sc_reference_call(reference->here, reference->ref, args, PyVectorcall_NARGS(nargsf), kwnames, 1, NULL);
}

static void reference_dealloc(PyObject *self) {
    reference_object *reference = (reference_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (reference->weakrefs != NULL) PyObject_ClearWeakRefs(self);
    if (reference->ref != NULL) sc_ref_release(reference->ref);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *reference_repr(PyObject *self) {
    const reference_object *reference = (reference_object *)self;
    return PyUnicode_FromFormat("<Reference to %s in interpreter %lld>",
                                reference->ref->callable ? "a function" : "an object", (long long)reference->ref->home->id);
}

static Py_hash_t reference_hash(PyObject *self) {
    return Py_HashPointer(((reference_object *)self)->ref->object);
}

static PyObject *reference_compare(PyObject *a, PyObject *b, int op) {
    const sc_ref *left = sc_reference_unwrap(a), *right = sc_reference_unwrap(b);
    if (left == NULL || right == NULL || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    int same = left->home == right->home && left->object == right->object;
    return PyBool_FromLong(op == Py_EQ ? same : !same);
}

static PyObject *reference_is_callable(PyObject *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(((reference_object *)self)->ref->callable);
}

static PyMemberDef reference_members[] = {
    { "__vectorcalloffset__", Py_T_PYSSIZET, offsetof(reference_object, vectorcall), Py_READONLY, NULL },
    { "__weaklistoffset__", Py_T_PYSSIZET, offsetof(reference_object, weakrefs), Py_READONLY, NULL },
    { NULL },
};

static PyGetSetDef reference_getset[] = {
    { "callable", reference_is_callable, NULL, "Whether the object behind it can be called.", NULL },
    { NULL },
};

static PyType_Slot reference_slots[] = {
    { Py_tp_doc, "Handle to an object of another runtime; released there when the last handle goes." },
    { Py_tp_dealloc, reference_dealloc },
    { Py_tp_call, PyVectorcall_Call },
    { Py_tp_repr, reference_repr },
    { Py_tp_hash, reference_hash },
    { Py_tp_richcompare, reference_compare },
    { Py_tp_members, reference_members },
    { Py_tp_getset, reference_getset },
    { 0, NULL },
};

static PyType_Spec reference_spec = {
    .name = "scriptnative._native.Reference",
    .basicsize = sizeof(reference_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reference_slots,
};

sc_ref *sc_reference_unwrap(PyObject *object) {
    /* By deallocator: each interpreter has a type of its own, and looking it up would cost more. */
    return Py_TYPE(object)->tp_dealloc == reference_dealloc ? ((reference_object *)object)->ref : NULL;
}

PyObject *sc_reference_call_unlocked(PyObject *object, PyObject *args) {
    sc_ref *ref = sc_reference_unwrap(object);
    if (ref == NULL) return PyObject_CallObject(object, args);
    sc_interp *here = ((reference_object *)object)->here;
    return sc_reference_call(here, ref, &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args), NULL, 0, NULL);
}

PyObject *sc_reference_wrap(sc_interp *here, sc_ref *ref) {
    if (ref->home == here) return Py_NewRef(ref->object);
    if (here->reference_type == NULL) {
        sc_raise(here, SC_E_CROSSING, "an object cannot enter this interpreter before it has imported scriptnative");
        return NULL;
    }
    reference_object *self = (reference_object *)here->reference_type->tp_alloc(here->reference_type, 0);
    if (self == NULL) return NULL;
    sc_ref_retain(ref);
    self->ref = ref;
    self->here = here;
    self->vectorcall = reference_vectorcall;
    return (PyObject *)self;
}

/* ---- Function ----------------------------------------------------------------------------------------- */

sc_cell *sc_cell_new(void) {
    sc_cell *cell = calloc(1, sizeof *cell);
    if (cell == NULL) return NULL;
    atomic_init(&cell->refs, 1);
    atomic_init(&cell->serial, 1);
    return cell;
}

void sc_cell_drop(sc_cell *cell) {
    if (atomic_fetch_sub(&cell->refs, 1) == 1) free(cell);
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
};

/* Bind to the running generation, if that is not the one it is bound to. */
static int make_current(function_object *function) {
    unsigned serial = atomic_load_explicit(&function->cell->serial, memory_order_acquire);
    if (function->serial == serial) return 0;
    PyObject *bound = PyObject_CallOneArg(function->resolve, (PyObject *)function);
    if (bound == NULL) return -1;
    Py_DECREF(bound);
    if (function->invoke == NULL) {
        PyErr_SetString(PyExc_SystemError, "the function was not bound");
        return -1;
    }
    function->serial = serial;
    return 0;
}

/* Whether a call failed because a reload closed what it went to. */
static int was_replaced(function_object *function, unsigned serial) {
    PyObject *closed = function->here->closed_error;
    return closed != NULL && PyErr_ExceptionMatches(closed) && atomic_load(&function->cell->serial) != serial;
}

static PyObject *function_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    function_object *function = (function_object *)self;
    sc_cell *cell = function->cell;
    sc_fresh fresh = { &cell->serial, 0, 0 };
    PyObject *result;
    for (;;) {
        if (make_current(function) < 0) return NULL;
        fresh.expected = function->serial;
        fresh.stale = 0;
        result = function->invoke(function, args, PyVectorcall_NARGS(nargsf), kwnames, &fresh);
        if (result != NULL) break;
        if (!fresh.stale) {
            if (!was_replaced(function, fresh.expected)) break;
            PyErr_Clear();
        }
    }
    sc_cell_count(cell, result == NULL);
    return result;
}

/* Each way holds what it calls: a reload during the call may bind the handle anew. */

static PyObject *invoke_reference(function_object *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                sc_fresh *fresh) {
    sc_ref *ref = f->ref;
    sc_ref_retain(ref);
    PyObject *result = sc_reference_call(f->here, ref, args, nargs, kwnames, 1, fresh);
    sc_ref_release(ref);
    return result;
}

static PyObject *invoke_native(function_object *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                sc_fresh *fresh) {
    (void)fresh; /* its library is closed with its generation */
    PyObject *owner = Py_NewRef(f->target);
    PyObject *result = sc_native_call(f->native, f->here, args, nargs, kwnames);
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

static void unbind(function_object *f) {
    f->invoke = NULL;
    if (f->ref != NULL) sc_ref_release(f->ref);
    f->ref = NULL;
    f->native = NULL;
    Py_CLEAR(f->target);
}

int sc_function_bind_reference(PyObject *function, PyObject *reference) {
    function_object *f = (function_object *)function;
    sc_ref *ref = sc_reference_unwrap(reference);
    unbind(f);
    if (ref == NULL) return sc_function_bind_plain(function, reference);
    sc_ref_retain(ref);
    f->ref = ref;
    f->invoke = invoke_reference;
    return 0;
}

int sc_function_bind_native(PyObject *function, PyObject *owner, sc_native *native) {
    function_object *f = (function_object *)function;
    unbind(f);
    f->target = Py_NewRef(owner);
    f->native = native;
    f->invoke = invoke_native;
    return 0;
}

int sc_function_bind_lua(PyObject *function, PyObject *target) {
    function_object *f = (function_object *)function;
    unbind(f);
    f->target = Py_NewRef(target);
    f->invoke = invoke_lua;
    return 0;
}

int sc_function_bind_plain(PyObject *function, PyObject *callable) {
    function_object *f = (function_object *)function;
    unbind(f);
    f->target = Py_NewRef(callable);
    f->invoke = invoke_plain;
    return 0;
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
    f->serial = 0;
    unbind(f);
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
    if (f->cell != NULL) sc_cell_drop(f->cell);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *function_repr(PyObject *self) {
    return PyUnicode_FromFormat("<Function %U>", ((function_object *)self)->name);
}

static PyMemberDef function_members[] = {
    { "__vectorcalloffset__", Py_T_PYSSIZET, offsetof(function_object, vectorcall), Py_READONLY, NULL },
    { "__weaklistoffset__", Py_T_PYSSIZET, offsetof(function_object, weakrefs), Py_READONLY, NULL },
    { "name", Py_T_OBJECT_EX, offsetof(function_object, name), Py_READONLY, "By which it is looked up." },
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
    { 0, NULL },
};

static PyType_Spec function_spec = {
    .name = "scriptnative._native.Function",
    .basicsize = sizeof(function_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = function_slots,
};

PyObject *sc_types_new(PyObject *module) {
    sc_interp *here = sc_interp_current();
    if (here == NULL) return NULL;
    PyObject *reference = PyType_FromModuleAndSpec(module, &reference_spec, NULL);
    PyObject *function = reference == NULL ? NULL : PyType_FromModuleAndSpec(module, &function_spec, NULL);
    PyObject *types = function == NULL ? NULL : PyTuple_Pack(2, reference, function);
    if (types != NULL) Py_XSETREF(here->reference_type, (PyTypeObject *)Py_NewRef(reference));
    Py_XDECREF(reference);
    Py_XDECREF(function);
    return types;
}

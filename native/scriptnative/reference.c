/* reference.c: calling through a reference, and the Reference types. */
#include "reference.h"

#include "operate.h"

#include <stddef.h>

#define STACK_ARGS 8

/* ---- the call ------------------------------------------------------------------------------------ */

/* Encoded arguments of one call; positional first, then keyword values. */
typedef struct call_t {
    sc_arena *arena;
    sc_value inline_values[STACK_ARGS];
    sc_value *values;
    sc_value *names; /* one per keyword */
    Py_ssize_t positional;
    Py_ssize_t keywords;
    sc_op op;
    int manner;
    sc_value result;
    int failed; /* result describes an exception */
    int ended;  /* the iterator has: result is what its StopIteration carried */
} call_t;

static int encode_arguments(call_t *call, sc_interp *here, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    call->positional = nargs;
    call->keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    Py_ssize_t total = nargs + call->keywords;
    call->values = call->inline_values;
    call->names = NULL;
    if (total > STACK_ARGS) call->values = sc_arena_alloc(call->arena, (size_t)total * sizeof(sc_value));
    if (call->keywords != 0) call->names = sc_arena_alloc(call->arena, (size_t)call->keywords * sizeof(sc_value));
    if (call->values == NULL || (call->keywords != 0 && call->names == NULL)) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        if (sc_encode(call->arena, here, args[i], i, &call->values[i]) < 0) return -1;
    }
    for (Py_ssize_t k = 0; k < call->keywords; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        if (sc_encode(call->arena, here, name, k, &call->names[k]) < 0) return -1;
        if (sc_encode_keyword(call->arena, here, args[nargs + k], name, &call->values[nargs + k]) < 0) return -1;
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

/* Decode the arguments, do what is to be done, and return the result; attached to `there`. */
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
        if (call->op == SC_OP_CALL) result = PyObject_Vectorcall(target, objects + 1, flags, names);
        else result = sc_operate(there, call->op, target, objects + 1, call->positional, names, &call->ended);
    }
    Py_XDECREF(names);
    for (Py_ssize_t i = 0; i < decoded; i++) Py_DECREF(objects[i + 1]);
    if (objects != inline_objects) PyMem_Free(objects);
    return result;
}

/* What a function returns is waited for; what somebody looks at is not. */
static int is_waited_for(const call_t *call) {
    return (call->op == SC_OP_CALL || call->op == SC_OP_METHOD) && !(call->manner & SC_AS_IS);
}

/* Do it inside `there` and leave the encoded outcome in `call`; nothing of `there` is referred to afterwards. */
static void run_inside(call_t *call, sc_interp *there, PyObject *target) {
    PyObject *result = invoke(call, there, target);
    if (result != NULL && sc_is_awaitable(result) && is_waited_for(call)) result = sc_run_awaitable(there, result);
    if (result != NULL) {
        if (call->op == SC_OP_COPY) call->failed = sc_encode_plain(call->arena, there, result, -1, &call->result) < 0;
        else call->failed = sc_encode(call->arena, there, result, -1, &call->result) < 0;
        Py_DECREF(result);
        if (!call->failed) return;
    }
    call->failed = 1;
    if (sc_describe_exception(call->arena, there, &call->result) < 0) {
        call->result.tag = SC_NIL;
    }
}

static PyObject *call_at_home(sc_interp *here, sc_ref *ref, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    sc_visit visit;
    sc_lock_status status = sc_visit_begin(&visit, here, ref->tenant, 1);
    if (status != SC_LOCK_OK) {
        sc_raise_refused(here, status, here);
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(ref->object, args, (size_t)nargs, kwnames);
    sc_visit_end(&visit);
    return result;
}

/* What a call brought back. */
static PyObject *take_outcome(call_t *call, sc_interp *here) {
    if (call->failed && call->result.tag == SC_NIL) return PyErr_NoMemory();
    if (call->failed) {
        sc_raise_described(here, &call->result);
        return NULL;
    }
    PyObject *result = sc_decode(here, &call->result);
    if (!call->ended || result == NULL) return result;
    /* An iterator ends by returning NULL; the exception is needed for a value only. */
    PyObject *stop = result == Py_None ? NULL : PyObject_CallOneArg(PyExc_StopIteration, result);
    Py_DECREF(result);
    if (stop != NULL) PyErr_SetRaisedException(stop);
    return NULL;
}

/* A script that lived in the interpreter before the one that does now. */
static inline int is_of_earlier_tenant(const sc_ref *ref) {
    return ref->tenant != NULL && !ref->home->is_main && ref->tenant != atomic_load(&ref->home->lock);
}

/* Begin the visit in which something is done with what is behind `ref`. 0; or -1: refused (an exception is set), or
 * stale. */
static int begin(sc_visit *visit, sc_interp *here, sc_ref *ref, int locked, sc_fresh *fresh) {
    sc_lock_status status = sc_visit_begin(visit, ref->home, ref->tenant, locked);
    if (status != SC_LOCK_OK) {
        if (ref->home->is_main && ref->tenant != NULL) sc_raise_refused_by(here, status, sc_runlock_name(ref->tenant));
        else sc_raise_refused(here, status, ref->home);
        return -1;
    }
    int stale = sc_is_stale(fresh), gone = is_of_earlier_tenant(ref);
    if (!stale && !gone) return 0;
    sc_visit_end(visit);
    if (!stale) sc_raise_refused_by(here, SC_LOCK_CLOSED, sc_runlock_name(ref->tenant));
    return -1;
}

static PyObject *cross(call_t *call, sc_interp *here, sc_ref *ref, sc_fresh *fresh) {
    sc_visit visit;
    if (begin(&visit, here, ref, call->manner & SC_LOCKED, fresh) < 0) return NULL;
    run_inside(call, ref->home, ref->object);
    sc_visit_end(&visit);
    return take_outcome(call, here);
}

static PyObject *perform(sc_interp *here, sc_ref *ref, sc_op op, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames, int manner, sc_fresh *fresh) {
    sc_arena arena;
    call_t call = { .arena = &arena, .op = op, .manner = manner };
    PyObject *result = NULL;
    sc_arena_init(&arena);
    if (encode_arguments(&call, here, args, nargs, kwnames) == 0) result = cross(&call, here, ref, fresh);
    if (arena.kept != NULL) sc_kept_release(&arena);
    sc_arena_free(&arena);
    sc_drain_pending(here);
    return result;
}

PyObject *sc_reference_call(sc_interp *here, sc_ref *ref, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                            int manner, sc_fresh *fresh) {
    if (sc_is_at_home(here, ref)) return call_at_home(here, ref, args, nargs, kwnames);
    return perform(here, ref, SC_OP_CALL, args, nargs, kwnames, manner, fresh);
}

/* ---- many calls at once ------------------------------------------------------------------------------- */

/* Encode the arguments of up to SC_BATCH calls; how many succeeded. Fewer than `count`: with an exception set. */
static Py_ssize_t encode_batch(call_t *calls, sc_arena *arena, sc_interp *here, PyObject *const *items, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        calls[i] = (call_t){ .arena = arena, .op = SC_OP_CALL, .manner = SC_LOCKED };
        if (!PyTuple_Check(items[i])) {
            PyErr_Format(PyExc_TypeError, "the arguments of each call must be a tuple, got %T", items[i]);
            return i;
        }
        if (encode_arguments(&calls[i], here, &PyTuple_GET_ITEM(items[i], 0), PyTuple_GET_SIZE(items[i]), NULL) < 0) return i;
    }
    return count;
}

/* Run them in one visit, up to the first that fails; how many were run. 0: refused (an exception is set), or stale. */
static Py_ssize_t run_batch(call_t *calls, Py_ssize_t count, sc_interp *here, sc_ref *ref, sc_fresh *fresh) {
    sc_visit visit;
    Py_ssize_t run = 0;
    if (begin(&visit, here, ref, 1, fresh) < 0) return 0;
    while (run < count) {
        run_inside(&calls[run], ref->home, ref->object);
        if (calls[run++].failed) break;
    }
    sc_visit_end(&visit);
    return run;
}

static int append_results(call_t *calls, Py_ssize_t run, sc_interp *here, PyObject *results) {
    for (Py_ssize_t i = 0; i < run; i++) {
        PyObject *result = take_outcome(&calls[i], here);
        int rc = result == NULL ? -1 : PyList_Append(results, result);
        Py_XDECREF(result);
        if (rc < 0) return -1;
    }
    return 0;
}

int sc_reference_can_batch(const sc_interp *here, const sc_ref *ref) {
    return !sc_is_at_home(here, ref) && !is_of_earlier_tenant(ref);
}

int sc_reference_call_batch(sc_interp *here, sc_ref *ref, PyObject *const *items, Py_ssize_t count, PyObject *results,
                            sc_fresh *fresh) {
    call_t *calls = PyMem_Malloc(SC_BATCH * sizeof *calls);
    if (calls == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    sc_arena arena;
    sc_arena_init(&arena);
    Py_ssize_t encoded = encode_batch(calls, &arena, here, items, count);
    PyObject *refused = encoded < count ? PyErr_GetRaisedException() : NULL;
    Py_ssize_t run = encoded == 0 ? 0 : run_batch(calls, encoded, here, ref, fresh);
    int rc = PyErr_Occurred() ? -1 : append_results(calls, run, here, results);
    if (rc == 0 && refused != NULL && !fresh->stale) {
        PyErr_SetRaisedException(refused);
        rc = -1;
    } else {
        Py_XDECREF(refused);
    }
    if (arena.kept != NULL) sc_kept_release(&arena);
    sc_arena_free(&arena);
    PyMem_Free(calls);
    sc_drain_pending(here);
    return rc;
}

/* ---- Reference -------------------------------------------------------------------------------------- */

typedef struct reference_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    sc_ref *ref;
    sc_interp *here;
    PyObject *weakrefs;
    int writable; /* its memory was asked for to be written */
} reference_object;

static PyObject *operate(PyObject *self, sc_op op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    reference_object *reference = (reference_object *)self;
    return perform(reference->here, reference->ref, op, args, nargs, kwnames, SC_LOCKED, NULL);
}

static PyObject *reference_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    return operate(self, SC_OP_CALL, args, PyVectorcall_NARGS(nargsf), kwnames);
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
    const sc_ref *ref = ((reference_object *)self)->ref;
    return PyUnicode_FromFormat("<Reference to a %s of %s>", ref->type_name, sc_ref_owner(ref));
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

static int check_count(const char *method, Py_ssize_t nargs, Py_ssize_t wanted) {
    if (nargs == wanted) return 0;
    PyErr_Format(PyExc_TypeError, "Reference.%s() takes %zd argument%s, got %zd", method, wanted, wanted == 1 ? "" : "s", nargs);
    return -1;
}

static PyObject *reference_get(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    return check_count("get", nargs, 1) < 0 ? NULL : operate(self, SC_OP_GET, args, nargs, NULL);
}

static PyObject *reference_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    return check_count("set", nargs, 2) < 0 ? NULL : operate(self, SC_OP_SET, args, nargs, NULL);
}

static PyObject *reference_call(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    if (nargs == 0) {
        PyErr_SetString(PyExc_TypeError, "Reference.call() needs the name of a method");
        return NULL;
    }
    return operate(self, SC_OP_METHOD, args, nargs, kwnames);
}

static PyObject *reference_copy(PyObject *self, PyObject *Py_UNUSED(none)) {
    return operate(self, SC_OP_COPY, NULL, 0, NULL);
}

static PyObject *reference_type_name(PyObject *self, void *Py_UNUSED(closure)) {
    return PyUnicode_DecodeUTF8(((reference_object *)self)->ref->type_name,
                                (Py_ssize_t)strlen(((reference_object *)self)->ref->type_name), "replace");
}

static PyObject *reference_owner(PyObject *self, void *Py_UNUSED(closure)) {
    const char *owner = sc_ref_owner(((reference_object *)self)->ref);
    return PyUnicode_DecodeUTF8(owner, (Py_ssize_t)strlen(owner), "replace");
}

static PyObject *reference_is_callable(PyObject *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(((reference_object *)self)->ref->kind == SC_REF_CALLABLE);
}

static PyMemberDef reference_members[] = {
    { "__weaklistoffset__", Py_T_PYSSIZET, offsetof(reference_object, weakrefs), Py_READONLY, NULL },
    { NULL },
};

static PyGetSetDef reference_getset[] = {
    { "callable", reference_is_callable, NULL, "Whether the object behind it can be called.", NULL },
    { "type_name", reference_type_name, NULL, "Name of the object's type.", NULL },
    { "owner", reference_owner, NULL, "Alias of the script it is from.", NULL },
    { NULL },
};

static PyMethodDef reference_methods[] = {
    { "get", (PyCFunction)(void (*)(void))reference_get, METH_FASTCALL, "Value of an attribute." },
    { "set", (PyCFunction)(void (*)(void))reference_set, METH_FASTCALL, "Set an attribute." },
    { "call", (PyCFunction)(void (*)(void))reference_call, METH_FASTCALL | METH_KEYWORDS, "Call a method, by its name." },
    { "copy", reference_copy, METH_NOARGS, "Its value as the built-in type it is derived from." },
    { NULL },
};

static PyType_Slot reference_slots[] = {
    { Py_tp_doc, "Handle to an object of another runtime; released there when the last handle goes." },
    { Py_tp_dealloc, reference_dealloc },
    { Py_tp_repr, reference_repr },
    { Py_tp_hash, reference_hash },
    { Py_tp_richcompare, reference_compare },
    { Py_tp_members, reference_members },
    { Py_tp_getset, reference_getset },
    { Py_tp_methods, reference_methods },
    { 0, NULL },
};

#define REFERENCE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE)

static PyType_Spec reference_spec = {
    .name = "scriptnative._native.Reference",
    .basicsize = sizeof(reference_object),
    .flags = REFERENCE_FLAGS | Py_TPFLAGS_BASETYPE,
    .slots = reference_slots,
};

/* ---- a callable ------------------------------------------------------------------------------------- */

static PyMemberDef callable_members[] = {
    { "__vectorcalloffset__", Py_T_PYSSIZET, offsetof(reference_object, vectorcall), Py_READONLY, NULL },
    { NULL },
};

static PyType_Slot callable_slots[] = {
    { Py_tp_doc, "Reference to a function, or to anything else that can be called." },
    { Py_tp_dealloc, reference_dealloc },
    { Py_tp_call, PyVectorcall_Call },
    { Py_tp_members, callable_members },
    { 0, NULL },
};

static PyType_Spec callable_spec = {
    .name = "scriptnative._native.CallableReference",
    .basicsize = sizeof(reference_object),
    .flags = REFERENCE_FLAGS | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = callable_slots,
};

/* ---- an iterator ------------------------------------------------------------------------------------ */

static PyObject *iterator_next(PyObject *self) { return operate(self, SC_OP_NEXT, NULL, 0, NULL); }

static PyObject *iterator_close(PyObject *self, PyObject *Py_UNUSED(none)) {
    return operate(self, SC_OP_CLOSE, NULL, 0, NULL);
}

static PyMethodDef iterator_methods[] = {
    { "close", iterator_close, METH_NOARGS, "Close the generator where it lives; it yields no more." },
    { NULL },
};

static PyType_Slot iterator_slots[] = {
    { Py_tp_doc, "Reference to a generator or other iterator: each item is fetched when it is asked for." },
    { Py_tp_dealloc, reference_dealloc },
    { Py_tp_iter, PyObject_SelfIter },
    { Py_tp_iternext, iterator_next },
    { Py_tp_methods, iterator_methods },
    { 0, NULL },
};

static PyType_Spec iterator_spec = {
    .name = "scriptnative._native.IteratorReference",
    .basicsize = sizeof(reference_object),
    .flags = REFERENCE_FLAGS,
    .slots = iterator_slots,
};

/* ---- memory ------------------------------------------------------------------------------------------- */

static PyObject *wrap(sc_interp *here, sc_ref *ref, int writable) {
    PyTypeObject *type = here->reference_types[ref->kind];
    reference_object *self = (reference_object *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    sc_ref_retain(ref);
    self->ref = ref;
    self->here = here;
    self->vectorcall = reference_vectorcall;
    self->writable = writable;
    return (PyObject *)self;
}

/* A memoryview of the memory behind `ref`, which has it. */
static PyObject *view_of(sc_interp *here, sc_ref *ref, int writable) {
    if (writable && PyMemoryView_GET_BUFFER(ref->view)->readonly) {
        PyErr_Format(PyExc_BufferError, "the %s of %s is read-only", ref->type_name, sc_ref_owner(ref));
        return NULL;
    }
    PyObject *exporter = wrap(here, ref, writable), *view = NULL;
    if (exporter != NULL) view = PyMemoryView_FromObject(exporter);
    Py_XDECREF(exporter);
    return view;
}

/* Export what `sent` describes as far as the consumer can take it; see "Buffer request types" in the C API. */
static int export_buffer(PyObject *self, const Py_buffer *sent, Py_buffer *view, int flags, int writable) {
    const char *reason = NULL;
    if ((flags & PyBUF_WRITABLE) && !writable) reason = "it is shared read-only; ask for buffer(writable=True)";
    else if ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS && !PyBuffer_IsContiguous(sent, 'C')) reason = "it is not C-contiguous";
    else if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !PyBuffer_IsContiguous(sent, 'F')) reason = "it is not Fortran-contiguous";
    else if ((flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS && !PyBuffer_IsContiguous(sent, 'A')) reason = "it is not contiguous";
    else if (!(flags & PyBUF_INDIRECT & ~PyBUF_STRIDES) && sent->suboffsets != NULL) reason = "it has suboffsets";
    else if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !PyBuffer_IsContiguous(sent, 'C')) reason = "it is not C-contiguous";
    if (reason != NULL) {
        view->obj = NULL;
        PyErr_Format(PyExc_BufferError, "shared memory cannot be used like this: %s", reason);
        return -1;
    }
    *view = *sent;
    view->obj = Py_NewRef(self);
    view->internal = NULL;
    view->readonly = !writable;
    if (!(flags & PyBUF_FORMAT)) view->format = NULL;
    if (!(flags & PyBUF_ND)) {
        view->ndim = 1;
        view->shape = NULL;
    }
    if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES) view->strides = NULL;
    return 0;
}

static int buffer_get(PyObject *self, Py_buffer *view, int flags) {
    reference_object *reference = (reference_object *)self;
    const sc_ref *ref = reference->ref;
    if (ref->view != NULL) {
        return export_buffer(self, PyMemoryView_GET_BUFFER(ref->view), view, flags, reference->writable);
    }
    view->obj = NULL;
    PyObject *fetched = operate(self, SC_OP_VIEW, NULL, 0, NULL);
    int rc = fetched == NULL ? -1 : PyObject_GetBuffer(PyMemoryView_GET_BASE(fetched), view, flags);
    Py_XDECREF(fetched);
    return rc;
}

static PyObject *buffer_buffer(PyObject *self, PyObject *args, PyObject *named) {
    static char *keywords[] = { "writable", NULL };
    reference_object *reference = (reference_object *)self;
    int writable = 0;
    if (!PyArg_ParseTupleAndKeywords(args, named, "|$p:buffer", keywords, &writable)) return NULL;
    if (reference->ref->view != NULL) return view_of(reference->here, reference->ref, writable);
    PyObject *fetched = operate(self, SC_OP_VIEW, NULL, 0, NULL);
    if (fetched == NULL || !writable) return fetched;
    PyObject *view = view_of(reference->here, sc_reference_unwrap(PyMemoryView_GET_BASE(fetched)), writable);
    Py_DECREF(fetched);
    return view;
}

static PyMethodDef buffer_methods[] = {
    { "buffer", (PyCFunction)(void (*)(void))buffer_buffer, METH_VARARGS | METH_KEYWORDS,
      "A memoryview of the object's own memory, not of a copy." },
    { NULL },
};

static PyType_Slot buffer_slots[] = {
    { Py_tp_doc, "Reference to an object whose memory can be shared, such as an array." },
    { Py_tp_dealloc, reference_dealloc },
    { Py_tp_methods, buffer_methods },
    { Py_bf_getbuffer, buffer_get },
    { 0, NULL },
};

static PyType_Spec buffer_spec = {
    .name = "scriptnative._native.BufferReference",
    .basicsize = sizeof(reference_object),
    .flags = REFERENCE_FLAGS,
    .slots = buffer_slots,
};

/* ---- in and out --------------------------------------------------------------------------------------- */

sc_ref *sc_reference_unwrap(PyObject *object) {
    /* By deallocator: each interpreter has types of its own, and looking them up would cost more. */
    return Py_TYPE(object)->tp_dealloc == reference_dealloc ? ((reference_object *)object)->ref : NULL;
}

PyObject *sc_reference_call_with(PyObject *object, PyObject *args, int manner) {
    sc_ref *ref = sc_reference_unwrap(object);
    if (ref == NULL) return PyObject_CallObject(object, args);
    sc_interp *here = ((reference_object *)object)->here;
    return sc_reference_call(here, ref, &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args), NULL, manner, NULL);
}

/* What stands for an object of another script. */
static PyObject *wrap_foreign(sc_interp *here, sc_ref *ref) {
    if (here->reference_types[SC_REF_OBJECT] == NULL) {
        sc_raise(here, SC_E_CROSSING, "an object cannot enter this interpreter before it has imported scriptnative");
        return NULL;
    }
    if (ref->view != NULL) return view_of(here, ref, 0);
    if (ref->recipe != NULL) {
        /* The bytes object is another interpreter's: only its memory is read. */
        PyObject *recipe = PyBytes_FromStringAndSize(PyBytes_AS_STRING(ref->recipe), PyBytes_GET_SIZE(ref->recipe));
        PyObject *value = recipe == NULL ? NULL : PyObject_CallOneArg(here->rebuild_portable, recipe);
        Py_XDECREF(recipe);
        return value;
    }
    return wrap(here, ref, 0);
}

PyObject *sc_reference_wrap(sc_interp *here, sc_ref *ref) {
    return sc_is_at_home(here, ref) ? Py_NewRef(ref->object) : wrap_foreign(here, ref);
}

PyObject *sc_reference_into(sc_runlock *tenant, PyObject *object) {
    sc_interp *here = sc_interp_current();
    sc_tenant_place before;
    if (here == NULL || sc_tenant_enter(tenant, &before) < 0) return NULL;
    sc_ref *ref = sc_ref_new(here, object);
    sc_tenant_leave(&before);
    if (ref == NULL) return NULL;
    PyObject *reference = wrap(here, ref, 0);
    sc_ref_release(ref);
    return reference;
}

PyObject *sc_reference_types_new(PyObject *module) {
    PyType_Spec *specs[SC_KINDS] = { &reference_spec, &callable_spec, &iterator_spec, &buffer_spec, &buffer_spec };
    sc_interp *here = sc_interp_current();
    PyObject *types = here == NULL ? NULL : PyTuple_New(SC_KINDS), *base = NULL;
    for (Py_ssize_t kind = 0; types != NULL && kind < SC_KINDS; kind++) {
        PyObject *type;
        if (kind == SC_REF_MEMORY) type = Py_NewRef(PyTuple_GET_ITEM(types, SC_REF_BUFFER));
        else type = PyType_FromModuleAndSpec(module, specs[kind], base);
        if (type == NULL) Py_CLEAR(types);
        else PyTuple_SET_ITEM(types, kind, type);
        if (kind == 0) base = type;
    }
    for (Py_ssize_t kind = 0; types != NULL && kind < SC_KINDS; kind++) {
        Py_XSETREF(here->reference_types[kind], (PyTypeObject *)Py_NewRef(PyTuple_GET_ITEM(types, kind)));
    }
    return types;
}

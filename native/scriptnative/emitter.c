/* emitter.c: the loop over the subscribers of a hook, without a frame or a tuple of its own for each message. */
#include "emitter.h"

#include <stddef.h>

/* ---- Tally ---------------------------------------------------------------------------------------- */

typedef struct tally_object {
    PyObject_HEAD
    unsigned long long calls, errors; /* under the GIL of the main interpreter */
    PyObject *name;
    sc_calls *record;
    unsigned script;
    int is_handle; /* what is called goes on record by itself */
} tally_object;

static __attribute__((noinline)) PyObject *call_on_record(tally_object *tally, PyObject *callable, PyObject *const *args,
                                                          Py_ssize_t nargs, PyObject *hook) {
    PyObject *text = PyUnicode_FromFormat("hook %U", hook);
    const char *caller = text == NULL ? NULL : PyUnicode_AsUTF8(text), *function = PyUnicode_AsUTF8(tally->name);
    sc_call call = { NULL, NULL, NULL };
    PyErr_Clear(); /* of a name that UTF-8 cannot write */
    if (caller == NULL) caller = "hook";
    if (tally->is_handle) sc_calls_label(caller);
    else sc_call_begin(&call, tally->record, tally->script, function == NULL ? "?" : function, caller, args, nargs, NULL, NULL);
    PyObject *result = PyObject_Vectorcall(callable, args, (size_t)nargs, NULL);
    sc_calls_label(NULL);
    sc_call_end(&call, result);
    Py_XDECREF(text);
    return result;
}

/* What a subscriber gives; NULL with its exception. */
static inline PyObject *call_counted(tally_object *tally, PyObject *callable, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *hook) {
    PyObject *result;
    tally->calls++;
    if (!sc_calls_on(tally->record)) result = PyObject_Vectorcall(callable, args, (size_t)nargs, NULL);
    else result = call_on_record(tally, callable, args, nargs, hook);
    if (result == NULL) tally->errors++;
    return result;
}

/* call(hook, callback, args): as an emission calls it. */
static PyObject *tally_call(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 3 || !PyUnicode_Check(args[0]) || !PyTuple_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "call() takes the name of a hook, a callable and a tuple");
        return NULL;
    }
    return call_counted((tally_object *)self, args[1], &PyTuple_GET_ITEM(args[2], 0), PyTuple_GET_SIZE(args[2]), args[0]);
}

static PyObject *tally_count(PyObject *self, PyObject *failed) {
    int is_error = PyObject_IsTrue(failed);
    if (is_error < 0) return NULL;
    ((tally_object *)self)->calls++;
    ((tally_object *)self)->errors += (unsigned)is_error;
    Py_RETURN_NONE;
}

static void tally_dealloc(PyObject *object) {
    tally_object *self = (tally_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->name);
    sc_calls_drop(self->record);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef tally_members[] = {
    { "calls", Py_T_ULONGLONG, offsetof(tally_object, calls), Py_READONLY, "How often." },
    { "errors", Py_T_ULONGLONG, offsetof(tally_object, errors), Py_READONLY, "Those that raised." },
    { "name", Py_T_OBJECT_EX, offsetof(tally_object, name), Py_READONLY, "Of what is counted." },
    { NULL },
};

static PyMethodDef tally_methods[] = {
    { "call", (PyCFunction)(void (*)(void))tally_call, METH_FASTCALL,
      "call(hook, callback, args): call as an emission does: counted, and on record." },
    { "count", tally_count, METH_O, "count(failed): count what was done by other means." },
    { NULL },
};

static PyType_Slot tally_slots[] = {
    { Py_tp_doc, "Counts of one subscriber of a hook, or of the hook itself." },
    { Py_tp_dealloc, tally_dealloc },
    { Py_tp_members, tally_members },
    { Py_tp_methods, tally_methods },
    { 0, NULL },
};

static PyType_Spec tally_spec = {
    .name = "scriptnative._native.Tally",
    .basicsize = sizeof(tally_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tally_slots,
};

PyObject *sc_tally_type_new(PyObject *module) { return PyType_FromModuleAndSpec(module, &tally_spec, NULL); }

PyObject *sc_tally_new(PyObject *type, PyObject *name, sc_calls *record, unsigned script, int is_handle) {
    tally_object *self = (tally_object *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self == NULL) return NULL;
    self->name = Py_NewRef(name);
    if (record != NULL) sc_calls_retain(record);
    self->record = record;
    self->script = script;
    self->is_handle = is_handle;
    return (PyObject *)self;
}

static int is_tally(PyObject *object) { return Py_TYPE(object)->tp_dealloc == tally_dealloc; }

/* ---- Emitter -------------------------------------------------------------------------------------- */

typedef struct emitter_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *subscribers;
    PyObject *settle;
    PyObject *unheard;
} emitter_object;

static PyObject *pack(PyObject *const *args, Py_ssize_t count) {
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++) PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    return tuple;
}

/* Steals `answer`. */
static PyObject *hand_over(emitter_object *self, PyObject *const *args, Py_ssize_t nargs, PyObject *about,
                           Py_ssize_t index, PyObject *answer) {
    PyObject *rest = pack(args + 1, nargs - 1), *result = NULL;
    if (rest != NULL) result = PyObject_CallFunction(self->settle, "OOnOO", args[0], about, index, rest, answer);
    Py_XDECREF(rest);
    Py_DECREF(answer);
    return result;
}

static int check_entry(PyObject *entry) {
    int fits = PyTuple_CheckExact(entry) && PyTuple_GET_SIZE(entry) == 4 && PyTuple_CheckExact(PyTuple_GET_ITEM(entry, 0)) &&
               PyTuple_CheckExact(PyTuple_GET_ITEM(entry, 1)) && is_tally(PyTuple_GET_ITEM(entry, 2)) &&
               PyTuple_GET_SIZE(PyTuple_GET_ITEM(entry, 0)) == PyTuple_GET_SIZE(PyTuple_GET_ITEM(entry, 1));
    if (!fits) PyErr_SetString(PyExc_TypeError, "an entry must be (callables, their tallies, a tally, anything)");
    return fits ? 0 : -1;
}

static PyObject *emit(PyObject *emitter, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    emitter_object *self = (emitter_object *)emitter;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs < 1 || kwnames != NULL) {
        PyErr_SetString(PyExc_TypeError, "the name of a hook is needed, and then only positional arguments");
        return NULL;
    }
    PyObject *entry = PyDict_GetItemWithError(self->subscribers, args[0]);
    if (entry == NULL) return PyErr_Occurred() ? NULL : PyObject_CallOneArg(self->unheard, args[0]);
    if (check_entry(entry) < 0) return NULL;
    Py_INCREF(entry); /* a subscriber may change who subscribes */
    PyObject *callables = PyTuple_GET_ITEM(entry, 0), *tallies = PyTuple_GET_ITEM(entry, 1);
    ((tally_object *)PyTuple_GET_ITEM(entry, 2))->calls++;
    Py_ssize_t count = PyTuple_GET_SIZE(callables), index = 0;
    PyObject *result = NULL;
    for (; index < count; index++) {
        tally_object *tally = (tally_object *)PyTuple_GET_ITEM(tallies, index);
        PyObject *answer = call_counted(tally, PyTuple_GET_ITEM(callables, index), args + 1, nargs - 1, args[0]);
        if (answer == Py_None) {
            Py_DECREF(answer);
            continue;
        }
        if (answer == NULL) {
            answer = PyErr_GetRaisedException();
            if (!PyErr_GivenExceptionMatches(answer, PyExc_Exception)) { /* the emitting thread's own end */
                PyErr_SetRaisedException(answer);
                break;
            }
        }
        result = hand_over(self, args, nargs, PyTuple_GET_ITEM(entry, 3), index, answer);
        break;
    }
    if (index == count) result = PyLong_FromSsize_t(count);
    Py_DECREF(entry);
    return result;
}

static int emitter_traverse(PyObject *object, visitproc visit, void *arg) {
    emitter_object *self = (emitter_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->subscribers);
    Py_VISIT(self->settle);
    Py_VISIT(self->unheard);
    return 0;
}

static int emitter_clear(PyObject *object) {
    emitter_object *self = (emitter_object *)object;
    Py_CLEAR(self->subscribers);
    Py_CLEAR(self->settle);
    Py_CLEAR(self->unheard);
    return 0;
}

static void emitter_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    emitter_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef emitter_members[] = {
    { "__vectorcalloffset__", Py_T_PYSSIZET, offsetof(emitter_object, vectorcall), Py_READONLY, NULL },
    { NULL },
};

static PyType_Slot emitter_slots[] = {
    { Py_tp_doc, "emit(hook, *args): call the subscribers of a hook; how many took it." },
    { Py_tp_dealloc, emitter_dealloc },
    { Py_tp_traverse, emitter_traverse },
    { Py_tp_clear, emitter_clear },
    { Py_tp_call, PyVectorcall_Call },
    { Py_tp_members, emitter_members },
    { 0, NULL },
};

static PyType_Spec emitter_spec = {
    .name = "scriptnative._native.Emitter",
    .basicsize = sizeof(emitter_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = emitter_slots,
};

PyObject *sc_emitter_type_new(PyObject *module) { return PyType_FromModuleAndSpec(module, &emitter_spec, NULL); }

PyObject *sc_emitter_new(PyObject *type, PyObject *subscribers, PyObject *settle, PyObject *unheard) {
    emitter_object *self = (emitter_object *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self == NULL) return NULL;
    self->vectorcall = emit;
    self->subscribers = Py_NewRef(subscribers);
    self->settle = Py_NewRef(settle);
    self->unheard = Py_NewRef(unheard);
    return (PyObject *)self;
}

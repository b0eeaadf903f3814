/* emitter.c: the loop over the subscribers of a hook, without a frame or a tuple of its own for each message. */
#include "emitter.h"

#include <stddef.h>

typedef struct emitter_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *subscribers;
    PyObject *settle;
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

static PyObject *emit(PyObject *emitter, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    emitter_object *self = (emitter_object *)emitter;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs < 1 || kwnames != NULL) {
        PyErr_SetString(PyExc_TypeError, "the name of a hook is needed, and then only positional arguments");
        return NULL;
    }
    PyObject *entry = PyDict_GetItemWithError(self->subscribers, args[0]);
    if (entry == NULL) return PyErr_Occurred() ? NULL : PyLong_FromLong(0);
    if (!PyTuple_CheckExact(entry) || PyTuple_GET_SIZE(entry) != 2 || !PyTuple_CheckExact(PyTuple_GET_ITEM(entry, 0)))
        return PyErr_Format(PyExc_TypeError, "an entry must be (tuple of callables, anything)");
    Py_INCREF(entry); /* a subscriber may change who subscribes */
    PyObject *callables = PyTuple_GET_ITEM(entry, 0);
    Py_ssize_t count = PyTuple_GET_SIZE(callables), index = 0;
    PyObject *result = NULL;
    for (; index < count; index++) {
        PyObject *answer = PyObject_Vectorcall(PyTuple_GET_ITEM(callables, index), args + 1, (size_t)(nargs - 1), NULL);
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
        result = hand_over(self, args, nargs, PyTuple_GET_ITEM(entry, 1), index, answer);
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
    return 0;
}

static int emitter_clear(PyObject *object) {
    emitter_object *self = (emitter_object *)object;
    Py_CLEAR(self->subscribers);
    Py_CLEAR(self->settle);
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

PyObject *sc_emitter_new(PyObject *type, PyObject *subscribers, PyObject *settle) {
    emitter_object *self = (emitter_object *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self == NULL) return NULL;
    self->vectorcall = emit;
    self->subscribers = Py_NewRef(subscribers);
    self->settle = Py_NewRef(settle);
    return (PyObject *)self;
}

/* operate.c: attributes, methods, iteration and memory of an object that somebody outside refers to. */
#include "operate.h"

/* An object of another language, seen through its Python face, finds its attributes itself. */
static int has_face(PyObject *object) {
    PyObject *mark;
    int rc = PyObject_GetOptionalAttrString((PyObject *)Py_TYPE(object), "__sc_object__", &mark);
    if (rc > 0) rc = PyObject_IsTrue(mark);
    Py_XDECREF(mark);
    return rc;
}

static int check_name(PyObject *name) {
    if (PyUnicode_Check(name)) return 0;
    PyErr_Format(PyExc_TypeError, "the name of an attribute must be a str, got %s", Py_TYPE(name)->tp_name);
    return -1;
}

static PyObject *call_face(PyObject *target, const char *method, PyObject *const *args, Py_ssize_t nargs, PyObject *names) {
    PyObject *bound = PyObject_GetAttrString(target, method), *result = NULL;
    if (bound != NULL) result = PyObject_Vectorcall(bound, args, (size_t)nargs, names);
    Py_XDECREF(bound);
    return result;
}

static PyObject *set_attribute(PyObject *target, PyObject *name, PyObject *value) {
    return PyObject_SetAttr(target, name, value) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *call_method(PyObject *target, PyObject *const *args, Py_ssize_t nargs, PyObject *names) {
    PyObject *method = PyObject_GetAttr(target, args[0]), *result = NULL;
    if (method != NULL) result = PyObject_Vectorcall(method, args + 1, (size_t)nargs - 1, names);
    Py_XDECREF(method);
    return result;
}

/* The value a finished iterator returned, None for most; NULL with another exception set. */
static PyObject *end_value(PyObject *kind, int *ended) {
    if (!PyErr_Occurred()) {
        *ended = 1;
        return Py_NewRef(Py_None);
    }
    if (!PyErr_ExceptionMatches(kind)) return NULL;
    PyObject *stop = PyErr_GetRaisedException(), *value = NULL;
    *ended = 1;
    int rc = PyObject_GetOptionalAttrString(stop, "value", &value); /* StopAsyncIteration has none */
    Py_DECREF(stop);
    return rc == 0 ? Py_NewRef(Py_None) : value;
}

static PyObject *next_item(sc_interp *there, PyObject *target, int *ended) {
    if (!PyAsyncGen_CheckExact(target)) {
        PyObject *item = Py_TYPE(target)->tp_iternext(target);
        return item != NULL ? item : end_value(PyExc_StopIteration, ended);
    }
    PyObject *step = Py_TYPE(target)->tp_as_async->am_anext(target);
    PyObject *item = step == NULL ? NULL : sc_run_awaitable(there, step);
    return item != NULL ? item : end_value(PyExc_StopAsyncIteration, ended);
}

static PyObject *close_iterator(sc_interp *there, PyObject *target) {
    PyObject *close;
    const char *name = PyAsyncGen_CheckExact(target) ? "aclose" : "close";
    int rc = PyObject_GetOptionalAttrString(target, name, &close);
    if (rc <= 0) return rc < 0 ? NULL : Py_NewRef(Py_None);
    PyObject *result = PyObject_CallNoArgs(close);
    Py_DECREF(close);
    return result != NULL && sc_is_awaitable(result) ? sc_run_awaitable(there, result) : result;
}

static PyObject *copy_base(PyObject *target) {
    if (PyLong_Check(target) || PyFloat_Check(target) || PyUnicode_Check(target) || PyBytes_Check(target) ||
        PyByteArray_Check(target) || PyList_Check(target) || PyTuple_Check(target) || PyDict_Check(target) ||
        PyAnySet_Check(target))
        return Py_NewRef(target);
    PyErr_Format(PyExc_TypeError, "a %s has no built-in base to copy it as; use get() and call()", Py_TYPE(target)->tp_name);
    return NULL;
}

PyObject *sc_operate(sc_interp *there, sc_op op, PyObject *target, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *names, int *ended) {
    if (op == SC_OP_GET || op == SC_OP_SET || op == SC_OP_METHOD) {
        int face = has_face(target);
        if (face < 0) return NULL;
        if (face) return call_face(target, op == SC_OP_GET ? "get" : op == SC_OP_SET ? "set" : "call", args, nargs, names);
        if (check_name(args[0]) < 0) return NULL;
    }
    switch (op) {
    case SC_OP_GET:
        return PyObject_GetAttr(target, args[0]);
    case SC_OP_SET:
        return set_attribute(target, args[0], args[1]);
    case SC_OP_METHOD:
        return call_method(target, args, nargs, names);
    case SC_OP_NEXT:
        return next_item(there, target, ended);
    case SC_OP_CLOSE:
        return close_iterator(there, target);
    case SC_OP_COPY:
        return copy_base(target);
    case SC_OP_VIEW:
        return PyMemoryView_FromObject(target);
    default:
        return PyObject_Vectorcall(target, args, (size_t)nargs, names);
    }
}

PyObject *sc_run_awaitable(sc_interp *there, PyObject *awaitable) {
    PyObject *result = NULL;
    if (there->run_awaitable != NULL) {
        result = PyObject_CallOneArg(there->run_awaitable, awaitable);
    } else if (!PyCoro_CheckExact(awaitable)) {
        return awaitable; /* a future of the host's, which somebody may just carry about */
    } else {
        PyObject *closed = PyObject_CallMethod(awaitable, "close", NULL);
        Py_XDECREF(closed);
        if (closed != NULL) sc_raise(there, SC_E_CROSSING, "the function is `async def`, and there is no loop here to run it; "
                                     "pass a function that starts it and returns");
    }
    Py_DECREF(awaitable);
    return result;
}

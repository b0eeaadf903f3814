/* stop.c: raising an exception at every line, as a trace function; looking after signals. */
#include "stop.h"

#include <string.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <pthread.h>
#endif

#define IMPORTLIB "<frozen importlib" /* how the names of its files begin */

static __thread PyThreadState *insisting; /* where; NULL: nowhere */
static __thread Py_tracefunc tracer_before;
static __thread PyObject *tracer_object_before;

static int is_spared(PyObject *spared, PyObject *file) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(spared); i++) {
        PyObject *prefix = PyTuple_GET_ITEM(spared, i);
        if (PyUnicode_Tailmatch(file, prefix, 0, PY_SSIZE_T_MAX, -1) == 1) return 1;
    }
    return 0;
}

/* `object`: (exception, prefixes). */
static int raise_at(PyObject *object, PyFrameObject *frame, int what, PyObject *Py_UNUSED(argument)) {
    if (what != PyTrace_LINE && what != PyTrace_CALL) return 0;
    PyCodeObject *code = PyFrame_GetCode(frame);
    int spared = is_spared(PyTuple_GET_ITEM(object, 1), code->co_filename);
    Py_DECREF(code);
    if (spared) return 0;
    PyErr_SetNone(PyTuple_GET_ITEM(object, 0));
    return -1;
}

int sc_stop_insist(PyObject *exception, PyObject *spared) {
    PyThreadState *state = PyThreadState_Get();
    if (insisting != NULL) return 0;
    PyObject *object = PyTuple_Pack(2, exception, spared);
    if (object == NULL) return -1;
    tracer_before = state->c_tracefunc;
    tracer_object_before = Py_XNewRef(state->c_traceobj);
    insisting = state;
    PyEval_SetTrace(raise_at, object);
    Py_DECREF(object);
    return 0;
}

void sc_stop_calm(void) {
    if (insisting == NULL || insisting != PyThreadState_Get()) return;
    PyObject *pending = PyErr_GetRaisedException();
    insisting = NULL;
    PyEval_SetTrace(tracer_before, tracer_object_before);
    Py_CLEAR(tracer_object_before);
    PyErr_SetRaisedException(pending);
}

int sc_stop_is_importing(unsigned long thread) {
    int found = 0;
    PyThreadState *state = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; state != NULL && !found; state = PyThreadState_Next(state)) {
        PyFrameObject *frame = state->thread_id == thread ? PyThreadState_GetFrame(state) : NULL;
        if (frame == NULL) continue;
        PyCodeObject *code = PyFrame_GetCode(frame);
        const char *file = PyUnicode_AsUTF8(code->co_filename);
        if (file == NULL) PyErr_Clear();
        else found = strncmp(file, IMPORTLIB, sizeof IMPORTLIB - 1) == 0;
        Py_DECREF(code);
        Py_DECREF(frame);
    }
    return found;
}

static int see_to_signals(void *context) {
    PyThreadState **state = context;
    PyEval_RestoreThread(*state);
    int failed = PyErr_CheckSignals();
    *state = PyEval_SaveThread();
    return failed;
}

static int gets_signals(void) {
#if defined(__linux__)
    return (long)getpid() == syscall(SYS_gettid);
#elif defined(__APPLE__)
    return pthread_main_np();
#else
    return 1;
#endif
}

/* In another interpreter than the main one, CPython does not handle signals. */
int (*sc_signals_look(void))(void *context) {
    return PyInterpreterState_Get() == PyInterpreterState_Main() && gets_signals() ? see_to_signals : NULL;
}

/* interp.c: interpreters, the seats threads take in them, visits and references. */
#include "interp.h"

#include "function.h"
#include "stop.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

/* One thread's thread state in one interpreter. Shared by the thread and the interpreter; freed by the last. */
struct sc_thread {
    atomic_int refs;
    _Atomic uint64_t serial; /* of the interpreter; 0 once that has ended */
    PyThreadState *state;
    pthread_t thread;
    int owned;             /* made by us, so ours to delete */
    unsigned loop_serial;  /* running loop last set */
    int inside;            /* visits under way; under the interpreter's GIL */
    int swept;             /* has cleaned up after threads that ended */
    int interrupted;       /* an asynchronous exception is on its way; under the interpreter's GIL */
    atomic_int orphan;     /* its thread has ended */
    sc_thread *next_of_interp;
    sc_thread *next_of_thread;
};

#define SEAT_CACHE 8

static __thread sc_thread *seats;                   /* of this thread, all interpreters */
static __thread sc_thread *seat_cache[SEAT_CACHE];  /* by serial */
static __thread struct visit_link *visits;          /* innermost first */

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static sc_interp *interps[256]; /* open ones; a slot is reused */
static atomic_ulong last_serial;
static pthread_key_t thread_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- records ----------------------------------------------------------------------------------- */

static void drop_seat(sc_thread *seat) {
    if (atomic_fetch_sub(&seat->refs, 1) == 1) free(seat);
}

static void leave_seats(void *first) {
    sc_thread *seat = first;
    seats = NULL;
    memset(seat_cache, 0, sizeof seat_cache);
    while (seat != NULL) {
        sc_thread *next = seat->next_of_thread;
        atomic_store(&seat->orphan, 1);
        drop_seat(seat);
        seat = next;
    }
}

static void hold_registry(void) { pthread_mutex_lock(&registry); }
static void let_registry_go(void) { pthread_mutex_unlock(&registry); }

static void make_key(void) {
    pthread_key_create(&thread_exit, leave_seats);
    /* A child must not find it locked by a thread that it has not inherited. */
    pthread_atfork(hold_registry, let_registry_go, let_registry_go);
}

static sc_interp *record_new(PyInterpreterState *state) {
    sc_interp *interp = calloc(1, sizeof *interp);
    if (interp == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    pthread_once(&once, make_key);
    atomic_init(&interp->refs, 1);
    atomic_init(&interp->open, 1);
    interp->serial = atomic_fetch_add(&last_serial, 1) + 1;
    interp->state = state;
    interp->id = PyInterpreterState_GetID(state);
    interp->is_main = state == PyInterpreterState_Main();
    pthread_mutex_init(&interp->mutex, NULL);
    return interp;
}

sc_interp *sc_interp_current(void) {
    PyInterpreterState *state = PyInterpreterState_Get();
    sc_interp *found = NULL;
    size_t vacant = sizeof interps / sizeof *interps;
    pthread_mutex_lock(&registry);
    for (size_t i = 0; i < sizeof interps / sizeof *interps && found == NULL; i++) {
        if (interps[i] == NULL) vacant = i < vacant ? i : vacant;
        else if (interps[i]->state == state) found = interps[i];
    }
    if (found == NULL && vacant < sizeof interps / sizeof *interps) {
        found = record_new(state);
        interps[vacant] = found;
    } else if (found == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "more than 256 interpreters are open in this process; unload some scripts");
    }
    pthread_mutex_unlock(&registry);
    return found;
}

void sc_interp_retain(sc_interp *interp) { atomic_fetch_add(&interp->refs, 1); }

void sc_interp_drop(sc_interp *interp) {
    if (atomic_fetch_sub(&interp->refs, 1) != 1) return;
    sc_discard_pending(interp);
    sc_runlock *lock = atomic_load(&interp->lock);
    if (lock != NULL) sc_runlock_drop(lock);
    pthread_mutex_destroy(&interp->mutex);
    free(interp);
}

int sc_interp_set_helpers(PyObject *make_error, PyObject *describe, PyObject *rebuild, PyObject *interrupt,
                          PyObject *closed_error) {
    sc_interp *here = sc_interp_current();
    if (here == NULL) return -1;
    Py_XSETREF(here->make_error, Py_NewRef(make_error));
    Py_XSETREF(here->describe, Py_NewRef(describe));
    Py_XSETREF(here->rebuild, Py_NewRef(rebuild));
    Py_XSETREF(here->interrupt, Py_NewRef(interrupt));
    Py_XSETREF(here->closed_error, Py_NewRef(closed_error));
    return 0;
}

int sc_interp_set_loop(PyObject *set_running_loop, PyObject *loop) {
    sc_interp *here = sc_interp_current();
    if (here == NULL) return -1;
    Py_XSETREF(here->set_running_loop, Py_XNewRef(set_running_loop));
    Py_XSETREF(here->loop, Py_XNewRef(loop));
    here->loop_serial++;
    return 0;
}

void sc_interp_set_lock(sc_interp *interp, sc_runlock *lock) {
    if (lock != NULL) sc_runlock_retain(lock);
    pthread_mutex_lock(&interp->mutex);
    sc_runlock *old = atomic_exchange(&interp->lock, lock);
    pthread_mutex_unlock(&interp->mutex);
    if (old != NULL) sc_runlock_drop(old);
}

sc_runlock *sc_interp_lock(sc_interp *interp) {
    pthread_mutex_lock(&interp->mutex);
    sc_runlock *lock = atomic_load(&interp->lock);
    if (lock != NULL) sc_runlock_retain(lock);
    pthread_mutex_unlock(&interp->mutex);
    return lock;
}

int sc_interp_set_awaiter(PyObject *run_awaitable) {
    sc_interp *here = sc_interp_current();
    if (here == NULL) return -1;
    Py_XSETREF(here->run_awaitable, Py_XNewRef(run_awaitable));
    return 0;
}

int sc_interp_set_portable(PyObject *portable, PyObject *rebuild, PyObject *modules) {
    sc_interp *here = sc_interp_current();
    if (here == NULL) return -1;
    Py_XSETREF(here->portable, Py_NewRef(portable));
    Py_XSETREF(here->rebuild_portable, Py_NewRef(rebuild));
    Py_XSETREF(here->portable_modules, Py_NewRef(modules));
    return 0;
}

sc_interp *sc_interp_next_pending(size_t *slot) {
    sc_interp *found = NULL;
    pthread_mutex_lock(&registry);
    for (; *slot < sizeof interps / sizeof *interps && found == NULL; (*slot)++) {
        sc_interp *interp = interps[*slot];
        if (interp == NULL || !atomic_load(&interp->open) || atomic_load(&interp->pending) == NULL) continue;
        sc_interp_retain(interp);
        found = interp;
    }
    pthread_mutex_unlock(&registry);
    return found;
}

/* ---- errors ------------------------------------------------------------------------------------- */

static void set_exception(PyObject *exception) {
    if (exception == NULL) return;
    if (PyExceptionInstance_Check(exception)) PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    else PyErr_SetString(PyExc_SystemError, "an error helper did not return an exception");
    Py_DECREF(exception);
}

void sc_raise(sc_interp *here, int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PyObject *text = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    if (text == NULL) return;
    if (here->make_error == NULL) PyErr_SetObject(PyExc_RuntimeError, text);
    else set_exception(PyObject_CallFunction(here->make_error, "iO", code, text));
    Py_DECREF(text);
}

void sc_raise_refused_by(sc_interp *here, sc_lock_status status, const char *name) {
    if (status == SC_LOCK_CYCLE) {
        sc_raise(here, SC_E_CYCLE, "calling %s would wait for ever: it waits for a script that waits for this one", name);
    } else if (status == SC_LOCK_CLOSED) {
        sc_raise(here, SC_E_CLOSED, "%s is closed; load it again to call it", name);
    } else {
        sc_raise(here, SC_E_BUSY, "%s is busy", name);
    }
}

void sc_raise_refused(sc_interp *here, sc_lock_status status, sc_interp *to) {
    sc_runlock *lock = atomic_load(&to->lock);
    sc_raise_refused_by(here, status, lock == NULL ? "the script" : sc_runlock_name(lock));
}

/* (type, ""): needs next to no stack. */
static PyObject *describe_briefly(PyObject *exception) {
    PyObject *type = PyObject_GetAttrString(exception, "remote_type");
    if (type != NULL) return Py_BuildValue("(Ns)", type, "");
    PyErr_Clear();
    return Py_BuildValue("(ss)", Py_TYPE(exception)->tp_name, "");
}

int sc_describe_exception(sc_arena *arena, sc_interp *here, sc_value *out) {
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *description;
    if (here->interrupt != NULL && PyErr_GivenExceptionMatches(exception, here->interrupt)) {
        sc_interp_too_late(); /* it has arrived; another one would hit the description */
        sc_tenant_too_late(sc_tenant_current());
    }
    if (here->describe != NULL) description = PyObject_CallOneArg(here->describe, exception);
    else description = Py_BuildValue("(sN)", Py_TYPE(exception)->tp_name, PyObject_Str(exception));
    int rc = description == NULL ? -1 : sc_encode_plain(arena, here, description, -1, out);
    Py_XDECREF(description);
    if (rc < 0) { /* no stack left to describe it, for example: its type alone says more than nothing */
        PyErr_Clear();
        description = describe_briefly(exception);
        rc = description == NULL ? -1 : sc_encode_plain(arena, here, description, -1, out);
        Py_XDECREF(description);
    }
    Py_DECREF(exception);
    if (rc < 0) PyErr_Clear();
    return rc;
}

void sc_raise_described(sc_interp *here, const sc_value *description) {
    PyObject *value = sc_decode(here, description);
    if (value == NULL) return;
    if (here->rebuild == NULL) PyErr_SetObject(PyExc_RuntimeError, value);
    else set_exception(PyObject_CallOneArg(here->rebuild, value));
    Py_DECREF(value);
}

/* ---- seats ---------------------------------------------------------------------------------------- */

static void sweep_orphans(sc_interp *interp) {
    pthread_mutex_lock(&interp->mutex);
    sc_thread *gone = NULL, **link = &interp->threads;
    while (*link != NULL) {
        sc_thread *seat = *link;
        if (!atomic_load(&seat->orphan)) {
            link = &seat->next_of_interp;
            continue;
        }
        *link = seat->next_of_interp;
        seat->next_of_interp = gone;
        gone = seat;
    }
    pthread_mutex_unlock(&interp->mutex);
    while (gone != NULL) {
        sc_thread *next = gone->next_of_interp;
        if (gone->owned) {
            PyThreadState_Clear(gone->state);
            PyThreadState_Delete(gone->state);
        }
        drop_seat(gone);
        gone = next;
    }
}

/* Register `state` (or a new one) as this thread's seat. */
static sc_thread *take_seat(sc_interp *interp, PyThreadState *state) {
    sc_thread *seat = calloc(1, sizeof *seat);
    if (seat == NULL) return NULL;
    seat->owned = state == NULL;
    seat->state = state != NULL ? state : PyThreadState_New(interp->state);
    if (seat->state == NULL) {
        free(seat);
        return NULL;
    }
    atomic_init(&seat->refs, 2);
    seat->thread = pthread_self();
    seat->serial = interp->serial;
    pthread_mutex_lock(&interp->mutex);
    seat->next_of_interp = interp->threads;
    interp->threads = seat;
    pthread_mutex_unlock(&interp->mutex);
    seat->next_of_thread = seats;
    seats = seat;
    pthread_setspecific(thread_exit, seats);
    seat_cache[interp->serial % SEAT_CACHE] = seat;
    return seat;
}

static inline sc_thread *find_seat(const sc_interp *interp) {
    sc_thread *cached = seat_cache[interp->serial % SEAT_CACHE];
    if (cached != NULL && atomic_load_explicit(&cached->serial, memory_order_relaxed) == interp->serial) return cached;
    for (sc_thread *seat = seats; seat != NULL; seat = seat->next_of_thread) {
        if (seat->serial != interp->serial) continue;
        seat_cache[interp->serial % SEAT_CACHE] = seat;
        return seat;
    }
    return NULL;
}

/* A thread that came from `interp` goes back by the state it left there, never by a second one. */
static sc_thread *seat_for(sc_interp *interp) {
    sc_thread *seat = find_seat(interp);
    if (seat != NULL) return seat;
    for (struct visit_link *link = visits; link != NULL; link = link->outer) {
        if (PyThreadState_GetInterpreter(link->state) == interp->state) return take_seat(interp, link->state);
    }
    return take_seat(interp, NULL);
}

/* ---- visits ----------------------------------------------------------------------------------------- */

static void show_loop(sc_interp *to, sc_thread *seat) {
    seat->loop_serial = to->loop_serial;
    if (to->set_running_loop == NULL) return;
    PyObject *loop = to->loop == NULL ? Py_None : to->loop;
    PyObject *result = PyObject_CallOneArg(to->set_running_loop, loop);
    if (result == NULL) PyErr_WriteUnraisable(to->set_running_loop);
    Py_XDECREF(result);
}

/* Take the lock with the GIL of `from` released; attached to `from` again in the end. */
static sc_lock_status wait_for_lock(sc_visit *visit) {
    PyEval_SaveThread();
    sc_lock_status status = sc_runlock_acquire(visit->lock, -1, 1);
    PyEval_RestoreThread(visit->from);
    return status;
}

static void change_seat(sc_visit *visit, sc_thread *seat) {
    visit->link.state = visit->from;
    visit->link.outer = visits;
    visits = &visit->link;
    PyThreadState_Swap(seat->state);
    seat->inside++;
    if (!seat->swept) { /* a new thread comes along about as often as an old one ends */
        seat->swept = 1;
        sweep_orphans(visit->to);
    }
    sc_drain_pending(visit->to);
    /* Only a thread that comes from outside: one that is here already has, or runs, a loop of its own. */
    if (seat->inside == 1 && seat->loop_serial != visit->to->loop_serial) show_loop(visit->to, seat);
}

/* What comes too late must not hit the next, innocent call. */
static void calm_seat(sc_thread *seat) {
    seat->interrupted = 0;
    PyThreadState_SetAsyncExc((unsigned long)seat->thread, NULL);
    sc_stop_calm();
}

static void leave_seat(sc_visit *visit) {
    sc_thread *seat = visit->seat;
    if (seat == NULL) return;
    if (--seat->inside == 0 && seat->interrupted) calm_seat(seat);
    PyThreadState_Swap(visit->from);
    visits = visit->link.outer;
}

sc_lock_status sc_visit_begin(sc_visit *visit, sc_interp *to, sc_runlock *tenant, int locked) {
    visit->to = to;
    visit->from = PyThreadState_Get();
    visit->lock = !locked ? NULL : to->is_main ? tenant : atomic_load(&to->lock);
    atomic_fetch_add(&to->visitors, 1);
    if (!atomic_load(&to->open)) {
        atomic_fetch_sub(&to->visitors, 1);
        return SC_LOCK_CLOSED;
    }
    sc_thread *seat = NULL;
    if (PyThreadState_GetInterpreter(visit->from) != to->state) {
        seat = seat_for(to);
        if (seat == NULL) {
            atomic_fetch_sub(&to->visitors, 1);
            return SC_LOCK_BUSY;
        }
    }
    if (visit->lock != NULL) {
        sc_lock_status status = sc_runlock_try(visit->lock);
        if (status == SC_LOCK_BUSY) status = wait_for_lock(visit);
        if (status != SC_LOCK_OK) {
            atomic_fetch_sub(&to->visitors, 1);
            return status;
        }
    }
    visit->seat = seat;
    if (seat != NULL) change_seat(visit, seat);
    if (to->is_main && sc_tenant_enter(tenant, &visit->place) < 0) {
        PyErr_Clear();
        leave_seat(visit);
        if (visit->lock != NULL) sc_runlock_release(visit->lock);
        atomic_fetch_sub(&to->visitors, 1);
        return SC_LOCK_BUSY;
    }
    return SC_LOCK_OK;
}

void sc_visit_end(sc_visit *visit) {
    int is_main = visit->to->is_main;
    if (is_main) { /* a tenant is given up, and left, under the main interpreter's GIL */
        if (visit->lock != NULL) sc_runlock_release(visit->lock);
        sc_tenant_leave(&visit->place);
    }
    leave_seat(visit);
    if (!is_main && visit->lock != NULL) sc_runlock_release(visit->lock);
    atomic_fetch_sub(&visit->to->visitors, 1);
}

PyObject *sc_interp_interruption(const sc_interp *there, int insist) {
    if (there->interrupt == NULL) return NULL;
    return insist ? PyObject_GetAttrString(there->interrupt, "insistent") : Py_NewRef(there->interrupt);
}

/* For a thread that has no thread state anywhere: it takes a new one and leaves none behind. CPython remembers the last
 * one a thread had and writes to it when the thread gets another (bind_gilstate_tstate in Python/pystate.c); a seat
 * would be gone by then, with its interpreter. */
static void drain_as_stranger(sc_interp *interp) {
    atomic_fetch_add(&interp->visitors, 1);
    PyThreadState *state = atomic_load(&interp->open) ? PyThreadState_New(interp->state) : NULL;
    if (state != NULL) {
        PyEval_RestoreThread(state);
        sc_drain_pending(interp);
        PyThreadState_Clear(state);
        PyThreadState_DeleteCurrent();
    }
    atomic_fetch_sub(&interp->visitors, 1);
}

int sc_interp_drain(sc_interp *interp) {
    sc_runlock *lock = sc_interp_lock(interp);
    sc_lock_status status = SC_LOCK_OK;
    /* Not entering: a closed script, too, has objects to give back. */
    if (lock != NULL) status = sc_runlock_acquire(lock, 0, 0);
    if (status == SC_LOCK_OK) {
        drain_as_stranger(interp);
        if (lock != NULL) sc_runlock_release(lock);
    }
    if (lock != NULL) sc_runlock_drop(lock);
    return status == SC_LOCK_OK;
}

static int interrupt_holder(sc_interp *there, unsigned long holder, int insist) {
    int sent = 0;
    if (sc_stop_is_importing(holder)) return SC_IMPORTING;
    PyObject *exception = sc_interp_interruption(there, insist);
    if (exception == NULL) {
        PyErr_Clear();
        return 0;
    }
    pthread_mutex_lock(&there->mutex);
    for (sc_thread *seat = there->threads; seat != NULL && !sent; seat = seat->next_of_interp) {
        if (atomic_load(&seat->orphan) || seat->inside == 0 || (unsigned long)seat->thread != holder) continue;
        seat->interrupted = 1;
        sent = PyThreadState_SetAsyncExc(holder, exception);
    }
    pthread_mutex_unlock(&there->mutex);
    Py_DECREF(exception);
    return sent;
}

void sc_interp_too_late(void) {
    PyThreadState *state = PyThreadState_Get();
    for (sc_thread *seat = seats; seat != NULL; seat = seat->next_of_thread) {
        if (seat->state == state && seat->interrupted) calm_seat(seat);
    }
}

int sc_interp_interrupt(sc_interp *there, unsigned long hold, int insist) {
    sc_visit visit;
    unsigned long holder = 0;
    int sent = 0;
    if (sc_visit_begin(&visit, there, NULL, 0) != SC_LOCK_OK) return 0;
    sc_runlock *lock = atomic_load(&there->lock);
    if (lock != NULL && sc_runlock_signal_holder(lock, 0, &holder) && sc_runlock_hold(lock) == hold) {
        sent = interrupt_holder(there, holder, insist);
    }
    sc_visit_end(&visit);
    return sent;
}

PyObject *sc_interp_frames(void) {
    PyThreadState *mine = PyThreadState_Get();
    PyObject *frames = PyDict_New();
    /* Under the GIL none of them goes; those that come are put before the first. */
    PyThreadState *state = PyInterpreterState_ThreadHead(PyThreadState_GetInterpreter(mine));
    for (; frames != NULL && state != NULL; state = PyThreadState_Next(state)) {
        PyFrameObject *frame = state == mine ? NULL : PyThreadState_GetFrame(state);
        if (frame == NULL) continue;
        PyObject *thread = PyLong_FromUnsignedLong(state->thread_id);
        if (thread == NULL || PyDict_SetItem(frames, thread, (PyObject *)frame) < 0) Py_CLEAR(frames);
        Py_XDECREF(thread);
        Py_DECREF(frame);
    }
    return frames;
}

/* ---- creating and ending ------------------------------------------------------------------------------ */

sc_interp *sc_interp_create(int own_gil) {
    PyThreadState *from = PyThreadState_Get(), *state = NULL;
    PyInterpreterConfig config = {
        .use_main_obmalloc = !own_gil,
        .allow_fork = 0,
        .allow_exec = 0,
        .allow_threads = 1,
        .allow_daemon_threads = 0,
        .check_multi_interp_extensions = own_gil,
        .gil = own_gil ? PyInterpreterConfig_OWN_GIL : PyInterpreterConfig_SHARED_GIL,
    };
    PyStatus status = Py_NewInterpreterFromConfig(&state, &config);
    if (PyStatus_Exception(status) || state == NULL) {
        if (PyThreadState_GetUnchecked() != from) PyThreadState_Swap(from);
        PyErr_Format(PyExc_RuntimeError, "no new interpreter: %s", status.err_msg == NULL ? "unknown" : status.err_msg);
        return NULL;
    }
    sc_interp *interp = sc_interp_current();
    if (interp != NULL) {
        sc_interp_retain(interp); /* the registry has one count, the caller the other */
        sc_thread *seat = take_seat(interp, state);
        if (seat != NULL) seat->owned = 1;
    }
    PyThreadState_Swap(from);
    if (interp == NULL) PyErr_NoMemory();
    return interp;
}

static int wait_until_empty(sc_interp *interp, double seconds) {
    struct timespec pause = { 0, 1000000 };
    for (long turns = (long)(seconds * 1000); atomic_load(&interp->visitors) != 0; turns--) {
        if (turns <= 0) return -1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int has_foreign_threads(sc_interp *interp) {
    int foreign = 0;
    for (PyThreadState *state = PyInterpreterState_ThreadHead(interp->state); state != NULL && !foreign;
         state = PyThreadState_Next(state)) {
        sc_thread *seat = interp->threads;
        while (seat != NULL && seat->state != state) seat = seat->next_of_interp;
        foreign = seat == NULL || !seat->owned;
    }
    return foreign;
}

static void clear_record(sc_interp *interp) {
    sc_drain_pending(interp);
    for (size_t kind = 0; kind < SC_KINDS; kind++) Py_CLEAR(interp->reference_types[kind]);
    Py_CLEAR(interp->make_error);
    Py_CLEAR(interp->describe);
    Py_CLEAR(interp->rebuild);
    Py_CLEAR(interp->interrupt);
    Py_CLEAR(interp->closed_error);
    Py_CLEAR(interp->set_running_loop);
    Py_CLEAR(interp->loop);
    Py_CLEAR(interp->run_awaitable);
    Py_CLEAR(interp->portable);
    Py_CLEAR(interp->rebuild_portable);
    Py_CLEAR(interp->portable_modules);
}

static void delete_seats(sc_interp *interp, const sc_thread *mine) {
    sc_thread *seat = interp->threads;
    interp->threads = NULL;
    while (seat != NULL) {
        sc_thread *next = seat->next_of_interp;
        if (seat != mine && seat->owned) {
            PyThreadState_Clear(seat->state);
            PyThreadState_Delete(seat->state);
        }
        atomic_store(&seat->serial, 0);
        drop_seat(seat);
        seat = next;
    }
}

static void unregister(sc_interp *interp) {
    pthread_mutex_lock(&registry);
    for (size_t i = 0; i < sizeof interps / sizeof *interps; i++) {
        if (interps[i] == interp) interps[i] = NULL;
    }
    pthread_mutex_unlock(&registry);
}

int sc_interp_end(sc_interp *interp, double seconds) {
    atomic_store(&interp->open, 0);
    PyThreadState *from = PyEval_SaveThread();
    int rc = wait_until_empty(interp, seconds);
    PyEval_RestoreThread(from);
    if (rc < 0) return -1;
    sc_thread *seat = seat_for(interp);
    if (seat == NULL) return -1;
    PyThreadState *state = seat->state;
    PyThreadState_Swap(state);
    if (has_foreign_threads(interp)) {
        PyThreadState_Swap(from);
        return -1;
    }
    clear_record(interp);
    delete_seats(interp, seat);
    unregister(interp);
    Py_EndInterpreter(state);
    PyThreadState_Swap(from);
    sc_interp_drop(interp);
    return 0;
}

/* ---- first steps in a new interpreter ------------------------------------------------------------------- */

static PyObject *run_code(const char *code) {
    PyObject *globals = PyDict_New(), *result = NULL;
    if (globals != NULL && PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) == 0) {
        result = PyRun_String(code, Py_file_input, globals, globals);
    }
    Py_XDECREF(globals);
    return result;
}

static PyObject *import_attribute(const char *module, const char *attribute) {
    PyObject *loaded = PyImport_ImportModule(module);
    PyObject *found = loaded == NULL ? NULL : PyObject_GetAttrString(loaded, attribute);
    Py_XDECREF(loaded);
    return found;
}

/* Run code (attribute NULL) or import; leaves a reference to the result, or the description of the failure. */
static int step_inside(sc_arena *arena, sc_interp *there, const char *text, const char *attribute, sc_value *out) {
    PyObject *result = attribute == NULL ? run_code(text) : import_attribute(text, attribute);
    int rc = result == NULL ? -1 : sc_encode(arena, there, result, -1, out);
    Py_XDECREF(result);
    if (rc < 0 && sc_describe_exception(arena, there, out) < 0) out->tag = SC_NIL;
    return rc;
}

static PyObject *take_step(sc_interp *here, sc_interp *there, const char *text, const char *attribute) {
    sc_arena arena;
    sc_visit visit;
    sc_value outcome;
    PyObject *result = NULL;
    sc_lock_status status = sc_visit_begin(&visit, there, NULL, 0);
    if (status != SC_LOCK_OK) {
        sc_raise_refused(here, status, there);
        return NULL;
    }
    sc_arena_init(&arena);
    int rc = step_inside(&arena, there, text, attribute, &outcome);
    sc_visit_end(&visit);
    if (rc == 0) result = sc_decode(here, &outcome);
    else if (outcome.tag != SC_NIL) sc_raise_described(here, &outcome);
    else PyErr_NoMemory();
    sc_arena_free(&arena);
    return result;
}

int sc_interp_run(sc_interp *here, sc_interp *there, const char *code) {
    PyObject *none = take_step(here, there, code, NULL);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

PyObject *sc_interp_import(sc_interp *here, sc_interp *there, const char *module, const char *attribute) {
    return take_step(here, there, module, attribute);
}

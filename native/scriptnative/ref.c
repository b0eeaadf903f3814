/* ref.c: counts of objects that travel between interpreters, and how the objects are given back at home. */
#include "interp.h"

#include "reference.h"

#include <stdlib.h>
#include <time.h>

/* ---- making ------------------------------------------------------------------------------------------- */

static sc_ref *allocate(sc_interp *here, PyObject *object, const char *type_name) {
    size_t size = strlen(type_name) + 1;
    sc_ref *ref = PyMem_RawMalloc(sizeof *ref + size);
    if (ref == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    atomic_init(&ref->count, 1);
    memcpy(ref->type_name, type_name, size);
    sc_interp_retain(here);
    ref->home = here;
    ref->object = Py_NewRef(object);
    ref->view = ref->recipe = NULL;
    ref->kind = SC_REF_OBJECT;
    ref->tenant = here->is_main ? sc_tenant_current() : atomic_load(&here->lock);
    if (ref->tenant != NULL) sc_runlock_retain(ref->tenant);
    return ref;
}

static sc_ref_kind kind_of(PyObject *object) {
    if (PyMemoryView_Check(object)) return SC_REF_MEMORY;
    if (PyCallable_Check(object)) return SC_REF_CALLABLE;
    if (PyIter_Check(object) || PyAsyncGen_CheckExact(object)) return SC_REF_ITERATOR;
    if (PyObject_CheckBuffer(object)) return SC_REF_BUFFER;
    return SC_REF_OBJECT;
}

/* A memoryview that shows just what a reference brought here is that reference. */
static sc_ref *behind_view(PyObject *object) {
    PyObject *base = PyMemoryView_GET_BASE(object);
    sc_ref *ref = base == NULL ? NULL : sc_reference_unwrap(base);
    if (ref == NULL || ref->view == NULL) return NULL;
    const Py_buffer *seen = PyMemoryView_GET_BUFFER(object), *sent = PyMemoryView_GET_BUFFER(ref->view);
    if (seen->buf != sent->buf || seen->len != sent->len || seen->ndim != sent->ndim || seen->itemsize != sent->itemsize) return NULL;
    if (strcmp(seen->format == NULL ? "B" : seen->format, sent->format == NULL ? "B" : sent->format) != 0) return NULL;
    for (int i = 0; i < seen->ndim; i++) {
        if (seen->shape[i] != sent->shape[i] || seen->strides[i] != sent->strides[i]) return NULL;
    }
    return ref;
}

static int share_memory(sc_ref *ref) {
    ref->view = PyMemoryView_FromObject(ref->object);
    if (ref->view == NULL) return -1;
    atomic_fetch_add(&ref->home->views, 1);
    return 0;
}

/* Ask for the recipe of a value that others can have an equal copy of, such as a date. */
static int find_recipe(sc_ref *ref) {
    sc_interp *here = ref->home;
    if (here->portable == NULL || ref->kind != SC_REF_OBJECT) return 0;
    PyObject *module = NULL, *type = (PyObject *)Py_TYPE(ref->object);
    /* The version belongs to this type as it is: neither a changed one nor another at the same address has it. */
    unsigned version = Py_TYPE(ref->object)->tp_version_tag;
    if (version != 0 && here->opaque_type == type && here->opaque_version == version) return 0;
    int rc = PyComplex_CheckExact(ref->object) || PyRange_Check(ref->object);
    if (rc == 0) rc = PyObject_GetOptionalAttrString(type, "__module__", &module);
    if (rc > 0 && module != NULL) rc = PyUnicode_CheckExact(module) ? PySet_Contains(here->portable_modules, module) : 0;
    Py_XDECREF(module);
    if (rc == 0) {
        here->opaque_type = type;
        here->opaque_version = version;
    }
    if (rc <= 0) return rc;
    ref->recipe = PyObject_CallOneArg(here->portable, ref->object);
    if (ref->recipe == NULL) return -1;
    if (!PyBytes_Check(ref->recipe)) Py_CLEAR(ref->recipe);
    return 0;
}

sc_ref *sc_ref_new(sc_interp *here, PyObject *object) {
    sc_ref *travelling = PyMemoryView_Check(object) ? behind_view(object) : sc_reference_unwrap(object);
    if (travelling != NULL) {
        sc_ref_retain(travelling);
        return travelling;
    }
    const char *name = Py_TYPE(object)->tp_name, *dot = strrchr(name, '.'); /* of a type made in C: with its module */
    sc_ref *ref = allocate(here, object, dot == NULL ? name : dot + 1);
    if (ref == NULL) return NULL;
    ref->kind = kind_of(object);
    if ((ref->kind == SC_REF_MEMORY ? share_memory(ref) : find_recipe(ref)) == 0) return ref;
    PyObject *error = PyErr_GetRaisedException();
    sc_ref_release(ref);
    PyErr_SetRaisedException(error);
    return NULL;
}

sc_ref *sc_ref_keep(sc_interp *here, PyObject *object) { return allocate(here, object, ""); }

const char *sc_ref_owner(const sc_ref *ref) { return ref->tenant == NULL ? "the host" : sc_runlock_name(ref->tenant); }

int sc_is_at_home(const sc_interp *here, const sc_ref *ref) {
    return ref->home == here && (!here->is_main || ref->tenant == sc_tenant_current());
}

/* ---- giving back -------------------------------------------------------------------------------------- */

static void free_ref(sc_ref *ref) {
    if (ref->tenant != NULL) sc_runlock_drop(ref->tenant);
    PyMem_RawFree(ref);
}

void sc_ref_retain(sc_ref *ref) { atomic_fetch_add(&ref->count, 1); }

static int is_attached(const sc_interp *interp) {
    PyThreadState *state = PyThreadState_GetUnchecked();
    return state != NULL && PyThreadState_GetInterpreter(state) == interp->state;
}

void sc_ref_release(sc_ref *ref) {
    if (atomic_fetch_sub(&ref->count, 1) != 1) return;
    sc_interp *home = ref->home;
    if (!atomic_load(&home->open)) { /* the interpreter has ended, and the object with it */
        free_ref(ref);
    } else {
        ref->next_pending = atomic_load(&home->pending);
        while (!atomic_compare_exchange_weak(&home->pending, &ref->next_pending, ref)) {}
        /* A thread that is at home drains when its call or visit ends. */
        if (!is_attached(home)) sc_reaper_wake();
    }
    sc_interp_drop(home);
}

void sc_drain_pending(sc_interp *here) {
    if (atomic_load_explicit(&here->pending, memory_order_relaxed) == NULL) return;
    atomic_fetch_add(&here->draining, 1);
    sc_ref *ref = atomic_exchange(&here->pending, NULL);
    while (ref != NULL) {
        sc_ref *next = ref->next_pending;
        if (ref->view != NULL) atomic_fetch_sub(&here->views, 1);
        Py_XDECREF(ref->view);
        Py_XDECREF(ref->recipe);
        Py_DECREF(ref->object);
        free_ref(ref);
        ref = next;
    }
    atomic_fetch_sub(&here->draining, 1);
}

void sc_drain_all(sc_interp *here) {
    const struct timespec pause = { 0, 1000000 };
    for (int turns = 1000; turns > 0; turns--) {
        sc_drain_pending(here);
        if (atomic_load(&here->draining) == 0) return;
        PyThreadState *state = PyEval_SaveThread();
        nanosleep(&pause, NULL);
        PyEval_RestoreThread(state);
    }
}

void sc_discard_pending(sc_interp *interp) {
    sc_ref *ref = atomic_exchange(&interp->pending, NULL);
    while (ref != NULL) {
        sc_ref *next = ref->next_pending;
        free_ref(ref);
        ref = next;
    }
}

/* ---- the reaper ----------------------------------------------------------------------------------------
 * What was dropped elsewhere is given back by the next thread that visits its home. An idle home has no
 * visitors: this thread, started with the first such drop, goes there. It never waits for a script. */

#define REAP_DELAY_NS 5000000L  /* collects what is dropped together, and leaves the rest to visitors */
#define BUSY_DELAY_NS 20000000L /* before another look at a script that was busy */

static pthread_mutex_t reaper = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t reaper_news = PTHREAD_COND_INITIALIZER;
static pthread_cond_t reaper_left = PTHREAD_COND_INITIALIZER;
static atomic_int reaper_wanted;
static int reaper_running, reaper_stopping; /* under reaper */

/* Whether all that was pending has been seen to. */
static int visit_all(void) {
    int done = 1;
    size_t slot = 0;
    for (sc_interp *interp; (interp = sc_interp_next_pending(&slot)) != NULL; sc_interp_drop(interp)) {
        if (!sc_interp_drain(interp)) done = 0;
    }
    return done;
}

static void *reap(void *unused) {
    struct timespec delay = { 0, REAP_DELAY_NS };
    pthread_mutex_lock(&reaper);
    while (!reaper_stopping) {
        if (!atomic_exchange(&reaper_wanted, 0)) {
            pthread_cond_wait(&reaper_news, &reaper);
            continue;
        }
        pthread_mutex_unlock(&reaper);
        atomic_store(&reaper_wanted, 1); /* spares whoever drops more during the delay from waking us */
        nanosleep(&delay, NULL);
        atomic_store(&reaper_wanted, 0);
        int done = visit_all();
        delay.tv_nsec = done ? REAP_DELAY_NS : BUSY_DELAY_NS;
        if (!done) atomic_store(&reaper_wanted, 1);
        pthread_mutex_lock(&reaper);
    }
    reaper_running = 0;
    atomic_store(&reaper_wanted, 0);
    pthread_cond_broadcast(&reaper_left);
    pthread_mutex_unlock(&reaper);
    return unused;
}

static void forget_reaper(void) { /* in a forked child, where no other thread lives on */
    pthread_mutex_init(&reaper, NULL);
    pthread_cond_init(&reaper_news, NULL);
    reaper_running = 0;
    atomic_store(&reaper_wanted, 0);
}

static void start_reaper(void) {
    static int is_registered;
    pthread_t thread;
    if (!is_registered) is_registered = pthread_atfork(NULL, NULL, forget_reaper) == 0;
    reaper_running = pthread_create(&thread, NULL, reap, NULL) == 0;
    if (reaper_running) pthread_detach(thread);
    else atomic_store(&reaper_wanted, 0); /* the next drop tries again; visitors drain meanwhile */
}

void sc_reaper_wake(void) {
    if (atomic_exchange(&reaper_wanted, 1)) return;
    pthread_mutex_lock(&reaper);
    if (reaper_stopping) atomic_store(&reaper_wanted, 0);
    else if (!reaper_running) start_reaper();
    pthread_cond_signal(&reaper_news);
    pthread_mutex_unlock(&reaper);
}

void sc_reaper_stop(int for_good) {
    pthread_mutex_lock(&reaper);
    reaper_stopping = 1;
    pthread_cond_signal(&reaper_news);
    while (reaper_running) pthread_cond_wait(&reaper_left, &reaper);
    reaper_stopping = for_good;
    pthread_mutex_unlock(&reaper);
}

/* tenant.c: the scripts of the main interpreter and the threads that execute them. */
#include "tenant.h"

#include "stop.h"

#include <stdlib.h>
#include <string.h>

/* What is known of a thread that has executed a tenant. Lives as long as the thread. */
typedef struct stay_t {
    struct stay_t *next; /* under `mutex` */
    pthread_t thread;
    sc_runlock *current;
    sc_runlock *settled;  /* counted; what `current` is outside of all visits */
    sc_runlock *stopping; /* this tenant is to be interrupted; only compared, never followed */
    PyObject *exception;  /* by this; not sent yet because something else is executed; NULL: sent */
} stay_t;

/* A tenant's loop. */
typedef struct home_t {
    struct home_t *next;
    sc_runlock *tenant;
    PyObject *get_running_loop, *set_running_loop, *loop;
} home_t;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* threads end without the GIL */
static stay_t *stays;
static home_t *homes;
static pthread_key_t thread_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static __thread stay_t *mine;

static void forget_stay(void *record) {
    stay_t *stay = record, **link = &stays;
    pthread_mutex_lock(&mutex);
    while (*link != NULL && *link != stay) link = &(*link)->next;
    if (*link != NULL) *link = stay->next;
    pthread_mutex_unlock(&mutex);
    if (stay->settled != NULL) sc_runlock_drop(stay->settled);
    free(stay); /* `exception` stays counted: it is a class, and the GIL is gone */
    mine = NULL;
}

static void make_key(void) { pthread_key_create(&thread_exit, forget_stay); }

static stay_t *get_stay(void) {
    if (mine != NULL) return mine;
    pthread_once(&once, make_key);
    stay_t *stay = calloc(1, sizeof *stay);
    if (stay == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    stay->thread = pthread_self();
    pthread_mutex_lock(&mutex);
    stay->next = stays;
    stays = stay;
    pthread_mutex_unlock(&mutex);
    pthread_setspecific(thread_exit, stay);
    mine = stay;
    return stay;
}

sc_runlock *sc_tenant_current(void) { return mine == NULL ? NULL : mine->current; }

/* ---- loops ---------------------------------------------------------------------------------- */

static home_t **find_home(const sc_runlock *tenant) {
    home_t **link = &homes;
    while (*link != NULL && (*link)->tenant != tenant) link = &(*link)->next;
    return link;
}

static void forget_home(home_t **link) {
    home_t *home = *link;
    *link = home->next;
    sc_runlock_drop(home->tenant);
    Py_XDECREF(home->get_running_loop);
    Py_XDECREF(home->set_running_loop);
    Py_XDECREF(home->loop);
    free(home);
}

int sc_tenant_set_loop(sc_runlock *tenant, PyObject *get_running_loop, PyObject *set_running_loop, PyObject *loop) {
    home_t **link = find_home(tenant), *home = *link;
    if (loop == NULL) {
        if (home != NULL) forget_home(link);
        return 0;
    }
    if (home == NULL) {
        home = calloc(1, sizeof *home);
        if (home == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        sc_runlock_retain(tenant);
        home->tenant = tenant;
        home->next = homes;
        homes = home;
    }
    Py_XSETREF(home->get_running_loop, Py_NewRef(get_running_loop));
    Py_XSETREF(home->set_running_loop, Py_NewRef(set_running_loop));
    Py_XSETREF(home->loop, Py_NewRef(loop));
    return 0;
}

/* Show the tenant's loop as the running one; `before` receives what was there. A pending exception is kept. */
static void show_loop(const sc_runlock *tenant, sc_tenant_place *before) {
    const home_t *home = *find_home(tenant);
    if (home == NULL) return;
    PyObject *loop = PyObject_CallNoArgs(home->get_running_loop);
    if (loop == NULL) {
        PyErr_WriteUnraisable(home->get_running_loop);
    } else if (loop == home->loop) {
        Py_DECREF(loop);
    } else {
        PyObject *done = PyObject_CallOneArg(home->set_running_loop, home->loop);
        if (done == NULL) PyErr_WriteUnraisable(home->set_running_loop);
        Py_XDECREF(done);
        before->loop = loop;
        before->set_running_loop = Py_NewRef(home->set_running_loop); /* the tenant may end before the visit does */
    }
}

static void hide_loop(const sc_tenant_place *before) {
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *done = PyObject_CallOneArg(before->set_running_loop, before->loop);
    if (done == NULL) PyErr_WriteUnraisable(before->set_running_loop);
    Py_XDECREF(done);
    Py_DECREF(before->set_running_loop);
    Py_DECREF(before->loop);
    PyErr_SetRaisedException(pending);
}

/* ---- coming and going ------------------------------------------------------------------------- */

int sc_tenant_enter(sc_runlock *tenant, sc_tenant_place *before) {
    before->loop = NULL;
    before->tenant = NULL;
    if (tenant == NULL && mine == NULL) return 0; /* has never been anywhere else */
    stay_t *stay = get_stay();
    if (stay == NULL) return -1;
    before->tenant = stay->current;
    stay->current = tenant;
    if (tenant != NULL && tenant != before->tenant) show_loop(tenant, before);
    return 0;
}

static void withdraw(stay_t *stay) {
    stay->stopping = NULL;
    if (stay->exception == NULL) PyThreadState_SetAsyncExc((unsigned long)stay->thread, NULL);
    Py_CLEAR(stay->exception);
    sc_stop_calm();
}

static void send(stay_t *stay) {
    PyObject *exception = stay->exception;
    stay->exception = NULL;
    PyThreadState_SetAsyncExc((unsigned long)stay->thread, exception);
    Py_DECREF(exception);
}

void sc_tenant_leave(const sc_tenant_place *before) {
    stay_t *stay = mine;
    if (stay == NULL) return;
    sc_runlock *left = stay->current;
    stay->current = before->tenant;
    if (before->loop != NULL) hide_loop(before);
    if (stay->stopping == NULL) return;
    if (stay->stopping == left && !sc_runlock_held(left)) withdraw(stay);
    else if (stay->stopping == stay->current && stay->exception != NULL) send(stay);
}

int sc_tenant_settle(sc_runlock *tenant) {
    stay_t *stay = get_stay();
    if (stay == NULL) return -1;
    if (tenant != NULL) sc_runlock_retain(tenant);
    if (stay->settled != NULL) sc_runlock_drop(stay->settled);
    stay->current = stay->settled = tenant;
    return 0;
}

/* ---- interrupts ------------------------------------------------------------------------------- */

int sc_tenant_interrupt(sc_runlock *tenant, unsigned long hold, PyObject *exception) {
    unsigned long holder = 0;
    stay_t *stay;
    if (!sc_runlock_signal_holder(tenant, 0, &holder) || sc_runlock_hold(tenant) != hold) return 0;
    pthread_mutex_lock(&mutex);
    for (stay = stays; stay != NULL && (unsigned long)stay->thread != holder; stay = stay->next) {}
    pthread_mutex_unlock(&mutex);
    if (stay == NULL) return 0; /* it has the lock, but is not in the script: the console looks at it */
    if (stay->current == tenant && sc_stop_is_importing(holder)) return SC_IMPORTING;
    /* The holder cannot end here: it needs the GIL to give the lock up. */
    stay->stopping = tenant;
    Py_XSETREF(stay->exception, Py_NewRef(exception));
    if (stay->current == tenant) send(stay);
    return 1;
}

void sc_tenant_too_late(sc_runlock *tenant) {
    if (mine != NULL && tenant != NULL && mine->stopping == tenant) withdraw(mine);
}

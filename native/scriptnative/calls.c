/* calls.c: the calls of one session on record. */
#include "calls.h"

#include "calltext.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef struct entries {
    sc_call_entry *first, *last;
    size_t count;
} entries;

struct sc_calls {
    struct sc_calls_switch on; /* first: see sc_calls_on */
    atomic_long refs;
    atomic_ulong dropped;
    pthread_mutex_t mutex;
    uint64_t last_id;
    entries running, ended, unused; /* under the mutex */
};

/* The innermost call on record of each thread. */
static __thread sc_call *innermost;
static __thread const char *label;
static __thread int thread_number;

static void add(entries *list, sc_call_entry *entry) {
    entry->next = NULL;
    entry->before = list->last;
    if (list->last != NULL) list->last->next = entry;
    else list->first = entry;
    list->last = entry;
    list->count++;
}

static void take_out(entries *list, sc_call_entry *entry) {
    if (entry->before != NULL) entry->before->next = entry->next;
    else list->first = entry->next;
    if (entry->next != NULL) entry->next->before = entry->before;
    else list->last = entry->before;
    list->count--;
}

static void free_all(entries *list) {
    while (list->first != NULL) {
        sc_call_entry *next = list->first->next;
        free(list->first);
        list->first = next;
    }
    *list = (entries){ NULL, NULL, 0 };
}

sc_calls *sc_calls_new(void) {
    sc_calls *calls = calloc(1, sizeof *calls);
    if (calls == NULL) return NULL;
    atomic_init(&calls->refs, 1);
    pthread_mutex_init(&calls->mutex, NULL);
    return calls;
}

void sc_calls_retain(sc_calls *calls) { atomic_fetch_add(&calls->refs, 1); }

void sc_calls_drop(sc_calls *calls) {
    if (calls == NULL || atomic_fetch_sub(&calls->refs, 1) != 1) return;
    free_all(&calls->running);
    free_all(&calls->ended);
    free_all(&calls->unused);
    pthread_mutex_destroy(&calls->mutex);
    free(calls);
}

void sc_calls_record(sc_calls *calls, int on) {
    pthread_mutex_lock(&calls->mutex);
    atomic_store(&calls->on.on, on);
    entries ended = calls->ended, unused = calls->unused;
    if (!on) calls->ended = calls->unused = (entries){ NULL, NULL, 0 };
    pthread_mutex_unlock(&calls->mutex);
    if (on) return;
    free_all(&ended);
    free_all(&unused);
}

unsigned long sc_calls_dropped(sc_calls *calls) { return atomic_load(&calls->dropped); }

/* ---- one call --------------------------------------------------------------------------------------- */

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int this_thread(void) {
    if (thread_number == 0) thread_number = (int)syscall(SYS_gettid);
    return thread_number;
}

static void copy_name(char *to, const char *name) {
    size_t length = strlen(name);
    if (length >= SC_CALL_NAME) {
        length = SC_CALL_NAME - 1;
        while (length > 0 && (name[length] & 0xc0) == 0x80) length--;
    }
    memcpy(to, name, length);
    to[length] = '\0';
}

/* A place for a call that begins, not in any list; NULL: no memory, or too many are under way. */
static sc_call_entry *take_entry(sc_calls *calls) {
    pthread_mutex_lock(&calls->mutex);
    sc_call_entry *entry = NULL;
    int full = calls->running.count >= SC_CALLS_UNDER_WAY;
    if (!full && calls->unused.first != NULL) {
        entry = calls->unused.first;
        take_out(&calls->unused, entry);
    }
    pthread_mutex_unlock(&calls->mutex);
    return full || entry != NULL ? entry : malloc(sizeof *entry);
}

void sc_call_begin(sc_call *call, sc_calls *calls, uint32_t script, const char *function, const char *caller,
                   PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *note) {
    call->calls = NULL;
    if (caller == NULL) caller = label;
    label = NULL;
    sc_call_entry *entry = take_entry(calls);
    if (entry == NULL) {
        atomic_fetch_add(&calls->dropped, 1);
        return;
    }
    sc_text text;
    sc_text_init(&text, entry->arguments, sizeof entry->arguments);
    if (args != NULL || note == NULL) sc_text_arguments(&text, args, nargs, kwnames);
    else sc_text_add(&text, note);
    entry->whole = text.whole && note == NULL;
    entry->result_whole = 0;
    entry->result[0] = entry->error[0] = '\0';
    copy_name(entry->function, function);
    copy_name(entry->caller, caller == NULL ? "" : caller);
    entry->script = script;
    entry->thread = this_thread();
    /* One of another session is nobody to name here. */
    entry->parent = innermost != NULL && innermost->calls == calls ? innermost->entry->id : 0;
    entry->duration = -1.0;
    sc_calls_retain(calls);
    call->calls = calls;
    call->entry = entry;
    call->outer = innermost;
    innermost = call;
    pthread_mutex_lock(&calls->mutex);
    entry->id = ++calls->last_id;
    entry->started = seconds_of(CLOCK_REALTIME);
    entry->began = seconds_of(CLOCK_MONOTONIC);
    add(&calls->running, entry);
    pthread_mutex_unlock(&calls->mutex);
}


void sc_call_end(sc_call *call, PyObject *result) {
    sc_calls *calls = call->calls;
    if (calls == NULL) return;
    sc_call_entry *entry = call->entry;
    double duration = seconds_of(CLOCK_MONOTONIC) - entry->began;
    char made[SC_CALL_RESULT] = "", failed[SC_CALL_RESULT] = "";
    sc_text text;
    innermost = call->outer;
    sc_text_init(&text, made, sizeof made);
    if (result != NULL) {
        sc_text_value(&text, result);
    } else {
        PyObject *error = PyErr_GetRaisedException();
        sc_text_init(&text, failed, sizeof failed);
        if (error != NULL) sc_text_error(&text, error);
        PyErr_SetRaisedException(error);
    }
    pthread_mutex_lock(&calls->mutex);
    if (result == NULL) memcpy(entry->error, failed, sizeof failed);
    else if (entry->error[0] == '\0') memcpy(entry->result, made, sizeof made);
    entry->result_whole = result != NULL && text.whole;
    entry->duration = duration;
    take_out(&calls->running, entry);
    sc_call_entry *oldest = NULL;
    if (!atomic_load(&calls->on.on)) {
        oldest = entry;
    } else {
        add(&calls->ended, entry);
        if (calls->ended.count > SC_CALLS_ROOM) {
            oldest = calls->ended.first;
            take_out(&calls->ended, oldest);
            add(&calls->unused, oldest);
            oldest = NULL;
            atomic_fetch_add(&calls->dropped, 1);
        }
    }
    pthread_mutex_unlock(&calls->mutex);
    free(oldest);
    sc_calls_drop(calls);
}

void sc_call_fail(PyObject *error) {
    sc_call *call = innermost;
    if (call == NULL || call->calls == NULL) return;
    char made[SC_CALL_RESULT];
    sc_text text;
    sc_text_init(&text, made, sizeof made);
    sc_text_error(&text, error);
    pthread_mutex_lock(&call->calls->mutex);
    memcpy(call->entry->error, made, text.used + 1);
    pthread_mutex_unlock(&call->calls->mutex);
}

void sc_calls_label(const char *caller) { label = caller; }

/* ---- for who looks ---------------------------------------------------------------------------------- */

static PyObject *row_of(const sc_call_entry *entry) {
    return Py_BuildValue("(KKIissddsssii)", (unsigned long long)entry->id, (unsigned long long)entry->parent,
                         (unsigned)entry->script, entry->thread, entry->function, entry->caller, entry->started,
                         entry->duration, entry->arguments, entry->result, entry->error, entry->whole, entry->result_whole);
}

/* The entries belong to nobody else meanwhile: no mutex is held while Python objects are made. */
static PyObject *rows_of(const sc_call_entry *first) {
    PyObject *rows = PyList_New(0);
    for (const sc_call_entry *entry = first; rows != NULL && entry != NULL; entry = entry->next) {
        PyObject *row = row_of(entry);
        if (row == NULL || PyList_Append(rows, row) < 0) Py_CLEAR(rows);
        Py_XDECREF(row);
    }
    return rows;
}

PyObject *sc_calls_take(sc_calls *calls) {
    pthread_mutex_lock(&calls->mutex);
    entries taken = calls->ended;
    calls->ended = (entries){ NULL, NULL, 0 };
    pthread_mutex_unlock(&calls->mutex);
    PyObject *rows = rows_of(taken.first);
    pthread_mutex_lock(&calls->mutex);
    while (taken.first != NULL && atomic_load(&calls->on.on)) {
        sc_call_entry *entry = taken.first;
        take_out(&taken, entry);
        add(&calls->unused, entry);
    }
    pthread_mutex_unlock(&calls->mutex);
    free_all(&taken);
    return rows;
}

PyObject *sc_calls_running(sc_calls *calls) {
    entries copies = { NULL, NULL, 0 };
    int failed = 0;
    pthread_mutex_lock(&calls->mutex);
    for (const sc_call_entry *entry = calls->running.first; entry != NULL && !failed; entry = entry->next) {
        sc_call_entry *copy = malloc(sizeof *copy);
        if (copy != NULL) {
            memcpy(copy, entry, sizeof *copy);
            add(&copies, copy);
        } else {
            failed = 1;
        }
    }
    pthread_mutex_unlock(&calls->mutex);
    PyObject *rows = failed ? PyErr_NoMemory() : rows_of(copies.first);
    free_all(&copies);
    return rows;
}

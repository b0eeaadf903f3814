/* interp.h: sub-interpreters, the thread states by which threads visit them, and references into them. */
#ifndef SC_INTERP_H
#define SC_INTERP_H

#include "convert.h"
#include "runlock.h"
#include "tenant.h"

#include <stdatomic.h>

typedef struct sc_thread sc_thread;

/* What its object offers, found when it sets out; each kind has a Python type. */
typedef enum sc_ref_kind {
    SC_REF_OBJECT,
    SC_REF_CALLABLE,
    SC_REF_ITERATOR,
    SC_REF_BUFFER, /* exports memory when asked */
    SC_REF_MEMORY, /* a memoryview: its memory is shared while the reference lives */
    SC_KINDS
} sc_ref_kind;

struct sc_interp {
    atomic_long refs;
    uint64_t serial; /* never reused, unlike interpreter ids and addresses */
    PyInterpreterState *state;
    int64_t id;
    int is_main;
    atomic_int open;
    atomic_long visitors; /* threads inside, or on their way in */
    _Atomic(sc_ref *) pending; /* objects of this interpreter that others dropped */
    atomic_int draining; /* threads that are giving pending objects back */
    atomic_long views; /* of its memory that others hold: it must not end before them */
    pthread_mutex_t mutex;
    sc_thread *threads; /* under mutex */
    sc_runlock *_Atomic lock; /* run lock of the script that lives here; NULL in the main interpreter */
    /* Objects of this interpreter; touched only when attached to it. */
    PyTypeObject *reference_types[SC_KINDS]; /* by sc_ref_kind */
    PyObject *make_error; /* (code: int, text: str) -> exception */
    PyObject *describe;   /* (exception) -> value that crosses */
    PyObject *rebuild;    /* (value) -> exception */
    PyObject *closed_error; /* class of the error for a script that is closed */
    PyObject *interrupt;  /* class of the exception that stops a runaway */
    PyObject *set_running_loop;
    PyObject *loop;
    PyObject *run_awaitable; /* (awaitable) -> its result, run on the script's loop; NULL where there is none */
    PyObject *portable; /* (object) -> bytes that stand for it, or None */
    PyObject *rebuild_portable; /* (bytes) -> an equal object */
    PyObject *portable_modules; /* frozenset of the names of modules with such types */
    const void *opaque_type; /* the last type without a recipe, and its version; see ref.c */
    unsigned opaque_version;
    unsigned loop_serial;
};

/* Codes of make_error, mirrored in errors.py. */
enum { SC_E_CROSSING = 1, SC_E_CLOSED = 2, SC_E_CYCLE = 3, SC_E_BUSY = 4 };

/* A travelling count for an object; any thread may hold and drop it. Immutable but for the count. */
struct sc_ref {
    atomic_long count;
    sc_interp *home;
    PyObject *object;
    PyObject *view;  /* SC_REF_MEMORY: a memoryview of ours, which nobody can release under our hands */
    PyObject *recipe; /* bytes from which others rebuild the object, or NULL */
    sc_runlock *tenant; /* run lock of the script it is from: the interpreter may have another one later; NULL: of none */
    sc_ref_kind kind;
    sc_ref *next_pending;
    char type_name[]; /* of the object's type */
};

/* Record of the interpreter the thread is attached to; made on first use. NULL with an exception set. */
sc_interp *sc_interp_current(void);
void sc_interp_retain(sc_interp *interp);
void sc_interp_drop(sc_interp *interp);

/* Set the error helpers of the current interpreter; every argument is borrowed. */
int sc_interp_set_helpers(PyObject *make_error, PyObject *describe, PyObject *rebuild, PyObject *interrupt,
                          PyObject *closed_error);
/* Set or clear (NULL) the loop that inline callers see as their running loop. */
int sc_interp_set_loop(PyObject *set_running_loop, PyObject *loop);
void sc_interp_set_lock(sc_interp *interp, sc_runlock *lock);
/* Set or clear (NULL) what runs awaitables to their end in the current interpreter. */
int sc_interp_set_awaiter(PyObject *run_awaitable);
int sc_interp_set_portable(PyObject *portable, PyObject *rebuild, PyObject *modules);

/* A new interpreter: with its own GIL, and then only with extensions that allow for it, or on the main one's.
 * NULL with an exception set. */
sc_interp *sc_interp_create(int own_gil);

/* End it; the calling thread must not be inside. 0; or -1 with nothing set when threads are still in there
 * after `seconds`: then it is abandoned. */
int sc_interp_end(sc_interp *interp, double seconds);
/* Whether somebody outside reads memory of its objects; ending it now would take that away. */
static inline int sc_interp_is_shared(const sc_interp *interp) { return atomic_load(&interp->views) != 0; }

/* New dict: innermost frame by identifier, of the current interpreter's other threads. sys._current_frames() has those of
 * all interpreters, which must not meet. */
PyObject *sc_interp_frames(void);

/* ---- visits -------------------------------------------------------------------------------
 * A visit begins attached to `from` and ends attached to `from`. */

typedef struct sc_visit {
    PyThreadState *from;
    sc_interp *to;
    sc_runlock *lock;
    sc_thread *seat; /* NULL: the thread was there already */
    sc_tenant_place place; /* where it was in the main interpreter, when that is visited */
    struct visit_link {
        struct visit_link *outer;
        PyThreadState *state; /* left behind by that visit */
    } link;
} sc_visit;

/* Attach to `to`, taking its run lock if `locked`. `tenant`: of the main interpreter, whose script to enter (NULL: none).
 * SC_LOCK_OK, or why not (then nothing has changed). */
sc_lock_status sc_visit_begin(sc_visit *visit, sc_interp *to, sc_runlock *tenant, int locked);
void sc_visit_end(sc_visit *visit);

/* The thread stops executing the script for now: an interrupt that has not arrived yet must not hit what it does next. */
void sc_interp_too_late(void);

/* Raise the interrupt in the thread that runs the script, if that is still the given hold of its run lock (see
 * sc_runlock_hold): 1, or SC_IMPORTING (see stop.h); else 0. `insist`: raise it again and again. Waits for the GIL of `there`. */
int sc_interp_interrupt(sc_interp *there, unsigned long hold, int insist);
/* New reference to the exception to raise in `there`; NULL: it has none, maybe with an exception set. */
PyObject *sc_interp_interruption(const sc_interp *there, int insist);

/* Run `code` in a fresh namespace of `there`. 0, or -1 with an exception set. */
int sc_interp_run(sc_interp *here, sc_interp *there, const char *code);
/* New Reference to an attribute of a module of `there`, imported if need be. */
PyObject *sc_interp_import(sc_interp *here, sc_interp *there, const char *module, const char *attribute);

/* Set the typed exception for a refused visit. */
void sc_raise_refused(sc_interp *here, sc_lock_status status, sc_interp *to);
void sc_raise_refused_by(sc_interp *here, sc_lock_status status, const char *name);
void sc_raise(sc_interp *here, int code, const char *format, ...);

/* The pending exception of the current interpreter, described into `out`; clears it. 0, or -1 (out of memory). */
int sc_describe_exception(sc_arena *arena, sc_interp *here, sc_value *out);
/* Set the exception that `description` stands for. */
void sc_raise_described(sc_interp *here, const sc_value *description);

/* ---- references: ref.c ---------------------------------------------------------------------------- */

/* Whether code at `here` sees the object behind a reference itself, not a Reference to it. */
int sc_is_at_home(const sc_interp *here, const sc_ref *ref);

/* A travelling count for an object of `here`; a Reference gives the one it stands for. NULL with an exception set. */
sc_ref *sc_ref_new(sc_interp *here, PyObject *object);

/* Only keeps `object` alive, for who reads its immutable memory on the way. */
sc_ref *sc_ref_keep(sc_interp *here, PyObject *object);

/* Name of the script an object is from, for messages. */
const char *sc_ref_owner(const sc_ref *ref);

/* The object behind `ref` as `here` sees it: the object itself at home, a Reference elsewhere. */
PyObject *sc_reference_wrap(sc_interp *here, sc_ref *ref);

/* Decref what other threads dropped; attached to `here`. */
void sc_drain_pending(sc_interp *here);
/* The same, and wait a second at most for other threads that are at it. */
void sc_drain_all(sc_interp *here);
void sc_discard_pending(sc_interp *interp); /* the interpreter is gone, and the objects with it */

/* The thread that visits owners who do not come by themselves; see ref.c. */
void sc_reaper_wake(void);
/* End it, before a fork until the next drop, before the process ends for good. Waits, so call it without a GIL. */
void sc_reaper_stop(int for_good);

/* An open interpreter with something pending, retained, that comes after number `*slot`; NULL: no more. */
sc_interp *sc_interp_next_pending(size_t *slot);
/* Its run lock, retained; NULL when it has none. */
sc_runlock *sc_interp_lock(sc_interp *interp);
/* Visit from a thread that is attached nowhere, to drop what is pending; 0 when its script is busy. */
int sc_interp_drain(sc_interp *interp);

#endif

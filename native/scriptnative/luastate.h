/* luastate.h: what the files behind luacross.h share.
 *
 *   luapush.c    neutral values to Lua
 *   luapull.c    Lua values to neutral ones
 *   luahost.c    calls from Lua into Python, and Python objects in Lua
 *   luacall.c    calls into Lua
 *   luasend.c    `send` of a connection, without Python
 *   luahandle.c  LuaReference and LuaCallable
 *   luacross.c   one state: setting up, ending, protected calls of the Lua API
 *
 * Order of the locks: the run lock of the script, then the GIL. What may raise a Lua error runs in sc_lua_protect, so
 * that none jumps over a frame of ours.
 */
#ifndef SC_LUASTATE_H
#define SC_LUASTATE_H

#include "luacross.h"

#define SC_LUA_FEW 8   /* values that need no allocation */
#define SC_LUA_IDLE 4  /* coroutines kept for the next call */

typedef struct sc_dropped {
    struct sc_dropped *next;
    int number;
} sc_dropped;

typedef struct sc_lua_job {
    int (*run)(sc_lua *lua, lua_State *L, void *context); /* number of results on top of L */
    void *context;
} sc_lua_job;

struct sc_lua {
    atomic_long refs;
    const sc_lua_api *api;
    sc_guard *guard;
    sc_interp *home; /* the interpreter whose objects it deals with */
    int open;        /* under the run lock, like all that follows */
    sc_lua_job *job;
    struct {
        lua_State *state;
        int number;
    } idle[SC_LUA_IDLE];
    int idle_count;
    /* Numbers in the registry. */
    int protect, objects, object_meta, set_meta, frozenset_meta, methods;
    _Atomic(sc_dropped *) dropped; /* references that Python let go, from any thread */
    char *problem;                 /* text of the last failed call into Python, as Lua sees it */
    size_t problem_length;
    /* Objects of `home`. */
    PyObject *report;
    PyObject *failure; /* what that call raised, until the outermost call returns */
    PyObject *get, *set, *call, *describe, *error_text;
    PyObject *via; /* lupa function by which all calls go, for a state that lupa uses too */
};

/* Userdata that stands for a Python object, also behind the functions that call one. */
typedef struct sc_lua_box {
    sc_lua *lua;
    sc_ref *ref; /* NULL: for a function of ours, which only needs the state */
} sc_lua_box;

/* A LuaReference or LuaCallable. */
typedef struct sc_lua_handle {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    sc_lua *lua;
    int number; /* in the registry */
    int kind;   /* LUA_T… */
    int apart;  /* code of ours: calls of it are not what an interrupt is for */
    const void *address;
    PyObject *weakrefs;
} sc_lua_handle;

void sc_lua_handle_dealloc(PyObject *self);
PyObject *sc_lua_handle_new(sc_lua *lua, int kind, int number, const void *address);

static inline sc_lua_handle *sc_lua_handle_of(PyObject *object) {
    return Py_TYPE(object)->tp_dealloc == sc_lua_handle_dealloc ? (sc_lua_handle *)object : NULL;
}

/* ---- the GIL ----------------------------------------------------------------------------------- */

extern __thread PyThreadState *sc_lua_aside; /* what this thread left to run Lua */

/* 1 when the thread was not attached before. */
static inline int sc_lua_attach(void) {
    if (PyThreadState_GetUnchecked() != NULL) return 0;
    PyEval_RestoreThread(sc_lua_aside);
    return 1;
}

static inline void sc_lua_detach(void) { PyEval_SaveThread(); }

/* ---- luacross.c ---------------------------------------------------------------------------------- */

/* Run a job with `arguments` values from the top of L; status, the results or the error on top. */
int sc_lua_protect(sc_lua *lua, lua_State *L, int arguments, int (*run)(sc_lua *, lua_State *, void *), void *context);

/* Room on the stack of a coroutine between calls, where no Lua error may be raised: the memory limit is lifted. */
int sc_lua_make_room(sc_lua *lua, lua_State *L, int count);

/* ---- luapush.c, luapull.c -------------------------------------------------------------------------- */

/* Values on their way in one direction. */
typedef struct sc_crossing {
    sc_lua *lua;
    lua_State *L;
    sc_arena *arena;
    sc_value *values;
    size_t count;
    Py_ssize_t at; /* argument that is being moved */
    int is_result;
    int failed; /* an exception is set, and the thread attached */
} sc_crossing;

/* Where we are in a value, for messages and for finding cycles; lives on the C stack. */
typedef struct sc_place {
    const struct sc_place *outer;
    int64_t index;       /* at the root the number of the argument, else of the item: from 0, in Lua from 1 */
    const sc_value *key; /* of an item of a dict */
    int key_at;          /* the same in Lua: where on the stack; 0: `index` counts */
    const void *table;   /* the table it is an item of */
    int depth;
} sc_place;

/* Set a CrossingError, whose format takes the name of the place and `detail`; always -1. Leaves the thread attached. */
int sc_cross_refuse(sc_crossing *c, const sc_place *where, const char *format, const char *detail);
int sc_cross_no_memory(sc_crossing *c); /* likewise */

/* The values onto L; 0, or -1 with an exception set and the thread attached. */
int sc_cross_push(sc_crossing *c, lua_State *L);

/* The `count` values on top of L, which stay there; likewise. */
int sc_cross_pull(sc_crossing *c, lua_State *L, int count);

/* One value at an absolute index, strings copied; likewise. May raise a Lua error. */
int sc_cross_pull_value(sc_crossing *c, int index, const sc_place *where, sc_value *out);

/* ---- luahost.c ---------------------------------------------------------------------------------------- */

/* A userdata for a Python object, on top of L. May raise a Lua error. */
sc_lua_box *sc_lua_push_box(sc_lua *lua, lua_State *L, sc_ref *ref);
/* The Python object behind a value, NULL if it is one of Lua's own. */
sc_lua_box *sc_lua_box_of(sc_lua *lua, lua_State *L, int index);
/* What calls the object in its first upvalue. */
lua_CFunction sc_lua_caller(const sc_lua_api *api);
/* outer(f), for the prelude: calls the same Python function, but errors name the line that called the caller. */
lua_CFunction sc_lua_outer(const sc_lua_api *api);
/* remember(id of a type, name, function), on top of L: the function is that method of all objects of the type, and
 * Python is not asked for it again. May raise a Lua error. */
void sc_lua_push_remember(sc_lua *lua, lua_State *L);
/* Into the metatable on top of L. May raise a Lua error. */
void sc_lua_fill_object_meta(sc_lua *lua, lua_State *L);

/* ---- luacall.c ------------------------------------------------------------------------------------------ */

/* The run lock, waited for without the GIL; -1 with an exception set, also when the state is closed. */
int sc_lua_take_lock(sc_lua *lua);

enum {
    SC_LUA_APART = 1, /* code of ours: an interrupt is not meant for it */
    SC_LUA_WAITS = 2  /* when it yields, the report may wait for its end: `suspended` gives the result */
};

/* Call the function of that number; run lock held, attached, the state open. `argument` may hold the one argument on
 * its stack instead of `args`. */
PyObject *sc_lua_invoke(sc_lua *lua, int target, lua_State *argument, PyObject *const *args, Py_ssize_t nargs,
                        int flags);

/* What `via` calls. */
lua_CFunction sc_lua_entrance(const sc_lua_api *api);

#endif

/* luahandle.c: LuaReference and LuaCallable, the handles Python has to Lua values. */
#include "luastate.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static PyTypeObject *reference_type, *callable_type; /* of the main interpreter */

static PyObject *object_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    return sc_lua_call_reference(self, args, PyVectorcall_NARGS(nargsf), kwnames, NULL, 0, NULL);
}

PyObject *sc_lua_handle_new(sc_lua *lua, int kind, int number, const void *address) {
    PyTypeObject *type = kind == LUA_TFUNCTION ? callable_type : reference_type;
    sc_lua_handle *self = type == NULL ? NULL : (sc_lua_handle *)type->tp_alloc(type, 0);
    if (self == NULL) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "Lua objects live in the main interpreter");
        return NULL;
    }
    sc_lua_retain(lua);
    self->lua = lua;
    self->number = number;
    self->kind = kind;
    self->address = address;
    self->vectorcall = object_vectorcall;
    return (PyObject *)self;
}

void sc_lua_handle_dealloc(PyObject *self) {
    sc_lua_handle *object = (sc_lua_handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (object->weakrefs != NULL) PyObject_ClearWeakRefs(self);
    if (object->lua != NULL) {
        sc_dropped *gone = malloc(sizeof *gone); /* without memory the value stays as long as its state */
        if (gone != NULL) {
            gone->number = object->number;
            gone->next = atomic_load(&object->lua->dropped);
            while (!atomic_compare_exchange_weak(&object->lua->dropped, &gone->next, gone)) {}
        }
        sc_lua_drop(object->lua);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

int sc_lua_set_apart(PyObject *object) {
    sc_lua_handle *own = sc_lua_handle_of(object);
    if (own != NULL) own->apart = 1;
    else PyErr_Format(PyExc_TypeError, "not a Lua function: %R", object);
    return own != NULL ? 0 : -1;
}

PyObject *sc_lua_call_reference(PyObject *reference, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                const atomic_uint *current, unsigned expected, int *stale) {
    sc_lua_handle *object = (sc_lua_handle *)reference;
    sc_lua *lua = object->lua;
    PyObject *result = NULL;
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) != 0) {
        PyErr_Format(PyExc_TypeError, "Lua functions take no keyword arguments: %S", PyTuple_GET_ITEM(kwnames, 0));
        return NULL;
    }
    if (sc_lua_take_lock(lua) < 0) return NULL;
    if (stale != NULL && atomic_load_explicit(current, memory_order_acquire) != expected) *stale = 1;
    else result = sc_lua_invoke(lua, object->number, NULL, args, nargs,
                                object->apart ? SC_LUA_APART : stale != NULL ? SC_LUA_WAITS : 0);
    sc_runlock_release(lua->guard->lock);
    return result;
}

static PyObject *call_locked(sc_lua *lua, int target, PyObject *const *args, Py_ssize_t nargs) {
    if (sc_lua_take_lock(lua) < 0) return NULL;
    PyObject *result = sc_lua_invoke(lua, target, NULL, args, nargs, 0);
    sc_runlock_release(lua->guard->lock);
    return result;
}

static PyObject *through_helper(PyObject *self, PyObject *helper, PyObject *const *args, Py_ssize_t nargs) {
    const sc_lua_handle *function = helper == NULL ? NULL : sc_lua_handle_of(helper);
    PyObject *few[SC_LUA_FEW], **all = few;
    sc_lua_handle *object = (sc_lua_handle *)self;
    if (function == NULL) {
        sc_raise_refused_by(sc_interp_current(), SC_LOCK_CLOSED, sc_runlock_name(object->lua->guard->lock));
        return NULL;
    }
    if (nargs + 1 > SC_LUA_FEW) all = PyMem_Malloc((size_t)(nargs + 1) * sizeof *all);
    if (all == NULL) return PyErr_NoMemory();
    all[0] = self;
    if (nargs != 0) memcpy(all + 1, args, (size_t)nargs * sizeof *all);
    int number = function->number;
    PyObject *held = Py_NewRef(helper);
    PyObject *result = call_locked(object->lua, number, all, nargs + 1);
    Py_DECREF(held);
    if (all != few) PyMem_Free(all);
    return result;
}

static PyObject *object_get(PyObject *self, PyObject *name) {
    return through_helper(self, ((sc_lua_handle *)self)->lua->get, &name, 1);
}

static PyObject *object_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 2) return PyErr_Format(PyExc_TypeError, "set() takes a name and a value");
    return through_helper(self, ((sc_lua_handle *)self)->lua->set, args, nargs);
}

static PyObject *object_call(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    if (nargs < 1) return PyErr_Format(PyExc_TypeError, "call() takes the name of a method and its arguments");
    return through_helper(self, ((sc_lua_handle *)self)->lua->call, args, nargs);
}

/* Takes no lock that is not free: it serves displays. */
static PyObject *object_describe(PyObject *self, PyObject *Py_UNUSED(nothing)) {
    sc_lua_handle *object = (sc_lua_handle *)self;
    sc_lua *lua = object->lua;
    PyObject *result = NULL;
    if (lua->open && sc_runlock_try(lua->guard->lock) == SC_LOCK_OK) {
        const sc_lua_handle *helper = lua->open && lua->describe != NULL ? sc_lua_handle_of(lua->describe) : NULL;
        if (helper != NULL) result = sc_lua_invoke(lua, helper->number, NULL, &self, 1, SC_LUA_APART);
        sc_runlock_release(lua->guard->lock);
        if (result == NULL) PyErr_Clear();
    }
    return result != NULL ? result : Py_BuildValue("(ss)", "", "");
}

static PyObject *object_repr(PyObject *self) {
    PyObject *about = object_describe(self, NULL);
    if (about == NULL || !PyTuple_Check(about) || PyTuple_GET_SIZE(about) != 2) {
        Py_XDECREF(about);
        PyErr_Clear();
        return PyUnicode_FromFormat("<%s>", Py_TYPE(self)->tp_name);
    }
    const char *name = strrchr(Py_TYPE(self)->tp_name, '.');
    PyObject *text = PyUnicode_FromFormat("<%s %S %S>", name == NULL ? Py_TYPE(self)->tp_name : name + 1,
                                          PyTuple_GET_ITEM(about, 0), PyTuple_GET_ITEM(about, 1));
    Py_DECREF(about);
    return text;
}

static PyObject *object_compare(PyObject *a, PyObject *b, int op) {
    const sc_lua_handle *left = sc_lua_handle_of(a), *right = sc_lua_handle_of(b);
    if (left == NULL || right == NULL || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    int same = left->lua == right->lua && left->address == right->address;
    return PyBool_FromLong(op == Py_EQ ? same : !same);
}

static Py_hash_t object_hash(PyObject *self) { return Py_HashPointer(((sc_lua_handle *)self)->address); }

static PyMethodDef object_methods[] = {
    { "get", object_get, METH_O, "The field of that name." },
    { "set", (PyCFunction)(void (*)(void))object_set, METH_FASTCALL, "Set a field." },
    { "call", (PyCFunction)(void (*)(void))object_call, METH_FASTCALL, "Call a method; it gets the object as self." },
    { "describe", object_describe, METH_NOARGS, "Name (or kind) and place; without waiting, so they may be empty." },
    { NULL },
};

static PyMemberDef object_members[] = {
    { "__vectorcalloffset__", Py_T_PYSSIZET, offsetof(sc_lua_handle, vectorcall), Py_READONLY, NULL },
    { "__weaklistoffset__", Py_T_PYSSIZET, offsetof(sc_lua_handle, weakrefs), Py_READONLY, NULL },
    { NULL },
};

static PyType_Slot reference_slots[] = {
    { Py_tp_doc, "A Lua value that cannot be copied: comes back as itself in its own state." },
    { Py_tp_dealloc, sc_lua_handle_dealloc },
    { Py_tp_repr, object_repr },
    { Py_tp_hash, object_hash },
    { Py_tp_richcompare, object_compare },
    { Py_tp_methods, object_methods },
    { Py_tp_members, object_members },
    { 0, NULL },
};
static PyType_Spec reference_spec = {
    .name = "scriptnative._native.LuaReference",
    .basicsize = sizeof(sc_lua_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = reference_slots,
};

static PyType_Slot callable_slots[] = {
    { Py_tp_doc, "A Lua function as a Python callable; runs in a coroutine of its own, from any thread." },
    { Py_tp_dealloc, sc_lua_handle_dealloc },
    { Py_tp_call, PyVectorcall_Call },
    { Py_tp_members, object_members },
    { 0, NULL },
};
static PyType_Spec callable_spec = {
    .name = "scriptnative._native.LuaCallable",
    .basicsize = sizeof(sc_lua_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = callable_slots,
};

PyObject *sc_lua_types_new(PyObject *module) {
    PyObject *reference = PyType_FromModuleAndSpec(module, &reference_spec, NULL);
    PyObject *callable = reference == NULL ? NULL : PyType_FromModuleAndSpec(module, &callable_spec, reference);
    PyObject *types = NULL;
    /* By this, references to it that others hold know that get, set and call are its own. */
    if (callable != NULL && PyObject_SetAttrString(reference, "__sc_object__", Py_True) == 0)
        types = PyTuple_Pack(2, reference, callable);
    if (types != NULL && sc_interp_current()->is_main) {
        Py_XSETREF(reference_type, (PyTypeObject *)Py_NewRef(reference));
        Py_XSETREF(callable_type, (PyTypeObject *)Py_NewRef(callable));
    }
    Py_XDECREF(reference);
    Py_XDECREF(callable);
    return types;
}

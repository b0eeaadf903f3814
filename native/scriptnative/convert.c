/* convert.c: Python objects to and from neutral values. */
#include "convert.h"

#include "interp.h"

/* Strings longer than this are kept alive rather than copied when they sit inside an argument's container. */
#define COPY_LIMIT 4096

/* A result longer than this is kept alive until it has been read; keeping costs as much as copying 10 KiB. */
#define KEEP_LIMIT 65536

/* Where we are in the value, for messages and for finding cycles; lives on the C stack. */
typedef struct path_t {
    const struct path_t *parent;
    PyObject *container; /* borrowed; NULL at the root */
    PyObject *key;       /* borrowed: of a dict entry or a keyword */
    Py_ssize_t index;    /* -1 at the root of a result */
    int depth;
    int is_result;
} path_t;

typedef struct encoder {
    sc_arena *arena;
    sc_interp *here;
    int plain; /* for a runtime without classes: see sc_encode_plain */
} encoder;

static int encode(encoder *e, PyObject *o, const path_t *path, sc_value *out);

/* ---- naming the place ------------------------------------------------------------------------ */

static void append_path(PyObject **text, const path_t *path) {
    if (path->parent != NULL) append_path(text, path->parent);
    if (*text == NULL) return;
    PyObject *step;
    if (path->parent == NULL && path->key != NULL) {
        step = PyUnicode_FromFormat("%S", path->key);
    } else if (path->parent == NULL) {
        step = path->index < 0 ? PyUnicode_FromString("result") : PyUnicode_FromFormat("args[%zd]", path->index);
    } else if (path->key != NULL && PyUnicode_Check(path->key) && PyUnicode_IsIdentifier(path->key)) {
        step = PyUnicode_FromFormat(".%U", path->key);
    } else if (path->key != NULL) {
        step = PyUnicode_FromFormat("[%R]", path->key);
    } else {
        step = PyUnicode_FromFormat("[%zd]", path->index);
    }
    if (step == NULL) {
        Py_CLEAR(*text);
        return;
    }
    PyUnicode_AppendAndDel(text, step);
}

static int refuse(encoder *e, const path_t *path, const char *why) {
    PyObject *text = PyUnicode_FromString("");
    if (text != NULL) append_path(&text, path);
    if (text != NULL) {
        const char *place = PyUnicode_AsUTF8(text);
        sc_raise(e->here, SC_E_CROSSING, "%s %s", place == NULL ? "value" : place, why);
        Py_DECREF(text);
    }
    return -1;
}

/* ---- encoding --------------------------------------------------------------------------------- */

static int keep(encoder *e, PyObject *o) {
    sc_held *held = sc_arena_alloc(e->arena, sizeof *held);
    if (held == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    held->object = Py_NewRef(o);
    held->next = e->arena->kept;
    e->arena->kept = held;
    return 0;
}


/* Keep an object beyond the visit to its interpreter: whoever reads its memory gives it back from elsewhere. */
static int keep_for_reader(encoder *e, PyObject *o) {
    sc_ref *ref = sc_ref_keep(e->here, o);
    if (ref == NULL) return -1;
    if (sc_arena_hold_ref(e->arena, ref) == 0) return 0;
    sc_ref_release(ref);
    PyErr_NoMemory();
    return -1;
}

static int encode_bytes(encoder *e, PyObject *o, const char *bytes, Py_ssize_t length, const path_t *path,
                        sc_value *out) {
    out->length = (size_t)length;
    out->as.bytes = bytes;
    if (!path->is_result) {
        /* The caller holds its arguments for the whole call, but not what is inside them. */
        if (path->parent == NULL) return 0;
        if (length > COPY_LIMIT) return keep(e, o);
    } else if (length > KEEP_LIMIT) {
        return keep_for_reader(e, o);
    }
    char *copy = sc_arena_alloc(e->arena, (size_t)length);
    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy, bytes, (size_t)length);
    out->as.bytes = copy;
    return 0;
}

/* Mutable, so never borrowed. */
static int encode_bytearray(encoder *e, PyObject *o, sc_value *out) {
    Py_ssize_t length = PyByteArray_GET_SIZE(o);
    char *copy = sc_arena_alloc(e->arena, (size_t)length);
    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy, PyByteArray_AS_STRING(o), (size_t)length);
    out->tag = SC_BYTEARRAY;
    out->length = (size_t)length;
    out->as.bytes = copy;
    return 0;
}

/* Memory of any exporter as bytes, borrowed while the arena lives. */
static int encode_memory(encoder *e, PyObject *o, const path_t *path, sc_value *out) {
    PyObject *view = PyMemoryView_FromObject(o);
    if (view == NULL) return -1;
    const Py_buffer *buffer = PyMemoryView_GET_BUFFER(view);
    int rc;
    if (!PyBuffer_IsContiguous(buffer, 'C')) rc = refuse(e, path, "is not contiguous in memory; pass a contiguous copy");
    else rc = path->is_result ? keep_for_reader(e, view) : keep(e, view);
    out->tag = SC_BYTES;
    out->length = (size_t)buffer->len;
    out->as.bytes = buffer->buf;
    Py_DECREF(view);
    return rc;
}

static int encode_str(encoder *e, PyObject *o, const path_t *path, sc_value *out) {
    Py_ssize_t length;
    out->tag = SC_STR;
    const char *text = PyUnicode_AsUTF8AndSize(o, &length);
    if (text != NULL) return encode_bytes(e, o, text, length, path, out);
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
    PyErr_Clear();
    PyObject *bytes = PyUnicode_AsEncodedString(o, "utf-8", "surrogatepass");
    if (bytes == NULL) return -1;
    out->flags = SC_SURROGATES;
    char *copy = sc_arena_alloc(e->arena, (size_t)PyBytes_GET_SIZE(bytes));
    if (copy != NULL) memcpy(copy, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    out->as.bytes = copy;
    out->length = (size_t)PyBytes_GET_SIZE(bytes);
    Py_DECREF(bytes);
    if (copy == NULL) PyErr_NoMemory();
    return copy == NULL ? -1 : 0;
}

static int encode_int(encoder *e, PyObject *o, sc_value *out) {
    int overflow;
    long long small = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (small == -1 && !overflow && PyErr_Occurred()) return -1;
    if (!overflow) {
        out->tag = SC_INT;
        out->as.integer = small;
        return 0;
    }
    Py_ssize_t size = PyLong_AsNativeBytes(o, NULL, 0, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
    if (size < 0) return -1;
    unsigned char *bytes = sc_arena_alloc(e->arena, (size_t)size);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyLong_AsNativeBytes(o, bytes, size, Py_ASNATIVEBYTES_LITTLE_ENDIAN) < 0) return -1;
    out->tag = SC_BIGINT;
    out->length = (size_t)size;
    out->as.bytes = (const char *)bytes;
    return 0;
}

static int encode_reference(encoder *e, PyObject *o, const path_t *path, sc_value *out) {
    sc_ref *ref = sc_ref_new(e->here, o);
    if (ref == NULL && PyMemoryView_Check(o) && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        return refuse(e, path, "is a memoryview that has been released");
    }
    if (ref == NULL) return -1;
    if (sc_arena_hold_ref(e->arena, ref) < 0) {
        sc_ref_release(ref);
        PyErr_NoMemory();
        return -1;
    }
    out->tag = SC_REF;
    out->as.ref = ref;
    return 0;
}

static int check_container(encoder *e, PyObject *o, const path_t *path) {
    if (path->depth >= SC_MAX_DEPTH) return refuse(e, path, "is nested deeper than 200 levels; send it in parts");
    for (const path_t *up = path; up != NULL; up = up->parent) {
        if (up->container == o) return refuse(e, path, "refers back to a container it is in; a cycle cannot cross");
    }
    return 0;
}

static sc_value *alloc_items(encoder *e, Py_ssize_t count) {
    sc_value *items = sc_arena_alloc(e->arena, (size_t)count * sizeof *items);
    if (items == NULL) PyErr_NoMemory();
    return items;
}

/* One item of a container, which another thread may drop while it is being encoded. */
static int encode_item(encoder *e, PyObject *item, const path_t *step, sc_value *out) {
    Py_INCREF(item);
    int rc = encode(e, item, step, out);
    Py_DECREF(item);
    return rc;
}

static int refuse_change(encoder *e, const path_t *path) {
    return refuse(e, path, "changed its size while it was being copied; copy it under a lock first");
}

/* `container`: what the items are of, for messages and for finding cycles. */
static int encode_sequence(encoder *e, PyObject *container, PyObject *o, const path_t *path, sc_tag tag, sc_value *out) {
    if (check_container(e, container, path) < 0) return -1;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(o);
    sc_value *items = alloc_items(e, count);
    if (items == NULL) return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i >= PySequence_Fast_GET_SIZE(o)) return refuse_change(e, path);
        path_t step = { path, container, NULL, i, path->depth + 1, path->is_result };
        if (encode_item(e, PySequence_Fast_GET_ITEM(o, i), &step, &items[i]) < 0) return -1;
    }
    if (count != PySequence_Fast_GET_SIZE(o)) return refuse_change(e, path);
    out->tag = tag;
    out->length = (size_t)count;
    out->as.items = items;
    return 0;
}

/* There is no public way to walk a set without running its iterator; a list of its items is one. */
static int encode_set(encoder *e, PyObject *o, const path_t *path, sc_value *out) {
    PyObject *list = PySequence_List(o);
    if (list == NULL) return -1;
    int rc = encode_sequence(e, o, list, path, PyFrozenSet_Check(o) ? SC_FROZENSET : SC_SET, out);
    Py_DECREF(list);
    return rc;
}

static int encode_entry(encoder *e, PyObject *o, PyObject *key, PyObject *value, Py_ssize_t i, const path_t *path,
                        sc_value *out) {
    path_t step = { path, o, key, i, path->depth + 1, path->is_result };
    Py_INCREF(key);
    Py_INCREF(value);
    int rc = encode(e, key, &step, &out[0]);
    if (rc == 0) rc = encode(e, value, &step, &out[1]);
    Py_DECREF(key);
    Py_DECREF(value);
    return rc;
}

static int encode_dict(encoder *e, PyObject *o, const path_t *path, sc_value *out) {
    if (check_container(e, o, path) < 0) return -1;
    Py_ssize_t count = PyDict_GET_SIZE(o), position = 0, i = 0;
    sc_value *items = alloc_items(e, 2 * count);
    if (items == NULL) return -1;
    PyObject *key, *value;
    for (; i < count && PyDict_Next(o, &position, &key, &value); i++) {
        if (encode_entry(e, o, key, value, i, path, &items[2 * i]) < 0) return -1;
        if (PyDict_GET_SIZE(o) != count) return refuse_change(e, path);
    }
    out->tag = SC_DICT;
    out->length = (size_t)(2 * i);
    out->as.items = items;
    return 0;
}

static void encode_double(PyObject *o, sc_value *out) {
    out->tag = SC_DOUBLE;
    out->as.number = PyFloat_AS_DOUBLE(o);
}

static int encode_exact_bytes(encoder *e, PyObject *o, const path_t *path, sc_value *out) {
    out->tag = SC_BYTES;
    return encode_bytes(e, o, PyBytes_AS_STRING(o), PyBytes_GET_SIZE(o), path, out);
}

/* What only a runtime without classes gets: values by their built-in base, memory as bytes. */
static int encode_plain(encoder *e, PyObject *o, const path_t *path, sc_value *out) {
    if (PyLong_Check(o)) return encode_int(e, o, out);
    if (PyUnicode_Check(o)) return encode_str(e, o, path, out);
    if (PyList_Check(o)) return encode_sequence(e, o, o, path, SC_LIST, out);
    if (PyTuple_Check(o)) return encode_sequence(e, o, o, path, SC_TUPLE, out);
    if (PyDict_Check(o)) return encode_dict(e, o, path, out);
    if (PyBytes_Check(o)) return encode_exact_bytes(e, o, path, out);
    if (PyByteArray_Check(o)) return encode_bytearray(e, o, out);
    if (PyAnySet_Check(o)) return encode_set(e, o, path, out);
    if (PyFloat_Check(o)) encode_double(o, out);
    else if (PyObject_CheckBuffer(o)) return encode_memory(e, o, path, out);
    else return encode_reference(e, o, path, out);
    return 0;
}

static int encode(encoder *e, PyObject *o, const path_t *path, sc_value *out) {
    out->flags = 0;
    out->length = 0;
    if (PyLong_CheckExact(o)) return encode_int(e, o, out);
    if (PyUnicode_CheckExact(o)) return encode_str(e, o, path, out);
    if (o == Py_None) {
        out->tag = SC_NIL;
        return 0;
    }
    if (PyFloat_CheckExact(o)) {
        encode_double(o, out);
        return 0;
    }
    if (PyBool_Check(o)) {
        out->tag = SC_BOOL;
        out->as.integer = o == Py_True;
        return 0;
    }
    if (PyList_CheckExact(o)) return encode_sequence(e, o, o, path, SC_LIST, out);
    if (PyTuple_CheckExact(o)) return encode_sequence(e, o, o, path, SC_TUPLE, out);
    if (PyDict_CheckExact(o)) return encode_dict(e, o, path, out);
    if (PyBytes_CheckExact(o)) return encode_exact_bytes(e, o, path, out);
    if (PyByteArray_CheckExact(o)) return encode_bytearray(e, o, out);
    if (PyAnySet_CheckExact(o)) return encode_set(e, o, path, out);
    return e->plain ? encode_plain(e, o, path, out) : encode_reference(e, o, path, out);
}

int sc_encode(sc_arena *arena, sc_interp *here, PyObject *object, Py_ssize_t index, sc_value *out) {
    encoder e = { arena, here, 0 };
    path_t root = { NULL, NULL, NULL, index, 0, index < 0 };
    return encode(&e, object, &root, out);
}

int sc_encode_plain(sc_arena *arena, sc_interp *here, PyObject *object, Py_ssize_t index, sc_value *out) {
    encoder e = { arena, here, 1 };
    path_t root = { NULL, NULL, NULL, index, 0, index < 0 };
    return encode(&e, object, &root, out);
}

int sc_encode_keyword(sc_arena *arena, sc_interp *here, PyObject *object, PyObject *name, sc_value *out) {
    encoder e = { arena, here, 0 };
    path_t root = { NULL, NULL, name, 0, 0, 0 };
    return encode(&e, object, &root, out);
}

void sc_kept_release(sc_arena *arena) {
    for (sc_held *held = arena->kept; held != NULL; held = held->next) Py_DECREF((PyObject *)held->object);
    arena->kept = NULL;
}

/* ---- decoding --------------------------------------------------------------------------------- */

static PyObject *decode_set(sc_interp *here, const sc_value *value) {
    PyObject *set = value->tag == SC_SET ? PySet_New(NULL) : PyFrozenSet_New(NULL);
    for (size_t i = 0; set != NULL && i < value->length; i++) {
        PyObject *item = sc_decode(here, &value->as.items[i]);
        if (item == NULL || PySet_Add(set, item) < 0) Py_CLEAR(set);
        Py_XDECREF(item);
    }
    return set;
}

static PyObject *decode_dict(sc_interp *here, const sc_value *value) {
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i + 1 < value->length; i += 2) {
        PyObject *key = sc_decode(here, &value->as.items[i]);
        PyObject *item = key == NULL ? NULL : sc_decode(here, &value->as.items[i + 1]);
        if (item == NULL || PyDict_SetItem(dict, key, item) < 0) Py_CLEAR(dict);
        Py_XDECREF(key);
        Py_XDECREF(item);
    }
    return dict;
}

static PyObject *decode_sequence(sc_interp *here, const sc_value *value) {
    int is_list = value->tag == SC_LIST;
    PyObject *sequence = is_list ? PyList_New((Py_ssize_t)value->length) : PyTuple_New((Py_ssize_t)value->length);
    if (sequence == NULL) return NULL;
    for (size_t i = 0; i < value->length; i++) {
        PyObject *item = sc_decode(here, &value->as.items[i]);
        if (item == NULL) {
            Py_DECREF(sequence);
            return NULL;
        }
        if (is_list) PyList_SET_ITEM(sequence, (Py_ssize_t)i, item);
        else PyTuple_SET_ITEM(sequence, (Py_ssize_t)i, item);
    }
    return sequence;
}

PyObject *sc_decode(sc_interp *here, const sc_value *value) {
    switch ((sc_tag)value->tag) {
    case SC_NIL:
        Py_RETURN_NONE;
    case SC_BOOL:
        return PyBool_FromLong(value->as.integer != 0);
    case SC_INT:
        return PyLong_FromLongLong(value->as.integer);
    case SC_BIGINT:
        if (value->length == 0) return PyLong_FromLong(0); /* CPython takes no NULL, not even for no bytes */
        return PyLong_FromNativeBytes(value->as.bytes, value->length, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
    case SC_DOUBLE:
        return PyFloat_FromDouble(value->as.number);
    case SC_STR:
        return PyUnicode_DecodeUTF8(value->as.bytes, (Py_ssize_t)value->length,
                                    value->flags & SC_SURROGATES ? "surrogatepass" : NULL);
    case SC_BYTES:
        return PyBytes_FromStringAndSize(value->as.bytes, (Py_ssize_t)value->length);
    case SC_BYTEARRAY:
        return PyByteArray_FromStringAndSize(value->as.bytes, (Py_ssize_t)value->length);
    case SC_LIST:
    case SC_TUPLE:
        return decode_sequence(here, value);
    case SC_SET:
    case SC_FROZENSET:
        return decode_set(here, value);
    case SC_DICT:
        return decode_dict(here, value);
    case SC_REF:
        return sc_reference_wrap(here, value->as.ref);
    default:
        sc_raise(here, SC_E_CROSSING, "a native module returned a value with the unknown tag %u", value->tag);
        return NULL;
    }
}

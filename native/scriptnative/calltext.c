/* calltext.c: values as bounded text. */
#include "calltext.h"

#include "reference.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH 8
#define MAX_ITEMS 64
#define CUT "\xe2\x80\xa6" /* an ellipsis */

void sc_text_init(sc_text *text, char *bytes, size_t size) {
    text->bytes = bytes;
    text->used = 0;
    text->size = size;
    text->whole = 1;
    bytes[0] = '\0';
}

/* Room is kept for the ellipsis. */
static int is_full(const sc_text *text, size_t length) { return text->used + length + sizeof CUT > text->size; }

static void cut(sc_text *text) {
    text->whole = 0;
    if (text->used >= 3 && memcmp(text->bytes + text->used - 3, CUT, 3) == 0) return;
    memcpy(text->bytes + text->used, CUT, sizeof CUT);
    text->used += sizeof CUT - 1;
}

static int is_cut(const sc_text *text) {
    return !text->whole && text->used >= 3 && memcmp(text->bytes + text->used - 3, CUT, 3) == 0;
}

static int append(sc_text *text, const char *bytes, size_t length) {
    if (is_full(text, length)) {
        if (!is_cut(text)) cut(text);
        return -1;
    }
    memcpy(text->bytes + text->used, bytes, length);
    text->used += length;
    text->bytes[text->used] = '\0';
    return 0;
}

void sc_text_add(sc_text *text, const char *bytes) { append(text, bytes, strlen(bytes)); }

static int add_character(sc_text *text, Py_UCS4 character, int is_bytes) {
    char made[12];
    int length;
    if (character == '\'' || character == '\\') length = snprintf(made, sizeof made, "\\%c", (int)character);
    else if (character == '\n') length = snprintf(made, sizeof made, "\\n");
    else if (character == '\r') length = snprintf(made, sizeof made, "\\r");
    else if (character == '\t') length = snprintf(made, sizeof made, "\\t");
    else if (character < 0x20 || character == 0x7f || (character >= 0x80 && (is_bytes || character < 0xa0)))
        length = snprintf(made, sizeof made, "\\x%02x", (unsigned)character);
    else if (character >= 0xd800 && character < 0xe000) length = snprintf(made, sizeof made, "\\u%04x", (unsigned)character);
    else if (character < 0x80) { made[0] = (char)character; length = 1; }
    else if (character < 0x800) {
        made[0] = (char)(0xc0 | character >> 6);
        made[1] = (char)(0x80 | (character & 0x3f));
        length = 2;
    } else if (character < 0x10000) {
        made[0] = (char)(0xe0 | character >> 12);
        made[1] = (char)(0x80 | (character >> 6 & 0x3f));
        made[2] = (char)(0x80 | (character & 0x3f));
        length = 3;
    } else {
        made[0] = (char)(0xf0 | character >> 18);
        made[1] = (char)(0x80 | (character >> 12 & 0x3f));
        made[2] = (char)(0x80 | (character >> 6 & 0x3f));
        made[3] = (char)(0x80 | (character & 0x3f));
        length = 4;
    }
    return append(text, made, (size_t)length);
}

static void add_str(sc_text *text, PyObject *value) {
    Py_ssize_t length = PyUnicode_GET_LENGTH(value);
    if (append(text, "'", 1) < 0) return;
    for (Py_ssize_t i = 0; i < length; i++)
        if (add_character(text, PyUnicode_READ_CHAR(value, i), 0) < 0) return;
    append(text, "'", 1);
}

static void add_bytes(sc_text *text, const char *bytes, Py_ssize_t length) {
    if (append(text, "b'", 2) < 0) return;
    for (Py_ssize_t i = 0; i < length; i++)
        if (add_character(text, (unsigned char)bytes[i], 1) < 0) return;
    append(text, "'", 1);
}

/* The text of an object whose repr is Python's own. */
static void add_repr(sc_text *text, PyObject *value) {
    PyObject *made = PyObject_Repr(value);
    const char *bytes = made == NULL ? NULL : PyUnicode_AsUTF8(made);
    if (bytes != NULL) {
        append(text, bytes, strlen(bytes));
    } else { /* an int of too many digits */
        PyErr_Clear();
        cut(text);
    }
    Py_XDECREF(made);
}

static void add_float(sc_text *text, PyObject *value) {
    double number = PyFloat_AS_DOUBLE(value);
    if (isfinite(number)) add_repr(text, value);
    else sc_text_add(text, isnan(number) ? "float('nan')" : number > 0 ? "float('inf')" : "float('-inf')");
}

static void add_value(sc_text *text, PyObject *value, int depth);

/* An item that follows others; -1: enough of them. */
static int add_item(sc_text *text, PyObject *key, PyObject *value, Py_ssize_t number, int depth) {
    if (number > 0) sc_text_add(text, ", ");
    if (is_cut(text)) return -1;
    if (number >= MAX_ITEMS) {
        cut(text);
        return -1;
    }
    if (key != NULL) {
        add_value(text, key, depth + 1);
        sc_text_add(text, ": ");
    }
    add_value(text, value, depth + 1);
    return is_cut(text) ? -1 : 0;
}

static void add_sequence(sc_text *text, PyObject *value, int depth) {
    int is_list = PyList_CheckExact(value);
    Py_ssize_t i = 0;
    sc_text_add(text, is_list ? "[" : "(");
    for (; i < PySequence_Fast_GET_SIZE(value); i++)
        if (add_item(text, NULL, PySequence_Fast_GET_ITEM(value, i), i, depth) < 0) break;
    sc_text_add(text, is_list ? "]" : i == 1 ? ",)" : ")");
}

static void add_dict(sc_text *text, PyObject *value, int depth) {
    PyObject *key, *item;
    Py_ssize_t place = 0, number = 0;
    sc_text_add(text, "{");
    while (PyDict_Next(value, &place, &key, &item))
        if (add_item(text, key, item, number++, depth) < 0) break;
    sc_text_add(text, "}");
}

static void add_set(sc_text *text, PyObject *value, int depth) {
    int frozen = PyFrozenSet_CheckExact(value);
    if (PySet_GET_SIZE(value) == 0) {
        sc_text_add(text, frozen ? "frozenset()" : "set()");
        return;
    }
    PyObject *items = PyObject_GetIter(value), *item;
    Py_ssize_t number = 0;
    sc_text_add(text, frozen ? "frozenset({" : "{");
    while (items != NULL && (item = PyIter_Next(items)) != NULL) {
        int rc = add_item(text, NULL, item, number++, depth);
        Py_DECREF(item);
        if (rc < 0) break;
    }
    Py_XDECREF(items);
    PyErr_Clear();
    sc_text_add(text, frozen ? "})" : "}");
}

/* What is no literal: its type, and whose it is. */
static void add_opaque(sc_text *text, PyObject *value) {
    const sc_ref *ref = sc_reference_unwrap(value);
    const char *name = Py_TYPE(value)->tp_name, *dot = strrchr(name, '.');
    sc_text_add(text, "<");
    sc_text_add(text, ref != NULL ? ref->type_name : dot != NULL ? dot + 1 : name);
    if (ref != NULL) {
        sc_text_add(text, " of ");
        sc_text_add(text, sc_ref_owner(ref));
    }
    sc_text_add(text, ">");
    text->whole = 0;
}

static void add_value(sc_text *text, PyObject *value, int depth) {
    if (value == Py_None || PyBool_Check(value) || PyLong_CheckExact(value)) add_repr(text, value);
    else if (PyFloat_CheckExact(value)) add_float(text, value);
    else if (PyUnicode_CheckExact(value)) add_str(text, value);
    else if (PyBytes_CheckExact(value)) add_bytes(text, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
    else if (PyByteArray_CheckExact(value)) {
        sc_text_add(text, "bytearray(");
        add_bytes(text, PyByteArray_AS_STRING(value), PyByteArray_GET_SIZE(value));
        sc_text_add(text, ")");
    } else if (depth >= MAX_DEPTH && (PyList_CheckExact(value) || PyTuple_CheckExact(value) || PyDict_CheckExact(value) ||
                                      PyAnySet_CheckExact(value))) cut(text);
    else if (PyList_CheckExact(value) || PyTuple_CheckExact(value)) add_sequence(text, value, depth);
    else if (PyDict_CheckExact(value)) add_dict(text, value, depth);
    else if (PyAnySet_CheckExact(value)) add_set(text, value, depth);
    else add_opaque(text, value);
}

void sc_text_value(sc_text *text, PyObject *value) { add_value(text, value, 0); }

void sc_text_arguments(sc_text *text, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < nargs + keywords && !is_cut(text); i++) {
        if (i > 0) sc_text_add(text, ", ");
        if (i >= nargs) {
            const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(kwnames, i - nargs));
            if (name == NULL) PyErr_Clear();
            sc_text_add(text, name == NULL ? "?" : name);
            sc_text_add(text, "=");
        }
        add_value(text, args[i], 0);
    }
}

void sc_text_error(sc_text *text, PyObject *error) {
    const char *name = Py_TYPE(error)->tp_name, *dot = strrchr(name, '.');
    PyObject *args = ((PyBaseExceptionObject *)error)->args;
    sc_text_add(text, dot != NULL ? dot + 1 : name);
    if (args == NULL || !PyTuple_CheckExact(args) || PyTuple_GET_SIZE(args) == 0) return;
    sc_text_add(text, ": ");
    PyObject *first = PyTuple_GET_ITEM(args, 0);
    const char *message = PyTuple_GET_SIZE(args) == 1 && PyUnicode_CheckExact(first) ? PyUnicode_AsUTF8(first) : NULL;
    if (message != NULL) {
        for (; *message != '\0' && *message != '\n'; message++) {
            /* Whole characters only: those of UTF-8 that go on begin with the bits 10. */
            size_t length = 1;
            while ((message[length] & 0xc0) == 0x80) length++;
            if (append(text, message, length) < 0) return;
            message += length - 1;
        }
        return;
    }
    PyErr_Clear();
    sc_text_arguments(text, &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args), NULL);
}

# Values that any serializer writes in full as they are, found in one look. Included by _native.pyx.

from cpython.dict cimport PyDict_Next

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow)

cdef enum:
    _PLAIN_DEPTH = 200
    _PLAIN_ROOM = 1 << 24  # items and bytes of text: the look, with the GIL held, takes no more than 0.1 s


cdef bint _is_text(object value, Py_ssize_t *room):
    if type(value) is str:
        room[0] -= len(<str>value)
        return True
    if type(value) is bytes:
        room[0] -= len(<bytes>value)
        return True
    return False


cdef bint _fits(object value):
    """Whether an int takes 64 bits at most, its sign included."""
    cdef int beyond = 0
    PyLong_AsLongLongAndOverflow(value, &beyond)
    return beyond == 0


cdef bint _is_plain(object value, int depth, Py_ssize_t *room):
    cdef PyObject *key
    cdef PyObject *item
    cdef Py_ssize_t position = 0
    room[0] -= 1
    if room[0] < 0:
        return False
    if type(value) is int:
        return _fits(value)
    if value is None or type(value) is float or type(value) is bool or _is_text(value, room):
        return True
    if depth == _PLAIN_DEPTH:
        return False
    if type(value) is list:
        for each in <list>value:
            if not _is_plain(each, depth + 1, room):
                return False
        return True
    if type(value) is dict:
        while PyDict_Next(value, &position, &key, &item):
            if not _is_text(<object>key, room) or not _is_plain(<object>item, depth + 1, room):
                return False
        return True
    return False


def if_plain(write, value):
    cdef Py_ssize_t room = _PLAIN_ROOM
    return write(value) if _is_plain(value, 0, &room) and room >= 0 else None

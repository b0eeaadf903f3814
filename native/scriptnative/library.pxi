"""Native modules as Python sees them: opening and checking a library, its functions and its variables.

Calls themselves are library.c. Included by _native.pyx.
"""

import os as _os
import shutil as _shutil
import tempfile as _tempfile

cimport cython
from libc.float cimport FLT_MAX
from libc.stdint cimport int32_t, int64_t, uint16_t
from libc.string cimport memcpy, strlen, strncmp

cdef extern from "<dlfcn.h>" nogil:
    void *dlsym(void *handle, const char *symbol)

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t limit)

cdef extern from "scriptconsole.h":
    const uint32_t SC_ABI_VERSION
    ctypedef struct sc_export:
        const char *name
        void *function
        const char *signature
        const char *doc
    ctypedef enum sc_kind:
        SC_VAR_INT64
        SC_VAR_INT32
        SC_VAR_DOUBLE
        SC_VAR_FLOAT
        SC_VAR_BOOL
        SC_VAR_STRING
    ctypedef struct sc_variable:
        const char *name
        sc_kind kind
        void *address
        size_t count
    ctypedef struct sc_module:
        uint32_t abi
        const char *name
        const char *version
        const sc_export *exports
        const sc_variable *variables

cdef extern from "library.h":
    ctypedef struct sc_type:
        char letter
        unsigned char variadic
        uint16_t minimum
        uint16_t count
        uint16_t span
    ctypedef struct sc_native:
        char *name
        char *signature
        char *doc
        int line
        sc_type *types
    ctypedef struct sc_library:
        void *handle
        const sc_module *module
        char *source
        sc_runlock *lock
        PyObject *host
        PyObject *resolve
        int depth
        size_t count
        sc_native functions[0]
    void *sc_handle_open(const char *path, const char **why) nogil
    void sc_handle_close(void *handle) nogil
    sc_library *sc_library_new(void *handle, const sc_module *module, const char *path, sc_runlock *lock, sc_interp *home)
    int sc_library_locate(sc_library *library, const char *source) except -1
    void sc_library_free(sc_library *library)
    int sc_library_load(sc_library *library) except -1
    int sc_library_unload(sc_library *library, double seconds) except -1
    int sc_library_close(sc_library *library, double seconds)
    object sc_native_type_new(object module)
    object sc_native_wrap(object type, object owner, sc_native *fn)

ctypedef const sc_module *(*module_entry)() noexcept nogil

NativeFunction = sc_native_type_new(_sys.modules[__name__])

# A table without its end mark would be read into whatever follows it.
cdef enum:
    MAX_EXPORTS = 10000
    MAX_SIGNATURE = 1000
    SHOWN_ELEMENTS = 20
    SHOWN_BYTES = 200

_KIND_NAMES = {
    SC_VAR_INT64: "int64",
    SC_VAR_INT32: "int32",
    SC_VAR_DOUBLE: "double",
    SC_VAR_FLOAT: "float",
    SC_VAR_BOOL: "bool",
    SC_VAR_STRING: "string",
}


cdef str _text(const char *text):
    return "" if text is NULL else text[:strlen(text)].decode("utf-8", "backslashreplace")


# ---- signatures --------------------------------------------------------------------------------------


cdef class _SignatureError(Exception):
    """What is wrong with a signature; the second argument is the position, from 0."""


cdef class _Signature:
    """Compiles signature letters to the nodes that library.c walks."""

    cdef const char *text
    cdef size_t at
    cdef sc_type *nodes
    cdef size_t used

    cdef sc_type *add(self, char letter):
        cdef sc_type *node = self.nodes + self.used
        node.letter = letter
        node.variadic = 0
        node.minimum = node.count = 0
        node.span = 1
        self.used += 1
        return node

    cdef int item(self) except -1:
        cdef char letter = self.text[self.at]
        if letter == b"T":
            if self.text[self.at + 1] != b"(":
                raise _SignatureError("'T' must be followed by '('", self.at + 1)
            self.at += 2
            self.group(b")")
        elif letter == 0:
            raise _SignatureError("a letter is missing", self.at)
        elif letter in b"ldbsypLDOA":
            self.add(letter)
        else:
            raise _SignatureError(f"unknown letter {chr(<unsigned char>letter)!r}; known are ldbsypLDOA and T(...)", self.at)
        self.at += 1
        return 0

    cdef int group(self, char close) except -1:
        """Items up to `close`, on which it stops."""
        cdef sc_type *group = self.add(b"T")
        while self.text[self.at] != close:
            if self.text[self.at] == 0:
                missing = "':' and the result letter are missing" if close == b":" else "')' is missing"
                raise _SignatureError(missing, self.at)
            if strncmp(self.text + self.at, b"...", 3) == 0:
                self.at += 3
                if self.text[self.at] != close:
                    raise _SignatureError(f"'...' must be the last before {chr(close)!r}", self.at)
                group.variadic = 1
                if group.count == 0:
                    self.add(b"A")
                    group.count = 1
                break
            self.item()
            group.count += 1
            group.minimum += 1
        group.span = <uint16_t>(self.nodes + self.used - group)
        return 0

    cdef int compile(self, sc_native *fn) except -1:
        self.text = fn.signature
        self.nodes = fn.types
        self.at = self.used = 0
        if strlen(fn.signature) > MAX_SIGNATURE:
            raise _SignatureError(f"longer than {MAX_SIGNATURE} characters", MAX_SIGNATURE)
        self.group(b":")
        self.at += 1
        if self.text[self.at] == 0:
            self.add(b"N")
            return 0
        self.item()
        if self.text[self.at] != 0:
            raise _SignatureError("only one result letter may follow ':'", self.at)
        return 0


# ---- opening -----------------------------------------------------------------------------------------


cdef void *_open(str path) except NULL:
    cdef const char *why = NULL
    cdef void *handle
    if not _os.path.isfile(path):
        raise _errors.LoadError(f"{path}: no such file", file=path)
    encoded = _os.fsencode(path)
    cdef const char *name = encoded
    with nogil:
        handle = sc_handle_open(name, &why)
    if handle is NULL and why is NULL:
        return _open_copy(path)
    if handle is NULL:
        raise _errors.LoadError(f"{path} cannot be loaded as a shared library: {_text(why)}", file=path)
    return handle


cdef void *_open_copy(str path) except NULL:
    """A second instance of a file that is open already, with variables of its own."""
    cdef const char *why = NULL
    cdef void *handle
    number, copy = _tempfile.mkstemp(prefix=_os.path.basename(path) + ".", suffix=".so")
    _os.close(number)
    try:
        _shutil.copyfile(path, copy)
        encoded = _os.fsencode(copy)
        handle = sc_handle_open(encoded, &why)
    finally:
        _os.unlink(copy)
    if handle is NULL:
        raise _errors.LoadError(f"{path} cannot be loaded a second time: {_text(why)}", file=path)
    return handle


cdef const sc_module *_find_module(void *handle, str path) except NULL:
    cdef void *symbol = dlsym(handle, b"scriptconsole_module")
    if symbol is NULL:
        raise _errors.LoadError(
            f"{path} is no native module: it does not export scriptconsole_module; "
            "end one of its C files with SC_MODULE(table)",
            file=path,
        )
    cdef const sc_module *module = (<module_entry>symbol)()
    if module is NULL:
        raise _errors.LoadError(f"{path}: scriptconsole_module() returned NULL", file=path)
    if module.abi != SC_ABI_VERSION:
        raise _errors.LoadError(
            f"{path} was built for version {module.abi} of the module interface, this is version {SC_ABI_VERSION}; "
            "compile it again with this version's scriptconsole.h",
            file=path,
        )
    if module.name is NULL or module.name[0] == 0:
        raise _errors.LoadError(f"{path}: the module has no name", file=path)
    return module


cdef int _check_name(const char *name, set seen, str what, size_t position, str path) except -1:
    if len(seen) >= MAX_EXPORTS:
        raise _errors.LoadError(f"{path}: the table of {what}s does not end; its last entry must be {{0}}", file=path)
    text = _text(name)
    if not text:
        raise _errors.LoadError(f"{path}: {what} number {position + 1} has no name", file=path)
    if text in seen:
        raise _errors.LoadError(f"{path}: {what} {text!r} is listed twice", file=path)
    seen.add(text)
    return 0


cdef int _check_module(const sc_module *module, str path) except -1:
    cdef size_t i = 0
    cdef const sc_variable *variable
    seen = set()
    while module.exports is not NULL and module.exports[i].name is not NULL:
        _check_name(module.exports[i].name, seen, "function", i, path)
        if module.exports[i].function is NULL:
            raise _errors.LoadError(f"{path}: {_text(module.exports[i].name)}() points to no function", file=path)
        i += 1
    seen = set()
    i = 0
    while module.variables is not NULL and module.variables[i].name is not NULL:
        variable = &module.variables[i]
        _check_name(variable.name, seen, "variable", i, path)
        if variable.address is NULL or variable.count == 0 or not SC_VAR_INT64 <= variable.kind <= SC_VAR_STRING:
            raise _errors.LoadError(
                f"{path}: variable {_text(variable.name)!r} needs a kind, an address and a count of at least 1", file=path
            )
        i += 1
    return 0

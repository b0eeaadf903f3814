"""Native modules as Python sees them: opening and checking a library, its functions and its variables.

Calls themselves are library.c. Included by _native.pyx.
"""

import os as _os

cimport cython
from libc.float cimport FLT_MAX
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, strlen

cdef extern from "<dlfcn.h>" nogil:
    enum:
        RTLD_NOW
        RTLD_NOLOAD
    void *dlopen(const char *path, int flags)
    void *dlsym(void *handle, const char *symbol)
    int dlclose(void *handle)

cdef extern from "Python.h":
    ctypedef struct PyModuleDef:
        pass
    int PyModule_ExecDef(object module, PyModuleDef *definition) except -1
    object PyModule_FromDefAndSpec(PyModuleDef *definition, object spec)
    int PyObject_TypeCheck(PyObject *value, void *type)
    void *PyModuleDef_Type

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t limit)

cdef extern from "scriptconsole.h":
    const uint32_t SC_ABI_VERSION
    const uint32_t SC_KEEP_GIL
    ctypedef struct sc_export:
        const char *name
        void *function
        const char *signature
        const char *doc
        uint32_t flags
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
        uint32_t flags

cdef extern from "library.h":
    ctypedef struct sc_type:
        pass
    ctypedef struct sc_signature_error:
        size_t at
        char why[80]
    int sc_signature_compile(const char *text, sc_type *nodes, sc_signature_error *error)
    ctypedef struct sc_native:
        char *name
        char *signature
        char *doc
        sc_type *types
    ctypedef struct sc_kept:
        size_t used
    ctypedef enum sc_step:
        SC_LOAD
        SC_START
        SC_PAUSE
        SC_RESUME
        SC_STOP
        SC_UNLOAD
        SC_SAVE
        SC_RESTORE
        SC_STATISTICS
    ctypedef struct sc_library:
        void *handle
        sc_kept kept
        const sc_module *module
        char *source
        sc_runlock *lock
        PyObject *host
        PyObject *resolve
        int stays
        int depth
        size_t count
        sc_native functions[0]
    void *sc_handle_open(const char *path, const char **why) nogil
    void sc_handle_close(void *handle, int stays) nogil
    sc_library *sc_library_new(void *handle, const sc_module *module, const char *path, sc_runlock *lock, sc_interp *home)
    int sc_library_locate(sc_library *library, const char *source) except -1
    int sc_native_locate(sc_native *fn, const char *source, int line) except -1
    void sc_library_free(sc_library *library)
    const sc_export *sc_module_export(const sc_module *module, size_t i)
    int sc_library_has(const sc_library *library, sc_step step)
    object sc_library_step(sc_library *library, sc_step step, PyObject *state, double seconds, int entering)
    int sc_library_close(sc_library *library, double seconds)
    object sc_native_type_new(object module)
    object sc_native_wrap(object type, object owner, sc_native *fn)

ctypedef const sc_module *(*module_entry)() noexcept nogil
ctypedef PyObject *(*init_entry)() noexcept

NativeFunction = sc_native_type_new(_sys.modules[__name__])

# A table without its end mark would be read into whatever follows it.
cdef enum:
    MAX_EXPORTS = 10000
    SHOWN_ELEMENTS = 20
    SHOWN_BYTES = 200

_STEPS = {
    "start": SC_START,
    "pause": SC_PAUSE,
    "resume": SC_RESUME,
    "stop": SC_STOP,
    "save": SC_SAVE,
    "restore": SC_RESTORE,
    "statistics": SC_STATISTICS,
}

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
    if handle is not NULL and path in _permanent:
        sc_handle_close(handle, False)
        handle = NULL
        why = NULL
    if handle is NULL and why is NULL:
        return _open_copy(path)
    if handle is NULL:
        raise _errors.LoadError(f"{path} cannot be loaded as a shared library: {_text(why)}", file=path)
    return handle


cdef void *_open_copy(str path) except NULL:
    """A second instance of a file that is open already, with variables of its own."""
    cdef const char *why = NULL
    cdef void *handle
    import shutil as _shutil
    import tempfile as _tempfile

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


# Libraries with Python extension code: their types and functions may be in use anywhere in the interpreter, so they
# are never unmapped, and a second load needs a copy, because the first one's variables are still there.
_permanent = set()


cdef object _run_init(void *handle, str name, str path):
    """Execute Python extension code inside the library; the module it makes, which must outlive its use."""
    encoded = f"PyInit_{name}".encode()
    cdef void *symbol = dlsym(handle, encoded)
    cdef PyObject *made
    if symbol is NULL:
        raise _errors.LoadError(f"{path}: no PyInit_{name} in it; compile its .pyx again", file=path)
    import importlib.machinery as _machinery

    spec = _machinery.ModuleSpec(name, None, origin=path)
    made = (<init_entry>symbol)()
    if made is NULL:
        _raise_pending()
    if PyObject_TypeCheck(made, &PyModuleDef_Type):
        module = PyModule_FromDefAndSpec(<PyModuleDef *>made, spec)
        PyModule_ExecDef(module, <PyModuleDef *>made)
    else:
        module = <object>made
    _sys.modules.pop(name, None)
    return module


cdef int _raise_pending() except -1:
    return -1


cdef list _run_inits(void *handle, tuple names, str path):
    if not names:
        return []
    _permanent.add(path)
    try:
        return [_run_init(handle, name, path) for name in names]
    except _errors.ScriptConsoleError:
        raise
    except Exception as error:
        raise _errors.LoadError(
            f"{path}: its module level raised {type(error).__name__}: {error}", file=path, frames=_errors.own_frames(error)
        ) from error


cdef const sc_module *_find_module(void *handle, str path) except NULL:
    cdef void *symbol = dlsym(handle, b"scriptconsole_module")
    if symbol is NULL:
        raise _errors.LoadError(
            f"{path}: no native module: it does not export scriptconsole_module; "
            "end one of its C files with SC_MODULE(table)",
            file=path,
        )
    cdef const sc_module *module = (<module_entry>symbol)()
    if module is NULL:
        raise _errors.LoadError(f"{path}: scriptconsole_module() returned NULL", file=path)
    if not 1 <= module.abi <= SC_ABI_VERSION:
        raise _errors.LoadError(
            f"{path} was built for version {module.abi} of the module interface, this is version {SC_ABI_VERSION} "
            "(version 1 is taken too); compile it again with this version's scriptconsole.h",
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
    cdef const sc_export *entry
    seen = set()
    while module.exports is not NULL and sc_module_export(module, i).name is not NULL:
        entry = sc_module_export(module, i)
        _check_name(entry.name, seen, "function", i, path)
        if entry.function is NULL:
            raise _errors.LoadError(f"{path}: {_text(entry.name)}() points to no function", file=path)
        if module.abi > 1 and entry.flags & ~SC_KEEP_GIL:
            raise _errors.LoadError(f"{path}: {_text(entry.name)}() has unknown flags {entry.flags:#x}", file=path)
        i += 1
    if module.abi > 1 and module.flags & ~SC_KEEP_GIL:
        raise _errors.LoadError(f"{path}: the module has unknown flags {module.flags:#x}", file=path)
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


# ---- variables ---------------------------------------------------------------------------------------


cdef size_t _element_size(sc_kind kind) noexcept:
    if kind == SC_VAR_INT64:
        return sizeof(int64_t)
    if kind == SC_VAR_DOUBLE:
        return sizeof(double)
    if kind == SC_VAR_INT32 or kind == SC_VAR_FLOAT:
        return sizeof(int32_t)
    return 1


cdef object _read_element(const sc_variable *variable, size_t index):
    cdef const char *address = <const char *>variable.address + index * _element_size(variable.kind)
    if variable.kind == SC_VAR_INT64:
        return (<const int64_t *>address)[0]
    if variable.kind == SC_VAR_INT32:
        return (<const int32_t *>address)[0]
    if variable.kind == SC_VAR_DOUBLE:
        return (<const double *>address)[0]
    if variable.kind == SC_VAR_FLOAT:
        return (<const float *>address)[0]
    return address[0] != 0


cdef object _read(const sc_variable *variable, size_t limit, size_t string_limit):
    """The value, cut after `limit` elements or `string_limit` bytes."""
    cdef size_t i
    cdef const char *text = <const char *>variable.address
    if variable.kind == SC_VAR_STRING:
        return text[:strnlen(text, min(variable.count, string_limit))].decode("utf-8", "backslashreplace")
    if variable.count == 1:
        return _read_element(variable, 0)
    return [_read_element(variable, i) for i in range(min(variable.count, limit))]


cdef int _write_element(const sc_variable *variable, str name, object value, char *out) except -1:
    cdef int64_t integer
    cdef double number
    kind = _KIND_NAMES[variable.kind]
    if variable.kind == SC_VAR_BOOL:
        if not isinstance(value, bool):
            raise _errors.CrossingError(f"{name} must be a bool, got {type(value).__name__}")
        out[0] = value is True
    elif variable.kind == SC_VAR_INT64 or variable.kind == SC_VAR_INT32:
        bits = 63 if variable.kind == SC_VAR_INT64 else 31
        if not isinstance(value, int):
            raise _errors.CrossingError(f"{name} must be an int, got {type(value).__name__}")
        if not -(1 << bits) <= value < (1 << bits):
            raise _errors.CrossingError(f"{name} must fit {kind}: {-(1 << bits)} to {(1 << bits) - 1}")
        integer = value
        if variable.kind == SC_VAR_INT64:
            (<int64_t *>out)[0] = integer
        else:
            (<int32_t *>out)[0] = <int32_t>integer
    else:
        if not isinstance(value, (int, float)):
            raise _errors.CrossingError(f"{name} must be a number, got {type(value).__name__}")
        try:
            number = float(value)
        except OverflowError:
            raise _errors.CrossingError(f"{name} must fit {kind}") from None
        if variable.kind == SC_VAR_DOUBLE:
            (<double *>out)[0] = number
        elif FLT_MAX < abs(number) < float("inf"):
            raise _errors.CrossingError(f"{name} must fit float: at most {FLT_MAX:.6g} in size")
        else:
            (<float *>out)[0] = <float>number
    return 0


cdef bytes _encode_string(const sc_variable *variable, str name, object value):
    if not isinstance(value, str):
        raise _errors.CrossingError(f"{name} must be a str, got {type(value).__name__}")
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        raise _errors.CrossingError(f"{name} must be text without lone surrogates") from None
    if b"\0" in encoded:
        raise _errors.CrossingError(f"{name} cannot hold a NUL character: it would end there")
    if len(encoded) >= variable.count:
        raise _errors.CrossingError(f"{name} must be at most {variable.count - 1} bytes of UTF-8, got {len(encoded)}")
    return encoded + b"\0"


cdef bytes _encode_variable(const sc_variable *variable, str name, object value):
    """What to copy to the variable's address, checked as a whole before anything is written."""
    cdef size_t size = _element_size(variable.kind), i
    if variable.kind == SC_VAR_STRING:
        return _encode_string(variable, name, value)
    if variable.count == 1:
        value = [value]
    elif not isinstance(value, (list, tuple)) or len(value) != variable.count:
        got = f"{len(value)} of them" if isinstance(value, (list, tuple)) else type(value).__name__
        raise _errors.CrossingError(f"{name} must be a list of {variable.count} elements, got {got}")
    encoded = bytearray(size * variable.count)
    cdef char *out = encoded
    for i in range(variable.count):
        place = name if variable.count == 1 else f"{name}[{i}]"
        _write_element(variable, place, value[i], out + i * size)
    return bytes(encoded)


# ---- the library -------------------------------------------------------------------------------------


@cython.no_gc_clear
cdef class NativeLibrary:
    """One open native module. Belongs to the interpreter that opened it."""

    cdef sc_library *library
    cdef object host, resolve
    cdef bint loaded
    cdef list extensions
    cdef readonly str path, name, version
    cdef object __weakref__

    def __cinit__(self, str path not None, RunLock lock not None, host, resolve, tuple inits=()):
        self.path = path = _os.path.abspath(path)
        self.host = host
        self.resolve = resolve
        cdef void *handle = _open(path)
        cdef const sc_module *module
        try:
            self.extensions = _run_inits(handle, inits, path)
            module = _find_module(handle, path)
            _check_module(module, path)
            self.name = _text(module.name)
            self.version = _text(module.version)
            encoded = path.encode("utf-8", "backslashreplace")
            self.library = sc_library_new(handle, module, encoded, lock.lock, sc_interp_current())
            if self.library is NULL:
                raise MemoryError
        except BaseException:
            sc_handle_close(handle, bool(inits))
            raise
        self.library.stays = bool(inits)
        self.library.host = <PyObject *>host
        self.library.resolve = <PyObject *>resolve
        self.compile_signatures()

    cdef int compile_signatures(self) except -1:
        cdef size_t i
        cdef sc_native *fn
        cdef sc_signature_error error
        for i in range(self.library.count):
            fn = &self.library.functions[i]
            if fn.signature is NULL or sc_signature_compile(fn.signature, fn.types, &error) == 0:
                continue
            raise _errors.LoadError(
                f'{self.path}: signature "{_text(fn.signature)}" of {_text(fn.name)}(), '
                f"character {error.at + 1}: {_text(error.why)}",
                file=self.path,
            )
        return 0

    def __dealloc__(self):
        if self.library is NULL:
            return
        self.library.host = NULL
        self.library.resolve = NULL
        sc_library_free(self.library)

    def __repr__(self):
        return f"<NativeLibrary {self.name} {self.version}{' (closed)' if self.closed else ''}>"

    cdef sc_library *opened(self) except NULL:
        if self.library.handle is NULL:
            raise _errors.ScriptClosed(f"{self.name} is closed; load it again to use it", file=self.path)
        return self.library

    @property
    def closed(self):
        return self.library.handle is NULL

    def locate(self, str source not None, dict places not None):
        cdef size_t i
        sc_library_locate(self.library, source.encode("utf-8", "backslashreplace"))
        for i in range(self.library.count):
            place = places.get(_text(self.library.functions[i].name))
            if place is not None:
                file, line = place
                sc_native_locate(&self.library.functions[i], file.encode("utf-8", "backslashreplace"), line)

    def functions(self):
        cdef size_t i
        cdef sc_native *fn
        result = []
        for i in range(self.library.count):
            fn = &self.library.functions[i]
            result.append((_text(fn.name), None if fn.signature is NULL else _text(fn.signature), _text(fn.doc)))
        return result

    def function(self, str name not None):
        cdef size_t i
        known = [_text(self.library.functions[i].name) for i in range(self.library.count)]
        if name not in known:
            hint = _errors.did_you_mean(name, known)
            raise _errors.UnknownFunction(f'{self.name} has no function "{name}".{hint}', file=self.path)
        i = known.index(name)
        return sc_native_wrap(NativeFunction, self, &self.library.functions[i])

    # The GIL of the interpreter that opened the library keeps it mapped while its variables are read: `close`
    # needs it to change `handle`, and nothing below runs Python code.

    def variables(self):
        cdef const sc_variable *variable = self.opened().module.variables
        result = []
        while variable is not NULL and variable.name is not NULL:
            value = _read(variable, SHOWN_ELEMENTS, SHOWN_BYTES)
            kind = _KIND_NAMES[variable.kind]
            if variable.count != 1:
                kind = f"{kind}[{variable.count}]"
            result.append((_text(variable.name), kind, value, variable.count))
            variable += 1
        return result

    cdef const sc_variable *find(self, str name) except NULL:
        cdef const sc_variable *variable = self.opened().module.variables
        known = []
        while variable is not NULL and variable.name is not NULL:
            known.append(_text(variable.name))
            if known[-1] == name:
                return variable
            variable += 1
        hint = _errors.did_you_mean(name, known)
        raise _errors.CallError(f'{self.name} has no variable "{name}".{hint}', remote_type="LookupError", file=self.path)

    def get(self, str name not None):
        cdef const sc_variable *variable = self.find(name)
        return _read(variable, variable.count, variable.count)

    def elements(self, str name not None, size_t limit):
        cdef const sc_variable *variable = self.find(name)
        if variable.kind == SC_VAR_STRING or variable.count == 1:
            raise _errors.CrossingError(f"{name} is no array")
        return _read(variable, limit, 0)

    def set_element(self, str name not None, Py_ssize_t index, value, double timeout=1.0):
        cdef const sc_variable *variable = self.find(name)
        cdef int64_t room = 0
        cdef char *encoded = <char *>&room
        cdef size_t size
        if variable.kind == SC_VAR_STRING or variable.count == 1 or not 0 <= index < <Py_ssize_t>variable.count:
            raise _errors.CrossingError(f"{name} has no element {index}")
        size = _element_size(variable.kind)
        _write_element(variable, f"{name}[{index}]", value, encoded)
        self.write(name, encoded, index * size, size, timeout)

    def set(self, str name not None, value, double timeout=1.0):
        cdef const sc_variable *variable = self.find(name)
        cdef bytes encoded = _encode_variable(variable, name, value)
        self.write(name, encoded, 0, len(encoded), timeout)

    cdef int write(self, str name, const char *encoded, size_t offset, size_t size, double timeout) except -1:
        cdef RunLock lock = RunLock("", address=<uintptr_t>self.library.lock)
        if not lock.acquire(timeout):
            raise _errors.ScriptBusy(f"{self.name} is busy; {name} was not set", file=self.path)
        try:
            # Waiting for the lock gave others time to close the library.
            memcpy(<char *>self.find(name).address + offset, encoded, size)
        finally:
            lock.release()
        return 0

    def load(self):
        self.opened()
        sc_library_step(self.library, SC_LOAD, NULL, -1, True)
        self.loaded = True

    def unload(self, double timeout=2.0):
        if self.loaded and self.library.handle is not NULL:
            sc_library_step(self.library, SC_UNLOAD, NULL, timeout, False)
            self.loaded = False

    def has(self, str step not None):
        return bool(sc_library_has(self.library, _STEPS[step]))

    def step(self, str step not None, double timeout=-1.0, *, bint entering=True, state=None):
        cdef sc_step number = _STEPS[step]
        self.opened()
        return sc_library_step(self.library, number, <PyObject *>state if number == SC_RESTORE else NULL, timeout, entering)

    @property
    def kept(self):
        return self.library.kept.used

    @property
    def mapped(self):
        encoded = _os.fsencode(self.path)
        cdef void *handle = dlopen(encoded, RTLD_NOW | RTLD_NOLOAD)
        if handle is not NULL:
            dlclose(handle)
        return handle is not NULL

    def close(self, double timeout=2.0):
        if self.library.handle is NULL:
            return True
        if self.library.depth != 0 and sc_runlock_held(self.library.lock):
            return False
        try:
            self.unload(timeout)
        except (_errors.ScriptBusy, _errors.CallCycleError):
            return False
        return bool(sc_library_close(self.library, timeout))

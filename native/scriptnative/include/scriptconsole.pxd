"""scriptconsole.h for modules written in Cython: `from scriptconsole cimport *`.

A function that touches Python objects needs the flag SC_KEEP_GIL, on its export or on the module. It may be declared
`except? -1` then: an exception reaches the caller as a CallError. One without Python objects is best `noexcept nogil`.
"""

from libc.stdint cimport int64_t, uint32_t

cdef extern from "scriptconsole.h" nogil:
    const uint32_t SC_ABI_VERSION
    const uint32_t SC_SURROGATES
    const uint32_t SC_KEEP_GIL

    ctypedef enum sc_tag:
        SC_NIL
        SC_BOOL
        SC_INT
        SC_BIGINT
        SC_DOUBLE
        SC_STR
        SC_BYTES
        SC_BYTEARRAY
        SC_LIST
        SC_TUPLE
        SC_SET
        SC_FROZENSET
        SC_DICT
        SC_REF
        SC_FUNCTION

    ctypedef struct sc_ref:
        pass

    # As in C, the union has no name of its own: value.as_.integer is value.as.integer there.
    ctypedef struct sc_value

    ctypedef union sc_content "__typeof__(((sc_value *)0)->as)":
        int64_t integer
        double number
        const char *bytes
        sc_value *items
        sc_ref *ref

    ctypedef struct sc_value:
        uint32_t tag
        uint32_t flags
        size_t length
        sc_content as_ "as"

    ctypedef struct sc_ctx:
        uint32_t abi
        void *(*alloc)(sc_ctx *ctx, size_t size) noexcept nogil
        int (*fail)(sc_ctx *ctx, const char *type, const char *message) noexcept nogil
        int (*host)(sc_ctx *ctx, const char *name, const sc_value *args, size_t n, sc_value *out) noexcept nogil
        int (*call_ref)(sc_ctx *ctx, sc_ref *ref, const sc_value *args, size_t n, sc_value *out) noexcept nogil
        void (*retain)(sc_ctx *ctx, sc_ref *ref) noexcept nogil
        void (*release)(sc_ctx *ctx, sc_ref *ref) noexcept nogil
        int (*import_function)(sc_ctx *ctx, const char *script, const char *function, sc_ref **out) noexcept nogil

cdef extern from "scriptconsole.h":
    # These may need the GIL or not, as the flags say.
    ctypedef int (*sc_function)(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) noexcept
    ctypedef int (*sc_step)(sc_ctx *ctx) noexcept
    ctypedef void (*sc_last_step)(sc_ctx *ctx) noexcept
    ctypedef int (*sc_giving_step)(sc_ctx *ctx, sc_value *out) noexcept
    ctypedef int (*sc_taking_step)(sc_ctx *ctx, const sc_value *state) noexcept

    ctypedef struct sc_export:
        const char *name
        sc_function function
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
        sc_step load
        sc_last_step unload
        uint32_t flags
        sc_step start
        sc_step pause
        sc_step resume
        sc_step stop
        sc_giving_step save
        sc_taking_step restore
        sc_giving_step statistics

cdef extern from "scriptconsole.h" nogil:
    sc_value sc_nil()
    sc_value sc_bool(int b)
    sc_value sc_int(int64_t i)
    sc_value sc_double(double d)
    sc_value sc_strn(const char *s, size_t n)
    sc_value sc_str(const char *s)
    sc_value sc_bytes(const void *p, size_t n)
    sc_value sc_callback(const char *name)
    sc_value sc_items(sc_tag tag, sc_value *items, size_t n)
    int sc_is_number(const sc_value *v)
    double sc_number(const sc_value *v)

    int sc_log(sc_ctx *ctx, const char *text)
    int sc_print(sc_ctx *ctx, const char *text)
    int sc_set_interval(sc_ctx *ctx, const char *function, double ms, int64_t *id)
    int sc_set_timeout(sc_ctx *ctx, const char *function, double ms, int64_t *id)
    int sc_clear_timer(sc_ctx *ctx, int64_t id)
    int sc_on(sc_ctx *ctx, const char *hook, const char *function)

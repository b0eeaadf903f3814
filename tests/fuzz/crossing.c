/* A native script that gives back any value, sane or not: `make(reference, bytes)`. The rest is for well-formed ones. */
#include <stdlib.h>

static struct block {
    struct block *next;
    _Alignas(16) char memory[];
} *blocks;

/* Exactly as much as is asked for, from malloc, so that a sanitizer sees what is read beyond it. */
static void *exact(builder *b, size_t size) {
    struct block *block = malloc(sizeof *block + size);
    (void)b;
    if (block == NULL) return NULL;
    block->next = blocks;
    blocks = block;
    return block->memory;
}

static sc_value build(const sc_value *reference, const sc_value *data) {
    builder b = { .at = (const uint8_t *)data->as.bytes, .alloc = exact, .wild = 1 };
    while (blocks != NULL) {
        struct block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
    b.end = b.at + data->length;
    b.ref = reference->tag == SC_REF ? reference->as.ref : NULL;
    sc_value value = build_value(&b, 0);
#ifdef PLANTED_FAULT /* for the fuzzer's own test: a length that is wrong, of bytes that are an item of an item */
    if (value.tag == SC_LIST && value.length != 0 && value.as.items != NULL && value.as.items->tag == SC_DICT &&
        value.as.items->length >= 2 && value.as.items->as.items != NULL && value.as.items->as.items->tag == SC_BYTES)
        value.as.items->as.items->length += 4096;
#endif
    return value;
}

static int make(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)n;
    *out = build(&args[0], &args[1]);
    return 0;
}

/* As an argument of a function of another script, and of one of the host. */
static int pass(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    sc_value value = build(&args[0], &args[1]);
    return ctx->call_ref(ctx, args[0].as.ref, &value, 1, out);
}

static int emit(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    sc_value values[2] = { sc_str("made"), build(&args[0], &args[1]) };
    return ctx->host(ctx, "emit", values, 2, out);
}

static int echo(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)n;
    *out = args[0];
    return 0;
}

static const sc_export exports[] = {
    { "make", make, "Ay:A", "", 0 },
    { "make_typed", make, "Ay:T(lT(sd...)...)", "", 0 },
    { "make_quickly", make, "Ay:D", "", SC_KEEP_GIL },
    { "pass", pass, "Oy:A", "", 0 },
    { "emit", emit, "Ay:A", "", 0 },
    { "echo", echo, NULL, "", 0 },
    { "echo_typed", echo, "T(lT(sd...)...):A", "", 0 },
    { 0 },
};
static const sc_module module = { .abi = SC_ABI_VERSION, .name = "crossing", .version = "1", .exports = exports };
SC_MODULE(module)

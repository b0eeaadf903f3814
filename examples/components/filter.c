/* A component that others require: smooths a series of samples, and keeps its level through a reload. */
#include <scriptconsole.h>

static double level, weight = 0.5;
static int64_t samples;

static int smooth(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)n;
    level = samples++ == 0 ? args[0].as.number : level + weight * (args[0].as.number - level);
    *out = sc_double(level);
    return 0;
}

/* The running build tells what it knows … */
static int save(sc_ctx *ctx, sc_value *out) {
    sc_value *state = ctx->alloc(ctx, 2 * sizeof *state);
    if (state == NULL) return ctx->fail(ctx, "MemoryError", "no memory for the state");
    state[0] = sc_double(level);
    state[1] = sc_int(samples);
    *out = sc_items(SC_TUPLE, state, 2);
    return 0;
}

/* … and the next one takes it, or refuses: then the running one goes on. */
static int restore(sc_ctx *ctx, const sc_value *state) {
    if (state->tag != SC_TUPLE || state->length != 2) return ctx->fail(ctx, "ValueError", "a state of another kind");
    level = state->as.items[0].as.number;
    samples = state->as.items[1].as.integer;
    return 0;
}

static int statistics(sc_ctx *ctx, sc_value *out) {
    sc_value *rows = ctx->alloc(ctx, 2 * sizeof *rows);
    if (rows == NULL) return ctx->fail(ctx, "MemoryError", "no memory for the figures");
    rows[0] = sc_str("samples");
    rows[1] = sc_int(samples);
    *out = sc_items(SC_DICT, rows, 2);
    return 0;
}

/* Shorter than releasing and taking the GIL: so it is kept. */
static const sc_export exports[] = {
    { "smooth", smooth, "d:d", "The smoothed value after one more sample.", SC_KEEP_GIL },
    { 0 },
};
static const sc_variable variables[] = {
    { "level", SC_VAR_DOUBLE, &level, 1 },
    { "weight", SC_VAR_DOUBLE, &weight, 1 },
    { 0 },
};
static const sc_module module = {
    .abi = SC_ABI_VERSION,
    .name = "filter",
    .version = "1.2.0",
    .exports = exports,
    .variables = variables,
    .save = save,
    .restore = restore,
    .statistics = statistics,
};
SC_MODULE(module)

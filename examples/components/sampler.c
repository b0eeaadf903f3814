/* A component that requires another one: imports filter's smooth() and feeds it from a timer, five times. */
#include <scriptconsole.h>
#include <stdio.h>

static sc_ref *smooth;
static int64_t timer, taken;

static int sample(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    static const double series[] = { 20, 24, 20, 24, 20 };
    char line[64];
    sc_value given = sc_double(series[taken++ % 5]), level;
    (void)args, (void)n;
    *out = sc_nil();
    if (ctx->call_ref(ctx, smooth, &given, 1, &level) < 0) return -1;
    snprintf(line, sizeof line, "%g smoothed: %g", given.as.number, level.as.number);
    if (sc_print(ctx, line) < 0) return -1;
    return taken < 5 ? 0 : sc_clear_timer(ctx, timer);
}

/* Imported once: the reference follows when filter is reloaded. */
static int start(sc_ctx *ctx) {
    if (ctx->import_function(ctx, "filter", "smooth", &smooth) < 0) return -1;
    ctx->retain(ctx, smooth);
    return sc_set_interval(ctx, "sample", 5, &timer);
}

static int stop(sc_ctx *ctx) {
    ctx->release(ctx, smooth);
    return sc_clear_timer(ctx, timer);
}

static const sc_export exports[] = { { "sample", sample, ":", "Take one sample.", 0 }, { 0 } };
static const sc_module module = {
    .abi = SC_ABI_VERSION,
    .name = "sampler",
    .version = "0.3",
    .exports = exports,
    .start = start,
    .stop = stop,
};
SC_MODULE(module)

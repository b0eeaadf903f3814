/* Exponential smoothing of noisy readings; called by the controller for each one. */
#include <scriptconsole.h>

static double alpha = 0.25; /* weight of the newest reading; change it in the console while it runs */
static double value;
static int64_t readings;
static int64_t heater_switches;

static int smooth(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)n;
    double reading = sc_number(&args[0]);
    value = readings++ == 0 ? reading : value + alpha * (reading - value);
    *out = sc_double(value);
    return 0;
}

static int count(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)args, (void)n;
    *out = sc_int(readings);
    return 0;
}

static int reset(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)args, (void)n;
    readings = 0;
    *out = sc_nil();
    return sc_log(ctx, "the filter starts anew");
}

static int on_heater(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)args, (void)n;
    heater_switches++;
    *out = sc_nil();
    return 0;
}

static int load(sc_ctx *ctx) { return sc_on(ctx, "heater", "on_heater"); }

static const sc_export exports[] = {
    {"smooth", smooth, "d:d", "Smooth one reading and return the new mean."},
    {"count", count, ":l", "How many readings were smoothed."},
    {"reset", reset, NULL, "Forget the readings so far."},
    {"on_heater", on_heater, NULL, "Called whenever the heater is switched."},
    {0},
};

static const sc_variable variables[] = {
    {"alpha", SC_VAR_DOUBLE, &alpha, 1},
    {"value", SC_VAR_DOUBLE, &value, 1},
    {"readings", SC_VAR_INT64, &readings, 1},
    {"heater_switches", SC_VAR_INT64, &heater_switches, 1},
    {0},
};

static const sc_module module = {SC_ABI_VERSION, "filter", "1.0", exports, variables, load, NULL};
SC_MODULE(module)

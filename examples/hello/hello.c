#include <scriptconsole.h>

/* Called once when the module is loaded. `print` writes a line of output. */
static int load(sc_ctx *ctx) { return sc_print(ctx, "hello from C"); }

static const sc_export exports[] = {{0}};
static const sc_module module = {SC_ABI_VERSION, "hello", "1.0", exports, NULL, load, NULL};
SC_MODULE(module)

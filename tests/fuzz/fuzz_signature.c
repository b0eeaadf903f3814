/* Fuzz target: any text as a native function's signature. What compiles must be walkable, what does not must say where. */
#include "signature.h"

#include <stdlib.h>

static void expect(int holds) {
    if (!holds) abort();
}

/* The nodes of one item; each must lie within its group, and each group must hold what it counts. */
static size_t walk(const sc_type *node, const sc_type *end) {
    expect(node < end && node->span >= 1 && node->span <= end - node);
    if (node->letter != 'T') {
        expect(node->span == 1 && strchr("ldbsypLDOAN", node->letter) != NULL);
        return 1;
    }
    expect(node->tag == SC_NO_TAG && node->minimum <= node->count && (node->variadic || node->minimum == node->count));
    size_t used = 1;
    for (unsigned i = 0; i < node->count; i++) used += walk(node + used, node + node->span);
    expect(used == node->span);
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    size_t length = strlen(text), room = sc_signature_room(text);
    sc_type *nodes = malloc(room * sizeof *nodes); /* no more than promised, so that the sanitizer sees what is */
    sc_signature_error error;
    memset(&error, 0x55, sizeof error);
    if (nodes != NULL && sc_signature_compile(text, nodes, &error) == 0) {
        size_t used = walk(nodes, nodes + room);
#ifdef PLANTED_FAULT /* for the fuzzer's own test: reached only by input that the seeds do not hold */
        for (size_t i = 1; i + 1 < used; i++) expect(nodes[i].letter != 'T' || nodes[i + 1].letter != 'T');
#endif
        expect(nodes->letter == 'T' && used < room);
        walk(nodes + used, nodes + room);
    } else if (nodes != NULL) {
        expect(error.at <= length && memchr(error.why, '\0', sizeof error.why) != NULL && error.why[0] != '\0');
    }
    free(nodes);
    free(text);
    return 0;
}

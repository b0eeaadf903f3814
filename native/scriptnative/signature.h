/* signature.h: signature letters such as "Ld...:s", as the nodes by which library.c checks values.
 *
 * Knows nothing of Python, so that a fuzzer can run it alone (tests/fuzz).
 */
#ifndef SC_SIGNATURE_H
#define SC_SIGNATURE_H

#include "scriptconsole.h"

#define SC_NO_TAG 255
#define SC_MAX_SIGNATURE 1000

/* One node of a signature, in preorder: a group (tuple, or all arguments) is followed by its items. */
typedef struct sc_type {
    char letter;
    unsigned char tag;      /* the one that needs no further look, or SC_NO_TAG */
    unsigned char variadic; /* the last item may be repeated */
    uint16_t minimum;       /* items a group needs */
    uint16_t count;         /* items a group names */
    uint16_t span;          /* nodes, this one and all inside it */
} sc_type;

typedef struct sc_signature_error {
    size_t at;     /* character, from 0 */
    char why[80];
} sc_signature_error;

/* Nodes that `text` can need. */
static inline size_t sc_signature_room(const char *text) { return strlen(text) + 2; }

/* Compile to the group of arguments, then the result ('N' for none). 0; or -1 with what is wrong, and where. */
int sc_signature_compile(const char *text, sc_type *nodes, sc_signature_error *error);

#endif

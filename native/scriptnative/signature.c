/* signature.c: a recursive descent over signature letters; SC_MAX_SIGNATURE bounds its depth. */
#include "signature.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct parser_t {
    const char *text;
    size_t at;
    sc_type *nodes;
    size_t used;
    sc_signature_error *error;
} parser_t;

static int refuse(parser_t *p, size_t at, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    p->error->at = at;
    vsnprintf(p->error->why, sizeof p->error->why, format, arguments);
    va_end(arguments);
    return -1;
}

static unsigned char exact_tag(char letter) {
    switch (letter) {
    case 'l':
    case 'p': return SC_INT;
    case 'd': return SC_DOUBLE;
    case 'b': return SC_BOOL;
    case 's': return SC_STR;
    case 'y': return SC_BYTES;
    case 'L': return SC_LIST;
    case 'D': return SC_DICT;
    case 'O': return SC_REF;
    case 'N': return SC_NIL;
    default: return SC_NO_TAG;
    }
}

static sc_type *add(parser_t *p, char letter) {
    sc_type *node = &p->nodes[p->used++];
    *node = (sc_type){ letter, exact_tag(letter), 0, 0, 0, 1 };
    return node;
}

static int refuse_letter(parser_t *p, unsigned char letter) {
    char shown[8];
    if (letter > ' ' && letter < 127) snprintf(shown, sizeof shown, "%c", letter);
    else snprintf(shown, sizeof shown, "\\x%02x", letter);
    return refuse(p, p->at, "unknown letter '%s'; known are ldbsypLDOA and T(...)", shown);
}

static int group(parser_t *p, char close);

static int item(parser_t *p) {
    char letter = p->text[p->at];
    if (letter == 'T') {
        if (p->text[p->at + 1] != '(') return refuse(p, p->at + 1, "'T' must be followed by '('");
        p->at += 2;
        if (group(p, ')') < 0) return -1;
    } else if (letter == '\0') {
        return refuse(p, p->at, "a letter is missing");
    } else if (strchr("ldbsypLDOA", letter) == NULL) {
        return refuse_letter(p, (unsigned char)letter);
    } else {
        add(p, letter);
    }
    p->at++;
    return 0;
}

/* Items up to `close`, on which it stops. */
static int group(parser_t *p, char close) {
    sc_type *node = add(p, 'T');
    while (p->text[p->at] != close) {
        if (p->text[p->at] == '\0')
            return refuse(p, p->at, close == ':' ? "':' and the result letter are missing" : "')' is missing");
        if (strncmp(p->text + p->at, "...", 3) == 0) {
            p->at += 3;
            if (p->text[p->at] != close) return refuse(p, p->at, "'...' must be the last before '%c'", close);
            node->variadic = 1;
            if (node->count == 0) {
                add(p, 'A');
                node->count = 1;
            }
            break;
        }
        if (item(p) < 0) return -1;
        node->count++;
        node->minimum++;
    }
    node->span = (uint16_t)(p->nodes + p->used - node);
    return 0;
}

int sc_signature_compile(const char *text, sc_type *nodes, sc_signature_error *error) {
    parser_t p = { text, 0, nodes, 0, error };
    if (strlen(text) > SC_MAX_SIGNATURE)
        return refuse(&p, SC_MAX_SIGNATURE, "longer than %d characters", SC_MAX_SIGNATURE);
    if (group(&p, ':') < 0) return -1;
    p.at++;
    if (p.text[p.at] == '\0') {
        add(&p, 'N');
        return 0;
    }
    if (item(&p) < 0) return -1;
    return p.text[p.at] == '\0' ? 0 : refuse(&p, p.at, "only one result letter may follow ':'");
}

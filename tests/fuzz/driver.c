/* A small coverage-guided driver for LLVMFuzzerTestOneInput, for machines that have gcc but no clang.
 *
 *     driver SECONDS LAST_INPUT_FILE [SEED_TEXT ...]
 *
 * The target is compiled with -fsanitize-coverage=trace-pc, this file is not. An input that reaches an edge for the first
 * time, or more often than any before, joins the corpus that others are made from. The input being tried lies in
 * LAST_INPUT_FILE, where it stays when the target crashes.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EDGES 65536
#define CORPUS 4096
#define LONGEST 2048

typedef struct input_t {
    size_t size;
    uint8_t bytes[LONGEST];
} input_t;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where this code was loaded, which is elsewhere each time; the linker's. */
extern const char __ehdr_start __attribute__((visibility("hidden")));

static uint8_t seen[EDGES], hits[EDGES];
static uintptr_t last_place;
static input_t *corpus[CORPUS];
static size_t kept, edges;
static uint64_t state = 0x9e3779b97f4a7c15u;

void __sanitizer_cov_trace_pc(void) {
    uintptr_t place = (uintptr_t)__builtin_return_address(0) - (uintptr_t)&__ehdr_start;
    uint8_t *hit = &hits[(place ^ last_place << 3) % EDGES];
    if (*hit != 255) ++*hit;
    last_place = place;
}

static uint32_t chance(uint32_t below) { /* xorshift64*: the same run every time */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1du) >> 33) % below;
}

static void mutate_once(input_t *input) {
    size_t at = input->size == 0 ? 0 : chance((uint32_t)input->size);
    switch (chance(6)) {
    case 0: if (input->size != 0) input->bytes[at] ^= (uint8_t)(1u << chance(8)); break;
    case 1: if (input->size != 0) input->bytes[at] = (uint8_t)chance(256); break;
    case 2: /* take out */
        if (input->size == 0) break;
        memmove(input->bytes + at, input->bytes + at + 1, --input->size - at);
        break;
    case 3: /* repeat a byte of the input itself */
    case 4: { /* or put in a piece of another one */
        const input_t *from = corpus[chance((uint32_t)kept)];
        if (from->size == 0) break;
        size_t start = chance((uint32_t)from->size), length = 1 + chance((uint32_t)(from->size - start));
        if (input->size + length > LONGEST) break;
        memmove(input->bytes + at + length, input->bytes + at, input->size - at);
        memcpy(input->bytes + at, from->bytes + start, length);
        input->size += length;
        break;
    }
    default: input->size = at; break;
    }
}

/* Whether the run reached something new. A count matters by its order of magnitude only. */
static int is_new(void) {
    int found = 0;
    for (size_t i = 0; i < EDGES; i++) {
        if (hits[i] == 0) continue;
        uint8_t size = 1;
        while (hits[i] >> size != 0) size++;
        if (size <= seen[i]) continue;
        edges += seen[i] == 0;
        seen[i] = size;
        found = 1;
    }
    return found;
}

static void keep(const input_t *input) {
    input_t *copy = malloc(sizeof *copy);
    if (copy == NULL) exit(2);
    *copy = *input;
    if (kept < CORPUS) {
        corpus[kept++] = copy;
    } else {
        size_t victim = chance(CORPUS);
        free(corpus[victim]);
        corpus[victim] = copy;
    }
}

static void try(const input_t *input, input_t *shown, int always) {
    *shown = *input;
    memset(hits, 0, sizeof hits);
    last_place = 0;
    LLVMFuzzerTestOneInput(input->bytes, input->size);
    if (is_new() || always) keep(input);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int file = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, sizeof(input_t)) < 0) return 2;
    input_t *shown = mmap(NULL, sizeof *shown, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shown == MAP_FAILED) return 2;
    time_t end = time(NULL) + atoi(argv[1]);
    static input_t input;
    try(&input, shown, 1);
    for (int i = 3; i < argc; i++) {
        input.size = strlen(argv[i]) < LONGEST ? strlen(argv[i]) : LONGEST;
        memcpy(input.bytes, argv[i], input.size);
        try(&input, shown, 1);
    }
    unsigned long runs = 0;
    for (; runs % 256 != 0 || time(NULL) < end; runs++) {
        input = *corpus[chance((uint32_t)kept)];
        for (uint32_t changes = 1 + chance(4); changes != 0; changes--) mutate_once(&input);
        try(&input, shown, 0);
    }
    printf("%lu runs, %zu edges, %zu inputs kept\n", runs, edges, kept);
    unlink(argv[2]);
    return 0;
}

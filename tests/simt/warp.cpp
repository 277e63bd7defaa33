/* The warp intrinsics, matrix fragments and asynchronous copies. Each lane brings a struct on its own stack; the last
 * to come works out all results. */
#include "simt_matrix.h"
#include "simt_private.h"
#include "simt_warp.h"

#include <string.h>

namespace simt
{
/* ---- shuffles and votes ----------------------------------------------------------------------------------------- */

struct shuffle_argument {
    shuffle_kind kind;
    uint64_t in, out;
    int lane, width;
    const char *what, *file;
    int line;
};

/* The lane that `lane` reads; itself where it would leave its segment of `width` lanes. */
static int source_lane(const shuffle_argument *a, int lane)
{
    int first = lane / a->width * a->width, last = first + a->width - 1, source = lane;
    switch (a->kind) {
    case INDEX:
        return first + (a->lane & (a->width - 1));
    case UP:
        source = lane - a->lane;
        return source < first ? lane : source;
    case DOWN:
        source = lane + a->lane;
        return source > last ? lane : source;
    case XOR: /* an earlier segment may be read, a later one not */
        source = lane ^ a->lane;
        return source > last ? lane : source;
    }
    return lane;
}

static void complete_shuffle(void *const argument[WARP], unsigned mask)
{
    for (int lane = 0; lane < WARP; lane++) {
        shuffle_argument *a = static_cast<shuffle_argument *>(argument[lane]);
        if (!a)
            continue;
        int source = source_lane(a, lane);
        if (source < 0 || source >= WARP || !argument[source])
            report(lane, "%s at %s:%d reads lane %d, which is not in the mask 0x%08x", a->what, a->file, a->line,
                   source, mask);
        a->out = static_cast<const shuffle_argument *>(argument[source])->in;
    }
}

uint64_t shuffle(shuffle_kind kind, unsigned mask, uint64_t bits, int lane, int width, const char *file, int line)
{
    static const char *const names[] = {"__shfl_sync", "__shfl_up_sync", "__shfl_down_sync", "__shfl_xor_sync"};
    if (width < 1 || width > WARP || (width & (width - 1)))
        report(-1, "%s at %s:%d: width %d, want a power of 2 up to 32", names[kind], file, line, width);
    shuffle_argument a = {kind, bits, 0, lane, width, names[kind], file, line};
    collective(names[kind], mask, &a, complete_shuffle, false, file, line);
    return a.out;
}

void sync_warp(unsigned mask, const char *file, int line)
{
    collective("__syncwarp", mask, nullptr, nullptr, true, file, line);
}

struct vote_argument {
    uint64_t in;
    unsigned out;
    reduction_kind kind;
};

static void complete_ballot(void *const argument[WARP], unsigned mask)
{
    unsigned votes = 0;
    for (unsigned lane = 0; lane < WARP; lane++)
        if (mask >> lane & 1)
            votes |= static_cast<unsigned>(static_cast<vote_argument *>(argument[lane])->in) << lane;
    for (unsigned lane = 0; lane < WARP; lane++)
        if (mask >> lane & 1)
            static_cast<vote_argument *>(argument[lane])->out = votes;
}

unsigned ballot(const char *what, unsigned mask, bool predicate, const char *file, int line)
{
    vote_argument a = {predicate, 0, ADD};
    collective(what, mask, &a, complete_ballot, false, file, line);
    return a.out;
}

static void complete_match(void *const argument[WARP], unsigned mask)
{
    for (unsigned lane = 0; lane < WARP; lane++)
        for (unsigned other = 0; (mask >> lane & 1) && other < WARP; other++)
            if (mask >> other & 1) {
                vote_argument *a = static_cast<vote_argument *>(argument[lane]);
                a->out |= static_cast<unsigned>(a->in == static_cast<vote_argument *>(argument[other])->in) << other;
            }
}

unsigned match_any(unsigned mask, uint64_t bits, const char *file, int line)
{
    vote_argument a = {bits, 0, ADD};
    collective("__match_any_sync", mask, &a, complete_match, false, file, line);
    return a.out;
}

static unsigned combine(reduction_kind kind, unsigned a, unsigned b)
{
    int x = static_cast<int>(a), y = static_cast<int>(b);
    switch (kind) {
    case ADD:
        return a + b;
    case MIN_SIGNED:
        return static_cast<unsigned>(x < y ? x : y);
    case MAX_SIGNED:
        return static_cast<unsigned>(x > y ? x : y);
    case MIN:
        return a < b ? a : b;
    case MAX:
        return a > b ? a : b;
    case AND:
        return a & b;
    case OR:
        return a | b;
    case EXCLUSIVE_OR:
        return a ^ b;
    }
    return 0;
}

static void complete_reduction(void *const argument[WARP], unsigned mask)
{
    unsigned result = 0;
    bool first = true;
    for (unsigned lane = 0; lane < WARP; lane++) {
        const vote_argument *a = static_cast<const vote_argument *>(argument[lane]);
        if (!(mask >> lane & 1))
            continue;
        unsigned value = static_cast<unsigned>(a->in);
        result = first ? value : combine(a->kind, result, value);
        first = false;
    }
    for (unsigned lane = 0; lane < WARP; lane++)
        if (mask >> lane & 1)
            static_cast<vote_argument *>(argument[lane])->out = result;
}

unsigned reduce(const char *what, reduction_kind kind, unsigned mask, unsigned value, const char *file, int line)
{
    vote_argument a = {value, 0, kind};
    collective(what, mask, &a, complete_reduction, false, file, line);
    return a.out;
}

/* ---- matrices ---------------------------------------------------------------------------------------------------- */

static float bf16_half(uint32_t pair, int half)
{
    return __bfloat162float(__ushort_as_bfloat16(static_cast<unsigned short>(half ? pair >> 16 : pair)));
}

struct mma_argument {
    float *d;
    const uint32_t *a, *b;
    const float *c;
};

/* Products of bf16 are exact in f32; the sum over k begins with c and goes up. */
static void complete_mma(void *const argument[WARP], unsigned)
{
    float a[16][16], b[16][8], d[16][8];
    for (int lane = 0; lane < WARP; lane++) {
        const mma_argument *m = static_cast<const mma_argument *>(argument[lane]);
        int g = lane / 4, t = lane % 4;
        for (int half = 0; half < 2; half++) {
            for (int i = 0; i < 4; i++)
                a[g + i % 2 * 8][2 * t + i / 2 * 8 + half] = bf16_half(m->a[i], half);
            for (int i = 0; i < 2; i++)
                b[2 * t + i * 8 + half][g] = bf16_half(m->b[i], half);
            for (int i = 0; i < 2; i++)
                d[g + i * 8][2 * t + half] = m->c[2 * i + half];
        }
    }
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++)
            for (int k = 0; k < 16; k++)
                d[i][j] += a[i][k] * b[k][j];
    for (int lane = 0; lane < WARP; lane++) {
        const mma_argument *m = static_cast<const mma_argument *>(argument[lane]);
        for (int i = 0; i < 4; i++)
            m->d[i] = d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
    }
}

void mma(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4], const char *file, int line)
{
    mma_argument m = {d, a, b, c};
    collective("fr_mma", 0xffffffffu, &m, complete_mma, false, file, line);
}

struct matrices_argument {
    uint32_t *r;
    const unsigned char *row;
    bool transposed;
    const char *file;
    int line;
};

static void complete_matrices(void *const argument[WARP], unsigned)
{
    unsigned first = self->number / WARP * WARP;
    for (unsigned lane = 0; lane < WARP; lane++) {
        const matrices_argument *m = static_cast<const matrices_argument *>(argument[lane]);
        for (unsigned i = 0; i < 4; i++) {
            unsigned short element[2];
            for (unsigned half = 0; half < 2; half++) {
                unsigned row = m->transposed ? 2 * (lane % 4) + half : lane / 4;
                unsigned column = m->transposed ? lane / 4 : 2 * (lane % 4) + half;
                const unsigned char *from = static_cast<const matrices_argument *>(argument[8 * i + row])->row;
                if (m->transposed || half == 0) /* two elements of one row in one access */
                    note(first + lane, from + 2 * column, m->transposed ? 2 : 4, READ, m->file, m->line);
                memcpy(&element[half], from + 2 * column, 2);
            }
            m->r[i] = static_cast<uint32_t>(element[1]) << 16 | element[0];
        }
    }
}

void load_matrices(uint32_t r[4], const void *row, bool transposed, const char *file, int line)
{
    const char *what = transposed ? "fr_ldmatrix4_transposed" : "fr_ldmatrix4";
    if (!is_shared(row) || reinterpret_cast<uintptr_t>(row) % 16)
        report(-1, "%s at %s:%d: the row at %p is not %s", what, file, line, row,
               is_shared(row) ? "16-byte aligned" : "in shared memory");
    matrices_argument m = {r, static_cast<const unsigned char *>(row), transposed, file, line};
    collective(what, 0xffffffffu, &m, complete_matrices, false, file, line);
}

/* ---- asynchronous copies ------------------------------------------------------------------------------------------
 */

/* The bytes arrive at the wait and no sooner; until then the target holds NaN. */
void copy_begin(void *shared, const void *global, bool there, const char *file, int line)
{
    if (!is_shared(shared) || reinterpret_cast<uintptr_t>(shared) % 16)
        report(-1, "fr_copy_async at %s:%d: the target %p is not %s", file, line, shared,
               is_shared(shared) ? "16-byte aligned" : "in shared memory");
    if (there && (is_shared(global) || reinterpret_cast<uintptr_t>(global) % 16))
        report(-1, "fr_copy_async at %s:%d: the source %p is not %s", file, line, global,
               is_shared(global) ? "global memory" : "16-byte aligned");
    pending_copy copy = {shared, {}, file, line};
    if (there) {
        note(self->number, global, 16, READ, file, line);
        memcpy(copy.bytes, global, 16);
    }
    note(self->number, shared, 16, COPY_BEGINS, file, line);
    memset(shared, 0xff, 16);
    self->open.push_back(copy);
}

void copy_commit()
{
    self->groups.push_back(std::move(self->open));
    self->open.clear();
}

void copy_wait(unsigned pending, const char *, int)
{
    while (self->groups.size() > pending) {
        for (const pending_copy &copy : self->groups.front()) {
            note(self->number, copy.to, 16, WRITE, copy.file, copy.line);
            memcpy(copy.to, copy.bytes, 16);
        }
        self->groups.erase(self->groups.begin());
    }
}
} // namespace simt

/* The memory-bound CUDA kernels at sizes that op_cases.h does not reach, against the f64 reference. Every case runs
 * with aligned and unaligned operands, the aligned ones also with all threads in reverse: the same bits. */
#include "table.h"
#include "test.h"

#include "base/rng.h"

static bool bf16, unaligned, reversed; /* of the case that runs */
static const fr_kernels *got, *want;
static fr_queue *queue;

/* ---- operands ---------------------------------------------------------------------------------------------------- */

/* One array, as the kernel sees it and as the reference does. */
typedef struct operand {
    int64_t n;
    size_t each;
    char *memory, *device;
    double *ref;
} operand;

enum { MOST_OPERANDS = 32 };
static operand made[MOST_OPERANDS];
static int made_count;
static uint64_t hash, stream; /* hash of all outputs looked at; number of the next random operand */

static void *device_room(int64_t n, size_t each)
{
    assert_true(made_count < MOST_OPERANDS);
    size_t skip = unaligned ? each : 0;
    operand *o = &made[made_count++];
    *o = (operand){.n = n, .each = each, .memory = fr_simt_allocate((size_t)n * each + skip)};
    o->device = o->memory + skip;
    return o->device;
}

static void release_all(void)
{
    for (int i = 0; i < made_count; i++) {
        fr_simt_release(made[i].memory);
        free(made[i].ref);
    }
    made_count = 0;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* To the nearest of two neighbours in bf16, to the even one from the middle. */
static uint16_t bf16_of(float x)
{
    uint32_t bits = bits_of(x), below = bits & 0xffffu, kept = bits >> 16;
    if (isnan(x))
        return 0x7fff;
    return (uint16_t)(kept + (below > 0x8000u || (below == 0x8000u && kept % 2 == 1)));
}

static double device_value(const operand *o, int64_t i)
{
    uint16_t half;
    float x;
    memcpy(&half, o->device + 2 * i, sizeof half);
    if (o->each == 2)
        return float_of((uint32_t)half << 16);
    memcpy(&x, o->device + 4 * i, sizeof x);
    return x;
}

static void set_value(operand *o, int64_t i, double value)
{
    float x = (float)value;
    uint16_t half = bf16_of(x);
    if (o->each == 2)
        memcpy(o->device + 2 * i, &half, sizeof half);
    else
        memcpy(o->device + 4 * i, &x, sizeof x);
    o->ref[i] = device_value(o, i);
}

static operand *operand_new(int64_t n, bool wide)
{
    device_room(n, wide || !bf16 ? 4 : 2);
    operand *o = &made[made_count - 1];
    o->ref = malloc((size_t)n * sizeof(double) + 1);
    return o;
}

static operand *random_of(int64_t n, bool wide)
{
    operand *o = operand_new(n, wide);
    stream++;
    for (int64_t i = 0; i < n; i++)
        set_value(o, i, fr_rng_normal(3, stream, (uint64_t)i));
    return o;
}

static operand *filled(int64_t n, bool wide, double value)
{
    operand *o = operand_new(n, wide);
    for (int64_t i = 0; i < n; i++)
        set_value(o, i, value);
    return o;
}

/* A copy of host memory, exact. */
static void *copied(const void *from, int64_t n, size_t each)
{
    void *device = device_room(n, each);
    memcpy(device, from, (size_t)n * each);
    return device;
}

static void hash_bytes(const void *from, size_t bytes)
{
    const unsigned char *c = from;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ c[i]) * 1099511628211ull;
}

/* Within `absolute`, and the rounding of the type it is stored in. */
static void check(const char *name, const operand *o, double absolute)
{
    double relative = o->each == 2 ? 1.0 / 256 : 2e-6;
    for (int64_t i = 0; i < o->n; i++) {
        double value = device_value(o, i), right = o->ref[i];
        if (!(fabs(value - right) <= absolute + relative * fabs(right)))
            fail_msg("%s, %s%s: %s[%lld of %lld] = %.9g, want %.9g", got->name, name, unaligned ? ", unaligned" : "",
                     name, (long long)i, (long long)o->n, value, right);
    }
    hash_bytes(o->device, (size_t)o->n * o->each);
}

/* Runs a case every way. Types: 1 for rows that are f32 alone, else 2. */
static void run_case(void (*body)(void), int types)
{
    queue = fr_simt_queue();
    want = fr_kernels_ref();
    for (int type = 0; type < types; type++)
        for (int shift = 0; shift < 2; shift++) {
            uint64_t first = 0;
            for (int backwards = 0; backwards < 2 - shift; backwards++) {
                release_all(); /* what a failed case left */
                bf16 = type == 1;
                unaligned = shift == 1;
                got = fr_simt_kernels(bf16);
                hash = 14695981039346656037ull;
                stream = 0;
                reversed = backwards == 1;
                fr_simt_backwards(reversed);
                body();
                fr_simt_backwards(false);
                release_all();
                if (backwards && hash != first)
                    fail_msg("%s: other bits when the threads run in reverse", got->name);
                first = hash;
            }
        }
}

/* Calls a row of both tables: FIELD is what each takes of an operand. */
#define BOTH(call)                                                                                                     \
    do {                                                                                                               \
        {                                                                                                              \
            const fr_kernels *k = got;                                                                                 \
            fr_queue *q = queue;                                                                                       \
            enum { DEVICE = 1 };                                                                                       \
            call;                                                                                                      \
        }                                                                                                              \
        {                                                                                                              \
            const fr_kernels *k = want;                                                                                \
            fr_queue *q = NULL;                                                                                        \
            enum { DEVICE = 0 };                                                                                       \
            call;                                                                                                      \
        }                                                                                                              \
    } while (0)
#define AT(o) (DEVICE ? (void *)(o)->device : (void *)(o)->ref)

static const int64_t lengths[] = {1, 31, 32, 33, 10007};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

/* ---- flat arrays ------------------------------------------------------------------------------------------------- */

static void column_sums(void)
{
    static const int64_t sizes[][2] = {{3000, 1}, {3000, 31}, {3000, 33}, {700, 384}, {1, 40}, {7, 5}, {0, 3}};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        int64_t m = sizes[s][0], n = sizes[s][1];
        operand *sum = filled(n, true, 1), *x = random_of(m * n, false);
        BOTH(k->column_sum(q, AT(sum), AT(x), m, n));
        check("column_sum", sum, 3e-5);
        release_all();
    }
}

static void dropouts(void)
{
    static const int64_t firsts[] = {0, 4, 5, 1003};
    for (int l = 0; l < LENGTHS; l++)
        for (int f = 0; f < 4; f++) {
            operand *x = random_of(lengths[l], false), *y = filled(lengths[l], false, NAN);
            BOTH(k->dropout(q, AT(y), AT(x), lengths[l], 0.3, 11, 22, firsts[f]));
            check("dropout", y, 0);
            for (int64_t i = 0; i < y->n; i++) /* the same mask, to the bit */
                assert_true((device_value(y, i) == 0) == (y->ref[i] == 0));
            BOTH(k->dropout(q, AT(x), AT(x), lengths[l], 0.3, 11, 22, firsts[f]));
            check("dropout in place", x, 0);
            release_all();
        }
}

static void all_dropped(void)
{
    operand *x = random_of(33, false);
    BOTH(k->dropout(q, AT(x), AT(x), 33, 1.0, 11, 22, 0));
    check("dropout of all", x, 0);
}

static void find(const double *bad, const int64_t *at, int count, int64_t n, int64_t first)
{
    operand *x = random_of(n, false);
    int64_t *index = fr_simt_allocate(sizeof *index), found;
    for (int i = 0; i < count; i++)
        set_value(x, at[i], bad[i]);
    got->find_nonfinite(queue, index, x->device, n);
    memcpy(&found, index, sizeof found);
    assert_int_equal(found, first);
    hash_bytes(&found, sizeof found);
    fr_simt_release(index);
    release_all();
}

static void find_nonfinites(void)
{
    const double nan_inf[] = {NAN, -INFINITY}, inf_nan[] = {INFINITY, NAN}, largest[] = {3e38};
    for (int l = 0; l < LENGTHS; l++) {
        int64_t n = lengths[l], last = n - 1, middle = n / 2, both[] = {last, middle};
        find(NULL, NULL, 0, n, -1);
        find(nan_inf, both, 1, n, last);
        find(inf_nan, both, 2, n, middle);
        find(nan_inf, both, 2, n, middle);
        find(largest, both, 1, n, -1);
    }
    find(NULL, NULL, 0, 0, -1);
}

/* Halfway cases, both ways; the step to infinity; what a bf16 holds exactly. */
static void conversions(void)
{
    static const uint32_t hard[] = {0x3f808000u, 0x3f818000u, 0x3f808001u, 0x3f807fffu, 0xbf818000u, 0x7f7f7fffu,
                                    0x7f7f8000u, 0x7f7fffffu, 0x7f800000u, 0xff800000u, 0x00000001u, 0x00008000u,
                                    0x00018000u, 0x80000000u, 0x7fc00000u, 0x3f820000u};
    for (int l = 0; l < LENGTHS; l++) {
        int64_t n = lengths[l];
        float *x = malloc((size_t)n * sizeof *x), back;
        for (int64_t i = 0; i < n; i++)
            x[i] = i < 16 ? float_of(hard[(i + l) % 16]) : (float)fr_rng_normal(5, 5, (uint64_t)i);
        float *from = copied(x, n, sizeof *x), *to = device_room(n, sizeof *to);
        operand *y = operand_new(n, false);
        got->from_f32(queue, y->device, from, n);
        got->to_f32(queue, to, y->device, n);
        for (int64_t i = 0; i < n; i++) {
            uint32_t right = bf16 ? (uint32_t)bf16_of(x[i]) << 16 : bits_of(x[i]);
            memcpy(&back, to + i, sizeof back);
            if (isnan(x[i]) ? !isnan(back) : bits_of(back) != right)
                fail_msg("%s: %08x becomes %08x, want %08x", got->name, bits_of(x[i]), bits_of(back), right);
        }
        hash_bytes(y->device, (size_t)n * y->each);
        free(x);
        release_all();
    }
}

static void axpys(void)
{
    for (int l = 0; l < LENGTHS; l++) {
        int64_t n = lengths[l];
        operand *y = random_of(n, true), *x = random_of(n, true), *x0 = random_of(n, true);
        BOTH(k->axpy(q, AT(y), AT(x), n, -1.7));
        check("axpy", y, 1e-6);
        BOTH(k->pull(q, AT(y), AT(x), AT(x0), n, 0.3));
        check("pull", y, 1e-6);
        BOTH(k->pull(q, AT(y), AT(x), NULL, n, 0.3));
        check("pull to 0", y, 1e-6);
        release_all();
    }
}

/* Far ends too: nothing overflows, and where e^x is lost beside 1 the rest is right. In place at last. */
static void activations(void)
{
    static const double ends[] = {0, 88, -88, 300, -300, 1e-8, 20, -20, 3e38, -3e38};
    for (int l = 0; l < LENGTHS; l++)
        for (int kind = FR_RELU; kind <= FR_SOFTPLUS; kind++) {
            int64_t n = lengths[l];
            operand *y = filled(n, true, NAN), *x = random_of(n, true), *dy = random_of(n, true);
            for (int64_t i = 0; i < 10 && i < n; i++)
                set_value(x, n - 1 - i, ends[i]);
            BOTH(k->activate_forward(q, AT(y), AT(x), n, kind));
            check("activate_forward", y, 1e-7);
            BOTH(k->activate_backward(q, AT(y), AT(dy), AT(x), n, kind));
            check("activate_backward", y, 1e-7);
            BOTH(k->activate_backward(q, AT(dy), AT(dy), AT(x), n, kind));
            check("activate_backward in place", dy, 1e-7);
            BOTH(k->activate_forward(q, AT(x), AT(x), n, kind));
            check("activate_forward in place", x, 1e-7);
            release_all();
        }
}

static double loss_of(double *device)
{
    double loss;
    memcpy(&loss, device, sizeof loss);
    hash_bytes(&loss, sizeof loss);
    return loss;
}

static void square_sum_of(int64_t n)
{
    operand *x = random_of(n, true);
    double *out = fr_simt_allocate(sizeof *out), right = 1.5; /* sums are added */
    *out = right;
    got->sum_squares(queue, out, x->device, n);
    want->sum_squares(NULL, &right, x->ref, n);
    assert_close(loss_of(out), right, 1e-13 * right);
    fr_simt_release(out);
    release_all();
}

static void square_sums(void)
{
    for (int l = 0; l < LENGTHS; l++)
        square_sum_of(lengths[l]);
    square_sum_of(0);
    uint64_t before = hash;
    if (!unaligned && !reversed) /* more than all threads take at once: once is enough */
        square_sum_of(1100000);
    hash = before;
}

static void gathers(void)
{
    static const int64_t rows[] = {4, 0, 6, 6, 3}, widths[] = {1, 5, 384};
    int64_t *device_rows = fr_simt_allocate(sizeof rows);
    memcpy(device_rows, rows, sizeof rows);
    for (int w = 0; w < 3; w++) {
        int64_t C = widths[w];
        operand *x = random_of(7 * C, true), *y = filled(5 * C, true, NAN);
        got->gather_rows(queue, y->device, x->device, device_rows, 5, C);
        want->gather_rows(NULL, y->ref, x->ref, rows, 5, C);
        for (int64_t i = 0; i < y->n; i++)
            assert_true(device_value(y, i) == y->ref[i]);
        release_all();
    }
    fr_simt_release(device_rows);
}

/* A step with a copy, then one without: the copy is the new w to the nearest bf16. */
static void adamws(void)
{
    for (int l = 0; l < LENGTHS; l++) {
        int64_t n = lengths[l];
        operand *w = random_of(n, true), *m = random_of(n, true), *v = random_of(n, true), *g = random_of(n, true);
        for (int64_t i = 0; i < n; i++)
            set_value(v, i, fabs(v->ref[i]) * 1e-3);
        uint16_t *copy = device_room(n, sizeof *copy), half;
        BOTH(k->adamw(q, AT(w), AT(m), AT(v), DEVICE ? copy : NULL, AT(g), n, 1e-2, 0.9, 0.999, 1e-8, 0.1, 1, 0.5,
                      NULL));
        check("adamw w", w, 2e-7);
        check("adamw m", m, 2e-7);
        check("adamw v", v, 1e-9);
        for (int64_t i = 0; i < n; i++) {
            memcpy(&half, copy + i, sizeof half);
            assert_int_equal(half, bf16_of((float)device_value(w, i)));
        }
        BOTH(k->adamw(q, AT(w), AT(m), AT(v), NULL, AT(g), n, 1e-2, 0.9, 0.999, 1e-8, 0, 1000, 1, NULL));
        check("adamw w again", w, 4e-7);
        double *factor = device_room(1, sizeof *factor), *squares = device_room(40, sizeof *squares), ref_factor,
               ref_squares[40];
        for (int j = 0; j < 40; j++)
            squares[j] = ref_squares[j] = 1 + j;
        for (int round = 0; round < 3; round++) { /* clipped, not clipped, closed by an earlier step */
            double clip = round == 0 ? 2 : 100;
            if (round == 2)
                squares[33] = ref_squares[33] = INFINITY;
            got->clip_factor(queue, factor, squares, NULL, 40, clip);
            want->clip_factor(NULL, &ref_factor, ref_squares, NULL, 40, clip);
            assert_true(round == 2 ? isnan(ref_factor) : ref_factor == (round == 0 ? 2 / sqrt(40) : 1));
            assert_true(memcmp(factor, &ref_factor, sizeof ref_factor) == 0 || (isnan(*factor) && isnan(ref_factor)));
            double before = device_value(w, n / 2);
            BOTH(k->adamw(q, AT(w), AT(m), AT(v), NULL, AT(g), n, 1e-2, 0.9, 0.999, 1e-8, 0, 3, 1,
                          DEVICE ? factor : &ref_factor));
            check("adamw w with a factor", w, 1e-6);
            assert_int_equal(before == device_value(w, n / 2), round == 2);
        }
        release_all();
    }
}

/* ---- packed sequences ---------------------------------------------------------------------------------------------
 */

/* Lengths 0, 1 and others up to `longest` until N tokens are there. Returns the number of sequences. */
static int64_t pack(int32_t *cu, int64_t N, int64_t longest)
{
    int64_t B = 0;
    cu[0] = 0;
    for (int64_t b = 0; cu[B] < N; b++) {
        int64_t length = b == 1 ? 0 : b == 2 ? 1 : 1 + fr_rng_below(9, 9, (uint64_t)b, longest);
        int64_t end = cu[B] + length;
        cu[++B] = (int32_t)(end < N ? end : N);
    }
    cu[B + 1] = cu[B]; /* an empty one at the end */
    return B + 1;
}

typedef struct sequences {
    int64_t B, N;
    int32_t *cu, *ids, *device_cu, *device_ids;
} sequences;

/* V 1: all ids equal; else a few ids are frequent and others rare. */
static sequences sequences_new(int64_t N, int64_t longest, int64_t V)
{
    sequences s = {
        .N = N, .cu = malloc((size_t)(N + 4) * sizeof(int32_t)), .ids = malloc((size_t)N * sizeof(int32_t) + 1)};
    s.B = pack(s.cu, N, longest);
    for (int64_t n = 0; n < N; n++) {
        double u = fr_rng_uniform(7, 7, (uint64_t)n);
        s.ids[n] = (int32_t)((double)V * u * u * u * u);
    }
    s.device_cu = copied(s.cu, s.B + 1, sizeof *s.cu);
    s.device_ids = copied(s.ids, N, sizeof *s.ids);
    return s;
}

static void sequences_free(sequences s)
{
    free(s.cu);
    free(s.ids);
    release_all();
}

#define CU(s) (DEVICE ? (s).device_cu : (s).cu)
#define IDS(s) (DEVICE ? (s).device_ids : (s).ids)

static void embed(int64_t N, int64_t longest, int64_t V, int64_t C)
{
    sequences s = sequences_new(N, longest, V);
    operand *word = random_of(V * C, false), *position = random_of(longest * C, false), *type = random_of(2 * C, false);
    operand *y = filled(N * C, false, NAN), *dy = random_of(N * C, false);
    operand *dword = filled(V * C, true, 1), *dposition = filled(longest * C, true, 2), *dtype = filled(2 * C, true, 3);
    BOTH(k->embedding_forward(q, AT(y), AT(word), AT(position), AT(type), IDS(s), CU(s), s.B, N, C));
    check("embedding_forward", y, 1e-6);
    BOTH(k->embedding_backward(q, AT(dword), AT(dposition), AT(dtype), AT(dy), IDS(s), CU(s), s.B, N, C));
    check("embedding_backward word", dword, 1e-4);
    check("embedding_backward position", dposition, 1e-4);
    check("embedding_backward type", dtype, 1e-4);
    sequences_free(s);
}

static void embeddings(void)
{
    embed(1, 1, 3, 8);
    embed(50, 9, 4, 384);
    embed(2100, 60, 500, 8); /* several sorted runs, the last one alone at first */
    embed(400, 200, 7, 33);
    embed(600, 5, 1, 8); /* all ids equal: one row over all tiles */
}

static void no_tokens(void)
{
    int32_t cu[] = {0, 0};
    operand *dword = filled(24, true, 1), *dposition = filled(8, true, 1), *dtype = filled(8, true, 1);
    int32_t *device_cu = copied(cu, 2, sizeof *cu);
    got->embedding_forward(queue, NULL, dword->device, dposition->device, dtype->device, NULL, device_cu, 1, 0, 8);
    got->embedding_backward(queue, dword->device, dposition->device, dtype->device, NULL, NULL, device_cu, 1, 0, 8);
    check("embedding_backward of nothing", dword, 0);
    check("embedding_backward of nothing", dposition, 0);
    check("embedding_backward of nothing", dtype, 0);
}

static void pool(int64_t N, int64_t longest, int64_t C, bool cls, bool wide)
{
    sequences s = sequences_new(N, longest, 1);
    operand *x = random_of(N * C, false), *y = filled(s.B * C, wide, NAN);
    operand *dx = filled(N * C, false, NAN), *dy = random_of(s.B * C, wide);
    BOTH(k->pool_forward(q, AT(y), AT(x), CU(s), s.B, N, C, cls, wide));
    check("pool_forward", y, 1e-6);
    BOTH(k->pool_backward(q, AT(dx), AT(dy), CU(s), s.B, N, C, cls, wide));
    check("pool_backward", dx, 1e-7);
    sequences_free(s);
}

static void pools(void)
{
    for (int wide = 0; wide < 2; wide++)
        for (int cls = 0; cls < 2; cls++) {
            pool(120, 90, 384, cls, wide);
            pool(400, 300, 33, cls, wide);
            pool(1, 1, 1, cls, wide);
        }
}

/* ---- rows, losses and heads ---------------------------------------------------------------------------------------
 */

static void l2norms(void)
{
    static const int64_t widths[] = {1, 31, 32, 33, 384};
    for (int w = 0; w < 5; w++) {
        int64_t B = 37, C = widths[w];
        operand *x = random_of(B * C, true), *y = filled(B * C, true, NAN), *norm = filled(B, true, NAN);
        operand *dy = random_of(B * C, true), *dx = filled(B * C, true, NAN);
        for (int64_t j = 0; j < C; j++)
            set_value(x, 5 * C + j, 0);
        BOTH(k->l2norm_forward(q, AT(y), AT(norm), AT(x), B, C));
        check("l2norm_forward y", y, 1e-6);
        check("l2norm_forward norm", norm, 0);
        for (int64_t i = 0; i < B * C; i++) /* else rounding errors in y count, times 1 / norm */
            set_value(y, i, device_value(y, i));
        for (int64_t i = 0; i < B; i++)
            set_value(norm, i, device_value(norm, i));
        BOTH(k->l2norm_backward(q, AT(dx), AT(dy), AT(y), AT(norm), B, C));
        for (int64_t i = 0; i < B; i++)
            for (int64_t j = 0; j < C; j++)
                assert_close(device_value(dx, i * C + j), dx->ref[i * C + j],
                             1e-6 * (fabs(dx->ref[i * C + j]) + 3 / (norm->ref[i] < 1e-12 ? 1 : norm->ref[i])));
        hash_bytes(dx->device, (size_t)(B * C) * dx->each);
        release_all();
    }
}

static void scale_bias_of(int64_t B, int64_t T)
{
    operand *x = random_of(B * T, true), *s = random_of(1, true), *b = random_of(T, true);
    operand *logits = filled(B * T, true, NAN), *dlogits = random_of(B * T, true);
    operand *dx = filled(B * T, true, NAN), *ds = filled(1, true, 1), *db = filled(T, true, 1);
    BOTH(k->scale_bias_forward(q, AT(logits), AT(x), AT(s), AT(b), B, T));
    check("scale_bias_forward", logits, 1e-6);
    BOTH(k->scale_bias_backward(q, AT(dx), AT(ds), AT(db), AT(dlogits), AT(x), AT(s), B, T));
    check("scale_bias_backward x", dx, 1e-6);
    check("scale_bias_backward s", ds, 1e-5);
    check("scale_bias_backward b", db, 3e-5);
    BOTH(k->scale_bias_backward(q, AT(dlogits), AT(ds), AT(db), AT(dlogits), AT(x), AT(s), B, T));
    check("scale_bias_backward x in place", dlogits, 1e-6);
    check("scale_bias_backward b in place", db, 6e-5);
    release_all();
}

static void scale_biases(void)
{
    scale_bias_of(1, 1);
    scale_bias_of(300, 33);
    scale_bias_of(40, 332);
}

static void bce_of(int64_t B, int64_t T)
{
    operand *logits = random_of(B * T, true), *gradient = filled(B * T, true, NAN);
    int32_t *label = malloc((size_t)B * sizeof *label);
    float *weight = malloc((size_t)T * sizeof *weight);
    for (int64_t i = 0; i < B; i++)
        label[i] = (int32_t)(i * 7 % (T + 1)) - 1;
    for (int64_t t = 0; t < T; t++)
        weight[t] = 0.5f + (float)(t % 5);
    for (int64_t i = 0; i < B * T; i++)
        set_value(logits, i, i % 11 == 3 ? 40 * logits->ref[i] : logits->ref[i]);
    int32_t *device_label = copied(label, B, sizeof *label);
    float *device_weight = copied(weight, T, sizeof *weight);
    double *loss = fr_simt_allocate(sizeof *loss), right = 1.5; /* sums are added */
    *loss = right;
    got->bce(queue, loss, NULL, logits->device, device_label, device_weight, B, T, 0.3);
    want->bce(NULL, &right, gradient->ref, logits->ref, label, weight, B, T, 0.3);
    assert_close(loss_of(loss), right, 1e-6 * right);
    *loss = 1.5;
    got->bce(queue, loss, gradient->device, logits->device, device_label, device_weight, B, T, 0.3);
    assert_close(loss_of(loss), right, 1e-6 * right);
    check("bce", gradient, 1e-7);
    fr_simt_release(loss);
    free(label);
    free(weight);
    release_all();
}

static void bces(void)
{
    bce_of(5, 1);
    bce_of(600, 33);
    bce_of(100, 332);
}

static void mse_of(int64_t n, int64_t every)
{
    operand *y = random_of(n, true), *dy = filled(n, true, NAN);
    float *target = malloc((size_t)n * sizeof *target + 1);
    for (int64_t i = 0; i < n; i++)
        target[i] = i % every == 0 ? NAN : (float)(i % 7) * 0.25f;
    float *device_target = copied(target, n, sizeof *target);
    double *loss = fr_simt_allocate(sizeof *loss), right = 1.5; /* sums are added */
    *loss = right;
    got->mse(queue, loss, NULL, y->device, device_target, n, 0.7);
    want->mse(NULL, &right, dy->ref, y->ref, target, n, 0.7);
    assert_close(loss_of(loss), right, 1e-6 * right);
    *loss = 1.5;
    got->mse(queue, loss, dy->device, y->device, device_target, n, 0.7);
    assert_close(loss_of(loss), right, 1e-6 * right);
    check("mse", dy, 1e-6);
    fr_simt_release(loss);
    free(target);
    release_all();
}

static void mses(void)
{
    for (int l = 0; l < LENGTHS; l++)
        mse_of(lengths[l], 3);
    mse_of(70, 1); /* no target at all */
    mse_of(0, 1);
}

static void head_bias_of(int64_t M, int64_t H, int64_t U)
{
    operand *u = random_of(M * U, true), *wu = random_of(M * H * U, true), *b1 = random_of(M * H, true);
    operand *beta = filled(M * H, true, NAN), *dbeta = random_of(M * H, true);
    operand *du = filled(M * U, true, 1), *dwu = filled(M * H * U, true, 2), *db1 = filled(M * H, true, 3);
    BOTH(k->head_bias_forward(q, AT(beta), AT(u), AT(wu), AT(b1), M, H, U));
    check("head_bias_forward", beta, 1e-5);
    BOTH(k->head_bias_backward(q, AT(du), AT(dwu), AT(db1), AT(dbeta), AT(u), AT(wu), M, H, U));
    check("head_bias_backward u", du, 1e-5);
    check("head_bias_backward wu", dwu, 1e-6);
    check("head_bias_backward b1", db1, 1e-6);
    BOTH(k->head_bias_backward(q, NULL, AT(dwu), AT(db1), AT(dbeta), AT(u), AT(wu), M, H, U));
    check("head_bias_backward wu without u", dwu, 2e-6);
    check("head_bias_backward b1 without u", db1, 2e-6);
    release_all();
}

static void head_biases(void)
{
    head_bias_of(1, 1, 1);
    head_bias_of(5, 37, 33);
    head_bias_of(3, 300, 64);
}

static void head_out_of(int64_t B, int64_t M, int64_t H)
{
    operand *a = random_of(B * M * H, true), *w2 = random_of(M * H, true), *b2 = random_of(M, true);
    operand *y = filled(B * M, true, NAN), *dy = random_of(B * M, true), *da = filled(B * M * H, true, NAN);
    operand *dw2 = filled(M * H, true, 1), *db2 = filled(M, true, 2);
    BOTH(k->head_out_forward(q, AT(y), AT(a), AT(w2), AT(b2), B, M, H));
    check("head_out_forward", y, 1e-5);
    BOTH(k->head_out_backward(q, AT(da), AT(dw2), AT(db2), AT(dy), AT(a), AT(w2), B, M, H));
    check("head_out_backward a", da, 1e-6);
    check("head_out_backward w2", dw2, 3e-5);
    check("head_out_backward b2", db2, 3e-5);
    release_all();
}

static void head_outs(void)
{
    head_out_of(1, 1, 1);
    head_out_of(150, 11, 33);
    head_out_of(300, 3, 32);
}

/* ---- tests --------------------------------------------------------------------------------------------------------
 */

#define TEST(name, body, types)                                                                                        \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run_case(body, types);                                                                                         \
    }
TEST(test_column_sum, column_sums, 2)
TEST(test_dropout, dropouts, 2)
TEST(test_dropout_all, all_dropped, 2)
TEST(test_find_nonfinite, find_nonfinites, 2)
TEST(test_conversions, conversions, 2)
TEST(test_axpy_and_pull, axpys, 1)
TEST(test_activate, activations, 1)
TEST(test_sum_squares, square_sums, 1)
TEST(test_gather_rows, gathers, 1)
TEST(test_adamw, adamws, 1)
TEST(test_embedding, embeddings, 2)
TEST(test_embedding_of_nothing, no_tokens, 2)
TEST(test_pool, pools, 2)
TEST(test_l2norm, l2norms, 1)
TEST(test_scale_bias, scale_biases, 1)
TEST(test_bce, bces, 1)
TEST(test_mse, mses, 1)
TEST(test_head_bias, head_biases, 1)
TEST(test_head_out, head_outs, 1)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_column_sum),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_dropout_all),
        cmocka_unit_test(test_find_nonfinite),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_axpy_and_pull),
        cmocka_unit_test(test_activate),
        cmocka_unit_test(test_sum_squares),
        cmocka_unit_test(test_gather_rows),
        cmocka_unit_test(test_adamw),
        cmocka_unit_test(test_embedding),
        cmocka_unit_test(test_embedding_of_nothing),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_l2norm),
        cmocka_unit_test(test_scale_bias),
        cmocka_unit_test(test_bce),
        cmocka_unit_test(test_mse),
        cmocka_unit_test(test_head_bias),
        cmocka_unit_test(test_head_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

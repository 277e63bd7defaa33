/* device_cases.h - what every GPU backend, real or emulated, must do, against ref: operations, attention by length,
 * nearest neighbours, rank-biased overlap. A check fails with what differs. */
#ifndef FR_TEST_DEVICE_CASES_H
#define FR_TEST_DEVICE_CASES_H

#include "knn_cases.h"
#include "op_cases.h"
#include "rbo_cases.h"

#include "finerouter/discover.h"

#include <float.h>

/* The largest difference from ref, in shares of the array's largest value (at least 1): three times what the cpu is
 * allowed (test_kernels_variants.c); where bf16 is rounded to, from the same rounded inputs, two units in the last
 * place; attention also rounds the probabilities and their gradients. */
static const double DEVICE_F32 = 3 * 64 * (double)FLT_EPSILON, DEVICE_BF16 = 1.0 / 128, DEVICE_ATTENTION = 1.0 / 64;

static inline double device_tolerance(const fr_device *device, const char *op, bool rounded)
{
    if (device->real != FR_BF16 || !rounded)
        return DEVICE_F32;
    return strncmp(op, "attention", 9) == 0 ? DEVICE_ATTENTION : DEVICE_BF16;
}

static inline void device_compare(const char *op, const char *what, fr_tensor got, fr_tensor want, double tolerance)
{
    double *g = tensor_values(got), *w = tensor_values(want), largest = 1;
    int64_t n = fr_tensor_count(&want);
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(w[i]));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(g[i] - w[i]) <= tolerance * largest))
            fail_msg("%s on %s: %s, element %ld of %ld is %.9g, ref has %.9g, largest %.3g, tolerance %g", op,
                     got.device->kernels->name, what, (long)i, (long)n, g[i], w[i], largest, tolerance * largest);
    free(g);
    free(w);
}

/* ref gets exactly what the device has, rounded as it is there. */
static inline void device_copy(fr_tensor to_ref, fr_tensor from)
{
    double *values = tensor_values(from);
    fr_tensor_set_f64(to_ref, values);
    free(values);
}

static inline void device_check_case(fr_device *device, fr_device *ref, const op_case *op, int64_t rows, int64_t width)
{
    char what[80];
    op_run got, want;
    op_run_open(&got, op, device, rows, width);
    op_run_open(&want, op, ref, rows, width);
    for (int i = 0; i < OPERANDS; i++)
        if (got.in_spec[i].there)
            device_copy(want.in[i], got.in[i]);
    device_copy(want.dout, got.dout);
    op->forward(&got);
    op->forward(&want);
    for (int i = 0; i < OPERANDS; i++)
        if (got.out_spec[i].there) {
            snprintf(what, sizeof what, "output %d of (%ld, %ld)", i, (long)rows, (long)width);
            device_compare(op->name, what, got.out[i], want.out[i], device_tolerance(device, op->name, !op->wide));
            device_copy(want.out[i], got.out[i]); /* backward is held against ref's on the same outputs */
        }
    op->backward(&got);
    op->backward(&want);
    for (int i = 0; i < OPERANDS; i++)
        if (got.in_spec[i].there) {
            snprintf(what, sizeof what, "gradient of operand %d of (%ld, %ld)", i, (long)rows, (long)width);
            device_compare(op->name, what, got.din[i], want.din[i],
                           device_tolerance(device, op->name, got.din[i].dtype == FR_BF16));
        }
    op_run_close(&got);
    op_run_close(&want);
}

/* All of the tensor's bytes; malloc'd. */
static inline void *device_bytes(fr_tensor tensor)
{
    void *bytes = malloc(fr_tensor_bytes(&tensor) + 1);
    fr_tensor_get_raw(tensor, bytes);
    return bytes;
}

static inline void device_same_bits(const char *op, const char *what, fr_tensor a, fr_tensor b)
{
    void *x = device_bytes(a), *y = device_bytes(b);
    if (memcmp(x, y, fr_tensor_bytes(&a)) != 0)
        fail_msg("%s on %s: %s has other bits the second time", op, a.device->kernels->name, what);
    free(x);
    free(y);
}

/* The same bits twice. */
static inline void device_check_repeats(fr_device *device, const op_case *op, int64_t rows, int64_t width)
{
    op_run run[2];
    for (int t = 0; t < 2; t++) {
        op_run_open(&run[t], op, device, rows, width);
        op->forward(&run[t]);
        op->backward(&run[t]);
    }
    for (int i = 0; i < OPERANDS; i++) {
        if (run[0].out_spec[i].there)
            device_same_bits(op->name, "an output", run[0].out[i], run[1].out[i]);
        if (run[0].in_spec[i].there)
            device_same_bits(op->name, "a gradient", run[0].din[i], run[1].din[i]);
    }
    op_run_close(&run[0]);
    op_run_close(&run[1]);
}

/* ---- attention by length ---------------------------------------------------------------------------------------- */

typedef struct attention_run {
    fr_device *device;
    fr_arena *arena;
    int64_t N, H, D, longest;
    fr_tensor qkv, dqkv, out, dout, lse, cu;
} attention_run;

static inline void attention_run_open(attention_run *r, fr_device *device, const int64_t *length, int64_t count,
                                      int64_t H, int64_t D)
{
    *r = (attention_run){.device = device, .H = H, .D = D, .arena = fr_arena_create(device)};
    int32_t *cu = malloc((size_t)(count + 1) * sizeof *cu);
    cu[0] = 0;
    for (int64_t b = 0; b < count; b++) {
        cu[b + 1] = (int32_t)(cu[b] + length[b]);
        r->longest = length[b] > r->longest ? length[b] : r->longest;
    }
    r->N = cu[count];
    for (int pass = 0; pass < 2; pass++) {
        r->qkv = fr_arena_tensor(r->arena, device->real, FR_SHAPE(r->N, 3, H, D));
        r->dqkv = fr_arena_tensor(r->arena, device->real, FR_SHAPE(r->N, 3, H, D));
        r->out = fr_arena_tensor(r->arena, device->real, FR_SHAPE(r->N, H, D));
        r->dout = fr_arena_tensor(r->arena, device->real, FR_SHAPE(r->N, H, D));
        r->lse = fr_arena_tensor(r->arena, device->wide, FR_SHAPE(r->N, H));
        r->cu = fr_arena_tensor(r->arena, FR_I32, FR_SHAPE(count + 1));
        if (pass == 0)
            fr_arena_commit(r->arena);
    }
    fill_normal(r->qkv, 301);
    fill_normal(r->dout, 302);
    fill_value(r->dqkv, NAN);
    fill_value(r->out, NAN);
    fill_value(r->lse, NAN);
    fr_tensor_set_raw(r->cu, cu);
    free(cu);
}

static inline void attention_run_forward(attention_run *r, fr_dropout_key key)
{
    fr_attention_forward(r->out, r->lse, r->qkv, r->cu, r->longest, 1 / sqrt((double)r->D), key);
}

static inline void attention_run_backward(attention_run *r, fr_dropout_key key)
{
    fr_attention_backward(r->dqkv, r->dout, r->out, r->lse, r->qkv, r->cu, r->longest, 1 / sqrt((double)r->D), key);
}

/* Sequences of these lengths in one batch, forward and backward, with dropout p. */
static inline void device_check_attention(fr_device *device, fr_device *ref, const int64_t *length, int64_t count,
                                          int64_t H, int64_t D, double p)
{
    char op[120];
    snprintf(op, sizeof op, "attention of %ld sequences of up to %ld (H %ld, D %ld, p %g)", (long)count,
             (long)length[count - 1], (long)H, (long)D, p);
    fr_dropout_key key = {.p = p, .seed = 3, .stream = 4, .first = 7};
    attention_run got, want;
    attention_run_open(&got, device, length, count, H, D);
    attention_run_open(&want, ref, length, count, H, D);
    device_copy(want.qkv, got.qkv);
    device_copy(want.dout, got.dout);
    attention_run_forward(&got, key);
    attention_run_forward(&want, key);
    device_compare(op, "out", got.out, want.out, device_tolerance(device, op, true));
    device_compare(op, "lse", got.lse, want.lse, DEVICE_F32);
    device_copy(want.out, got.out);
    device_copy(want.lse, got.lse);
    attention_run_backward(&got, key);
    attention_run_backward(&want, key);
    device_compare(op, "dqkv", got.dqkv, want.dqkv, device_tolerance(device, op, true));
    fr_arena_close(got.arena);
    fr_arena_close(want.arena);
}

/* ---- rank-biased overlap ---------------------------------------------------------------------------------------- */

/* levels, missing: see random_lists. Both variants, against the definition. */
static inline void device_check_rbo(fr_device *device, int64_t M, int64_t levels, double missing, int64_t E)
{
    enum { NODES = 37 };
    int16_t *top = FR_NEW(int16_t, NODES * M), *bottom = FR_NEW(int16_t, NODES * M);
    int32_t *edges = FR_NEW(int32_t, 2 * E + 2);
    float *rbo = FR_NEW(float, E + 1);
    random_lists(top, bottom, NODES, M, levels, missing);
    for (int64_t x = 0; x < 2 * E; x++)
        edges[x] = (int32_t)fr_rng_below(8, 0, (uint64_t)x, NODES);
    for (int variant = FR_RBO_A; variant <= FR_RBO_B; variant++) {
        for (int64_t e = 0; e <= E; e++)
            rbo[e] = -7;
        fr_rbo_edges(device, rbo, edges, top, bottom, E, M, .9, variant == FR_RBO_B);
        for (int64_t e = 0; e < E; e++) {
            int64_t a = edges[2 * e] * M, b = edges[2 * e + 1] * M;
            double want = fr_rbo(top + a, bottom + a, top + b, bottom + b, M, .9, variant);
            if (!(fabs((double)rbo[e] - want) <= 3e-6) || rbo[e] < 0 || rbo[e] > 1)
                fail_msg("rbo on %s, M %d, levels %d, missing %g, variant %d, edge %d: %.9g, want %.9g",
                         device->kernels->name, (int)M, (int)levels, missing, variant, (int)e, (double)rbo[e], want);
        }
        assert_true(rbo[E] == -7);
    }
    free(rbo);
    free(edges);
    free(bottom);
    free(top);
}

#endif

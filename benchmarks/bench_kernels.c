/* Kernels at the sizes of a MiniLM layer (C 384, 12 heads of 32, inner 1536) over packed sequences, each beside the
 * GEMM rate of the same run. One JSON line a kernel. Usage: bench_kernels [threads] [tokens of a sequence] [sequences]
 * [only this kernel] */
#include "finerouter/config.h"
#include "finerouter/log.h"
#include "ops/ops.h"

#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { C = 384, H = 12, D = 32, INNER = 1536, RUNS = 60 };

typedef struct work {
    fr_device *device;
    int64_t T, B, N;
    fr_tensor x, y, z, g, qkv, dqkv, inner, dinner, lse, cu, w_qkv, w_out, w_up, w_down, b_inner, b, m, v, square;
    double gemm_rate; /* GFLOP/s of the up projection */
} work;

static void layout(work *w, fr_arena *a)
{
    fr_tensor *rows[] = {&w->x, &w->y, &w->z, &w->g};
    for (int i = 0; i < 4; i++)
        *rows[i] = fr_arena_tensor(a, FR_F32, FR_SHAPE(w->N, C));
    w->qkv = fr_arena_tensor(a, FR_F32, FR_SHAPE(w->N, 3 * C));
    w->dqkv = fr_arena_tensor(a, FR_F32, FR_SHAPE(w->N, 3 * C));
    w->inner = fr_arena_tensor(a, FR_F32, FR_SHAPE(w->N, INNER));
    w->dinner = fr_arena_tensor(a, FR_F32, FR_SHAPE(w->N, INNER));
    w->lse = fr_arena_tensor(a, FR_F32, FR_SHAPE(w->N, H));
    w->cu = fr_arena_tensor(a, FR_I32, FR_SHAPE(w->B + 1));
    w->w_qkv = fr_arena_tensor(a, FR_F32, FR_SHAPE(3 * C, C));
    w->w_out = fr_arena_tensor(a, FR_F32, FR_SHAPE(C, C));
    w->w_up = fr_arena_tensor(a, FR_F32, FR_SHAPE(INNER, C));
    w->w_down = fr_arena_tensor(a, FR_F32, FR_SHAPE(C, INNER));
    w->b_inner = fr_arena_tensor(a, FR_F32, FR_SHAPE(INNER));
    w->b = fr_arena_tensor(a, FR_F32, FR_SHAPE(C));
    w->m = fr_arena_tensor(a, FR_F32, FR_SHAPE(INNER, C));
    w->v = fr_arena_tensor(a, FR_F32, FR_SHAPE(INNER, C));
    w->square = fr_arena_tensor(a, FR_F32, FR_SHAPE(w->N));
}

static fr_tensor heads(const work *w, fr_tensor t)
{
    return fr_tensor_view(t, FR_SHAPE(w->N, H, D));
}

static fr_tensor heads3(const work *w, fr_tensor t)
{
    return fr_tensor_view(t, FR_SHAPE(w->N, 3, H, D));
}

static void gemm_qkv(work *w)
{
    fr_linear_forward(w->qkv, w->x, w->w_qkv, FR_NONE);
}
static void gemm_out(work *w)
{
    fr_linear_forward(w->y, w->x, w->w_out, w->b);
}
static void gemm_up(work *w)
{
    fr_linear_forward(w->inner, w->x, w->w_up, w->b_inner);
}
static void gemm_up_bare(work *w)
{
    fr_linear_forward(w->inner, w->x, w->w_up, FR_NONE);
}
static void gemm_down(work *w)
{
    fr_linear_forward(w->y, w->dinner, w->w_down, w->b);
}
static void gemm_up_dx(work *w)
{
    fr_linear_backward(w->y, FR_NONE, FR_NONE, w->dinner, w->x, w->w_up);
}
static void gemm_up_dw(work *w)
{
    fr_linear_backward(FR_NONE, w->m, FR_NONE, w->dinner, w->x, w->w_up);
}
static void attention(work *w)
{
    fr_attention_forward(heads(w, w->z), w->lse, heads3(w, w->qkv), w->cu, 0, 0.1767767, (fr_dropout_key){0});
}
static void attention_dropout(work *w)
{
    fr_attention_forward(heads(w, w->z), w->lse, heads3(w, w->qkv), w->cu, 0, 0.1767767, (fr_dropout_key){.p = 0.1});
}
static void attention_back(work *w)
{
    fr_attention_backward(heads3(w, w->dqkv), heads(w, w->g), heads(w, w->z), w->lse, heads3(w, w->qkv), w->cu, 0,
                          0.1767767, (fr_dropout_key){0});
}
static void attention_dropout_back(work *w)
{
    fr_attention_backward(heads3(w, w->dqkv), heads(w, w->g), heads(w, w->z), w->lse, heads3(w, w->qkv), w->cu, 0,
                          0.1767767, (fr_dropout_key){.p = 0.1});
}
static void layernorm(work *w)
{
    fr_layernorm_forward(w->y, w->z, w->square, w->square, w->x, w->g, w->b, w->b, 1e-12);
}
static void layernorm_back(work *w)
{
    fr_layernorm_backward(w->y, w->b, w->b, w->g, w->x, w->square, w->square, w->b);
}
static void gelu(work *w)
{
    fr_gelu_forward(w->dinner, w->inner);
}
static void gelu_back(work *w)
{
    fr_gelu_backward(w->dinner, w->dinner, w->inner);
}
static void dropout(work *w)
{
    fr_dropout(w->y, w->x, (fr_dropout_key){.p = 0.1});
}
static void column_sum(work *w)
{
    fr_linear_backward(FR_NONE, FR_NONE, w->b_inner, w->dinner, w->x, w->w_up);
}
static void adamw(work *w)
{
    fr_adamw(w->w_up, w->m, w->v, FR_NONE, w->w_up, (fr_adamw_step){1e-9, 0.9, 0.999, 1e-8, 0.01, 3, 1, FR_NONE});
}

static void fill(fr_tensor t, uint64_t stream)
{
    int64_t n = fr_tensor_count(&t);
    float *x = malloc((size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)fr_rng_normal(1, stream, (uint64_t)i);
    fr_tensor_set(t, x);
    free(x);
}

static int ascending(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* With one thread the time it ran, so that a busy machine disturbs less; else the clock. */
static double now(const work *w)
{
    struct timespec t;
    if (w->device->threads > 1)
        return fr_seconds();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void measure(work *w, const char *name, void (*kernel)(work *), double flops, double bytes, const char *only)
{
    double times[RUNS];
    if (only && strcmp(only, name) != 0)
        return;
    kernel(w);
    for (int i = 0; i < RUNS; i++) {
        double start = now(w);
        kernel(w);
        times[i] = now(w) - start;
    }
    qsort(times, RUNS, sizeof times[0], ascending);
    double rate = flops / times[0] * 1e-9;
    if (kernel == gemm_up_bare)
        w->gemm_rate = rate;
    printf("{\"kernel\": \"%s\", \"tokens\": %ld, \"T\": %ld, \"threads\": %d, \"isa\": \"%s\", \"median_ms\": %.3f, "
           "\"best_ms\": "
           "%.3f, \"gflops\": %.1f, \"share_of_gemm\": %.2f, \"gbytes\": %.1f}\n",
           name, (long)w->N, (long)w->T, w->device->threads, w->device->kernels->name, times[RUNS / 2] * 1e3,
           times[0] * 1e3, rate, w->gemm_rate > 0 ? rate / w->gemm_rate : 0, bytes / times[0] * 1e-9);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    work w = {.T = argc > 2 ? atol(argv[2]) : 128, .B = argc > 3 ? atol(argv[3]) : 32};
    const char *only = argc > 4 ? argv[4] : NULL;
    if (fr_device_open(&w.device, FR_DEVICE_CPU, argc > 1 ? atoi(argv[1]) : 0) != FR_OK) {
        fprintf(stderr, "%s\n", fr_error_text());
        return 1;
    }
    w.N = w.T * w.B;
    fr_arena *arena = fr_arena_create(w.device);
    layout(&w, arena);
    fr_arena_commit(arena);
    layout(&w, arena);
    fr_tensor random[] = {w.x, w.g, w.z, w.qkv, w.dinner, w.w_qkv, w.w_out, w.w_up, w.w_down, w.b, w.b_inner};
    for (size_t i = 0; i < sizeof random / sizeof random[0]; i++)
        fill(random[i], i);
    int32_t *cu = malloc((size_t)(w.B + 1) * sizeof(int32_t));
    for (int64_t b = 0; b <= w.B; b++)
        cu[b] = (int32_t)(b * w.T);
    fr_tensor_set_raw(w.cu, cu);
    free(cu);
    double NC = (double)(w.N * C),
           pairs = (double)(w.N * w.T * C); /* flops of one product q k^T over all heads: 2 N T C */
    measure(&w, "gemm_up_bare", gemm_up_bare, 2 * NC * INNER, 0, only);
    measure(&w, "gemm_up", gemm_up, 2 * NC * INNER, 0, only);
    measure(&w, "gemm_down", gemm_down, 2 * NC * INNER, 0, only);
    measure(&w, "gemm_out", gemm_out, 2 * NC * C, 0, only);
    measure(&w, "gemm_qkv", gemm_qkv, 6 * NC * C, 0, only);
    measure(&w, "gemm_up_dx", gemm_up_dx, 2 * NC * INNER, 0, only);
    measure(&w, "gemm_up_dw", gemm_up_dw, 2 * NC * INNER, 0, only);
    measure(&w, "attention", attention, 4 * pairs, 0, only);
    measure(&w, "attention_dropout", attention_dropout, 4 * pairs, 0, only);
    measure(&w, "attention_back", attention_back, 10 * pairs, 0, only);
    measure(&w, "attention_dropout_back", attention_dropout_back, 10 * pairs, 0, only);
    measure(&w, "layernorm", layernorm, 0, 16 * NC, only);
    measure(&w, "layernorm_back", layernorm_back, 0, 12 * NC, only);
    measure(&w, "gelu", gelu, 0, 32 * NC, only);
    measure(&w, "gelu_back", gelu_back, 0, 48 * NC, only);
    measure(&w, "dropout", dropout, 0, 8 * NC, only);
    measure(&w, "column_sum", column_sum, 0, 16 * NC, only);
    measure(&w, "adamw", adamw, 0, 28.0 * C * INNER, only);
    fr_arena_close(arena);
    fr_device_close(w.device);
    return 0;
}

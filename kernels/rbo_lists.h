/* rbo_lists.h - rank-biased overlap of any lists, for rbo.c alone: complete ones by the inner product of one vector per
 * distinct list, others by definition. */
#ifndef FR_KERNELS_RBO_LISTS_H
#define FR_KERNELS_RBO_LISTS_H

#include "common.h"
#include "rbo_way.h"

enum {
    ALIGNED = 8,            /* list vectors are padded to so many floats */
    CHUNK = 128,            /* terms of an inner product summed in f32 */
    VECTOR_BYTES = 1 << 30, /* more memory than this is not taken for list vectors */
};

static void *zeroed(int64_t count, size_t bytes_each)
{
    void *memory = scratch_new(count, bytes_each);
    memset(memory, 0, (size_t)count * bytes_each);
    return memory;
}

typedef struct lists {
    int64_t M, count; /* distinct lists */
    int32_t *id;      /* (nodes) list of each node */
    int32_t *node;    /* (count) a node that has it */
    bool *complete;   /* (count) no model is missing */
    int64_t length;   /* of a list vector */
    float *vector;    /* (count, length), or NULL where that takes too much memory */
    const int16_t *top;
    double p;
    bool corrected;
} lists;

static uint64_t row_hash(const int16_t *row, int64_t M)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (int64_t m = 0; m < M; m++)
        h = (h ^ (uint16_t)row[m]) * UINT64_C(0x9E3779B97F4A7C15) ^ h >> 29;
    return h ^ h >> 32;
}

static void find_distinct(lists *l, int64_t nodes)
{
    int64_t slots = 16;
    while (slots < 2 * nodes)
        slots *= 2;
    int32_t *slot = zeroed(slots, sizeof *slot); /* list + 1 */
    l->id = zeroed(nodes, sizeof *l->id);
    l->node = zeroed(nodes, sizeof *l->node);
    for (int64_t i = 0; i < nodes; i++) {
        const int16_t *row = l->top + i * l->M;
        int64_t s = (int64_t)(row_hash(row, l->M) & (uint64_t)(slots - 1));
        while (slot[s] && memcmp(l->top + l->node[slot[s] - 1] * l->M, row, (size_t)l->M * sizeof *row) != 0)
            s = (s + 1) & (slots - 1);
        if (!slot[s]) {
            l->node[l->count++] = (int32_t)i;
            slot[s] = (int32_t)l->count;
        }
        l->id[i] = slot[s] - 1;
    }
    free(slot);
    l->complete = zeroed(l->count, sizeof *l->complete);
    for (int64_t i = 0; i < l->count; i++) {
        l->complete[i] = true;
        for (int64_t m = 0; m < l->M; m++)
            l->complete[i] &= l->top[l->node[i] * l->M + m] != 0;
    }
}

/* At depth M every model counts in full and A_M = 1, so with w_d = (1-p) p^(d-1)
 *
 *   RBO = sum_{d<M} w_d A_d + p^(M-1) = <v, v'>,   v = (f_1 c_1, ..., f_{M-1} c_{M-1}, sqrt(p^(M-1)))
 *
 * f_d = sqrt(w_d / d) for variant a and sqrt(w_d / sum c_d^2) for b. */
static void list_vector(float *v, const int16_t *row, int64_t M, double p, bool corrected, real *scratch)
{
    real *first = scratch, *inverse = scratch + M;
    close_up(first, inverse, row, row, M);
    double weight = 1 - p;
    for (int64_t d = 1; d < M; d++, v += M, weight *= p) {
        double squares = 0;
        for (int64_t m = 0; m < M; m++) {
            real c = ((real)d - first[m]) * inverse[m];
            v[m] = c < 0 ? 0 : c > 1 ? 1 : c;
            squares += (double)v[m] * (double)v[m];
        }
        float factor = (float)sqrt(weight / (corrected ? squares : (double)d));
        for (int64_t m = 0; m < M; m++)
            v[m] *= factor;
    }
    *v = (float)sqrt(pow(p, (double)(M - 1)));
}

static int64_t vector_length(int64_t M)
{
    return (M * (M - 1) + 1 + ALIGNED - 1) / ALIGNED * ALIGNED;
}

static int64_t most_vectors(int64_t M)
{
    return VECTOR_BYTES / (int64_t)sizeof(float) / vector_length(M);
}

static void make_vectors(lists *l, fr_rbo_way way)
{
    l->length = vector_length(l->M);
    if (way == FR_RBO_DEFINITION || (way == FR_RBO_WAYS && l->count > most_vectors(l->M)))
        return;
    l->vector = zeroed(l->count * l->length, sizeof(float));
#pragma omp parallel if (l->count * l->length > PARALLEL_FROM)
    {
        real *scratch = scratch_new(2 * l->M, sizeof(real));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < l->count; i++)
            if (l->complete[i])
                list_vector(l->vector + i * l->length, l->top + l->node[i] * l->M, l->M, l->p, l->corrected, scratch);
        free(scratch);
    }
}

static inline float pair_rbo(const lists *l, int32_t i, int32_t j, real *scratch)
{
    if (!l->vector || !l->complete[i] || !l->complete[j])
        return in_unit_range(
            by_definition(l->top + l->node[i] * l->M, l->top + l->node[j] * l->M, l->M, l->p, l->corrected, scratch));
    const float *a = l->vector + i * l->length, *b = l->vector + j * l->length;
    double sum = 0;
    for (int64_t first = 0; first < l->length; first += CHUNK) {
        float part = 0;
        int64_t end = smaller(first + CHUNK, l->length);
#pragma omp simd reduction(+ : part)
        for (int64_t x = first; x < end; x++)
            part += a[x] * b[x];
        sum += (double)part;
    }
    return in_unit_range(sum);
}

static void by_lists(float *rbo, const int32_t *edges, const int16_t *top, int64_t E, int64_t nodes, int64_t M,
                     double p, bool corrected, fr_rbo_way way)
{
    lists l = {.M = M, .top = top, .p = p, .corrected = corrected};
    find_distinct(&l, nodes);
    make_vectors(&l, way);
#pragma omp parallel if (E * M > PARALLEL_FROM)
    {
        real *scratch = scratch_new(4 * M, sizeof(real));
#pragma omp for schedule(static)
        for (int64_t e = 0; e < E; e++) {
            int32_t i = l.id[edges[2 * e]], j = l.id[edges[2 * e + 1]];
            rbo[e] = i < j ? pair_rbo(&l, i, j, scratch) : pair_rbo(&l, j, i, scratch);
        }
        free(scratch);
    }
    free(l.vector);
    free(l.complete);
    free(l.node);
    free(l.id);
}

#endif

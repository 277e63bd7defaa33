/* Exact nearest neighbours: blocks of queries times blocks of the corpus through the GEMM, each merged into a running
 * top-k. */
#include "check.h"
#include "ops.h"

#include <math.h>

enum { QUERIES = 1024, CORPUS = 1024 }; /* rows of a block: its scores (4 MB) stay in cache */
enum { DEVICE_QUERIES = 65536 };

typedef struct block {
    fr_device *device;
    void *queries, *corpus,
        *scores;   /* real (QUERIES,d), (CORPUS,d), (QUERIES,CORPUS); NULL where f32 serves as it is */
    float *merged; /* f32 scores */
} block;

/* f32 rows as the device's real type: as they are, or converted into `room`. */
static const void *as_real(const block *w, void *room, const float *rows, int64_t count)
{
    if (!room)
        return rows;
    w->device->kernels->from_f32(w->device->queue, room, rows, count);
    return room;
}

static void merge_block(const block *w, float *value, int32_t *index, const void *queries, const float *corpus,
                        int64_t rows, int64_t first, int64_t n, int64_t d, int64_t k, const int32_t *skip)
{
    const fr_kernels *kernels = w->device->kernels;
    fr_queue *queue = w->device->queue;
    void *scores = w->scores ? w->scores : w->merged;
    kernels->gemm(queue, scores, queries, as_real(w, w->corpus, corpus + first * d, n * d), NULL, rows, n, d, false,
                  true, d, d, n, 1, 0, false);
    if (w->scores)
        kernels->to_f32(queue, w->merged, w->scores, rows * n);
    kernels->topk_merge(queue, value, index, w->merged, rows, n, n, first, k, skip);
}

/* A GPU has its own kernel; queries go in blocks only so that progress shows and memory stays bounded. */
static bool on_device(fr_device *device, int32_t *index, float *similarity, const float *queries, const float *corpus,
                      int64_t nq, int64_t nc, int64_t d, int64_t k, const int32_t *skip,
                      bool (*progress)(void *context, int64_t rows), void *context)
{
    const float *c = fr_operand_begin(device, corpus, (size_t)(nc * d) * sizeof(float));
    bool more = true;
    for (int64_t i = 0; i < nq && more; i += DEVICE_QUERIES) {
        int64_t rows = nq - i < DEVICE_QUERIES ? nq - i : DEVICE_QUERIES;
        size_t bytes = (size_t)(rows * k) * sizeof(float);
        const float *q = fr_operand_begin(device, queries + i * d, (size_t)(rows * d) * sizeof(float));
        const int32_t *s = skip ? fr_operand_begin(device, skip + i, (size_t)rows * sizeof(int32_t)) : NULL;
        /* Two results at once: fr_result_begin would give small ones the same memory. */
        void *value = device->allocate(device, bytes), *best = device->allocate(device, bytes);
        device->wide_kernels->knn(device->queue, value, best, q, c, rows, nc, d, k, s);
        device->synchronize(device);
        device->copy_out(device, similarity + i * k, value, bytes);
        device->copy_out(device, index + i * k, best, bytes);
        device->release(device, value);
        device->release(device, best);
        fr_operand_end(device, queries + i * d, q);
        if (skip)
            fr_operand_end(device, skip + i, s);
        more = !progress || progress(context, i + rows);
    }
    fr_operand_end(device, corpus, c);
    return more;
}

bool fr_knn(fr_device *device, int32_t *index, float *similarity, const float *queries, const float *corpus, int64_t nq,
            int64_t nc, int64_t d, int64_t k, const int32_t *skip, bool (*progress)(void *context, int64_t rows),
            void *context)
{
    FR_CHECK(nq >= 0 && nc >= 0 && d > 0 && k > 0 && nc <= INT32_MAX, "nq %ld, nc %ld, d %ld, k %ld", (long)nq,
             (long)nc, (long)d, (long)k);
    if (device->queue)
        return on_device(device, index, similarity, queries, corpus, nq, nc, d, k, skip, progress, context);
    size_t real = fr_dtype_bytes(device->real);
    block w = {.device = device, .merged = device->allocate(device, QUERIES * CORPUS * sizeof(float))};
    if (device->real != FR_F32) {
        w.queries = device->allocate(device, (size_t)(QUERIES * d) * real);
        w.corpus = device->allocate(device, (size_t)(CORPUS * d) * real);
        w.scores = device->allocate(device, QUERIES * CORPUS * real);
    }
    for (int64_t i = 0; i < nq * k; i++) {
        similarity[i] = -INFINITY;
        index[i] = -1;
    }
    const float *q = fr_operand_begin(device, queries, (size_t)(nq * d) * sizeof(float));
    const float *c = fr_operand_begin(device, corpus, (size_t)(nc * d) * sizeof(float));
    const int32_t *s = skip ? fr_operand_begin(device, skip, (size_t)nq * sizeof(int32_t)) : NULL;
    bool more = true;
    for (int64_t i = 0; i < nq && more; i += QUERIES) {
        int64_t rows = nq - i < QUERIES ? nq - i : QUERIES;
        size_t bytes = (size_t)(rows * k) * sizeof(float);
        float *value = (float *)fr_operand_begin(device, similarity + i * k, bytes);
        int32_t *best = (int32_t *)fr_operand_begin(device, index + i * k, bytes);
        const void *block_queries = as_real(&w, w.queries, q + i * d, rows * d);
        for (int64_t j = 0; j < nc; j += CORPUS)
            merge_block(&w, value, best, block_queries, c, rows, j, nc - j < CORPUS ? nc - j : CORPUS, d, k,
                        s ? s + i : NULL);
        fr_result_end(device, similarity + i * k, value, bytes);
        fr_result_end(device, index + i * k, best, bytes);
        more = !progress || progress(context, i + rows);
    }
    fr_operand_end(device, queries, q);
    fr_operand_end(device, corpus, c);
    if (skip)
        fr_operand_end(device, skip, s);
    device->release(device, w.merged);
    if (w.scores) {
        device->release(device, w.queries);
        device->release(device, w.corpus);
        device->release(device, w.scores);
    }
    return more;
}

/* Exact nearest neighbours: screened where the instruction set has that and there are queries enough
 * (kernels/knn_screened.h), else blocks of queries times blocks of the corpus through the GEMM, each merged into a
 * running top-k. Where the queries are the corpus, a block of scores serves both its rows and, turned, its columns:
 * half the products. */
#include "check.h"
#include "device/tables.h"
#include "ops.h"

#include <math.h>

enum { BLOCK = 1024, TURN = 16 }; /* rows of a block: its scores (4 MB) stay in cache; side of a tile that is turned */
enum { DEVICE_QUERIES = 65536 };
enum { SCREENED_FROM = 128 }; /* queries: below, rounding the corpus costs more than it saves */

typedef struct search {
    fr_device *device;
    float *similarity; /* (nq, k) */
    int32_t *index;
    const float *queries, *corpus;
    const int32_t *skip; /* (nq) or NULL */
    int64_t nq, nc, d, k;
    void *real_queries, *real_corpus, *real_scores; /* (BLOCK,d), (BLOCK,d), (BLOCK,BLOCK); NULL where real is f32 */
    float *scores, *turned;                         /* (BLOCK,BLOCK) */
} search;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* f32 rows as the device's real type: as they are, or converted into `room`. */
static const void *as_real(const search *w, void *room, const float *rows, int64_t count)
{
    if (!room)
        return rows;
    w->device->kernels->from_f32(w->device->queue, room, rows, count * w->d);
    return room;
}

/* scores (rows,n) of queries i .. i+rows-1 and corpus rows j .. j+n-1 */
static void score(const search *w, int64_t i, int64_t rows, int64_t j, int64_t n)
{
    const fr_kernels *kernels = w->device->kernels;
    void *scores = w->real_scores ? w->real_scores : w->scores;
    kernels->gemm(NULL, scores, as_real(w, w->real_queries, w->queries + i * w->d, rows),
                  as_real(w, w->real_corpus, w->corpus + j * w->d, n), NULL, rows, n, w->d, false, true, w->d, w->d, n,
                  1, 0, false);
    if (w->real_scores)
        kernels->to_f32(NULL, w->scores, scores, rows * n);
}

/* turned (n,rows) = scores (rows,n) transposed, in tiles of whole cache lines that pass through a small copy: rows lie
 * a power of two apart, so that lines would push each other out of the cache. */
static void turn(const search *w, int64_t rows, int64_t n)
{
#pragma omp parallel for schedule(static)
    for (int64_t j0 = 0; j0 < n; j0 += TURN)
        for (int64_t i0 = 0; i0 < rows; i0 += TURN) {
            float tile[TURN][TURN + 1];
            int64_t high = smaller(TURN, rows - i0), wide = smaller(TURN, n - j0);
            for (int64_t i = 0; i < high; i++)
                for (int64_t j = 0; j < wide; j++)
                    tile[i][j] = w->scores[(i0 + i) * n + j0 + j];
            for (int64_t j = 0; j < wide; j++)
                for (int64_t i = 0; i < high; i++)
                    w->turned[(j0 + j) * rows + i0 + i] = tile[i][j];
        }
}

/* Candidates first .. first+n-1 with scores (rows,n) for queries i .. */
static void merge(const search *w, const float *scores, int64_t i, int64_t rows, int64_t first, int64_t n)
{
    w->device->kernels->topk_merge(NULL, w->similarity + i * w->k, w->index + i * w->k, scores, rows, n, n, first, w->k,
                                   w->skip ? w->skip + i : NULL);
}

/* One block of queries against all of the corpus. Mirrored: the queries' first rows are the corpus, so what an earlier
 * block scored is done, and what this one scores counts for the later queries too. */
static void search_block(const search *w, int64_t i, int64_t rows, bool mirrored)
{
    for (int64_t j = 0; j < w->nc; j += BLOCK) {
        int64_t n = smaller(BLOCK, w->nc - j), from = i;
        if (mirrored && j < i)
            from = i > w->nc ? i : smaller(i + rows, w->nc); /* queries beyond the corpus had no mirror */
        if (from >= i + rows)
            continue;
        score(w, from, i + rows - from, j, n);
        merge(w, w->scores, from, i + rows - from, j, n);
        if (mirrored && j > i) {
            turn(w, rows, n);
            merge(w, w->turned, j, n, i, rows);
        }
    }
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
    fr_knn_screened *screened = fr_knn_screened_for(device->kernels);
    if (screened && nq >= SCREENED_FROM && d <= KNN_SCREENED_D) {
        fr_knn_job job = {similarity, index, queries, corpus, nq, nc, d, k, skip, progress, context};
        return screened(&job);
    }
    size_t real = fr_dtype_bytes(device->real);
    bool mirrored = queries == corpus && nq >= nc;
    search w = {device, similarity, index, queries, corpus, skip, nq, nc, d, k, NULL, NULL, NULL, NULL, NULL};
    w.scores = device->allocate(device, BLOCK * BLOCK * sizeof(float));
    w.turned = mirrored ? device->allocate(device, BLOCK * BLOCK * sizeof(float)) : NULL;
    if (device->real != FR_F32) {
        w.real_queries = device->allocate(device, (size_t)(BLOCK * d) * real);
        w.real_corpus = device->allocate(device, (size_t)(BLOCK * d) * real);
        w.real_scores = device->allocate(device, BLOCK * BLOCK * real);
    }
    for (int64_t i = 0; i < nq * k; i++) {
        similarity[i] = -INFINITY;
        index[i] = -1;
    }
    bool more = true;
    for (int64_t i = 0; i < nq && more; i += BLOCK) {
        int64_t rows = smaller(BLOCK, nq - i);
        search_block(&w, i, rows, mirrored);
        more = !progress || progress(context, i + rows);
    }
    void *const room[] = {w.scores, w.turned, w.real_queries, w.real_corpus, w.real_scores};
    for (int i = 0; i < 5; i++)
        device->release(device, room[i]);
    return more;
}

/* Exact nearest neighbours: screened where the instruction set has that and there are queries enough
 * (kernels/knn_screened.h), else blocks of queries times blocks of the corpus through the GEMM, each merged into a
 * running top-k. Where the queries are the corpus, a block of scores serves both its rows and, turned, its columns:
 * half the products.
 *
 * Shared, every rank computes its part of the pairs, for all queries; the best of the ranks' lists are the answer. A
 * score does not depend on who computes it, and of two lists topk_unite makes what their candidates would have made in
 * any order: the same bits on any number of ranks. */
#include "check.h"

#include "base/memory.h"
#include "comm/comm.h"
#include "device/tables.h"
#include "ops.h"

#include "topk_insert.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>

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
    bool (*progress)(void *context, int64_t rows);
    void *context;
    void *real_queries, *real_corpus, *real_scores; /* (BLOCK,d), (BLOCK,d), (BLOCK,BLOCK); NULL where real is f32 */
    float *scores, *turned;                         /* (BLOCK,BLOCK) */
    int64_t part, parts, pair;                      /* pairs of blocks so far: this part has every parts-th */
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
static void search_block(search *w, int64_t i, int64_t rows, bool mirrored)
{
    for (int64_t j = 0; j < w->nc; j += BLOCK) {
        int64_t n = smaller(BLOCK, w->nc - j), from = i;
        if (mirrored && j < i)
            from = i > w->nc ? i : smaller(i + rows, w->nc); /* queries beyond the corpus had no mirror */
        if (from >= i + rows || w->pair++ % w->parts != w->part)
            continue;
        score(w, from, i + rows - from, j, n);
        merge(w, w->scores, from, i + rows - from, j, n);
        if (mirrored && j > i) {
            turn(w, rows, n);
            merge(w, w->turned, j, n, i, rows);
        }
    }
}

/* A GPU has its own kernel, for this part's range of the queries; they go in blocks only so that progress shows and
 * memory stays bounded. */
static bool on_device(const search *w)
{
    fr_device *device = w->device;
    int64_t k = w->k, d = w->d, first = w->nq * w->part / w->parts, end = w->nq * (w->part + 1) / w->parts;
    const float *c = fr_operand_begin(device, w->corpus, (size_t)(w->nc * d) * sizeof(float));
    bool more = true;
    for (int64_t i = first; i < end && more; i += DEVICE_QUERIES) {
        int64_t rows = smaller(end - i, DEVICE_QUERIES);
        size_t bytes = (size_t)(rows * k) * sizeof(float);
        const float *q = fr_operand_begin(device, w->queries + i * d, (size_t)(rows * d) * sizeof(float));
        const int32_t *s = w->skip ? fr_operand_begin(device, w->skip + i, (size_t)rows * sizeof(int32_t)) : NULL;
        /* Two results at once: fr_result_begin would give small ones the same memory. */
        void *value = device->allocate(device, bytes), *best = device->allocate(device, bytes);
        device->wide_kernels->knn(device->queue, value, best, q, c, rows, w->nc, d, k, s);
        device->synchronize(device);
        device->copy_out(device, w->similarity + i * k, value, bytes);
        device->copy_out(device, w->index + i * k, best, bytes);
        device->release(device, value);
        device->release(device, best);
        fr_operand_end(device, w->queries + i * d, q);
        if (w->skip)
            fr_operand_end(device, w->skip + i, s);
        more = !w->progress || w->progress(w->context, (i + rows - first) * w->nq / (end - first));
    }
    fr_operand_end(device, w->corpus, c);
    return more;
}

/* ---- several ranks ---- */

/* Every rank's lists become the best of all. Ranges of the queries go around the ring, each until it has met the lists
 * of all ranks and comes to its own, which hands it to all. */
static void unite(const search *w)
{
    int64_t k = w->k, ranks = fr_comm_ranks(), rank = fr_comm_rank(), *first = FR_NEW(int64_t, ranks + 1), most = 0;
    fr_shares(first, NULL, w->nq, ranks);
    for (int64_t r = 0; r < ranks; r++)
        most = first[r + 1] - first[r] > most ? first[r + 1] - first[r] : most;
    float *value = FR_NEW(float, most *k);
    int32_t *index = FR_NEW(int32_t, most * k);
    for (int64_t turn = 0; turn + 1 < ranks; turn++) {
        int64_t out = (rank - turn - 1 + ranks) % ranks, in = (rank - turn - 2 + 2 * ranks) % ranks;
        int64_t sent = (first[out + 1] - first[out]) * k, rows = first[in + 1] - first[in], at = first[out] * k;
        fr_comm_ring(value, (size_t)(rows * k) * sizeof *value, w->similarity + at, (size_t)sent * sizeof *value);
        fr_comm_ring(index, (size_t)(rows * k) * sizeof *index, w->index + at, (size_t)sent * sizeof *index);
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < rows; i++)
            topk_unite(w->similarity + (first[in] + i) * k, w->index + (first[in] + i) * k, value + i * k,
                       index + i * k, k);
    }
    fr_comm_gather(w->similarity, first, (size_t)k * sizeof *value);
    fr_comm_gather(w->index, first, (size_t)k * sizeof *index);
    free(first);
    free(value);
    free(index);
}

static bool exchange(void *context, bool more)
{
    if (fr_comm_any(!more))
        return false;
    unite(context);
    return true;
}

/* ---- */

static bool with_screen(search *w, fr_knn_screened *screened)
{
    fr_knn_job job = {.value = w->similarity,
                      .index = w->index,
                      .queries = w->queries,
                      .corpus = w->corpus,
                      .nq = w->nq,
                      .nc = w->nc,
                      .d = w->d,
                      .k = w->k,
                      .skip = w->skip,
                      .progress = w->progress,
                      .context = w->context,
                      .part = w->part,
                      .parts = w->parts,
                      .threads = omp_get_max_threads(),
                      .exchange = w->parts > 1 ? exchange : NULL,
                      .exchange_context = w};
    if (w->parts > 1)
        fr_comm_broadcast(&job.threads, sizeof job.threads, 0);
    return screened(&job);
}

static bool by_products(search *w)
{
    fr_device *device = w->device;
    size_t real = fr_dtype_bytes(device->real);
    bool mirrored = w->queries == w->corpus && w->nq >= w->nc;
    w->scores = device->allocate(device, BLOCK * BLOCK * sizeof(float));
    w->turned = mirrored ? device->allocate(device, BLOCK * BLOCK * sizeof(float)) : NULL;
    if (device->real != FR_F32) {
        w->real_queries = device->allocate(device, (size_t)(BLOCK * w->d) * real);
        w->real_corpus = device->allocate(device, (size_t)(BLOCK * w->d) * real);
        w->real_scores = device->allocate(device, BLOCK * BLOCK * real);
    }
    bool more = true;
    for (int64_t i = 0; i < w->nq && more; i += BLOCK) {
        int64_t rows = smaller(BLOCK, w->nq - i);
        search_block(w, i, rows, mirrored);
        more = !w->progress || w->progress(w->context, i + rows);
    }
    void *const room[] = {w->scores, w->turned, w->real_queries, w->real_corpus, w->real_scores};
    for (int i = 0; i < 5; i++)
        device->release(device, room[i]);
    return more;
}

/* The answer, or of several parts this one's. */
static bool find(search *w)
{
    FR_CHECK(w->nq >= 0 && w->nc >= 0 && w->d > 0 && w->k > 0 && w->nc <= INT32_MAX, "nq %ld, nc %ld, d %ld, k %ld",
             (long)w->nq, (long)w->nc, (long)w->d, (long)w->k);
    for (int64_t i = 0; i < w->nq * w->k; i++) {
        w->similarity[i] = -INFINITY;
        w->index[i] = -1;
    }
    if (w->device->queue)
        return on_device(w);
    fr_knn_screened *screened = fr_knn_screened_for(w->device->kernels);
    if (screened && w->nq >= SCREENED_FROM && w->d <= KNN_SCREENED_D)
        return with_screen(w, screened);
    return by_products(w);
}

bool fr_knn(fr_device *device, int32_t *index, float *similarity, const float *queries, const float *corpus, int64_t nq,
            int64_t nc, int64_t d, int64_t k, const int32_t *skip, bool (*progress)(void *context, int64_t rows),
            void *context)
{
    search w = {device, similarity, index, queries, corpus, skip, nq, nc, d, k, progress, context, .parts = 1};
    return find(&w);
}

bool fr_knn_shared(fr_device *device, int32_t *index, float *similarity, const float *queries, const float *corpus,
                   int64_t nq, int64_t nc, int64_t d, int64_t k, const int32_t *skip,
                   bool (*progress)(void *context, int64_t rows), void *context)
{
    search w = {device,
                similarity,
                index,
                queries,
                corpus,
                skip,
                nq,
                nc,
                d,
                k,
                progress,
                context,
                .part = fr_comm_rank(),
                .parts = fr_comm_ranks()};
    fr_comm_at("nearest neighbours", -1);
    bool more = find(&w);
    return w.parts == 1 ? more : exchange(&w, more);
}

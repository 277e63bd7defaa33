/* Nearest neighbours of rows that are spread over the ranks. */
#include "split_graph.h"

#include "circulate.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "ops/ops.h"
#include "topk_insert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEW = 256,           /* rows for each rank: below, every rank takes all of them and searches as one would */
    LEAST_SLICE = 32768, /* rows: of a slice, thresholds are found anew */
    SLICES = 8,          /* most that a rank's rows are cut into */
    QUERIES = 32768      /* searched at once, with lists of their own */
};

typedef struct search {
    struct fr_device *device;
    const int64_t *first; /* (ranks + 1) */
    const float *own;     /* (count, d) */
    int64_t count, d, k;
    int32_t *index; /* (count, k) */
    float *similarity;
    int64_t slice, slices; /* being passed around */
    int32_t *near;         /* (QUERIES, k) of the slice alone */
    float *score;
    fr_progress *progress; /* or NULL */
    double pairs, done;    /* products of this rank */
    int64_t here;          /* corpus rows for each row of progress */
} search;

static void advance(search *s, double done)
{
    int64_t rows = (int64_t)(done / s->pairs * (double)s->count);
    if (s->progress && rows > s->progress->done)
        fr_progress_add(s->progress, rows - s->progress->done);
}

static bool report(void *context, int64_t rows)
{
    search *s = context;
    advance(s, s->done + (double)rows * (double)s->here);
    return !fr_interrupt_wanted();
}

/* fr_knn of this rank alone: the others search something else. */
static bool search_alone(search *s, int32_t *index, float *similarity, const float *queries, int64_t rows,
                         const float *corpus, int64_t corpus_rows, const int32_t *skip)
{
    fr_comm_apart(true);
    bool done = fr_knn(s->device, index, similarity, queries, corpus, rows, corpus_rows, s->d, s->k, skip, report, s);
    fr_comm_apart(false);
    return done;
}

static void slice_of(int64_t *at, int64_t *rows, const search *s, int rank)
{
    int64_t all = s->first[rank + 1] - s->first[rank];
    *at = all * s->slice / s->slices;
    *rows = all * (s->slice + 1) / s->slices - *at;
}

/* The lists of `rows` queries among a slice that begins at node `base`, into those of the whole. */
static void merge(const search *s, int64_t at, int64_t rows, int64_t base)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; i++)
        for (int64_t x = i * s->k; x < (i + 1) * s->k && s->near[x] >= 0; x++)
            topk_insert(s->similarity + (at + i) * s->k, s->index + (at + i) * s->k, s->k, s->score[x],
                        (int32_t)(base + s->near[x]));
}

static fr_status visit(void *context, int from, const void *piece, size_t bytes)
{
    search *s = context;
    if (from == fr_comm_rank() || bytes == 0)
        return FR_OK;
    int64_t base, corpus;
    slice_of(&base, &corpus, s, from);
    base += s->first[from];
    s->here = corpus;
    int64_t chunks = (s->count + QUERIES - 1) / QUERIES;
    for (int64_t c = 0; c < chunks; c++) {
        int64_t at = s->count * c / chunks, rows = s->count * (c + 1) / chunks - at;
        if (!search_alone(s, s->near, s->score, s->own + at * s->d, rows, piece, corpus, NULL))
            return fr_interrupted();
        merge(s, at, rows, base);
        s->done += (double)rows * (double)corpus;
    }
    return FR_OK;
}

static int32_t *count_up(int64_t n)
{
    int32_t *self = FR_NEW(int32_t, n);
    for (int64_t i = 0; i < n; i++)
        self[i] = (int32_t)i;
    return self;
}

/* The rank's rows among themselves: one search for both ends of a pair. */
static fr_status search_own(search *s)
{
    int32_t *self = count_up(s->count);
    s->here = s->count;
    bool done = s->count == 0 || search_alone(s, s->index, s->similarity, s->own, s->count, s->own, s->count, self);
    free(self);
    int32_t base = (int32_t)s->first[fr_comm_rank()];
    for (int64_t x = 0; x < s->count * s->k && done; x++)
        s->index[x] += s->index[x] >= 0 ? base : 0;
    s->done = (double)s->count * (double)s->count;
    return done ? FR_OK : fr_interrupted();
}

static fr_status search_ring(search *s)
{
    int64_t most = fr_most(s->count);
    s->slices = (most + LEAST_SLICE - 1) / LEAST_SLICE;
    s->slices = s->slices < 1 ? 1 : s->slices < SLICES ? s->slices : SLICES;
    int64_t queries = s->count < QUERIES ? s->count : QUERIES;
    s->near = FR_NEW(int32_t, queries * s->k);
    s->score = FR_NEW(float, queries * s->k);
    fr_ring ring = {0};
    fr_status status = FR_OK;
    for (s->slice = 0; s->slice < s->slices && status == FR_OK; s->slice++) {
        int64_t at, rows;
        slice_of(&at, &rows, s, fr_comm_rank());
        size_t bytes = (size_t)(rows * s->d) * sizeof(float);
        memcpy(fr_ring_room(&ring, bytes + 1), s->own + at * s->d, bytes);
        fr_comm_at("neighbours", s->slice);
        status = fr_circulate(&ring, bytes, visit, s);
    }
    fr_ring_close(&ring);
    free(s->score);
    free(s->near);
    return status;
}

/* All rows on every rank. */
static fr_status search_few(search *s)
{
    int64_t n = s->first[fr_comm_ranks()], at = s->first[fr_comm_rank()];
    float *all = FR_NEW(float, n * s->d), *similarity = FR_NEW(float, n * s->k);
    int32_t *index = FR_NEW(int32_t, n * s->k), *self = count_up(n);
    memcpy(all + at * s->d, s->own, (size_t)(s->count * s->d) * sizeof *all);
    fr_comm_gather(all, s->first, (size_t)s->d * sizeof *all);
    s->here = n;
    bool done = search_alone(s, index, similarity, all, n, all, n, self);
    memcpy(s->index, index + at * s->k, (size_t)(s->count * s->k) * sizeof *index);
    memcpy(s->similarity, similarity + at * s->k, (size_t)(s->count * s->k) * sizeof *similarity);
    free(self);
    free(index);
    free(similarity);
    free(all);
    return fr_comm_agree(done ? FR_OK : fr_interrupted());
}

fr_status fr_split_neighbours(int32_t *index, float *similarity, const int64_t *first, const float *embedding,
                              int64_t d, int64_t k, struct fr_device *device, const char *what)
{
    int ranks = fr_comm_ranks(), rank = fr_comm_rank();
    int64_t n = first[ranks];
    FR_CHECK(k > 0 && k < n && n <= INT32_MAX, "k %lld of %lld nodes", (long long)k, (long long)n);
    search s = {.device = device,
                .first = first,
                .own = embedding,
                .count = first[rank + 1] - first[rank],
                .d = d,
                .k = k,
                .index = index,
                .similarity = similarity};
    s.pairs = (double)s.count * (double)n;
    if (ranks > 1 && n < (int64_t)FEW * ranks)
        return search_few(&s);
    fr_progress progress;
    s.progress = what ? &progress : NULL;
    if (what)
        fr_progress_begin(&progress, what, "prompts", s.count);
    fr_status status = fr_comm_agree(search_own(&s));
    if (status == FR_OK && ranks > 1)
        status = search_ring(&s);
    if (what)
        fr_progress_end(&progress);
    return status;
}

/* Exact nearest neighbours by inner product: screened in bf16, ranked and certified in f32.
 *
 * 1. Queries q and corpus rows c are rounded to bf16 rows q^, c^.
 * 2. knn_screen.cuh lists for each query the corpus rows of the highest scores <q^, c^>; it dropped none above a bar T.
 * 3. The f32 scores of the listed rows give the k best, and the certificate says whether these are the k best of all:
 *    a row that was dropped scores at most T + E, as
 *
 *      |<q, c> - <q^, c^>| = |<q - q^, c> + <q^, c - c^>| <= |q - q^| |c| + |q^| |c - c^|
 *      E = |q - q^| C + |q^| R + d 2^-21 (|q^| + |q - q^|) C,   C >= all |c|, R >= all |c - c^|,
 *
 *    whose last term holds the roundings of both scores (2^-23 for each of the d + d / 16 sums of the tensor cores,
 * which truncate, and 2^-24 for each of the d of the f32 score).
 * 4. knn_exact.cuh repeats the queries without one. */
#include "knn_exact.cuh"
#include "knn_screen.cuh"

static const int64_t SCREENED_K = 128; /* a larger k goes to step 4 at once */

/* At the beginning of the scratch memory. Norms are bits of floats >= 0, whose order is that of the integers. */
struct knn_header {
    int32_t repeated; /* queries without a certificate */
    unsigned corpus_norm, corpus_residual;
};

static __global__ void clear_kernel(knn_header *header)
{
    header->repeated = 0;
    header->corpus_norm = 0;
    header->corpus_residual = 0;
}

/* ---- rounding --------------------------------------------------------------------------------------------------- */

static const int ROUND_THREADS = 256;

/* At least the norm whose f32 sum of squares is given: of n terms, each of which may have lost 2^-149. What is not
 * finite becomes infinity. */
static __device__ inline float norm_above(float squares, int64_t n)
{
    float norm = sqrtf(squares) * (1.0f + static_cast<float>(n + 64) * 0x1p-23f) + static_cast<float>(n) * 0x1p-74f;
    return norm < INFINITY ? norm : INFINITY;
}

/* rounded (rows, padded) = x (rows, d) in bf16, zeros behind; norm[i] >= |rounded row|, residual[i] >= |row - rounded|,
 * or their maxima to the header where these are NULL. */
static __global__ void __launch_bounds__(ROUND_THREADS)
    round_kernel(fr_bf16 *rounded, float *norm, float *residual, knn_header *header, const float *x, int64_t rows,
                 int64_t d, int64_t padded)
{
    const int lane = threadIdx.x % FR_WARP;
    float most_norm = 0, most_residual = 0;
    for (int64_t row = fr_thread_index() / FR_WARP; row < rows; row += fr_thread_count() / FR_WARP) {
        float squares = 0, residual_squares = 0;
        for (int64_t i = lane; i < padded; i += FR_WARP) {
            float v = i < d ? x[row * d + i] : 0.0f;
            fr_bf16 r = fr_round<fr_bf16>(v);
            rounded[row * padded + i] = r;
            float back = fr_float(r);
            squares = fmaf(back, back, squares);
            residual_squares = fmaf(v - back, v - back, residual_squares);
        }
        float n = norm_above(fr_warp_sum(squares), d), r = norm_above(fr_warp_sum(residual_squares), d);
        most_norm = fmaxf(most_norm, n);
        most_residual = fmaxf(most_residual, r);
        if (norm && lane == 0) {
            norm[row] = n;
            residual[row] = r;
        }
    }
    if (!norm && lane == 0) {
        atomicMax(&header->corpus_norm, __float_as_uint(most_norm));
        atomicMax(&header->corpus_residual, __float_as_uint(most_residual));
    }
}

/* ---- ranking ---------------------------------------------------------------------------------------------------- */

static const int RANK_THREADS = 128, RANK_WARPS = RANK_THREADS / FR_WARP;

/* A query's lists: one per part of the corpus. */
struct query_lists {
    const candidate *list; /* of the first part; those of the others follow at `stride` entries */
    const int *held;       /* at `held_stride` */
    int64_t stride, held_stride, parts;
};

/* f(candidate, there) by all lanes for all entries, 32 at a time */
template <class F> static __device__ inline void each_candidate(query_lists q, F f)
{
    int lane = threadIdx.x % FR_WARP;
    for (int64_t part = 0; part < q.parts; part++) {
        int n = q.held[part * q.held_stride];
        for (int e = lane; e - lane < n; e += FR_WARP) {
            candidate c = {-INFINITY, -1};
            if (e < n)
                c = q.list[part * q.stride + e];
            f(c, e < n);
        }
    }
}

/* A score that at least k candidates reach, not far below the k-th best; -infinity where there are fewer. */
static __device__ inline float reached_by(query_lists q, int64_t k)
{
    float high = -INFINITY, low = INFINITY;
    int all = 0;
    each_candidate(q, [&](candidate c, bool there) {
        high = fmaxf(high, c.score);
        low = fminf(low, there ? c.score : INFINITY);
        all += there;
    });
    high = fr_warp_max(high);
    low = -fr_warp_max(-low);
    if (__reduce_add_sync(FR_ALL_LANES, all) < k)
        return -INFINITY;
    unsigned reached = float_order(low), missed = float_order(high) + 1;
    while (missed - reached > 1) {
        unsigned middle = reached + (missed - reached) / 2;
        float at = order_float(middle);
        int count = 0;
        each_candidate(q, [&](candidate c, bool there) { count += there && c.score >= at; });
        count = __reduce_add_sync(FR_ALL_LANES, count);
        if (count < k) {
            missed = middle;
        } else {
            reached = middle;
            if (count <= k + 4)
                break;
        }
    }
    return order_float(reached);
}

template <int MOST> struct rank_memory {
    float score[MOST];
    int32_t index[MOST];
    float rows[FR_WARP * (EXACT_CHUNK + 1)];
    float last; /* the k-th best score */
};

/* Candidates with a score of at least `least` into m->index. Returns how many they are; beyond MOST they are not
 * stored. */
template <int MOST> static __device__ inline int gather(rank_memory<MOST> *m, query_lists q, float least)
{
    int lane = threadIdx.x % FR_WARP, n = 0;
    each_candidate(q, [&](candidate c, bool there) {
        bool taken = there && c.score >= least;
        unsigned all = __ballot_sync(FR_ALL_LANES, taken);
        int at = n + __popc(all & ((1u << lane) - 1));
        if (taken && at < MOST)
            m->index[at] = c.index;
        n += __popc(all);
    });
    __syncwarp();
    return n;
}

/* m->score of the first n entries, a lane each. */
template <int MOST>
static __device__ inline void score_candidates(rank_memory<MOST> *m, int n, const float *query, const float *corpus,
                                               int64_t d)
{
    int lane = threadIdx.x % FR_WARP;
    for (int first = 0; first < n; first += FR_WARP) {
        int rows = n - first < FR_WARP ? n - first : FR_WARP;
        float score = 0;
        for (int64_t k = 0; k < d; k += EXACT_CHUNK) {
            bool there = k + lane < d;
            float own = there ? query[k + lane] : 0.0f;
#pragma unroll 8
            for (int r = 0; r < FR_WARP; r++)
                m->rows[r * (EXACT_CHUNK + 1) + lane] =
                    there && r < rows ? corpus[m->index[first + r] * d + k + lane] : 0.0f;
            __syncwarp();
#pragma unroll 8
            for (int i = 0; i < EXACT_CHUNK; i++)
                score = fmaf(__shfl_sync(FR_ALL_LANES, own, i), m->rows[lane * (EXACT_CHUNK + 1) + i], score);
            __syncwarp();
        }
        if (lane < rows)
            m->score[first + lane] = score;
    }
    __syncwarp();
}

/* The k best of n entries, each at the place of as many as are better. */
template <int MOST>
static __device__ inline void write_best(rank_memory<MOST> *m, float *value, int32_t *index, int n, int64_t k)
{
    int lane = threadIdx.x % FR_WARP;
    for (int i = lane; i < n; i += FR_WARP) {
        int better = 0;
        for (int j = 0; j < n; j++)
            better += topk_better(m->score[j], m->index[j], m->score[i], m->index[i]);
        if (better >= k)
            continue;
        value[better] = m->score[i];
        index[better] = m->index[i];
        if (better == k - 1)
            m->last = m->score[i];
    }
    for (int64_t i = n + lane; i < k; i += FR_WARP) {
        value[i] = -INFINITY;
        index[i] = -1;
    }
    __syncwarp();
}

/* Steps 3: a warp per query. bars, norm, residual per query (bars: per part and query). */
template <int MOST>
static __global__ void __launch_bounds__(RANK_THREADS)
    rank_kernel(float *value, int32_t *index, knn_header *header, int32_t *repeated, const candidate *lists,
                const int *held, const float *bars, int64_t capacity, int64_t parts, const float *norm,
                const float *residual, const float *queries, const float *corpus, int64_t nq, int64_t d, int64_t k)
{
    __shared__ rank_memory<MOST> memory[RANK_WARPS];
    rank_memory<MOST> *m = &memory[threadIdx.x / FR_WARP];
    for (int64_t row = fr_thread_index() / FR_WARP; row < nq; row += fr_thread_count() / FR_WARP) {
        float corpus_norm = __uint_as_float(header->corpus_norm),
              corpus_residual = __uint_as_float(header->corpus_residual);
        float any_norm = (corpus_norm + corpus_residual) * (1 + 0x1p-20f), own = norm[row],
              own_residual = residual[row];
        float error = own_residual * any_norm + own * corpus_residual +
                      static_cast<float>(d + 8) * 0x1p-21f * (own + own_residual) * any_norm;
        error = error * (1 + 0x1p-20f) + static_cast<float>(d) * 0x1p-126f;
        float bar = -INFINITY;
        for (int64_t part = 0; part < parts; part++)
            bar = fmaxf(bar, bars[part * nq + row]);
        bool certain = false;
        if (error < INFINITY) {
            query_lists q = {lists + row * capacity, held + row, nq * capacity, nq, parts};
            int n = gather(m, q, reached_by(q, k) - 2 * error); /* k others are better than the rest */
            if (n <= MOST) {
                score_candidates(m, n, queries + row * d, corpus, d);
                write_best(m, value + row * k, index + row * k, n, k);
                certain = bar == -INFINITY || (n >= k && m->last > bar + error);
                __syncwarp();
            }
        }
        if (!certain && threadIdx.x % FR_WARP == 0)
            repeated[atomicAdd(&header->repeated, 1)] = static_cast<int32_t>(row);
    }
}

/* ---- the row ---------------------------------------------------------------------------------------------------- */

/* Memory for scratch arrays one behind the other, each 256-byte aligned; places come first, the block after. */
struct knn_scratch {
    int64_t bytes;
    int64_t take(int64_t count, size_t each)
    {
        int64_t place = bytes;
        bytes += fr_ceil_div(count * static_cast<int64_t>(each), 256) * 256;
        return place;
    }
};

/* Parts of the corpus, so that blocks fill the device evenly: the fewest with 9 of 10 multiprocessors at work. */
static int64_t part_count(const fr_queue *q, int64_t tiles, int64_t nc)
{
    const double enough = 0.9;
    int64_t most = fr_ceil_div(nc, 8 * SCREEN_COLUMNS), best = 1;
    double best_share = 0;
    most = most < 2 * q->multiprocessors ? most : 2 * q->multiprocessors;
    for (int64_t parts = 1; parts <= most && best_share < enough; parts++) {
        int64_t blocks = tiles * parts, rounds = fr_ceil_div(blocks, q->multiprocessors);
        double share = static_cast<double>(blocks) / static_cast<double>(rounds * q->multiprocessors);
        if (share > best_share) {
            best_share = share;
            best = parts;
        }
    }
    return best;
}

/* Where an array lies in the scratch memory. */
template <class T> static T *at(char *scratch, int64_t place)
{
    return reinterpret_cast<T *>(scratch + place);
}

struct exact_places {
    int64_t items, value, index;
};

static exact_places exact_plan(const fr_queue *q, knn_scratch *s, int64_t nq, int64_t k)
{
    int64_t items = 4 * q->multiprocessors;
    int64_t lists = (items + fr_ceil_div(nq, EXACT_ROWS)) * EXACT_ROWS;
    return {items, s->take(lists * k, sizeof(float)), s->take(lists * k, sizeof(int32_t))};
}

static void exact(fr_queue *q, float *value, int32_t *index, char *scratch, exact_places places, exact_rows rows,
                  const float *queries, const float *corpus, int64_t nc, int64_t d, int64_t k, const int32_t *skip)
{
    int64_t blocks = places.items + fr_ceil_div(rows.nq, EXACT_ROWS), most = 2 * q->multiprocessors;
    float *part_value = at<float>(scratch, places.value);
    int32_t *part_index = at<int32_t>(scratch, places.index);
    fr_launch(q, exact_kernel, static_cast<unsigned>(blocks < most ? blocks : most), EXACT_THREADS, 0, part_value,
              part_index, queries, corpus, rows, nc, d, k, skip, places.items);
    fr_launch(q, exact_merge_kernel, fr_blocks(q, rows.nq * FR_WARP, EXACT_THREADS), EXACT_THREADS, 0, value, index,
              part_value, part_index, rows, nc, k, places.items);
}

template <int KEEP, int CAPACITY, int MOST>
static void screened(fr_queue *q, float *value, int32_t *index, const float *queries, const float *corpus, int64_t nq,
                     int64_t nc, int64_t d, int64_t k, const int32_t *skip)
{
    const int64_t padded = fr_ceil_div(d, CHUNK) * CHUNK, tiles = fr_ceil_div(nq, SCREEN_ROWS);
    const int64_t parts = part_count(q, tiles, nc);
    knn_scratch s = {};
    s.take(1, sizeof(knn_header));
    int64_t repeated = s.take(nq, sizeof(int32_t));
    int64_t rounded = s.take(nq * padded, sizeof(fr_bf16)), rounded_corpus = s.take(nc * padded, sizeof(fr_bf16));
    int64_t norm = s.take(nq, sizeof(float)), residual = s.take(nq, sizeof(float));
    int64_t lists = s.take(parts * nq * CAPACITY, sizeof(candidate));
    int64_t held = s.take(parts * nq, sizeof(int)), bars = s.take(parts * nq, sizeof(float));
    exact_places places = exact_plan(q, &s, nq, k);
    char *scratch = fr_scratch<char>(q, s.bytes);
    knn_header *header = at<knn_header>(scratch, 0);

    fr_launch(q, clear_kernel, 1, 1, 0, header);
    fr_launch(q, round_kernel, fr_blocks(q, nq * FR_WARP, ROUND_THREADS), ROUND_THREADS, 0,
              at<fr_bf16>(scratch, rounded), at<float>(scratch, norm), at<float>(scratch, residual), header, queries,
              nq, d, padded);
    fr_launch(q, round_kernel, fr_blocks(q, nc * FR_WARP, ROUND_THREADS), ROUND_THREADS, 0,
              at<fr_bf16>(scratch, rounded_corpus), nullptr, nullptr, header, corpus, nc, d, padded);
    bool resident = screen_bytes(padded / CHUNK) <= static_cast<size_t>(q->shared_limit);
    fr_launch(q, (screen_kernel<KEEP, CAPACITY>), dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(parts)),
              SCREEN_THREADS, screen_bytes(resident ? padded / CHUNK : STAGES), at<candidate>(scratch, lists),
              at<int>(scratch, held), at<float>(scratch, bars), at<fr_bf16>(scratch, rounded),
              at<fr_bf16>(scratch, rounded_corpus), nq, nc, padded, resident, skip);
    fr_launch(q, rank_kernel<MOST>, fr_blocks(q, nq * FR_WARP, RANK_THREADS), RANK_THREADS, 0, value, index, header,
              at<int32_t>(scratch, repeated), at<candidate>(scratch, lists), at<int>(scratch, held),
              at<float>(scratch, bars), CAPACITY, parts, at<float>(scratch, norm), at<float>(scratch, residual),
              queries, corpus, nq, d, k);
    exact(q, value, index, scratch, places, {&header->repeated, at<int32_t>(scratch, repeated), nq}, queries, corpus,
          nc, d, k, skip);
}

static void knn(fr_queue *q, float *value, int32_t *index, const float *queries, const float *corpus, int64_t nq,
                int64_t nc, int64_t d, int64_t k, const int32_t *skip)
{
    if (nq == 0)
        return;
    if (k <= 32) {
        screened<64, 320, 256>(q, value, index, queries, corpus, nq, nc, d, k, skip);
    } else if (k <= SCREENED_K) {
        screened<256, 640, 512>(q, value, index, queries, corpus, nq, nc, d, k, skip);
    } else {
        knn_scratch s = {};
        exact_places places = exact_plan(q, &s, nq, k);
        char *scratch = fr_scratch<char>(q, s.bytes);
        exact(q, value, index, scratch, places, {nullptr, nullptr, nq}, queries, corpus, nc, d, k, skip);
    }
}
FR_WIDE(knn)

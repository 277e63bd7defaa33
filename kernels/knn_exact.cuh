/* knn_exact.cuh - the f32 half of knn.cu: exact scores of all the corpus, for the queries of a list that the host does
 * not know. Every f32 score of knn.cu is the chain of fused multiply-adds over d in its order, whichever kernel
 * computes it. */
#ifndef FR_KNN_EXACT_CUH
#define FR_KNN_EXACT_CUH

#include "topk.cuh"

static const int EXACT_THREADS = 256, EXACT_ROWS = 64, EXACT_COLUMNS = 128;
static const int EXACT_CHUNK = 32; /* elements of d at a time; zeros after the last */

/* The queries to do: count[0] of them, listed; or all nq where both are NULL. */
struct exact_rows {
    const int32_t *count, *list;
    int64_t nq;
};

static __device__ inline int64_t exact_count(exact_rows rows)
{
    return rows.count ? *rows.count : rows.nq;
}

static __device__ inline int64_t exact_row(exact_rows rows, int64_t i)
{
    return rows.list ? rows.list[i] : i;
}

/* A work item is a tile of listed queries and a segment of the corpus; few queries are cut into many segments. */
static __device__ inline int64_t exact_segments(int64_t tiles, int64_t nc, int64_t items)
{
    int64_t segments = tiles > 0 ? items / tiles : 0, most = (nc + EXACT_COLUMNS - 1) / EXACT_COLUMNS;
    segments = segments < most ? segments : most;
    return segments > 1 ? segments : 1;
}

/* Transposed, so that a warp's eight queries lie side by side. */
static const int QUERY_STRIDE = EXACT_ROWS + 4, COLUMN_STRIDE = EXACT_CHUNK + 1;
struct alignas(16) exact_memory {
    float query[EXACT_CHUNK * QUERY_STRIDE];
    float corpus[EXACT_COLUMNS * COLUMN_STRIDE];
};

static __device__ inline void load_chunk(exact_memory *m, const float *queries, const float *corpus, exact_rows rows,
                                         int64_t count, int64_t first_row, int64_t first_column, int64_t nc, int64_t d,
                                         int64_t first)
{
    int warp = threadIdx.x / FR_WARP, lane = threadIdx.x % FR_WARP;
    bool in_d = first + lane < d;
    for (int r = warp; r < EXACT_ROWS; r += EXACT_THREADS / FR_WARP) {
        bool there = in_d && first_row + r < count;
        m->query[lane * QUERY_STRIDE + r] = there ? queries[exact_row(rows, first_row + r) * d + first + lane] : 0.0f;
    }
#pragma unroll 8
    for (int c = warp; c < EXACT_COLUMNS; c += EXACT_THREADS / FR_WARP) {
        bool there = in_d && first_column + c < nc;
        m->corpus[c * COLUMN_STRIDE + lane] = there ? corpus[(first_column + c) * d + first + lane] : 0.0f;
    }
}

enum { EXACT_EACH = 8, EXACT_SPREAD = EXACT_COLUMNS / FR_WARP }; /* a lane's share: 8 queries x 4 corpus rows */

static __device__ inline void exact_scores(float score[EXACT_EACH][EXACT_SPREAD], const exact_memory *m)
{
    int warp = threadIdx.x / FR_WARP, lane = threadIdx.x % FR_WARP;
#pragma unroll 4
    for (int k = 0; k < EXACT_CHUNK; k++) {
        fr_vector<float> q[EXACT_EACH / 4];
#pragma unroll
        for (int v = 0; v < EXACT_EACH / 4; v++)
            q[v] = *reinterpret_cast<const fr_vector<float> *>(m->query + k * QUERY_STRIDE + EXACT_EACH * warp + 4 * v);
#pragma unroll
        for (int j = 0; j < EXACT_SPREAD; j++) {
            float c = m->corpus[(lane + FR_WARP * j) * COLUMN_STRIDE + k];
#pragma unroll
            for (int i = 0; i < EXACT_EACH; i++)
                score[i][j] = fmaf(q[i / 4].x[i % 4], c, score[i][j]);
        }
    }
}

/* The top-k of every work item: value, index (items, EXACT_ROWS, k). */
static __global__ void __launch_bounds__(EXACT_THREADS, 2)
    exact_kernel(float *value, int32_t *index, const float *queries, const float *corpus, exact_rows rows, int64_t nc,
                 int64_t d, int64_t k, const int32_t *skip, int64_t items)
{
    static_assert(EXACT_EACH * EXACT_THREADS / FR_WARP == EXACT_ROWS, "eight queries per warp");
    __shared__ exact_memory m;
    const int warp = threadIdx.x / FR_WARP, lane = threadIdx.x % FR_WARP;
    const int64_t count = exact_count(rows), tiles = (count + EXACT_ROWS - 1) / EXACT_ROWS;
    const int64_t segments = exact_segments(tiles, nc, items), blocks = (nc + EXACT_COLUMNS - 1) / EXACT_COLUMNS;
    for (int64_t item = blockIdx.x; item < tiles * segments; item += gridDim.x) {
        int64_t first_row = item / segments * EXACT_ROWS, segment = item % segments;
        int64_t own = first_row + warp * EXACT_EACH; /* this warp's queries, and their lists */
        int64_t list = (item * EXACT_ROWS + warp * EXACT_EACH) * k;
        topk_clear(value + list, index + list, EXACT_EACH * k);
        for (int64_t b = blocks * segment / segments; b < blocks * (segment + 1) / segments; b++) {
            float score[EXACT_EACH][EXACT_SPREAD] = {};
            for (int64_t first = 0; first < d; first += EXACT_CHUNK) {
                __syncthreads();
                load_chunk(&m, queries, corpus, rows, count, first_row, b * EXACT_COLUMNS, nc, d, first);
                __syncthreads();
                exact_scores(score, &m);
            }
#pragma unroll
            for (int i = 0; i < EXACT_EACH; i++) {
                if (own + i >= count)
                    continue;
                int64_t skipped = skip ? skip[exact_row(rows, own + i)] : -1;
#pragma unroll
                for (int j = 0; j < EXACT_SPREAD; j++) {
                    int64_t c = b * EXACT_COLUMNS + j * FR_WARP + lane;
                    topk_offer(value + list + i * k, index + list + i * k, k, score[i][j], static_cast<int32_t>(c),
                               c < nc && c != skipped);
                }
            }
        }
    }
}

/* The result of each listed query from the lists of its work items, a warp each. */
static __global__ void __launch_bounds__(EXACT_THREADS, 4)
    exact_merge_kernel(float *value, int32_t *index, const float *part_value, const int32_t *part_index,
                       exact_rows rows, int64_t nc, int64_t k, int64_t items)
{
    const int lane = threadIdx.x % FR_WARP;
    const int64_t count = exact_count(rows), tiles = (count + EXACT_ROWS - 1) / EXACT_ROWS;
    const int64_t segments = exact_segments(tiles, nc, items);
    for (int64_t i = fr_thread_index() / FR_WARP; i < count; i += fr_thread_count() / FR_WARP) {
        float *best_value = value + exact_row(rows, i) * k;
        int32_t *best_index = index + exact_row(rows, i) * k;
        topk_clear(best_value, best_index, k);
        for (int64_t segment = 0; segment < segments; segment++) {
            int64_t part = ((i / EXACT_ROWS * segments + segment) * EXACT_ROWS + i % EXACT_ROWS) * k;
            for (int64_t j = lane; j - lane < k; j += FR_WARP) {
                bool there = j < k && part_index[part + j] >= 0;
                topk_offer(best_value, best_index, k, there ? part_value[part + j] : 0,
                           there ? part_index[part + j] : -1, there);
                if (!__all_sync(FR_ALL_LANES, there)) /* the end of this list */
                    break;
            }
        }
    }
}

#endif

/* knn_screen.cuh - the screening of knn.cu: scores of bf16 rows by tensor cores, 256 queries x 128 corpus rows at a
 * time, of which each query keeps the best few dozen.
 *
 * A query has a bar and a list. What scores above the bar is appended to the list; when a list has grown long the bar
 * is raised so far that about KEEP entries stay. So everything that was dropped scores at most the final bar, and that
 * is all the caller relies on: which entries the list holds beyond that does not change its result. */
#ifndef FR_KNN_SCREEN_CUH
#define FR_KNN_SCREEN_CUH

#include "intrinsics.cuh"

struct alignas(8) candidate {
    float score;
    int32_t index;
};

static const int SCREEN_THREADS = 256, SCREEN_ROWS = 256, SCREEN_COLUMNS = 128;
static const int CHUNK = 32; /* elements of d at a time; rows are padded to a multiple */
static const int STAGES = 4; /* chunks under way */
static const int QUERY_CHUNK = SCREEN_ROWS * CHUNK, CORPUS_CHUNK = SCREEN_COLUMNS * CHUNK;

/* What a block shares. Behind it come chunks of queries: one per stage, or all of d, which then stay (resident). */
struct alignas(16) screen_memory {
    float bar[SCREEN_ROWS];
    int held[SCREEN_ROWS];
    fr_bf16 corpus[STAGES * CORPUS_CHUNK];
};

static size_t screen_bytes(int64_t query_chunks)
{
    return sizeof(screen_memory) + static_cast<size_t>(query_chunks) * QUERY_CHUNK * sizeof(fr_bf16);
}

/* ---- raising the bar ------------------------------------------------------------------------------------------- */

/* Floats in their order as unsigned integers, and back. */
static __device__ inline unsigned float_order(float x)
{
    unsigned bits = __float_as_uint(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static __device__ inline float order_float(unsigned order)
{
    return __uint_as_float(order & 0x80000000u ? order & 0x7fffffffu : ~order);
}

/* A bar that `least` to `most` of a warp's scores exceed, found by bisection; where so many are equal that there is
 * none, the lowest that fewer exceed. above(bar): how many of all scores exceed it. All scores are in low..high, and
 * more than `most` of them are there. */
template <class F> static __device__ inline float find_bar(float low, float high, int least, int most, F above)
{
    unsigned lo = float_order(low) - 1, hi = float_order(high);
    while (hi - lo > 1) {
        unsigned middle = lo + (hi - lo) / 2;
        int count = above(order_float(middle));
        if (count > most) {
            lo = middle;
        } else {
            hi = middle;
            if (count >= least)
                break;
        }
    }
    return order_float(hi);
}

/* One warp: raises a query's bar and closes up its list. */
template <int KEEP, int CAPACITY> static __device__ inline void raise_bar(candidate *list, int *held, float *bar)
{
    enum { EACH = CAPACITY / FR_WARP };
    int lane = threadIdx.x % FR_WARP, n = *held;
    candidate mine[EACH];
    float high = -INFINITY, low = INFINITY;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        mine[i].score = -INFINITY;
        mine[i].index = 0;
        if (i * FR_WARP + lane < n) {
            mine[i] = list[i * FR_WARP + lane];
            high = fmaxf(high, mine[i].score);
            low = fminf(low, mine[i].score);
        }
    }
    float raised = find_bar(-fr_warp_max(-low), fr_warp_max(high), KEEP, KEEP + KEEP / 4, [&mine](float at) {
        int above = 0;
#pragma unroll
        for (int i = 0; i < EACH; i++)
            above += mine[i].score > at;
        return __reduce_add_sync(FR_ALL_LANES, above);
    });
    __syncwarp();
    int kept = 0;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        unsigned stays = __ballot_sync(FR_ALL_LANES, mine[i].score > raised);
        if (mine[i].score > raised)
            list[kept + __popc(stays & ((1u << lane) - 1))] = mine[i];
        kept += __popc(stays);
    }
    if (lane == 0) {
        *held = kept;
        *bar = raised;
    }
}

/* ---- tiles ------------------------------------------------------------------------------------------------------ */

/* Where 16 bytes (8 elements) of a row of a chunk lie: exchanged by rows, so that neither copies nor ldmatrix meet in
 * a bank. */
static __device__ inline int chunk_offset(int row, int piece)
{
    return row * CHUNK + ((piece ^ (row >> 1 & 3)) << 3);
}

/* ROWS rows of a chunk from `first` on; zeros after the last row. */
template <int ROWS>
static __device__ inline void fetch(fr_bf16 *chunk, const fr_bf16 *rows, int64_t first, int64_t count, int64_t padded)
{
    int piece = threadIdx.x % 4;
#pragma unroll
    for (int row = threadIdx.x / 4; row < ROWS; row += SCREEN_THREADS / 4)
        fr_copy_async(chunk + chunk_offset(row, piece), rows + (first + row) * padded + 8 * piece, first + row < count);
}

enum { ROW_TILES = 4, COLUMN_TILES = 8 }; /* a warp's share: 64 x 64 scores in fragments of 16 x 8 */

/* score += queries corpus^T over one chunk */
static __device__ inline void multiply(float score[ROW_TILES][COLUMN_TILES][4], const fr_bf16 *queries,
                                       const fr_bf16 *corpus, int row, int column)
{
    int lane = threadIdx.x % FR_WARP;
#pragma unroll
    for (int k = 0; k < CHUNK / 8; k += 2) {
        uint32_t a[ROW_TILES][4], b[COLUMN_TILES / 2][4];
#pragma unroll
        for (int i = 0; i < ROW_TILES; i++)
            fr_ldmatrix4(a[i], queries + chunk_offset(row + 16 * i + lane % 16, k + lane / 16));
#pragma unroll
        for (int j = 0; j < COLUMN_TILES / 2; j++)
            fr_ldmatrix4(b[j], corpus + chunk_offset(column + 16 * j + lane % 8 + lane / 16 * 8, k + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < ROW_TILES; i++)
#pragma unroll
            for (int j = 0; j < COLUMN_TILES; j++)
                fr_mma(score[i][j], a[i], b[j / 2] + j % 2 * 2, score[i][j]);
    }
}

/* Appends what exceeds the bars; whether a list now has more than `limit` entries. list: of the block's first query,
 * column: corpus row of this lane's first score. */
template <int CAPACITY>
static __device__ inline bool append(candidate *list, screen_memory *m, const float score[ROW_TILES][COLUMN_TILES][4],
                                     int row, int64_t column, int64_t nc, const int32_t *skip, int limit)
{
    bool full = false;
#pragma unroll
    for (int i = 0; i < ROW_TILES; i++) {
#pragma unroll
        for (int h = 0; h < 4; h += 2) {
            int r = row + 16 * i + 4 * h;
            float bar = m->bar[r], best = -INFINITY;
#pragma unroll
            for (int j = 0; j < COLUMN_TILES; j++)
                best = fmaxf(best, fmaxf(score[i][j][h], score[i][j][h + 1]));
            if (!(best > bar))
                continue;
            int64_t skipped = skip ? skip[r] : -1;
#pragma unroll
            for (int j = 0; j < 2 * COLUMN_TILES; j++) {
                float s = score[i][j / 2][h + j % 2];
                int64_t c = column + j / 2 * 8 + j % 2;
                if (s > bar && c < nc && c != skipped) {
                    int at = atomicAdd(&m->held[r], 1);
                    list[r * CAPACITY + at].score = s;
                    list[r * CAPACITY + at].index = static_cast<int32_t>(c);
                    full |= at >= limit;
                }
            }
        }
    }
    return full;
}

/* Lists, their lengths and bars, (splits, nq): of a tile of queries (blockIdx.x) and a part of the corpus (blockIdx.y).
 * queries, corpus: bf16 rows of `padded` elements. */
template <int KEEP, int CAPACITY>
static __global__ void __launch_bounds__(SCREEN_THREADS, 1)
    screen_kernel(candidate *lists, int *held, float *bars, const fr_bf16 *queries, const fr_bf16 *corpus, int64_t nq,
                  int64_t nc, int64_t padded, bool resident, const int32_t *skip)
{
    static_assert(CAPACITY % FR_WARP == 0 && CAPACITY - SCREEN_COLUMNS > KEEP + KEEP / 4, "room for a tile");
    const int limit = CAPACITY - SCREEN_COLUMNS;
    FR_DYNAMIC_SHARED(screen_memory, m);
    fr_bf16 *query_chunk = reinterpret_cast<fr_bf16 *>(m + 1);
    const int warp = threadIdx.x / FR_WARP, lane = threadIdx.x % FR_WARP;
    const int row = warp / 2 * 64, column = warp % 2 * 64;
    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * SCREEN_ROWS, place = blockIdx.y * nq + first_row;
    const int64_t tiles = (nc + SCREEN_COLUMNS - 1) / SCREEN_COLUMNS;
    const int64_t first_tile = tiles * blockIdx.y / gridDim.y, last_tile = tiles * (blockIdx.y + 1) / gridDim.y;
    const int chunks = static_cast<int>(padded / CHUNK);
    candidate *list = lists + place * CAPACITY;

    m->held[threadIdx.x] = 0;
    m->bar[threadIdx.x] = first_row + threadIdx.x < nq ? -INFINITY : INFINITY;
    int64_t next_tile = first_tile; /* what is fetched next */
    int next_chunk = 0, next_stage = 0;
    auto fetch_next = [&]() {
        if (next_tile < last_tile) {
            fetch<SCREEN_COLUMNS>(m->corpus + next_stage * CORPUS_CHUNK, corpus + next_chunk * CHUNK,
                                  next_tile * SCREEN_COLUMNS, nc, padded);
            if (!resident || next_tile == first_tile)
                fetch<SCREEN_ROWS>(query_chunk + (resident ? next_chunk : next_stage) * QUERY_CHUNK,
                                   queries + next_chunk * CHUNK, first_row, nq, padded);
            next_stage = next_stage + 1 < STAGES ? next_stage + 1 : 0;
            next_chunk++;
            if (next_chunk == chunks) {
                next_chunk = 0;
                next_tile++;
            }
        }
        fr_copy_commit();
    };
    for (int i = 0; i < STAGES - 1; i++)
        fetch_next();
    int stage = 0;
    for (int64_t tile = first_tile; tile < last_tile; tile++) {
        float score[ROW_TILES][COLUMN_TILES][4] = {};
        for (int chunk = 0; chunk < chunks; chunk++) {
            fr_copy_wait<STAGES - 2>();
            __syncthreads();
            fetch_next();
            multiply(score, query_chunk + (resident ? chunk : stage) * QUERY_CHUNK, m->corpus + stage * CORPUS_CHUNK,
                     row, column);
            stage = stage + 1 < STAGES ? stage + 1 : 0;
        }
        bool full = append<CAPACITY>(list, m, score, row + lane / 4, tile * SCREEN_COLUMNS + column + lane % 4 * 2, nc,
                                     skip ? skip + first_row : nullptr, limit);
        if (!__syncthreads_or(full))
            continue;
        int r = warp * FR_WARP + lane; /* all that are rather full, so that bars rise together */
        unsigned left = __ballot_sync(FR_ALL_LANES, m->held[r] > KEEP + KEEP / 2);
        for (; left; left &= left - 1) {
            r = warp * FR_WARP + __ffs(static_cast<int>(left)) - 1;
            raise_bar<KEEP, CAPACITY>(list + r * CAPACITY, &m->held[r], &m->bar[r]);
        }
    }
    __syncthreads();
    if (first_row + threadIdx.x < nq) {
        held[place + threadIdx.x] = m->held[threadIdx.x];
        bars[place + threadIdx.x] = m->bar[threadIdx.x];
    }
}

#endif

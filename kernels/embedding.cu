/* Token embeddings of packed sequences.
 *
 * The gradients of both tables are sums of rows of dy by table row, each in the order of the tokens: keys (table row,
 * token), two for each token, are sorted; a warp adds up the rows of TILE keys in turn and stores a sum whenever the
 * table row changes. A table row's sum goes to where the tile has its first key; what lies in further tiles comes to
 * scratch memory and is added in a second pass, tile by tile. So a frequent word costs no more than rare ones, and the
 * order of every sum is fixed. */
#include "columns.cuh"
#include "packed.cuh"

template <class T> struct embedding_rows {
    T *y;
    const T *word, *position, *type;
    const int32_t *ids, *cu;
    int64_t B, C;

    template <int N> __device__ void run(int64_t n, int lane) const
    {
        const T *w = word + ids[n] * C, *p = position + (n - cu[fr_sequence_of(cu, B, n)]) * C;
        fr_each_group<N>(lane, C, [&](int64_t j) {
            float a[N], b[N], c[N];
            fr_read<N>(a, w + j);
            fr_read<N>(b, p + j);
            fr_read<N>(c, type + j);
#pragma unroll
            for (int k = 0; k < N; k++)
                a[k] += b[k] + c[k];
            fr_write<N>(y + n * C + j, a);
        });
    }
};

template <class T>
static void embedding_forward(fr_queue *q, void *y, const void *word, const void *position, const void *type,
                              const int32_t *ids, const int32_t *cu, int64_t B, int64_t N, int64_t C)
{
    embedding_rows<T> work = {static_cast<T *>(y),
                              static_cast<const T *>(word),
                              static_cast<const T *>(position),
                              static_cast<const T *>(type),
                              ids,
                              cu,
                              B,
                              C};
    bool aligned =
        fr_aligned<T>(y, C) && fr_aligned<T>(word, C) && fr_aligned<T>(position, C) && fr_aligned<T>(type, C);
    fr_rows<fr_vector<T>::N>(q, N, aligned, work);
}
FR_TRUNK(embedding_forward)

/* ---- keys, sorted ----------------------------------------------------------------------------------------------- */

/* Upper half: the row of the word table, or POSITIONS + that of the position table. Lower half: the token. All differ,
 * as merging needs. */
typedef unsigned long long row_key;
static const uint32_t POSITIONS = 1u << 31;

enum { SORT_THREADS = 1024, SORTED = 2 * SORT_THREADS /* keys sorted at a time in shared memory */ };

static __device__ inline row_key make_key(const int32_t *ids, const int32_t *cu, int64_t B, int64_t N, int64_t i)
{
    if (i >= 2 * N) /* behind all others */
        return 0xffffffff00000000ull + static_cast<row_key>(i - 2 * N);
    int64_t n = i < N ? i : i - N;
    uint32_t row =
        i < N ? static_cast<uint32_t>(ids[n]) : POSITIONS + static_cast<uint32_t>(n - cu[fr_sequence_of(cu, B, n)]);
    return static_cast<row_key>(row) << 32 | static_cast<row_key>(n);
}

static __device__ inline uint32_t key_row(row_key key)
{
    return static_cast<uint32_t>(key >> 32);
}

/* Runs of `run` (a power of two) sorted keys are merged by twos: where key i goes, behind all smaller keys of its own
 * run (a left one starts at middle - run, a right one at middle) and of the other. */
template <class Index> static __device__ inline Index merged_place(const row_key *keys, Index i, Index run, Index n)
{
    Index start = i & ~(2 * run - 1), middle = start + run < n ? start + run : n;
    Index end = middle + run < n ? middle + run : n;
    Index low = i < middle ? middle : start, high = i < middle ? end : middle;
    row_key key = keys[i];
    while (low < high) { /* the first there that is larger */
        Index half = (low + high) / 2;
        if (keys[half] < key)
            low = half + 1;
        else
            high = half;
    }
    return i - middle + low;
}

/* Makes the keys, sorted in runs of SORTED. */
static __global__ void __launch_bounds__(SORT_THREADS)
    sort_runs_kernel(row_key *keys, const int32_t *ids, const int32_t *cu, int64_t B, int64_t N)
{
    __shared__ row_key run_keys[2][SORTED];
    int t = static_cast<int>(threadIdx.x), from = 0;
    int64_t base = static_cast<int64_t>(blockIdx.x) * SORTED;
    for (int i = t; i < SORTED; i += SORT_THREADS)
        run_keys[0][i] = make_key(ids, cu, B, N, base + i);
    for (int run = 1; run < SORTED; run *= 2, from ^= 1) {
        __syncthreads();
        for (int i = t; i < SORTED; i += SORT_THREADS)
            run_keys[from ^ 1][merged_place(run_keys[from], i, run, static_cast<int>(SORTED))] = run_keys[from][i];
    }
    __syncthreads();
    for (int i = t; i < SORTED && base + i < 2 * N; i += SORT_THREADS)
        keys[base + i] = run_keys[from][i];
}

static __global__ void __launch_bounds__(FR_FLAT_THREADS)
    merge_runs_kernel(row_key *to, const row_key *from, int64_t count, int64_t run)
{
    for (int64_t i = fr_thread_index(); i < count; i += fr_thread_count())
        to[merged_place(from, i, run, count)] = from[i];
}

/* Sorted keys, in one of the two halves of `memory` (4 N). */
static const row_key *sorted_keys(fr_queue *q, row_key *memory, const int32_t *ids, const int32_t *cu, int64_t B,
                                  int64_t N)
{
    row_key *from = memory, *to = memory + 2 * N;
    fr_launch(q, sort_runs_kernel, static_cast<unsigned>(fr_ceil_div(2 * N, SORTED)), SORT_THREADS, 0, from, ids, cu, B,
              N);
    for (int64_t run = SORTED; run < 2 * N; run *= 2) {
        fr_launch(q, merge_runs_kernel, fr_blocks(q, 2 * N, FR_FLAT_THREADS), FR_FLAT_THREADS, 0, to, from, 2 * N, run);
        row_key *merged = to;
        to = from;
        from = merged;
    }
    return from;
}

/* ---- sums by table row ------------------------------------------------------------------------------------------ */

enum { TILE = 32 /* keys of a warp, one a lane */, BATCH = 4 /* rows on their way at a time */ };

/* The gradients, and where the sums go that belong to an earlier tile: part (tiles, C). */
struct row_sums {
    float *dword, *dposition, *part;
    int64_t C;

    __device__ float *table_row(uint32_t row) const
    {
        return row < POSITIONS ? dword + row * C : dposition + (row - POSITIONS) * C;
    }
};

/* Columns j .. j+V-1 of the table row being summed; `earlier`: its first key is in an earlier tile. */
template <int V> struct running_sum {
    float sum[V];
    uint32_t row;
    bool earlier;

    __device__ void store(const row_sums &to, int64_t tile, int64_t j) const
    {
        float *at = (earlier ? to.part + tile * to.C : to.table_row(row)) + j, old[V] = {};
        if (!earlier)
            fr_read<V>(old, at);
#pragma unroll
        for (int k = 0; k < V; k++)
            old[k] += sum[k];
        fr_write<V>(at, old);
    }

    __device__ void begin(uint32_t next, bool is_earlier)
    {
        row = next;
        earlier = is_earlier;
#pragma unroll
        for (int k = 0; k < V; k++)
            sum[k] = 0;
    }

    template <class T> __device__ void add(const T *term)
    {
#pragma unroll
        for (int k = 0; k < V; k++)
            sum[k] += fr_float(term[k]);
    }
};

/* A warp adds the rows of one tile in V columns for each lane, from j on. */
template <int V, class T>
static __device__ inline void add_tile(const row_sums &to, const row_key *keys, int64_t count, const T *dy,
                                       int64_t tile, int64_t j)
{
    int lane = static_cast<int>(threadIdx.x % FR_WARP);
    int64_t first = tile * TILE;
    int there = count - first < TILE ? static_cast<int>(count - first) : static_cast<int>(TILE);
    row_key mine = lane < there ? keys[first + lane] : 0;
    uint32_t row = __shfl_sync(FR_ALL_LANES, key_row(mine), 0);
    bool inside = j < to.C;
    running_sum<V> running;
    running.begin(row, tile > 0 && key_row(keys[first - 1]) == row);
    for (int r = 0; r < there; r += BATCH) {
        fr_group<T, V> term[BATCH];
#pragma unroll
        for (int k = 0; k < BATCH; k++) {
            uint32_t n = __shfl_sync(FR_ALL_LANES, static_cast<uint32_t>(mine), r + k);
            if (inside && r + k < there)
                term[k] = *reinterpret_cast<const fr_group<T, V> *>(dy + n * to.C + j);
        }
#pragma unroll
        for (int k = 0; k < BATCH; k++) {
            uint32_t next = __shfl_sync(FR_ALL_LANES, key_row(mine), r + k);
            if (!inside || r + k >= there)
                continue;
            if (next != running.row) {
                running.store(to, tile, j);
                running.begin(next, false);
            }
            running.add(term[k].x);
        }
    }
    if (inside)
        running.store(to, tile, j);
}

/* A warp for each tile and slice of 32 V columns. */
template <int V, class T>
static __global__ void __launch_bounds__(FR_FLAT_THREADS)
    add_tiles_kernel(row_sums to, const row_key *keys, int64_t count, const T *dy, int64_t slices)
{
    int64_t warp = fr_thread_index() / FR_WARP, tile = warp / slices;
    if (tile * TILE < count)
        add_tile<V>(to, keys, count, dy, tile, (warp % slices * FR_WARP + threadIdx.x % FR_WARP) * V);
}

/* A block for each tile; it works where that tile is the second of a table row's, and adds the parts of it and of those
 * that follow to the row. */
template <int V>
static __global__ void __launch_bounds__(FR_COLUMN_THREADS, FR_BLOCKS_AT_ONCE)
    add_parts_kernel(row_sums to, const row_key *keys, int64_t count, int width)
{
    int64_t tile = blockIdx.x + static_cast<int64_t>(1), before = (tile - 1) * TILE;
    uint32_t row = key_row(keys[tile * TILE]);
    bool continues = key_row(keys[tile * TILE - 1]) == row;
    bool began_earlier = before > 0 && key_row(keys[before]) == row && key_row(keys[before - 1]) == row;
    if (!continues || began_earlier)
        return;
    int t = static_cast<int>(threadIdx.x);
    for (int64_t j0 = 0; j0 < to.C; j0 += width * V) {
        int64_t j = j0 + t % width * V;
        running_sum<V> total;
        total.begin(row, false);
        for (int64_t u = tile + t / width; u * TILE < count && key_row(keys[u * TILE]) == row && j < to.C;
             u += FR_COLUMN_THREADS / width) {
            float term[V];
            fr_read<V>(term, to.part + u * to.C + j);
            total.add(term);
        }
        fr_add_row_lanes<V>(total.sum, width);
        if (t < width && j < to.C)
            total.store(to, tile, j);
    }
}

template <int V, class T>
static void add_rows(fr_queue *q, row_sums to, const row_key *keys, int64_t count, const T *dy)
{
    int64_t tiles = fr_ceil_div(count, TILE), slices = fr_ceil_div(to.C, FR_WARP * V);
    fr_launch(q, (add_tiles_kernel<V, T>), static_cast<unsigned>(fr_ceil_div(tiles * slices, FR_FLAT_WARPS)),
              FR_FLAT_THREADS, 0, to, keys, count, dy, slices);
    fr_launch(q, add_parts_kernel<V>, static_cast<unsigned>(tiles - 1), FR_COLUMN_THREADS, 0, to, keys, count,
              fr_column_width(to.C, V));
}

template <class T>
static void embedding_backward(fr_queue *q, void *dword, void *dposition, void *dtype, const void *dy,
                               const int32_t *ids, const int32_t *cu, int64_t B, int64_t N, int64_t C)
{
    if (N == 0 || C == 0)
        return;
    int64_t count = 2 * N, tiles = fr_ceil_div(count, TILE);
    row_key *memory = fr_scratch<row_key>(q, 2 * count + fr_ceil_div(tiles * C, 2));
    row_sums to = {static_cast<float *>(dword), static_cast<float *>(dposition),
                   reinterpret_cast<float *>(memory + 2 * count), C};
    const row_key *keys = sorted_keys(q, memory, ids, cu, B, N);
    const T *from = static_cast<const T *>(dy);
    if (fr_aligned<T>(dy, C) && fr_aligned<float>(dword, C) && fr_aligned<float>(dposition, C))
        add_rows<fr_vector<T>::N>(q, to, keys, count, from);
    else
        add_rows<1>(q, to, keys, count, from);
    fr_column_sum(q, static_cast<float *>(dtype), from, N, C);
}
FR_TRUNK(embedding_backward)

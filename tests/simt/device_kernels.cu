#include "device_kernels.h"

#include "intrinsics.cuh"

#include "table.h"

static __global__ void indices(uint64_t *out)
{
    uint64_t block = (static_cast<uint64_t>(blockIdx.z) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    uint64_t thread = (static_cast<uint64_t>(threadIdx.z) * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    uint64_t size = static_cast<uint64_t>(blockDim.x) * blockDim.y * blockDim.z;
    out[block * size + thread] =
        threadIdx.x +
        10 * (threadIdx.y +
              10 * (threadIdx.z + 10 * (blockIdx.x + 10 * (blockIdx.y + 10 * static_cast<uint64_t>(blockIdx.z)))));
}

void run_indices(uint64_t *out, const unsigned grid[3], const unsigned block[3])
{
    fr_launch(fr_simt_queue(), indices, dim3(grid[0], grid[1], grid[2]), dim3(block[0], block[1], block[2]), 0, out);
}

static __global__ void fresh_shared(uint32_t *out)
{
    __shared__ uint32_t fixed[3];
    FR_DYNAMIC_SHARED(uint32_t, dynamic);
    out[2 * blockIdx.x] = fixed[1];
    out[2 * blockIdx.x + 1] = dynamic[4];
    fixed[1] = dynamic[4] = 7;
}

void run_fresh_shared(uint32_t *out)
{
    fr_launch(fr_simt_queue(), fresh_shared, 3, 1, 5 * sizeof(uint32_t), out);
}

static __global__ void block_sums(double *out)
{
    double first = fr_block_sum<256>(static_cast<double>(threadIdx.x));
    double second = fr_block_sum<256>(static_cast<double>(blockIdx.x));
    if (threadIdx.x == 77) {
        out[2 * blockIdx.x] = first;
        out[2 * blockIdx.x + 1] = second;
    }
}

void run_block_sums(double *out)
{
    fr_launch(fr_simt_queue(), block_sums, 2, 256, 0, out);
}

static __global__ void shuffles(int32_t *out)
{
    int lane = static_cast<int>(threadIdx.x), x = 100 + lane;
    int results[SHUFFLES] = {
        __shfl_sync(FR_ALL_LANES, x, 5),         __shfl_sync(FR_ALL_LANES, x, lane + 1),
        __shfl_sync(FR_ALL_LANES, x, 3, 8),      __shfl_up_sync(FR_ALL_LANES, x, 2),
        __shfl_up_sync(FR_ALL_LANES, x, 1, 16),  __shfl_down_sync(FR_ALL_LANES, x, 2),
        __shfl_down_sync(FR_ALL_LANES, x, 1, 4), __shfl_xor_sync(FR_ALL_LANES, x, 17),
        __shfl_xor_sync(FR_ALL_LANES, x, 4, 4),  0,
    };
    if (lane % 2)
        results[9] = __shfl_sync(0xaaaaaaaau, x, 31 - lane + 1);
    for (int i = 0; i < SHUFFLES; i++)
        out[32 * i + lane] = results[i];
}

void run_shuffles(int32_t *out)
{
    fr_launch(fr_simt_queue(), shuffles, 1, 32, 0, out);
}

static __global__ void shuffles_64(int64_t *xor_1, double *down_3, uint16_t *up_1)
{
    unsigned lane = threadIdx.x;
    xor_1[lane] = __shfl_xor_sync(FR_ALL_LANES, static_cast<int64_t>(lane) << 40, 1);
    down_3[lane] = __shfl_down_sync(FR_ALL_LANES, lane + 1e-9, 3);
    up_1[lane] = __bfloat16_as_ushort(__shfl_up_sync(FR_ALL_LANES, __float2bfloat16(static_cast<float>(lane)), 1));
}

void run_shuffles_64(int64_t *xor_1, double *down_3, uint16_t *up_1)
{
    fr_launch(fr_simt_queue(), shuffles_64, 1, 32, 0, xor_1, down_3, up_1);
}

static __global__ void votes(uint32_t *out)
{
    unsigned lane = threadIdx.x;
    int number = static_cast<int>(lane) - 10;
    uint32_t results[VOTES] = {
        __ballot_sync(FR_ALL_LANES, lane % 3 == 0),
        static_cast<uint32_t>(__any_sync(FR_ALL_LANES, lane == 31)),
        static_cast<uint32_t>(__any_sync(FR_ALL_LANES, 0)),
        static_cast<uint32_t>(__all_sync(FR_ALL_LANES, lane < 32)),
        static_cast<uint32_t>(__all_sync(FR_ALL_LANES, lane < 31)),
        __match_any_sync(FR_ALL_LANES, lane % 4),
        static_cast<uint32_t>(__reduce_add_sync(FR_ALL_LANES, number)),
        static_cast<uint32_t>(__reduce_min_sync(FR_ALL_LANES, number)),
        static_cast<uint32_t>(__reduce_max_sync(FR_ALL_LANES, number)),
        __reduce_max_sync(FR_ALL_LANES, static_cast<unsigned>(number)),
        __reduce_or_sync(FR_ALL_LANES, 1u << lane % 5),
        0,
    };
    unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u; /* two groups at a time */
    results[11] = __ballot_sync(half, lane % 2);
    for (int i = 0; i < VOTES; i++)
        out[32 * i + lane] = results[i];
}

void run_votes(uint32_t *out)
{
    fr_launch(fr_simt_queue(), votes, 1, 32, 0, out);
}

static __global__ void barrier_votes(int32_t *out)
{
    unsigned i = threadIdx.x;
    out[i] = __syncthreads_count(i % 2 && i > 40);
    out[96 + i] = 2 * __syncthreads_or(i == 95) + __syncthreads_or(0);
    out[192 + i] = 2 * __syncthreads_and(i < 96) + __syncthreads_and(i > 0);
}

void run_barrier_votes(int32_t *out)
{
    fr_launch(fr_simt_queue(), barrier_votes, 1, 96, 0, out);
}

/* rows of 8 elements lie 16 bytes apart in each of the four 8 x 8 matrices (rows 0-7, 8-15) x (columns 0-7, 8-15) */
static __global__ void mma(float *d, const uint16_t *a, const uint16_t *b, const float *c, bool plain,
                           bool b_transposed)
{
    __shared__ __align__(16) uint16_t as[16][16], bs[16][16]; /* bs: (16,8), or its transpose (8,16) */
    unsigned lane = threadIdx.x, g = lane / 4, t = lane % 4, width = b_transposed ? 16 : 8;
    for (unsigned i = lane; i < 256; i += 32) {
        as[i / 16][i % 16] = a[i];
        bs[i / 16][i % 16] = 0;
    }
    __syncwarp();
    for (unsigned i = lane; i < 128; i += 32)
        bs[i / width][i % width] = b[i];
    __syncwarp();
    uint32_t fa[4], fb[4];
    if (plain) {
        for (unsigned i = 0; i < 4; i++)
            fa[i] = a[(g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8] |
                    static_cast<uint32_t>(a[(g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8 + 1]) << 16;
        for (unsigned i = 0; i < 2; i++) {
            unsigned k = 2 * t + 8 * i;
            fb[i] = b_transposed ? b[g * 16 + k] | static_cast<uint32_t>(b[g * 16 + k + 1]) << 16
                                 : b[k * 8 + g] | static_cast<uint32_t>(b[(k + 1) * 8 + g]) << 16;
        }
    } else {
        fr_ldmatrix4(fa, &as[lane % 16][lane / 16 * 8]);
        if (b_transposed) /* matrices: columns 0-7, 8-15 of the (8,16) transpose; the others unused */
            fr_ldmatrix4(fb, &bs[lane % 8][lane / 8 % 2 * 8]);
        else
            fr_ldmatrix4_transposed(fb, &bs[lane % 16][0]);
    }
    float sum[4];
    for (unsigned i = 0; i < 4; i++)
        sum[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    fr_mma(sum, fa, fb, sum);
    for (unsigned i = 0; i < 4; i++)
        d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sum[i];
}

void run_mma(float *d, const uint16_t *a, const uint16_t *b, const float *c, bool plain, bool b_transposed)
{
    fr_launch(fr_simt_queue(), mma, 1, 32, 0, d, a, b, c, plain, b_transposed);
}

/* The thread's own view between waits: what is under way may not be read, so it is looked at through a pointer that the
 * race detector does not see. */
static __attribute__((noinline, no_sanitize("thread"))) void peek(float *to, const float *from)
{
    for (int i = 0; i < 32; i++)
        to[i] = from[i];
}

static __global__ void copies(float *before, float *first, float *all, const float *in)
{
    __shared__ __align__(16) float rows[8][4];
    for (int i = 0; i < 8; i++) {
        fr_copy_async(rows[i], in + 4 * i, i % 2 == 0);
        if (i == 3 || i == 7)
            fr_copy_commit();
    }
    peek(before, rows[0]);
    fr_copy_wait<1>();
    peek(first, rows[0]);
    fr_copy_wait<0>();
    for (int i = 0; i < 32; i++)
        all[i] = rows[i / 4][i % 4];
}

void run_copies(float *before, float *first, float *all, const float *in)
{
    fr_launch(fr_simt_queue(), copies, 1, 1, 0, before, first, all, in);
}

static __global__ void bf16(uint16_t *bits, float *back, const float *x, int n)
{
    for (int64_t i = fr_thread_index(); i < n; i += fr_thread_count()) {
        fr_bf16 y = fr_round<fr_bf16>(x[i]);
        bits[i] = __bfloat16_as_ushort(y);
        back[i] = fr_float(y);
    }
}

void run_bf16(uint16_t *bits, float *back, const float *x, int n)
{
    fr_launch(fr_simt_queue(), bf16, 2, 32, 0, bits, back, x, n);
}

static __global__ void atomics(int32_t *add, uint32_t *max, unsigned long long *cas)
{
    atomicAdd(add, 2);
    atomicMax(max, threadIdx.x * 7 % 64);
    unsigned long long seen = 0, old;
    while ((old = atomicCAS(cas, seen, seen + (1ull << 33))) != seen)
        seen = old;
}

void run_atomics(int32_t *add, uint32_t *max, uint64_t *cas)
{
    fr_launch(fr_simt_queue(), atomics, 2, 64, 0, add, max, reinterpret_cast<unsigned long long *>(cas));
}

static __global__ void bit_counts(int32_t *out, const uint32_t *x, int n)
{
    for (int64_t i = fr_thread_index(); i < n; i += fr_thread_count()) {
        out[4 * i] = __popc(x[i]);
        out[4 * i + 1] = __ffs(static_cast<int>(x[i]));
        out[4 * i + 2] = __clz(static_cast<int>(x[i]));
        out[4 * i + 3] = static_cast<int32_t>(__brev(x[i]));
    }
}

void run_bits(int32_t *out, const uint32_t *x, int n)
{
    fr_launch(fr_simt_queue(), bit_counts, 1, 32, 0, out, x, n);
}

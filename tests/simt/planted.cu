#include "planted.h"

#include "intrinsics.cuh"

#include "table.h"

/* Runs kernel(data, wrong) on one block, with 256 floats of global memory. */
static void run_one(const char *name, void (*kernel)(float *, bool), unsigned blocks, unsigned threads, size_t shared,
                    bool wrong)
{
    float *data = static_cast<float *>(fr_simt_allocate(256 * sizeof(float)));
    simt::launch(name, __FILE__, __LINE__, blocks, threads, shared, [=] { kernel(data, wrong); });
    fr_simt_release(data);
}
#define RUN(kernel, blocks, threads, shared)                                                                           \
    static void run_##kernel(bool wrong)                                                                               \
    {                                                                                                                  \
        run_one(#kernel, kernel, blocks, threads, shared, wrong);                                                      \
    }

/* ---- barriers and warps --------------------------------------------------------------------------------------------
 */

static __global__ void diverging_barriers(float *data, bool wrong)
{
    if (wrong && threadIdx.x >= 32)
        __syncthreads();
    else
        __syncthreads();
    data[threadIdx.x] = 1;
}
RUN(diverging_barriers, 1, 64, 0)

static __global__ void leaves_before_barrier(float *data, bool wrong)
{
    if (wrong && threadIdx.x == 3)
        return;
    __syncthreads();
    data[threadIdx.x] = 1;
}
RUN(leaves_before_barrier, 1, 64, 0)

static __global__ void leaves_others_at_barrier(float *data, bool wrong)
{
    if (!wrong || threadIdx.x < 40)
        __syncthreads();
    data[threadIdx.x] = 1;
}
RUN(leaves_others_at_barrier, 1, 64, 0)

static __global__ void missing_lane(float *data, bool wrong)
{
    float x = static_cast<float>(threadIdx.x);
    if (!wrong || threadIdx.x != 7)
        x += __shfl_xor_sync(0xffffffffu, x, 1);
    data[threadIdx.x] = x;
}
RUN(missing_lane, 1, 32, 0)

static __global__ void lane_at_barrier(float *data, bool wrong)
{
    if (wrong && threadIdx.x == 5)
        __syncthreads();
    unsigned all = __ballot_sync(0xffffffffu, 1);
    if (!wrong || threadIdx.x != 5)
        __syncthreads();
    data[threadIdx.x] = static_cast<float>(all);
}
RUN(lane_at_barrier, 1, 32, 0)

static __global__ void different_masks(float *data, bool wrong)
{
    unsigned mask = threadIdx.x < 16 ? 0x0000ffffu : wrong ? 0xffffffffu : 0xffff0000u;
    data[threadIdx.x] = __shfl_sync(mask, 1.0f, static_cast<int>(threadIdx.x));
}
RUN(different_masks, 1, 32, 0)

static __global__ void shuffle_from_outside(float *data, bool wrong)
{
    if (threadIdx.x < 16)
        data[threadIdx.x] = __shfl_sync(0x0000ffffu, 1.0f, wrong ? 20 : 3);
}
RUN(shuffle_from_outside, 1, 32, 0)

/* ---- bounds --------------------------------------------------------------------------------------------------------
 */

static __global__ void global_bounds(float *data, bool wrong)
{
    data[threadIdx.x + (wrong ? 1 : 0)] = 1;
}
RUN(global_bounds, 1, 256, 0)

template <class T> static __global__ void static_bounds(T *data, bool wrong)
{
    __shared__ T row[33];
    row[threadIdx.x + (wrong ? 2 : 1)] = 1;
    __syncthreads();
    data[threadIdx.x] = row[32 - threadIdx.x];
}
static void run_static_bounds(bool wrong)
{
    run_one("static_bounds<float>", static_bounds<float>, 1, 32, 0, wrong);
}

/* The same where the compiler does not see the array. */
template <class T> static __device__ __attribute__((noinline)) void put(T *to, unsigned i)
{
    to[i] = 1;
}

template <class T> static __global__ void static_pointer_bounds(T *data, bool wrong)
{
    __shared__ T row[33];
    put(row, threadIdx.x + (wrong ? 2 : 1));
    __syncthreads();
    data[threadIdx.x] = row[32 - threadIdx.x];
}
static void run_static_pointer_bounds(bool wrong)
{
    run_one("static_pointer_bounds<float>", static_pointer_bounds<float>, 1, 32, 0, wrong);
}

static __global__ void dynamic_bounds(float *data, bool wrong)
{
    FR_DYNAMIC_SHARED(float, row);
    row[threadIdx.x] = 1;
    __syncthreads();
    data[threadIdx.x] = row[wrong ? threadIdx.x + 1 : 31 - threadIdx.x];
}
RUN(dynamic_bounds, 1, 32, 32 * sizeof(float))

static void run_scratch_bounds(bool wrong)
{
    fr_queue *q = fr_simt_queue();
    fr_scratch<float>(q, 1000);
    float *scratch = fr_scratch<float>(q, wrong ? 31 : 32);
    simt::launch("scratch_bounds", __FILE__, __LINE__, 1, 32, 0, [=] { scratch[threadIdx.x] = 1; });
}

static __global__ void unaligned_vector(float *data, bool wrong)
{
    const fr_vector<float> *vector = reinterpret_cast<const fr_vector<float> *>(data + (wrong ? 2 : 4));
    data[threadIdx.x] = vector->x[0];
}
RUN(unaligned_vector, 1, 1, 0)

/* ---- races ---------------------------------------------------------------------------------------------------------
 */

static __global__ void write_write(float *data, bool wrong)
{
    __shared__ float total;
    if (wrong || threadIdx.x == 0)
        total = static_cast<float>(threadIdx.x);
    __syncthreads();
    data[threadIdx.x] = total;
}
RUN(write_write, 1, 64, 0)

template <class T> static __global__ void write_read(T *data, bool wrong)
{
    __shared__ T row[64];
    row[threadIdx.x] = static_cast<T>(threadIdx.x);
    if (!wrong)
        __syncthreads();
    data[threadIdx.x] = row[63 - threadIdx.x];
}
static void run_write_read(bool wrong)
{
    run_one("write_read<float>", write_read<float>, 1, 64, 0, wrong);
}

static __global__ void read_write(float *data, bool wrong)
{
    FR_DYNAMIC_SHARED(float, row);
    row[threadIdx.x] = 1;
    __syncthreads();
    float x = row[63 - threadIdx.x];
    if (!wrong)
        __syncthreads();
    row[threadIdx.x] = 2;
    data[threadIdx.x] = x;
}
RUN(read_write, 1, 64, 64 * sizeof(float))

/* Neighbours write the halves of a word. */
static __global__ void halves_of_words(float *data, bool wrong)
{
    __shared__ uint16_t row[64];
    row[threadIdx.x] = static_cast<uint16_t>(threadIdx.x);
    data[threadIdx.x] = row[wrong ? threadIdx.x ^ 1 : threadIdx.x];
    __syncthreads();
    data[threadIdx.x] += row[threadIdx.x ^ 1];
}
RUN(halves_of_words, 1, 64, 0)

static __global__ void missing_syncwarp(float *data, bool wrong)
{
    __shared__ float row[32];
    row[threadIdx.x] = 1;
    if (wrong) /* orders no memory */
        (void)__shfl_xor_sync(0xffffffffu, 1, 1);
    else
        __syncwarp();
    data[threadIdx.x] = row[31 - threadIdx.x];
}
RUN(missing_syncwarp, 1, 32, 0)

static __global__ void syncwarp_of_others(float *data, bool wrong)
{
    __shared__ float row[32];
    row[threadIdx.x] = 1;
    __syncwarp(threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u);
    data[threadIdx.x] = row[threadIdx.x ^ (wrong ? 16 : 8)];
}
RUN(syncwarp_of_others, 1, 32, 0)

static __global__ void two_blocks(float *data, bool wrong)
{
    data[threadIdx.x + (wrong ? 0 : 32 * blockIdx.x)] = 1;
}
RUN(two_blocks, 2, 32, 0)

static __global__ void global_in_block(float *data, bool wrong)
{
    data[threadIdx.x] = 1;
    if (!wrong)
        __syncthreads();
    data[128 + threadIdx.x] = data[63 - threadIdx.x];
}
RUN(global_in_block, 1, 64, 0)

static __global__ void atomic_and_plain(float *data, bool wrong)
{
    __shared__ int total;
    if (threadIdx.x == 0)
        total = 0;
    __syncthreads();
    atomicAdd(&total, 1);
    if (!wrong)
        __syncthreads();
    data[threadIdx.x] = static_cast<float>(total);
}
RUN(atomic_and_plain, 1, 64, 0)

/* ---- asynchronous copies -------------------------------------------------------------------------------------------
 */

static __global__ void copy_not_waited_for(float *data, bool wrong)
{
    __shared__ __align__(16) float row[4];
    fr_copy_async(row, data, true);
    fr_copy_commit();
    if (!wrong)
        fr_copy_wait<0>();
    data[4] = row[0];
    fr_copy_wait<0>();
}
RUN(copy_not_waited_for, 1, 1, 0)

static __global__ void copy_without_barrier(float *data, bool wrong)
{
    __shared__ __align__(16) float row[32 * 4];
    fr_copy_async(row + 4 * threadIdx.x, data + 4 * threadIdx.x, true);
    fr_copy_commit();
    fr_copy_wait<0>();
    if (!wrong)
        __syncthreads();
    data[128 + threadIdx.x] = row[4 * (31 - threadIdx.x)];
}
RUN(copy_without_barrier, 1, 32, 0)

static __global__ void copy_unaligned(float *data, bool wrong)
{
    __shared__ __align__(16) float row[8];
    fr_copy_async(row, data + (wrong ? 1 : 4), true);
    fr_copy_commit();
    fr_copy_wait<0>();
}
RUN(copy_unaligned, 1, 1, 0)

static __global__ void matrix_before_barrier(float *data, bool wrong)
{
    __shared__ __align__(16) uint16_t tile[32 * 8];
    for (int i = 0; i < 8; i++)
        tile[8 * threadIdx.x + i] = static_cast<uint16_t>(i);
    if (!wrong)
        __syncwarp();
    uint32_t r[4];
    fr_ldmatrix4(r, tile + 8 * threadIdx.x);
    data[threadIdx.x] = static_cast<float>(r[0]);
}
RUN(matrix_before_barrier, 1, 32, 0)

/* ---- launches ------------------------------------------------------------------------------------------------------
 */

static __global__ void nothing(float *, bool)
{
}

static void run_large_block(bool wrong)
{
    run_one("nothing", nothing, 1, wrong ? 1025 : 1024, 0, wrong);
}

static void run_large_shared(bool wrong)
{
    run_one("nothing", nothing, 1, 32, (wrong ? 228 : 227) * 1024, wrong);
}

#define BUG(kernel, variant, message)                                                                                  \
    {                                                                                                                  \
#kernel, run_##kernel, variant, message                                                                        \
    }
const planted planted_bugs[] = {
    BUG(diverging_barriers, nullptr, "thread (32,0,0): diverging barriers: it waits in __syncthreads at "),
    BUG(leaves_before_barrier, nullptr, "diverging barriers: it waits in __syncthreads at "),
    BUG(leaves_others_at_barrier, nullptr, "thread (40,0,0) has returned"),
    BUG(missing_lane, nullptr,
        "waits for lane 7 of its mask 0xffffffff, which never comes: thread (7,0,0) has returned"),
    BUG(lane_at_barrier, nullptr,
        "waits for lane 5 of its mask 0xffffffff, which never comes: thread (5,0,0) waits in "
        "__syncthreads at "),
    BUG(different_masks, nullptr, "__shfl_sync at "),
    BUG(shuffle_from_outside, nullptr, "reads lane 20, which is not in the mask 0x0000ffff"),
    BUG(global_bounds, "asan", "heap-buffer-overflow"),
    BUG(static_bounds, "asan", "index 33 out of bounds for type 'float [33]'"),
    BUG(static_pointer_bounds, "asan", "global-buffer-overflow"),
    BUG(dynamic_bounds, "asan", "heap-buffer-overflow"),
    BUG(scratch_bounds, "asan", "heap-buffer-overflow"),
    BUG(unaligned_vector, "asan", "misaligned address"),
    BUG(write_write, "race", " of static shared memory at "),
    BUG(write_read, "race", " of static shared memory at "),
    BUG(read_write, "race", " of dynamic shared memory at "),
    BUG(halves_of_words, "race", " of static shared memory at "),
    BUG(missing_syncwarp, "race", "race: reads byte "),
    BUG(syncwarp_of_others, "race", " of static shared memory at "),
    BUG(two_blocks, "race", "not ordered with the write by thread (0,0,0) of block (0,0,0)"),
    BUG(global_in_block, "race", "of an allocation at "),
    BUG(atomic_and_plain, "race", "race: "),
    BUG(copy_not_waited_for, "race", "not ordered with the asynchronous copy, which is not waited for,"),
    BUG(copy_without_barrier, "race", "race: "),
    BUG(copy_unaligned, nullptr, "is not 16-byte aligned"),
    BUG(matrix_before_barrier, "race", "race: reads byte "),
    BUG(large_block, nullptr, "a block of 1025 x 1 x 1 threads"),
    BUG(large_shared, nullptr, "bytes of dynamic shared memory"),
};
const int planted_count = sizeof planted_bugs / sizeof planted_bugs[0];

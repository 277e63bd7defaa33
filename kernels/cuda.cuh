/* cuda.cuh - what the .cu files share: the queue, launching, element types, exporting to the kernel table, reductions.
 *
 * A foo.cu is the twin of foo.c: a template (or, for kernels that only exist in f32, a plain function) of the row's name
 * that launches kernels on the queue's stream and returns at once:
 *
 *     template <class T> static __global__ void gelu_forward_kernel(T *y, const T *x, int64_t n) { ... }
 *     template <class T> static void gelu_forward(fr_queue *q, void *y, const void *x, int64_t n) { ... fr_launch(...); }
 *     FR_TRUNK(gelu_forward)
 *
 * T is float or fr_bf16; sums are f32 or wider. Nothing here allocates, waits or reads results on the host: partial
 * sums go to fr_scratch. Sums have a fixed order, so the same call gives the same bits; no float atomics.
 *
 * The same sources are compiled as host C++ with FR_SIMT (tests/simt), where threads are fibers. So: warps through the
 * _sync intrinsics below, shared memory through __shared__ and FR_DYNAMIC_SHARED, matrix instructions and asynchronous
 * copies only through intrinsics.cuh; no inline PTX elsewhere; kernel<<<>>> only inside fr_launch. */
#ifndef FR_CUDA_CUH
#define FR_CUDA_CUH

#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef FR_SIMT
#include "simt.h"
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#define FR_DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) unsigned char fr_dynamic_shared[]; \
    type *name = reinterpret_cast<type *>(fr_dynamic_shared)
#endif

typedef __nv_bfloat16 fr_bf16;

/* A stream with what kernels need beside their arguments. Made by src/device/cuda.cu (or tests/simt/device.cpp). */
struct fr_queue {
    cudaStream_t stream;
    char *scratch; /* of the device */
    size_t scratch_bytes;
    int multiprocessors;
    int64_t shared_limit; /* most bytes of dynamic shared memory a block may ask for */
    void *gemm;           /* gemm.cu's plans */
};

/* Enlarges the scratch block (waits for the stream: never inside a captured step). Defined with the device. */
void fr_queue_grow(fr_queue *q, size_t bytes);

/* Scratch memory for one call of one kernel: valid until the next kernel of the queue asks. Take it once per call. */
template <class T> static T *fr_scratch(fr_queue *q, int64_t count)
{
    size_t bytes = static_cast<size_t>(count) * sizeof(T);
    if (bytes > q->scratch_bytes)
        fr_queue_grow(q, bytes);
    return reinterpret_cast<T *>(q->scratch);
}

/* ---- exporting -------------------------------------------------------------------------------------------------- */

#ifdef FR_SIMT
#define FR_CUDA_SYMBOL(kernel, type) fr_##kernel##_simt_##type
#else
#define FR_CUDA_SYMBOL(kernel, type) fr_##kernel##_cuda_##type
#endif
#define FR_EXPORT(kernel, type, function)                                                                              \
    extern "C" {                                                                                                       \
    extern decltype(fr_kernels::kernel) FR_CUDA_SYMBOL(kernel, type);                                                  \
    decltype(fr_kernels::kernel) FR_CUDA_SYMBOL(kernel, type) = function;                                              \
    }
/* A row of FR_TRUNK_KERNELS: template kernel<T>, for f32 and bf16. A row of FR_WIDE_KERNELS: f32 only. */
#define FR_TRUNK(kernel) FR_EXPORT(kernel, f32, kernel<float>) FR_EXPORT(kernel, bf16, kernel<fr_bf16>)
#define FR_WIDE(kernel) FR_EXPORT(kernel, f32, kernel)

/* ---- launching -------------------------------------------------------------------------------------------------- */

/* Runs kernel over grid x block with `shared` bytes of dynamic shared memory on the queue's stream. An empty grid does
 * nothing. A launch the device refuses is our own mistake: aborts with the kernel's file and line. A kernel with a comma
 * in its name stands in parentheses: fr_launch(q, (attention_kernel<T, 64>), ...). */
#define fr_launch(q, kernel, grid, block, shared, ...)                                                                 \
    fr_launch_(q, #kernel, __FILE__, __LINE__, kernel, grid, block, shared, __VA_ARGS__)

template <class... P, class... A>
static void fr_launch_(fr_queue *q, const char *name, const char *file, int line, void (*kernel)(P...), dim3 grid,
                       dim3 block, size_t shared, A... arguments)
{
    if (grid.x == 0 || grid.y == 0 || grid.z == 0)
        return;
#ifdef FR_SIMT
    (void)q;
    simt::launch(name, file, line, grid, block, shared, [=] { kernel(static_cast<P>(arguments)...); });
#else
    cudaError_t error = cudaSuccess;
    if (shared > 48 * 1024)
        error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (error == cudaSuccess) {
        kernel<<<grid, block, shared, q->stream>>>(static_cast<P>(arguments)...);
        error = cudaGetLastError();
    }
    if (error != cudaSuccess) {
        fprintf(stderr, "%s:%d: %s: %s (grid %u x %u x %u, block %u x %u x %u, shared %zu)\n", file, line, name,
                cudaGetErrorString(error), grid.x, grid.y, grid.z, block.x, block.y, block.z, shared);
        abort();
    }
#endif
}

static inline int64_t fr_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Blocks of a grid-stride loop over n elements: enough to fill the device, no more. */
static inline unsigned fr_blocks(const fr_queue *q, int64_t n, int threads)
{
    int64_t blocks = fr_ceil_div(n, threads), most = static_cast<int64_t>(q->multiprocessors) * (4096 / threads);
    return static_cast<unsigned>(blocks < most ? blocks : most);
}

static __device__ inline int64_t fr_thread_index()
{
    return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

static __device__ inline int64_t fr_thread_count()
{
    return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

/* ---- element types ---------------------------------------------------------------------------------------------- */

static __device__ inline float fr_float(float x)
{
    return x;
}

static __device__ inline float fr_float(fr_bf16 x)
{
    return __bfloat162float(x);
}

template <class T> static __device__ inline T fr_round(float x);
template <> __device__ inline float fr_round<float>(float x)
{
    return x;
}
template <> __device__ inline fr_bf16 fr_round<fr_bf16>(float x)
{
    return __float2bfloat16(x); /* nearest even */
}

/* 16 bytes of T, loaded and stored as one access. */
template <class T> struct alignas(16) fr_vector {
    enum { N = 16 / sizeof(T) };
    T x[N];
};

/* Whether rows of C elements from `pointer` on may be read as fr_vector<T>. */
template <class T> static bool fr_aligned(const void *pointer, int64_t C)
{
    return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && C % fr_vector<T>::N == 0;
}

/* ---- reductions ------------------------------------------------------------------------------------------------- */

enum { FR_WARP = 32 };
#define FR_ALL_LANES 0xffffffffu

/* Sum over a full warp; every lane gets it. */
template <class T> static __device__ inline T fr_warp_sum(T x)
{
    for (int step = FR_WARP / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(FR_ALL_LANES, x, step);
    return x;
}

static __device__ inline float fr_warp_max(float x)
{
    for (int step = FR_WARP / 2; step > 0; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(FR_ALL_LANES, x, step));
    return x;
}

/* Sum over a block of THREADS (a multiple of 32, at most 1024) threads; every thread gets it. Holds two barriers: all
 * threads call it. */
template <int THREADS, class T> static __device__ inline T fr_block_sum(T x)
{
    __shared__ T part[THREADS / FR_WARP];
    x = fr_warp_sum(x);
    __syncthreads(); /* the last use of part is over */
    if (threadIdx.x % FR_WARP == 0)
        part[threadIdx.x / FR_WARP] = x;
    __syncthreads();
    T sum = part[0];
    for (int i = 1; i < THREADS / FR_WARP; i++)
        sum += part[i];
    return sum;
}

#endif

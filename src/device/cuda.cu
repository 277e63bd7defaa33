/* The cuda backend: one GPU, one stream. f32 throughout (cuda), or bf16 for the encoder (cuda-bf16).
 *
 * Everything is ordered by the stream. Copies from the host go through a ring of pinned slots: the caller's memory is free
 * again at once, and the copy runs while the host goes on, as far as a slot is free. Copies to the host wait. */
#include "cuda.cuh"
#include "device.h"
#include "finerouter/config.h"
#include "gemm_plans.h"

#include <omp.h>
#include <string.h>

/* The tables are filled from the variables that FR_EXPORT makes in each .cu file. */
extern "C" {
#define FR_ROW(kernel, arguments)                                                                                      \
    extern decltype(fr_kernels::kernel) fr_##kernel##_cuda_f32;                                                        \
    extern decltype(fr_kernels::kernel) fr_##kernel##_cuda_bf16;
FR_TRUNK_KERNELS(FR_ROW)
#undef FR_ROW
#define FR_ROW(kernel, arguments) extern decltype(fr_kernels::kernel) fr_##kernel##_cuda_f32;
FR_WIDE_KERNELS(FR_ROW)
#undef FR_ROW
}

namespace
{

enum { SLOTS = 8 };
const size_t SLOT_BYTES = size_t(1) << 20;
const size_t FIRST_SCRATCH = size_t(64) << 20;

/* What one key of fr_device_replay has come to. */
struct record {
    uint64_t key;
    cudaGraphExec_t graph; /* NULL: not yet, or never */
    int generation;        /* of the scratch block it was recorded with */
    bool never;            /* could not be recorded */
};

enum { RECORDS = 2048 };

/* The queue comes first: kernels get a pointer to it. */
struct gpu {
    fr_queue queue;
    char *pinned; /* SLOTS of SLOT_BYTES */
    cudaEvent_t copied[SLOTS];
    int next;
    int generation; /* grows with every new scratch block */
    record *records;
    int record_count;
};

fr_kernels f32_table, bf16_table;

void fill_tables()
{
    f32_table.name = "cuda f32";
    bf16_table.name = "cuda bf16";
#define FR_ROW(kernel, arguments)                                                                                      \
    f32_table.kernel = fr_##kernel##_cuda_f32;                                                                         \
    bf16_table.kernel = fr_##kernel##_cuda_bf16;
    FR_TRUNK_KERNELS(FR_ROW)
#undef FR_ROW
#define FR_ROW(kernel, arguments) f32_table.kernel = bf16_table.kernel = fr_##kernel##_cuda_f32;
    FR_WIDE_KERNELS(FR_ROW)
#undef FR_ROW
}

gpu *gpu_of(fr_device *device)
{
    return reinterpret_cast<gpu *>(device->queue);
}

} // namespace

/* An error here is of the GPU or of a kernel before: nothing that was computed can be trusted. */
#define CUDA(call)                                                                                                     \
    do {                                                                                                               \
        cudaError_t error_ = (call);                                                                                   \
        FR_CHECK(error_ == cudaSuccess, "%s: %s", #call, cudaGetErrorString(error_));                                  \
    } while (0)

/* The user's GPU is too small for what the config asks: one line and exit code 1, like every failure of the world. */
static void *allocate_or_exit(size_t bytes)
{
    void *memory = nullptr;
    cudaError_t error = cudaMalloc(&memory, bytes);
    if (error == cudaSuccess)
        return memory;
    size_t free_bytes = 0, total = 0;
    FR_CHECK(error == cudaErrorMemoryAllocation, "cudaMalloc of %zu bytes: %s", bytes, cudaGetErrorString(error));
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&free_bytes, &total);
    fprintf(stderr,
            "finerouter: device: the GPU has no room for %.2f GiB more (%.2f of %.2f GiB free); want a smaller "
            "encoder.batch_tokens, classifier.batch or qe.batch, or a GPU that nobody else uses\n",
            static_cast<double>(bytes) / 1073741824.0, static_cast<double>(free_bytes) / 1073741824.0,
            static_cast<double>(total) / 1073741824.0);
    exit(FR_FAILED);
}

void fr_queue_grow(fr_queue *q, size_t bytes)
{
    size_t size = q->scratch_bytes + q->scratch_bytes / 2;
    if (size < bytes)
        size = bytes;
    CUDA(cudaStreamSynchronize(q->stream));
    if (q->scratch)
        CUDA(cudaFree(q->scratch));
    q->scratch = static_cast<char *>(allocate_or_exit(size));
    q->scratch_bytes = size;
    reinterpret_cast<gpu *>(q)->generation++;
}

static void cuda_zero(fr_device *device, void *memory, size_t bytes)
{
    if (bytes > 0)
        CUDA(cudaMemsetAsync(memory, 0, bytes, gpu_of(device)->queue.stream));
}

static void *cuda_allocate(fr_device *device, size_t bytes)
{
    void *memory = allocate_or_exit(bytes > 0 ? bytes : 1);
    cuda_zero(device, memory, bytes);
    return memory;
}

static void cuda_release(fr_device *device, void *memory)
{
    CUDA(cudaStreamSynchronize(gpu_of(device)->queue.stream));
    CUDA(cudaFree(memory));
}

static void cuda_copy_in(fr_device *device, void *to, const void *from_host, size_t bytes)
{
    gpu *g = gpu_of(device);
    for (size_t at = 0; at < bytes; at += SLOT_BYTES) {
        size_t part = bytes - at < SLOT_BYTES ? bytes - at : SLOT_BYTES;
        int slot = g->next;
        char *pinned = g->pinned + static_cast<size_t>(slot) * SLOT_BYTES;
        g->next = (slot + 1) % SLOTS;
        CUDA(cudaEventSynchronize(g->copied[slot])); /* its last copy, long ago */
        memcpy(pinned, static_cast<const char *>(from_host) + at, part);
        CUDA(cudaMemcpyAsync(static_cast<char *>(to) + at, pinned, part, cudaMemcpyHostToDevice, g->queue.stream));
        CUDA(cudaEventRecord(g->copied[slot], g->queue.stream));
    }
}

static void cuda_copy_out(fr_device *device, void *to_host, const void *from, size_t bytes)
{
    gpu *g = gpu_of(device);
    if (bytes == 0)
        return;
    CUDA(cudaMemcpyAsync(to_host, from, bytes, cudaMemcpyDeviceToHost, g->queue.stream));
    CUDA(cudaStreamSynchronize(g->queue.stream));
}

static void cuda_copy(fr_device *device, void *to, const void *from, size_t bytes)
{
    if (bytes > 0)
        CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, gpu_of(device)->queue.stream));
}

static void cuda_synchronize(fr_device *device)
{
    CUDA(cudaStreamSynchronize(gpu_of(device)->queue.stream));
}

static void cuda_memory(fr_device *device, size_t *free_bytes, size_t *total_bytes)
{
    (void)device;
    CUDA(cudaMemGetInfo(free_bytes, total_bytes));
}

static void *cuda_allocate_pinned(size_t bytes)
{
    void *memory;
    CUDA(cudaMallocHost(&memory, bytes));
    return memory;
}

static void cuda_release_pinned(void *memory)
{
    CUDA(cudaFreeHost(memory));
}

static record *record_of(gpu *g, uint64_t key)
{
    for (int i = 0; i < g->record_count; i++)
        if (g->records[i].key == key)
            return &g->records[i];
    return nullptr;
}

/* Records what `run` launches; false where that does not work. */
static bool capture(gpu *g, record *r, void (*run)(void *context), void *context)
{
    cudaGraph_t graph = nullptr;
    if (r->graph)
        CUDA(cudaGraphExecDestroy(r->graph));
    r->graph = nullptr;
    bool begun = cudaStreamBeginCapture(g->queue.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess;
    if (begun)
        run(context);
    bool good = begun && cudaStreamEndCapture(g->queue.stream, &graph) == cudaSuccess && graph &&
                cudaGraphInstantiate(&r->graph, graph, 0) == cudaSuccess;
    if (graph)
        cudaGraphDestroy(graph);
    (void)cudaGetLastError();
    r->generation = g->generation;
    return good;
}

/* The first call of a key runs: it makes the GEMM's plans and grows the scratch block, which must not happen while
 * recording. The second records, the others replay. */
static void cuda_replay(fr_device *device, uint64_t key, void (*run)(void *context), void *context)
{
    gpu *g = gpu_of(device);
    record *r = record_of(g, key);
    if (!r && g->record_count < RECORDS)
        g->records[g->record_count++] = record{key, nullptr, -1, false};
    else if (r && !r->never && (!r->graph || r->generation != g->generation))
        r->never = !capture(g, r, run, context);
    if (r && !r->never)
        CUDA(cudaGraphLaunch(r->graph, g->queue.stream));
    else
        run(context);
}

static void cuda_close(fr_device *device)
{
    gpu *g = gpu_of(device);
    CUDA(cudaStreamSynchronize(g->queue.stream));
    for (int i = 0; i < g->record_count; i++)
        if (g->records[i].graph)
            cudaGraphExecDestroy(g->records[i].graph);
    free(g->records);
    fr_gemm_plans_close(static_cast<fr_gemm_plans *>(g->queue.gemm));
    for (int i = 0; i < SLOTS; i++)
        cudaEventDestroy(g->copied[i]);
    cudaFreeHost(g->pinned);
    cudaFree(g->queue.scratch);
    cudaStreamDestroy(g->queue.stream);
    free(g);
}

static gpu *gpu_create(const cudaDeviceProp *properties)
{
    gpu *g = static_cast<gpu *>(calloc(1, sizeof *g));
    FR_CHECK(g, "out of memory");
    CUDA(cudaStreamCreateWithFlags(&g->queue.stream, cudaStreamNonBlocking));
    g->records = static_cast<record *>(calloc(RECORDS, sizeof *g->records));
    FR_CHECK(g->records, "out of memory");
    CUDA(cudaMallocHost(&g->pinned, SLOTS * SLOT_BYTES));
    for (int i = 0; i < SLOTS; i++)
        CUDA(cudaEventCreateWithFlags(&g->copied[i], cudaEventDisableTiming));
    g->queue.multiprocessors = properties->multiProcessorCount;
    g->queue.shared_limit = static_cast<int64_t>(properties->sharedMemPerBlockOptin);
    fr_queue_grow(&g->queue, FIRST_SCRATCH);
    g->queue.gemm = fr_gemm_plans_create();
    return g;
}

static fr_status find_gpu(cudaDeviceProp *properties, const char *kind)
{
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0)
        return fr_fail(FR_FAILED, "device: %s: no GPU here (%s); want cpu, ref or auto", kind,
                       error == cudaSuccess ? "none is visible" : cudaGetErrorString(error));
    /* One GPU for several ranks may be what a launcher shows to each of them, another one to each (src/comm/tensor.c looks);
     * such a launcher sets CUDA_VISIBLE_DEVICES. */
    const int ranks = fr_device_processes();
    if (count < ranks && (count > 1 || !getenv("CUDA_VISIBLE_DEVICES")))
        return fr_fail(FR_USAGE, "device: %s: %d ranks on this node, which has %d GPU%s; want at most one rank a GPU",
                       kind, ranks, count, count == 1 ? "" : "s");
    const int index = count < ranks ? 0 : fr_device_index();
    error = cudaSetDevice(index);
    if (error == cudaSuccess)
        error = cudaGetDeviceProperties(properties, index);
    if (error != cudaSuccess)
        return fr_fail(FR_FAILED, "device: %s: the GPU does not answer (%s)", kind, cudaGetErrorString(error));
    if (properties->major < 8)
        return fr_fail(FR_FAILED, "device: %s: %s has compute capability %d.%d, want 8.0 or later", kind,
                       properties->name, properties->major, properties->minor);
    return FR_OK;
}

static fr_status cuda_open(fr_device **device, int kind, int threads)
{
    const bool bf16 = kind == FR_DEVICE_CUDA_BF16;
    cudaDeviceProp properties;
    FR_TRY(find_gpu(&properties, bf16 ? "cuda-bf16" : "cuda"));
    const char *missing = fr_gemm_load();
    if (missing)
        return fr_fail(FR_FAILED, "device: cuda: cuBLASLt cannot be loaded (%s); want it on LD_LIBRARY_PATH", missing);
    fill_tables();
    fr_device *d = static_cast<fr_device *>(calloc(1, sizeof *d));
    FR_CHECK(d, "out of memory");
    d->kind = kind;
    d->real = bf16 ? FR_BF16 : FR_F32;
    d->wide = FR_F32;
    d->kernels = bf16 ? &bf16_table : &f32_table;
    d->wide_kernels = &f32_table;
    d->queue = &gpu_create(&properties)->queue;
    d->stream = d->queue->stream;
    memcpy(d->gpu, "GPU-", 5);
    for (int i = 0; i < 16; i++)
        snprintf(d->gpu + 4 + 2 * i, 3, "%02x", static_cast<unsigned char>(properties.uuid.bytes[i]));
    d->threads = threads > 0 ? threads : omp_get_num_procs();
    d->allocate = cuda_allocate;
    d->release = cuda_release;
    d->copy_in = cuda_copy_in;
    d->copy_out = cuda_copy_out;
    d->copy = cuda_copy;
    d->zero = cuda_zero;
    d->synchronize = cuda_synchronize;
    d->close = cuda_close;
    d->allocate_pinned = cuda_allocate_pinned;
    d->release_pinned = cuda_release_pinned;
    d->memory = cuda_memory;
    d->replay = cuda_replay;
    d->inference_tokens = FR_GPU_INFERENCE_TOKENS;
    d->training_tokens = FR_GPU_TRAINING_TOKENS;
    snprintf(d->description, sizeof d->description, "%s: %s, %.100s, %.0f GiB", bf16 ? "cuda-bf16" : "cuda",
             bf16 ? "encoder bf16, else f32" : "f32", properties.name,
             static_cast<double>(properties.totalGlobalMem) / 1073741824.0);
    omp_set_num_threads(d->threads);
    *device = d;
    return FR_OK;
}

/* Programs that link this file have the backend; nothing else needs to name it. */
__attribute__((constructor)) static void provide(void)
{
    fr_device_provide(FR_DEVICE_CUDA, cuda_open);
    fr_device_provide(FR_DEVICE_CUDA_BF16, cuda_open);
}

#include "device.h"

#include "base/memory.h"
#include "finerouter/config.h"
#include "finerouter/log.h"
#include "tables.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t fr_dtype_bytes(fr_dtype dtype)
{
    switch (dtype) {
    case FR_F64:
    case FR_I64:
        return 8;
    case FR_F32:
    case FR_I32:
        return 4;
    case FR_BF16:
        return 2;
    }
    FR_CHECK(false, "unknown dtype %d", (int)dtype);
}

static void *host_allocate(fr_device *device, size_t bytes)
{
    (void)device;
    size_t rounded = (bytes + 64) / 64 * 64; /* never 0 */
    void *memory = aligned_alloc(64, rounded);
    FR_CHECK(memory, "out of memory: %zu bytes", rounded);
    memset(memory, 0, rounded);
    return memory;
}

static void host_release(fr_device *device, void *memory)
{
    (void)device;
    free(memory);
}

static void host_copy(fr_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    if (bytes > 0)
        memmove(to, from, bytes);
}

static void host_zero(fr_device *device, void *memory, size_t bytes)
{
    (void)device;
    if (bytes > 0)
        memset(memory, 0, bytes);
}

static void host_synchronize(fr_device *device)
{
    (void)device;
}

static fr_status check_isa(void)
{
    const char *isa = getenv("FINEROUTER_ISA");
    if (isa && (strcmp(isa, "ref") == 0 || !fr_kernels_isa(isa)))
        return fr_fail(FR_USAGE,
                       "FINEROUTER_ISA: \"%s\" is not one this processor and build run; want base, avx2 or avx512 "
                       "(unset: the best)",
                       isa);
    return FR_OK;
}

const fr_kernels *fr_device_kernels(const fr_device *device, fr_dtype dtype)
{
    FR_CHECK(dtype == device->real || dtype == device->wide, "%s has no kernels for dtype %d", device->description,
             (int)dtype);
    return dtype == device->real ? device->kernels : device->wide_kernels;
}

static int own_index, processes_here = 1;

void fr_device_among(int index, int processes)
{
    own_index = index;
    processes_here = processes;
}

int fr_device_index(void)
{
    return own_index;
}

int fr_device_processes(void)
{
    return processes_here;
}

static const char *const kind_names[FR_DEVICE_KINDS] = {"auto", "cpu", "ref", "cuda", "cuda-bf16", "simt", "simt-bf16"};
static fr_device_opener openers[FR_DEVICE_KINDS];

void fr_device_provide(int kind, fr_device_opener opener)
{
    FR_CHECK(kind > FR_DEVICE_REF && kind < FR_DEVICE_KINDS, "kind %d", kind);
    openers[kind] = opener;
}

/* cuda, cuda-bf16, simt, simt-bf16 */
static fr_status open_provided(fr_device **device, int kind, int threads)
{
    if (openers[kind])
        return openers[kind](device, kind, threads);
    if (kind == FR_DEVICE_CUDA || kind == FR_DEVICE_CUDA_BF16)
        return fr_fail(FR_FAILED, "device: %s is not in this build (built without CUDA); want cpu, ref or auto",
                       kind_names[kind]);
    return fr_fail(FR_FAILED,
                   "device: %s, which runs the GPU's kernels on the CPU, is only in test programs "
                   "(finerouter-simt); want cpu, ref or auto",
                   kind_names[kind]);
}

fr_status fr_device_open(fr_device **device, int kind, int threads)
{
    *device = NULL;
    FR_CHECK(kind >= 0 && kind < FR_DEVICE_KINDS, "kind %d", kind);
    FR_TRY(check_isa());
    if (threads < 0)
        return fr_fail(FR_USAGE, "threads: %d, want 0 (all cores) or more", threads);
    if (kind > FR_DEVICE_REF)
        return open_provided(device, kind, threads);
    if (kind == FR_DEVICE_AUTO && openers[FR_DEVICE_CUDA_BF16]) {
        fr_status status = openers[FR_DEVICE_CUDA_BF16](device, FR_DEVICE_CUDA_BF16, threads);
        if (status != FR_FAILED) /* too many ranks are a mistake, not a lack of GPUs */
            return status;
    }
    fr_device *d = FR_NEW(fr_device, 1);
    bool ref = kind == FR_DEVICE_REF;
    *d = (fr_device){
        .kind = ref ? FR_DEVICE_REF : FR_DEVICE_CPU,
        .real = ref ? FR_F64 : FR_F32,
        .wide = ref ? FR_F64 : FR_F32,
        .kernels = ref ? fr_kernels_ref() : fr_kernels_cpu(),
        .threads = threads > 0 ? threads : omp_get_num_procs(),
        .allocate = host_allocate,
        .release = host_release,
        .copy_in = host_copy,
        .copy_out = host_copy,
        .copy = host_copy,
        .zero = host_zero,
        .synchronize = host_synchronize,
        .inference_tokens = FR_HOST_INFERENCE_TOKENS,
        .training_tokens = FR_HOST_TRAINING_TOKENS,
    };
    d->wide_kernels = d->kernels;
    omp_set_num_threads(d->threads);
    if (ref)
        snprintf(d->description, sizeof d->description, "ref: f64, %d thread%s", d->threads,
                 d->threads == 1 ? "" : "s");
    else
        snprintf(d->description, sizeof d->description, "cpu: %s, %d thread%s, oneDNN %s", d->kernels->name, d->threads,
                 d->threads == 1 ? "" : "s", fr_onednn_version());
    if (kind == FR_DEVICE_AUTO) /* a GPU that is there but cannot be used is not to be passed over in silence */
        fr_log("device: auto takes %s; no GPU, because: %s", d->description,
               openers[FR_DEVICE_CUDA_BF16] ? fr_error_text() : "built without CUDA");
    *device = d;
    return FR_OK;
}

void fr_device_replay(fr_device *device, uint64_t key, void (*run)(void *context), void *context)
{
    if (device->replay)
        device->replay(device, key, run, context);
    else
        run(context);
}

void fr_device_close(fr_device *device)
{
    if (device && device->small)
        device->release(device, device->small);
    if (device && device->close)
        device->close(device);
    free(device);
}

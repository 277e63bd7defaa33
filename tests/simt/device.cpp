#include "simt/device.h"

#include "finerouter/config.h"
#include "simt/table.h"

#include <stdio.h>

static void *simt_allocate(fr_device *, size_t bytes)
{
    return fr_simt_allocate(bytes);
}

static void simt_release(fr_device *, void *memory)
{
    fr_simt_release(memory);
}

/* Begins as the cpu device; threads counts for what runs on the host. */
fr_status fr_simt_open(fr_device **device, int kind, int threads)
{
    FR_TRY(fr_device_open(device, FR_DEVICE_CPU, threads));
    fr_device *d = *device;
    bool bf16 = kind == FR_DEVICE_SIMT_BF16;
    d->kind = kind;
    d->real = bf16 ? FR_BF16 : FR_F32;
    d->wide = FR_F32;
    d->kernels = fr_simt_kernels(bf16);
    d->wide_kernels = fr_simt_kernels(false);
    d->queue = fr_simt_queue();
    d->allocate = simt_allocate;
    d->release = simt_release;
    snprintf(d->description, sizeof d->description, "%s: the CUDA kernels on the CPU, %s", bf16 ? "simt-bf16" : "simt",
             bf16 ? "bf16" : "f32");
    return FR_OK;
}

void fr_simt_provide()
{
    fr_device_provide(FR_DEVICE_SIMT, fr_simt_open);
    fr_device_provide(FR_DEVICE_SIMT_BF16, fr_simt_open);
}

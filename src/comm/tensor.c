/* tensor.c - sums of tensors: host memory as it lies there, GPU memory by NCCL or, without it, through the host. */
#include "base/memory.h"
#include "finerouter/log.h"
#include "gpu_sum.h"
#include "transport.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool chosen, by_nccl;

/* Of all ranks; kept from one sum to the next. */
static struct {
    void *memory;
    size_t bytes;
    void (*release)(void *memory);
} staging;

static void through_host(fr_tensor tensor)
{
    size_t bytes = fr_tensor_bytes(&tensor);
    const fr_device *device = tensor.device;
    if (bytes > staging.bytes) {
        if (staging.memory)
            staging.release(staging.memory);
        staging.memory = device->allocate_pinned ? device->allocate_pinned(bytes) : fr_alloc(bytes);
        staging.release = device->allocate_pinned ? device->release_pinned : free;
        staging.bytes = bytes;
    }
    fr_tensor_get_raw(tensor, staging.memory);
    fr_comm_sum(staging.memory, fr_tensor_count(&tensor), tensor.dtype);
    fr_tensor_set_raw(tensor, staging.memory);
}

/* Together. Launchers that are asked for it can start more ranks than there are GPUs, or show several the same one. */
static void refuse_shared_gpus(const fr_device *device)
{
    typedef struct place {
        char host[256], gpu[sizeof device->gpu];
    } place;
    int rank = fr_comm_rank(), ranks = fr_comm_ranks();
    place *all = FR_NEW(place, ranks);
    snprintf(all[rank].host, sizeof all->host, "%s", fr_comm_host());
    snprintf(all[rank].gpu, sizeof all->gpu, "%s", device->gpu);
    fr_comm_each(all, sizeof *all);
    for (int r = 0; r < ranks; r++)
        for (int s = 0; s < r; s++)
            if (all[r].gpu[0] && strcmp(all[r].gpu, all[s].gpu) == 0 && strcmp(all[r].host, all[s].host) == 0) {
                char text[512];
                snprintf(text, sizeof text, "ranks %d and %d share %s on %s; want at most one rank a GPU", s, r,
                         all[r].gpu, all[r].host);
                fr_watch_abandon(text);
            }
    free(all);
}

static void abandon(const char *what)
{
    char text[512];
    snprintf(text, sizeof text, "NCCL: %s (NCCL_DEBUG=INFO tells more, FINEROUTER_NCCL=off does without)", what);
    fr_watch_abandon(text);
}

static const char *broken(void)
{
    static char text[512];
    const char *what = fr_nccl_broken();
    snprintf(text, sizeof text, "NCCL: %s", what ? what : "");
    return what ? text : NULL;
}

/* Together, at the first sum: NCCL where every rank has a GPU and the library. */
static void choose(const fr_device *device)
{
    chosen = true;
    if (!fr_comm_any(device->stream != NULL))
        return;
    refuse_shared_gpus(device);
    const char *off = getenv("FINEROUTER_NCCL"), *why = NULL;
    if (!device->stream)
        why = "not every rank has a GPU";
    else if (off && strcmp(off, "off") == 0)
        why = "FINEROUTER_NCCL is off";
    else
        why = fr_nccl_load();
    by_nccl = !fr_comm_any(why != NULL);
    if (!by_nccl) {
        fr_log("gradients are summed through the host and MPI, which is slow: %s",
               why ? why : "another rank has no NCCL");
        return;
    }
    why = fr_nccl_start(fr_comm_rank(), fr_comm_ranks());
    if (why)
        abandon(why);
    fr_watch_also(broken);
}

void fr_comm_sum_tensor(fr_tensor tensor)
{
    if (fr_comm_ranks() == 1 || !tensor.data)
        return;
    if (!chosen)
        choose(tensor.device);
    if (!tensor.device->queue) {
        fr_comm_sum(tensor.data, fr_tensor_count(&tensor), tensor.dtype);
    } else if (!by_nccl) {
        through_host(tensor);
    } else {
        double began = fr_seconds();
        fr_watch_enter();
        const char *why = fr_nccl_sum(tensor.data, fr_tensor_count(&tensor), tensor.dtype, tensor.device->stream);
        if (why)
            abandon(why);
        fr_watch_leave();
        fr_transport_count(fr_seconds() - began, fr_tensor_bytes(&tensor));
    }
}

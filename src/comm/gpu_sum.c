#include "gpu_sum.h"

#include "comm.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

/* Of nccl.h. */
typedef struct unique_id {
    char internal[128];
} unique_id;
enum { SUCCESS = 0, IN_PROGRESS = 7, FLOAT32 = 7, FLOAT64 = 8, SUM = 0 };

static struct {
    int (*GetUniqueId)(unique_id *id);
    int (*CommInitRank)(void **comm, int ranks, unique_id id, int rank);
    int (*AllReduce)(const void *from, void *to, size_t count, int type, int op, void *comm, void *stream);
    int (*CommGetAsyncError)(void *comm, int *error);
    int (*CommDestroy)(void *comm);
    const char *(*GetErrorString)(int result);
} nccl;

static void *_Atomic communicator;

static int find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

const char *fr_nccl_load(void)
{
    void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return dlerror();
    if (find(library, "ncclGetUniqueId", &nccl.GetUniqueId) && find(library, "ncclCommInitRank", &nccl.CommInitRank) &&
        find(library, "ncclAllReduce", &nccl.AllReduce) &&
        find(library, "ncclCommGetAsyncError", &nccl.CommGetAsyncError) &&
        find(library, "ncclCommDestroy", &nccl.CommDestroy) &&
        find(library, "ncclGetErrorString", &nccl.GetErrorString))
        return NULL;
    return "libnccl.so.2 is older than NCCL 2.4";
}

static const char *text_of(int result)
{
    return result == SUCCESS || result == IN_PROGRESS ? NULL : nccl.GetErrorString(result);
}

const char *fr_nccl_start(int rank, int ranks)
{
    struct {
        unique_id id;
        int result;
    } from_root = {.result = SUCCESS};
    if (rank == 0)
        from_root.result = nccl.GetUniqueId(&from_root.id);
    fr_comm_broadcast(&from_root, sizeof from_root, 0);
    void *comm = NULL;
    if (from_root.result == SUCCESS)
        from_root.result = nccl.CommInitRank(&comm, ranks, from_root.id, rank);
    if (from_root.result != SUCCESS)
        return nccl.GetErrorString(from_root.result);
    atomic_store(&communicator, comm);
    return NULL;
}

const char *fr_nccl_sum(void *data, int64_t count, fr_dtype dtype, void *stream)
{
    FR_CHECK(dtype == FR_F32 || dtype == FR_F64, "NCCL sums F32 and F64 here, not dtype %d", (int)dtype);
    int type = dtype == FR_F32 ? FLOAT32 : FLOAT64;
    void *comm = atomic_load(&communicator);
    const char *broken = fr_nccl_broken();
    return broken ? broken : text_of(nccl.AllReduce(data, data, (size_t)count, type, SUM, comm, stream));
}

const char *fr_nccl_broken(void)
{
    void *comm = atomic_load(&communicator);
    int error = SUCCESS;
    if (!comm)
        return NULL;
    int asked = nccl.CommGetAsyncError(comm, &error);
    return text_of(asked == SUCCESS ? error : asked);
}

/* After a failure the communicator is left to the end of the process, which ends its kernels too; ncclCommAbort might
 * wait for what will not come. */
void fr_nccl_close(void)
{
    void *comm = atomic_exchange(&communicator, NULL);
    if (comm)
        nccl.CommDestroy(comm);
}

/* A libnccl.so.2 for test_comm.c, without a GPU: a sum is twice what each rank's own data times the number of ranks is,
 * which tells it from MPI's. FAKE_NCCL_BROKEN: the rank that breaks after its first sum. */
#include <stdlib.h>

typedef struct unique_id {
    char internal[128];
} unique_id;

static struct {
    int rank, ranks, sums;
} comm;

int ncclGetUniqueId(unique_id *id);
int ncclCommInitRank(void **out, int ranks, unique_id id, int rank);
int ncclAllReduce(const void *from, void *to, size_t count, int type, int op, void *c, void *stream);
int ncclCommGetAsyncError(void *c, int *error);
int ncclCommDestroy(void *c);
const char *ncclGetErrorString(int result);

int ncclGetUniqueId(unique_id *id)
{
    for (int i = 0; i < 128; i++)
        id->internal[i] = (char)i;
    return 0;
}

int ncclCommInitRank(void **out, int ranks, unique_id id, int rank)
{
    comm.rank = rank;
    comm.ranks = ranks;
    *out = &comm;
    for (int i = 0; i < 128; i++)
        if (id.internal[i] != (char)i)
            return 4; /* invalid argument */
    return 0;
}

int ncclAllReduce(const void *from, void *to, size_t count, int type, int op, void *c, void *stream)
{
    if (from != to || (type != 7 && type != 8) || op != 0 || c != &comm || !stream)
        return 4;
    for (size_t i = 0; i < count; i++)
        if (type == 7)
            ((float *)to)[i] *= 2 * (float)comm.ranks;
        else
            ((double *)to)[i] *= 2 * (double)comm.ranks;
    comm.sums++;
    return 0;
}

int ncclCommGetAsyncError(void *c, int *error)
{
    const char *broken = getenv("FAKE_NCCL_BROKEN");
    *error = c == &comm && comm.sums > 0 && broken && atoi(broken) == comm.rank ? 6 : 0;
    return 0;
}

int ncclCommDestroy(void *c)
{
    return c == &comm ? 0 : 4;
}

const char *ncclGetErrorString(int result)
{
    return result == 6 ? "remote process exited or there was a network error" : "invalid argument";
}

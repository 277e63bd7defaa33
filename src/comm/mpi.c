/* mpi.c - ranks over MPI. The one file that includes mpi.h. Only the main thread calls MPI. */
#include "transport.h"

#include <mpi.h>

static void barrier(void)
{
    MPI_Barrier(MPI_COMM_WORLD);
}

static void broadcast(void *data, size_t bytes, int from)
{
    char *at = data;
    for (size_t done = 0; done < bytes; done += (size_t)fr_transport_most) {
        size_t now = bytes - done < (size_t)fr_transport_most ? bytes - done : (size_t)fr_transport_most;
        MPI_Bcast(at + done, (int)now, MPI_BYTE, from, MPI_COMM_WORLD);
    }
}

static MPI_Datatype type_of(fr_dtype dtype)
{
    FR_CHECK(dtype != FR_BF16, "sums are of F32, F64, I32 or I64");
    return dtype == FR_F32 ? MPI_FLOAT : dtype == FR_F64 ? MPI_DOUBLE : dtype == FR_I32 ? MPI_INT32_T : MPI_INT64_T;
}

static void sum(void *data, int64_t count, fr_dtype dtype)
{
    char *at = data;
    for (int64_t done = 0; done < count; done += fr_transport_most) {
        int64_t now = count - done < fr_transport_most ? count - done : fr_transport_most;
        MPI_Allreduce(MPI_IN_PLACE, at + (size_t)done * fr_dtype_bytes(dtype), (int)now, type_of(dtype), MPI_SUM,
                      MPI_COMM_WORLD);
    }
}

/* Each rank's rows go out from it: rows may be too many for the ints of MPI_Allgatherv. */
static void gather(void *rows, const int64_t *first, size_t bytes)
{
    int ranks;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int r = 0; r < ranks; r++)
        broadcast((char *)rows + (size_t)first[r] * bytes, (size_t)(first[r + 1] - first[r]) * bytes, r);
}

static void ring(void *received, size_t received_bytes, const void *sent, size_t bytes)
{
    int rank, ranks;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int to = (rank + 1) % ranks, from = (rank + ranks - 1) % ranks;
    size_t piece = (size_t)fr_transport_most, out = 0, in = 0;
    while (out < bytes || in < received_bytes) {
        size_t o = bytes - out < piece ? bytes - out : piece,
               i = received_bytes - in < piece ? received_bytes - in : piece;
        MPI_Request request[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
        if (i > 0)
            MPI_Irecv((char *)received + in, (int)i, MPI_BYTE, from, 0, MPI_COMM_WORLD, &request[0]);
        if (o > 0)
            MPI_Isend((const char *)sent + out, (int)o, MPI_BYTE, to, 0, MPI_COMM_WORLD, &request[1]);
        MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
        out += o;
        in += i;
    }
}

static void end(void)
{
    MPI_Finalize();
}

fr_status fr_mpi_start(fr_transport *t)
{
    int level;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    if (level < MPI_THREAD_FUNNELED)
        return fr_fail(FR_FAILED, "this MPI library does not allow threads (level %d); install one that does", level);
    MPI_Comm node;
    MPI_Comm_rank(MPI_COMM_WORLD, &t->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &t->ranks);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_rank(node, &t->local_rank);
    MPI_Comm_size(node, &t->local_ranks);
    MPI_Comm_free(&node);
    t->barrier = barrier;
    t->broadcast = broadcast;
    t->sum = sum;
    t->gather = gather;
    t->ring = ring;
    t->end = end;
    return FR_OK;
}

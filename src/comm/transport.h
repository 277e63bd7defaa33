/* transport.h - what a way of talking to other ranks provides to comm.c. */
#ifndef FR_COMM_TRANSPORT_H
#define FR_COMM_TRANSPORT_H

#include "comm.h"

typedef struct fr_transport {
    int rank, ranks, local_rank, local_ranks;
    void (*barrier)(void);
    void (*broadcast)(void *data, size_t bytes, int from);
    void (*sum)(void *data, int64_t count, fr_dtype dtype);
    void (*gather)(void *rows, const int64_t *first, size_t bytes);
    void (*ring)(void *received, size_t received_bytes, const void *sent, size_t bytes);
    void (*end)(void);
} fr_transport;

/* Elements or bytes that go at once: counts of MPI are ints. Tests make it small. */
extern int64_t fr_transport_most;

/* Adds to fr_comm_spent what did not go through a transport. */
void fr_transport_count(double seconds, size_t bytes);

/* Joins the other ranks over MPI; mpi.c, in builds with MPI. */
FR_NODISCARD fr_status fr_mpi_start(fr_transport *transport);

#endif

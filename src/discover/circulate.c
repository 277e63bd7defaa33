#include "circulate.h"

#include "base/memory.h"
#include "comm/comm.h"

#include <stdlib.h>
#include <string.h>

enum { PASS = 4 << 20 }; /* bytes that are under way at once */

void *fr_ring_room(fr_ring *ring, size_t bytes)
{
    if (bytes > ring->bytes) {
        free(ring->room);
        ring->room = fr_alloc(bytes);
        ring->bytes = bytes;
    }
    return ring->room;
}

void fr_ring_close(fr_ring *ring)
{
    free(ring->room);
    free(ring->passing);
    *ring = (fr_ring){0};
}

void fr_gather_numbers(int64_t *values, int64_t value)
{
    values[fr_comm_rank()] = value;
    fr_comm_each(values, sizeof *values);
}

int64_t fr_most(int64_t value)
{
    int64_t *values = FR_NEW(int64_t, fr_comm_ranks()), most = value;
    fr_gather_numbers(values, value);
    for (int r = 0; r < fr_comm_ranks(); r++)
        most = values[r] > most ? values[r] : most;
    free(values);
    return most;
}

static size_t part(int64_t bytes, int64_t at)
{
    int64_t left = bytes - at;
    return (size_t)(left < 0 ? 0 : left < PASS ? left : PASS);
}

/* The piece in the room goes on, the one of the rank before comes in its place. All ranks pass on as many parts. */
static void pass_on(fr_ring *ring, int64_t leaving, int64_t coming, int64_t most)
{
    for (int64_t at = 0; at < most; at += PASS) {
        size_t in = part(coming, at);
        fr_comm_ring(ring->passing, in, ring->room + at, part(leaving, at));
        memcpy(ring->room + at, ring->passing, in);
    }
}

fr_status fr_circulate(fr_ring *ring, size_t bytes, fr_ring_visit *visit, void *context)
{
    int ranks = fr_comm_ranks(), rank = fr_comm_rank();
    fr_status status = visit(context, rank, ring->room, bytes);
    if (ranks == 1)
        return status;
    int64_t *size = FR_NEW(int64_t, ranks), most = 0;
    fr_gather_numbers(size, (int64_t)bytes);
    for (int r = 0; r < ranks; r++)
        most = size[r] > most ? size[r] : most;
    if ((size_t)most > ring->bytes || !ring->room) {
        ring->bytes = (size_t)most + 1;
        ring->room = fr_realloc(ring->room, ring->bytes);
    }
    if (!ring->passing)
        ring->passing = fr_alloc(PASS);
    status = fr_comm_agree(status);
    for (int step = 1; step < ranks && status == FR_OK; step++) {
        int leaving = (rank - step + 1 + ranks) % ranks, from = (rank - step + ranks) % ranks;
        pass_on(ring, size[leaving], size[from], most);
        status = fr_comm_agree(visit(context, from, ring->room, (size_t)size[from]));
    }
    free(size);
    return status;
}

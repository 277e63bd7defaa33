/* circulate.h - something of every rank passes by every other rank, in as much memory as one piece takes. */
#ifndef FR_DISCOVER_CIRCULATE_H
#define FR_DISCOVER_CIRCULATE_H

#include "finerouter/status.h"

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise; fr_ring_close frees. */
typedef struct fr_ring {
    char *room, *passing;
    size_t bytes; /* of room */
} fr_ring;

/* Memory for this rank's piece, which fr_circulate sends; what was there is lost. */
void *fr_ring_room(fr_ring *ring, size_t bytes);

/* Together. Calls visit with the piece of every rank: with this rank's own first, then with that of the rank before,
 * and so on around. Pieces may differ in size. FR_OK if all visits of all ranks were. */
typedef fr_status fr_ring_visit(void *context, int from, const void *piece, size_t bytes);
FR_NODISCARD fr_status fr_circulate(fr_ring *ring, size_t bytes, fr_ring_visit *visit, void *context);

void fr_ring_close(fr_ring *ring);

/* Together. values (ranks): value of each rank. */
void fr_gather_numbers(int64_t *values, int64_t value);
int64_t fr_most(int64_t value); /* of all ranks */

#endif

/* half_edges.h - directed neighbours become undirected edges, each at its smaller end. */
#ifndef FR_DISCOVER_HALF_EDGES_H
#define FR_DISCOVER_HALF_EDGES_H

#include "finerouter/discover.h"

/* One direction of an edge, in the bucket of its smaller end. */
typedef struct fr_half_edge {
    int32_t other; /* the larger end */
    bool backward; /* the larger end has the smaller one as a neighbour */
    float cosine;
} fr_half_edge;

/* Fills edges, cosine and E of a graph without edges: of the nodes at .. at+count-1, the half edges of node at + i are
 * half[start[i]] to half[start[i + 1] - 1]. Sorted by both ends; where both directions are there, the one from the
 * smaller end gives the cosine. Reorders half. */
void fr_half_edges_join(fr_graph *graph, fr_half_edge *half, const int64_t *start, int64_t at, int64_t count);

#endif

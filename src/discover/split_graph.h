/* split_graph.h - the graph of round 1 over training prompts that no rank holds alone.
 *
 * Every rank holds a range of the nodes: their embeddings, then their preference lists, never those of others except a
 * slice that passes by. Neighbours: each rank searches its own rows among themselves, and slices of the others' go
 * around the ring; a row's lists are merged as slices pass. Such a search is one-sided: 1 - 1/(2R) products for each
 * pair of rows on R ranks, where one rank computes half of them (a pair once, for both its ends). Edges: a rank owns
 * those whose smaller end it holds; neighbours found from the larger end travel to it. RBO: slices of the preference
 * lists go around.
 *
 * The edges of all ranks, in order of the ranks, are those of fr_graph_build, and all their numbers too, bit for bit:
 * on the CPU with AVX2 and d up to 4096, where the score of a pair of rows does not depend on what else is scored.
 * Without AVX2 it comes out of a matrix product whose rounding may depend on the size of its blocks. */
#ifndef FR_DISCOVER_SPLIT_GRAPH_H
#define FR_DISCOVER_SPLIT_GRAPH_H

#include "discover_internal.h"

/* Together, all of them. Rank r holds the nodes first[r] .. first[r+1]-1; first (ranks + 1), as fr_shares makes it.
 * Ends in `graph` are nodes of the whole. */

/* graph->nodes, edges, cosine: the edges that this rank owns, sorted. embedding (own rows, d) is freed and set to NULL
 * as soon as it has served. Shows progress under `what` (NULL: none); FR_INTERRUPTED when asked to stop. */
FR_NODISCARD fr_status fr_split_edges(fr_graph *graph, const int64_t *first, float **embedding, int64_t d,
                                      const fr_config *config, struct fr_device *device, const char *what);

/* graph->rbo, weight. top, bottom (own rows, M). */
FR_NODISCARD fr_status fr_split_weights(fr_graph *graph, const int64_t *first, const int16_t *top,
                                        const int16_t *bottom, int64_t M, const fr_config *config,
                                        struct fr_device *device);

/* ---- split_neighbours.c ---- */

/* Lists (own rows, k) of nodes, as fr_knn fills them, without a row itself; k < first[ranks]. */
FR_NODISCARD fr_status fr_split_neighbours(int32_t *index, float *similarity, const int64_t *first,
                                           const float *embedding, int64_t d, int64_t k, struct fr_device *device,
                                           const char *what);

/* ---- split_rbo.c ---- */

FR_NODISCARD fr_status fr_split_rbo(fr_graph *graph, const int64_t *first, const int16_t *top, const int16_t *bottom,
                                    int64_t M, const fr_config *config, struct fr_device *device);

#endif

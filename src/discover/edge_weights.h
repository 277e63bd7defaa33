/* edge_weights.h - weights of the edges of a graph whose edges may lie on several ranks. */
#ifndef FR_DISCOVER_EDGE_WEIGHTS_H
#define FR_DISCOVER_EDGE_WEIGHTS_H

#include "finerouter/discover.h"

/* Least and largest cosine and RBO of the edges that tau keeps; infinite, the wrong way round, where it keeps none. */
typedef struct fr_edge_spans {
    float cosine_low, cosine_high, rbo_low, rbo_high;
} fr_edge_spans;

fr_edge_spans fr_edge_spans_of(const fr_graph *graph, double tau);
void fr_edge_spans_join(fr_edge_spans *spans, const fr_edge_spans *other);

/* graph->weight (E) out of cosine and rbo, by the spans of the whole graph. weight: FR_WEIGHT_... */
void fr_edges_weigh(fr_graph *graph, const fr_edge_spans *spans, double tau, int weight);

#endif

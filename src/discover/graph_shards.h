/* graph_shards.h - the graph of round 1 in files, one a rank: what `finerouter graph` makes and discover.graph names.
 *
 * A folder of shards holds index.h5 and graph-<shard>-of-<shards>.h5, format "finerouter-graph", version 1:
 *
 *   index.h5      /first (shards + 1) int64     nodes first[s] .. first[s+1]-1 are those of shard s
 *                 /edges (shards) int64         edges of each
 *   graph-*.h5    /row (nodes of it) int64      their prompts, rows of the data file
 *                 /edges (E, 2) int32           nodes, smaller end first, sorted; a shard has those whose smaller end
 * is one of its nodes
 *                 /{cosine, rbo, weight} (E) float32      as in tasks.h5
 *                 attribute embedding_hash      of its nodes' embeddings
 *   attributes of all: data_hash (the data file's), settings (a line for each key of the config that the edges depend
 *   on), embeddings (key of the stored ones), nodes, shards */
#ifndef FR_DISCOVER_GRAPH_SHARDS_H
#define FR_DISCOVER_GRAPH_SHARDS_H

#include "finerouter/discover.h"

typedef struct fr_shards_summary {
    int64_t nodes, edges, d;
} fr_shards_summary;

/* Together. Reads the data file by ranges (data/ranges.h; key as there), builds the graph over all ranks and writes the
 * shards, each rank its own, into `folder`, which is there. Needs no more memory than the ranks' share of it. */
FR_NODISCARD fr_status fr_graph_shards_make(fr_shards_summary *summary, const char *folder, const fr_config *config,
                                            const char *key, struct fr_device *device);

/* The whole graph out of config->discover.graph; tau and weight are the config's. embedding (n, d): of the training
 * prompts of `data`. Errors: shards of other data, embeddings or settings, missing or damaged ones. */
FR_NODISCARD fr_status fr_graph_shards_read(fr_graph *graph, const fr_dataset *data, const float *embedding, int64_t n,
                                            int64_t d, const fr_config *config);

#endif

/* bench_leiden [nodes] [iterations] - seconds of fr_leiden (igraph's Leiden, conversion and connectedness check
 * included) on a planted graph with about 15 edges a node, as a kNN graph of k = 20 has them; one JSON line for each
 * resolution. */
#include "discover/discover_internal.h"

#include "base/rng.h"
#include "finerouter/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEGREE = 15, TASK = 900 }; /* edges drawn for each node; nodes of a planted task */

/* Three edges of four stay inside the task, where they weigh more. */
static fr_graph planted(int64_t nodes)
{
    int64_t E = nodes * DEGREE, tasks = nodes / TASK + 1;
    fr_graph graph = {.nodes = nodes, .E = E, .edges = FR_NEW(int32_t, 2 * E), .weight = FR_NEW(float, E)};
    for (int64_t e = 0; e < E; e++) {
        uint64_t index = (uint64_t)(4 * e);
        int64_t a = e / DEGREE, b = fr_rng_below(1, 1, index, nodes);
        double w = fr_rng_uniform(1, 1, index + 1);
        if (fr_rng_uniform(1, 1, index + 2) < 0.75) {
            int64_t members = (nodes - a % tasks + tasks - 1) / tasks; /* a's task: nodes equal to a modulo tasks */
            b = a % tasks + tasks * fr_rng_below(1, 1, index + 3, members);
            w = 0.3 + 0.7 * w;
        }
        graph.edges[2 * e] = (int32_t)(a < b ? a : b);
        graph.edges[2 * e + 1] = (int32_t)(a < b ? b : a);
        graph.weight[e] = a == b ? 0 : (float)w;
    }
    return graph;
}

int main(int argc, char **argv)
{
    int64_t nodes = argc > 1 ? atoll(argv[1]) : 50000, iterations = argc > 2 ? atoll(argv[2]) : 2;
    if (nodes < 2 || nodes > INT32_MAX || iterations < 1)
        return fprintf(stderr, "usage: bench_leiden [nodes >= 2] [iterations >= 1]\n"), 2;
    fr_graph graph = planted(nodes);
    int32_t *membership = FR_NEW(int32_t, nodes), *truth = FR_NEW(int32_t, nodes);
    for (int64_t i = 0; i < nodes; i++)
        truth[i] = (int32_t)(i % (nodes / TASK + 1));
    const double resolution[] = {0.5, 1, 4, 16};
    for (int r = 0; r < 4; r++) {
        int64_t communities;
        double begin = fr_seconds(), ari, nmi;
        if (fr_leiden(membership, &communities, &graph, FR_MODULARITY, resolution[r], iterations, 1) != FR_OK)
            return fprintf(stderr, "%s\n", fr_error_text()), 1;
        double seconds = fr_seconds() - begin;
        fr_partition_agreement(&ari, &nmi, membership, truth, nodes);
        printf("{\"bench\": \"leiden\", \"nodes\": %lld, \"edges\": %lld, \"iterations\": %lld, \"resolution\": %g, "
               "\"seconds\": %.3f, \"communities\": %lld, \"modularity\": %.4f, \"ari\": %.4f}\n",
               (long long)nodes, (long long)graph.E, (long long)iterations, resolution[r], seconds,
               (long long)communities, fr_modularity(&graph, membership), ari);
        fflush(stdout);
    }
    free(truth);
    free(membership);
    fr_graph_close(&graph);
    return 0;
}

/* Leiden (Traag, Waltman & van Eck 2019) through igraph; the only file that includes it. igraph is not thread-safe, its
 * random numbers and its handlers are global, and its default error handler aborts. */
#include "discover_internal.h"

#include "finerouter/log.h"

#include <igraph/igraph.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Randomness of the refinement: the value of the authors' paper. */
static const double refinement_beta = 0.01;

static char reason_text[256];

static void on_error(const char *reason, const char *file, int line, igraph_error_t code)
{
    (void)file;
    (void)line;
    snprintf(reason_text, sizeof reason_text, "%s (%s)", igraph_strerror(code), reason);
    IGRAPH_FINALLY_FREE();
}

static void on_warning(const char *reason, const char *file, int line)
{
    (void)file;
    (void)line;
    fr_log_warn("igraph: %s", reason);
}

static void on_fatal(const char *reason, const char *file, int line)
{
    fr_check_failed(file, line, "igraph", "%s", reason);
}

/* The edges of positive weight, with the nodes that have one numbered 0 .. nodes-1. */
typedef struct live_graph {
    int64_t nodes, E;
    int32_t *number;         /* (graph nodes) -1: no edge of positive weight */
    int64_t *edge;           /* (E) index into the graph's edges */
    double *strength, total; /* (nodes) sum of weights at a node; sum over edges */
} live_graph;

static live_graph live_create(const fr_graph *graph)
{
    live_graph live = {.number = FR_NEW(int32_t, graph->nodes), .edge = FR_NEW(int64_t, graph->E)};
    for (int64_t e = 0; e < graph->E; e++) {
        if (!(graph->weight[e] > 0))
            continue;
        live.edge[live.E++] = e;
        live.number[graph->edges[2 * e]] = live.number[graph->edges[2 * e + 1]] = 1;
    }
    for (int64_t i = 0; i < graph->nodes; i++)
        live.number[i] = live.number[i] ? (int32_t)live.nodes++ : -1;
    live.strength = FR_NEW(double, live.nodes);
    for (int64_t x = 0; x < live.E; x++) {
        int64_t e = live.edge[x];
        double w = (double)graph->weight[e];
        live.strength[live.number[graph->edges[2 * e]]] += w;
        live.strength[live.number[graph->edges[2 * e + 1]]] += w;
        live.total += w;
    }
    return live;
}

static void live_close(live_graph *live)
{
    free(live->number);
    free(live->edge);
    free(live->strength);
}

/* igraph maximises 1/(2m) sum_ij (w_ij - resolution n_i n_j) [same community]. Modularity is n = strength and
 * resolution / (2m), CPM is n = 1. */
static igraph_error_t run_igraph(igraph_vector_int_t *label, const fr_graph *graph, const live_graph *live,
                                 int objective, double resolution, int64_t iterations, uint64_t seed)
{
    igraph_t network;
    igraph_vector_int_t ends;
    igraph_vector_t edge_weights, node_weights;
    igraph_error_t error;
    if ((error = igraph_vector_int_init(&ends, 2 * live->E)))
        return error;
    if ((error = igraph_vector_init(&edge_weights, live->E)))
        goto free_ends;
    if ((error = igraph_vector_init(&node_weights, live->nodes)))
        goto free_edge_weights;
    for (int64_t x = 0; x < live->E; x++) {
        int64_t e = live->edge[x];
        VECTOR(ends)[2 * x] = live->number[graph->edges[2 * e]];
        VECTOR(ends)[2 * x + 1] = live->number[graph->edges[2 * e + 1]];
        VECTOR(edge_weights)[x] = (double)graph->weight[e];
    }
    for (int64_t i = 0; i < live->nodes; i++)
        VECTOR(node_weights)[i] = objective == FR_MODULARITY ? live->strength[i] : 1;
    if ((error = igraph_create(&network, &ends, live->nodes, IGRAPH_UNDIRECTED)))
        goto free_node_weights;
    if (objective == FR_MODULARITY)
        resolution /= 2 * live->total;
    if (!(error = igraph_rng_seed(igraph_rng_default(), (igraph_uint_t)seed)))
        error = igraph_community_leiden(&network, &edge_weights, &node_weights, resolution, refinement_beta, false,
                                        iterations, label, NULL, NULL);
    igraph_destroy(&network);
free_node_weights:
    igraph_vector_destroy(&node_weights);
free_edge_weights:
    igraph_vector_destroy(&edge_weights);
free_ends:
    igraph_vector_int_destroy(&ends);
    return error;
}

static int32_t find_root(int32_t *parent, int32_t i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

/* Leiden promises connected communities; this keeps the promise whatever the library's version does. A community in
 * pieces becomes its pieces, which no objective counts as worse. membership: -1 outside; becomes compact. */
static int64_t connect(int32_t *membership, const fr_graph *graph)
{
    int64_t n = graph->nodes;
    int32_t *parent = FR_NEW(int32_t, n);
    for (int64_t i = 0; i < n; i++)
        parent[i] = (int32_t)i;
    for (int64_t e = 0; e < graph->E; e++) {
        int32_t a = graph->edges[2 * e], b = graph->edges[2 * e + 1];
        if (graph->weight[e] > 0 && membership[a] == membership[b])
            parent[find_root(parent, a)] = find_root(parent, b);
    }
    int64_t before = fr_labels_compact(membership, n, n);
    for (int64_t i = 0; i < n; i++)
        membership[i] = membership[i] < 0 ? -1 : find_root(parent, (int32_t)i);
    int64_t communities = fr_labels_compact(membership, n, n);
    if (communities != before)
        fr_log_verbose("Leiden left %lld communities in pieces: they were split", (long long)(communities - before));
    free(parent);
    return communities;
}

fr_status fr_leiden(int32_t *membership, int64_t *communities, const fr_graph *graph, int objective, double resolution,
                    int64_t iterations, uint64_t seed)
{
    FR_CHECK(iterations > 0, "%lld Leiden iterations", (long long)iterations);
    live_graph live = live_create(graph);
    *communities = 0;
    fr_status status = FR_OK;
    igraph_error_t error = IGRAPH_SUCCESS;
    igraph_vector_int_t label;
    for (int64_t i = 0; i < graph->nodes; i++)
        membership[i] = -1;
    if (live.E == 0) /* igraph never returns from some of these */
        goto done;
    igraph_set_error_handler(on_error);
    igraph_set_warning_handler(on_warning);
    igraph_set_fatal_handler(on_fatal);
    error = igraph_vector_int_init(&label, 0);
    if (!error) {
        error = run_igraph(&label, graph, &live, objective, resolution, iterations, seed);
        for (int64_t i = 0; i < graph->nodes && !error; i++)
            if (live.number[i] >= 0)
                membership[i] = (int32_t)VECTOR(label)[live.number[i]];
        igraph_vector_int_destroy(&label);
    }
    if (error)
        status = fr_fail(FR_FAILED, "Leiden on %lld nodes and %lld edges: %s", (long long)live.nodes, (long long)live.E,
                         reason_text);
    else
        *communities = connect(membership, graph);
done:
    live_close(&live);
    return status;
}

/*   Q = sum over communities of  inside / m - (strength / (2m))^2 */
double fr_modularity(const fr_graph *graph, const int32_t *membership)
{
    double *strength = FR_NEW(double, graph->nodes);
    double total = 0, inside = 0, expected = 0;
    for (int64_t e = 0; e < graph->E; e++) {
        double w = (double)graph->weight[e];
        int32_t a = membership[graph->edges[2 * e]], b = membership[graph->edges[2 * e + 1]];
        total += w;
        inside += a == b && a >= 0 ? w : 0;
        if (a >= 0)
            strength[a] += w;
        if (b >= 0)
            strength[b] += w;
    }
    for (int64_t c = 0; c < graph->nodes; c++)
        expected += strength[c] * strength[c];
    free(strength);
    return total > 0 ? inside / total - expected / (4 * total * total) : NAN;
}

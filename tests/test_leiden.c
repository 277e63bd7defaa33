/* Leiden: the known optimum, connected communities, graphs without edges, determinism. */
#include "discover/discover_internal.h"
#include "test.h"

#include "base/rng.h"

/* Zachary's karate club (1977), members numbered from 1. */
static const int32_t karate[78][2] = {
    {1, 2},   {1, 3},   {1, 4},   {1, 5},   {1, 6},   {1, 7},   {1, 8},   {1, 9},   {1, 11},  {1, 12},
    {1, 13},  {1, 14},  {1, 18},  {1, 20},  {1, 22},  {1, 32},  {2, 3},   {2, 4},   {2, 8},   {2, 14},
    {2, 18},  {2, 20},  {2, 22},  {2, 31},  {3, 4},   {3, 8},   {3, 9},   {3, 10},  {3, 14},  {3, 28},
    {3, 29},  {3, 33},  {4, 8},   {4, 13},  {4, 14},  {5, 7},   {5, 11},  {6, 7},   {6, 11},  {6, 17},
    {7, 17},  {9, 31},  {9, 33},  {9, 34},  {10, 34}, {14, 34}, {15, 33}, {15, 34}, {16, 33}, {16, 34},
    {19, 33}, {19, 34}, {20, 34}, {21, 33}, {21, 34}, {23, 33}, {23, 34}, {24, 26}, {24, 28}, {24, 30},
    {24, 33}, {24, 34}, {25, 26}, {25, 28}, {25, 32}, {26, 32}, {27, 30}, {27, 34}, {28, 34}, {29, 32},
    {29, 34}, {30, 33}, {30, 34}, {31, 33}, {31, 34}, {32, 33}, {32, 34}, {33, 34}};

/* Edges of weight 1; closed by fr_graph_close. */
static fr_graph graph_of(int64_t nodes, int64_t E, const int32_t *edges, int32_t base)
{
    fr_graph graph = {.nodes = nodes, .E = E, .edges = FR_NEW(int32_t, 2 * E), .weight = FR_NEW(float, E)};
    for (int64_t x = 0; x < 2 * E; x++)
        graph.edges[x] = edges[x] - base;
    for (int64_t e = 0; e < E; e++)
        graph.weight[e] = 1;
    return graph;
}

static void karate_club_at_its_optimum(void **state)
{
    (void)state;
    fr_graph graph = graph_of(34, 78, karate[0], 1);
    int32_t membership[34], again[34];
    int64_t communities;
    double best = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        assert_ok(fr_leiden(membership, &communities, &graph, FR_MODULARITY, 1, 10, seed));
        double modularity = fr_modularity(&graph, membership);
        assert_true(modularity > 0.41);
        best = modularity > best ? modularity : best;
        /* The same whatever was drawn in between. */
        assert_ok(fr_leiden(again, &communities, &graph, FR_MODULARITY, 0.5, 10, seed + 100));
        assert_ok(fr_leiden(again, &communities, &graph, FR_MODULARITY, 1, 10, seed));
        assert_memory_equal(again, membership, sizeof membership);
    }
    assert_close(best, 0.41978961, 1e-8); /* the known maximum */
    assert_int_equal(membership[0], 0);   /* numbered by first appearance */

    /* Weights count, not only edges: all halved is the same; resolution 0 merges everything, a high one nothing. */
    for (int e = 0; e < 78; e++)
        graph.weight[e] = 0.5f;
    assert_ok(fr_leiden(again, &communities, &graph, FR_MODULARITY, 1, 10, 5));
    assert_memory_equal(again, membership, sizeof membership);
    assert_ok(fr_leiden(again, &communities, &graph, FR_MODULARITY, 1e-9, 10, 5));
    assert_int_equal(communities, 1);
    assert_ok(fr_leiden(again, &communities, &graph, FR_MODULARITY, 1e6, 10, 5));
    assert_int_equal(communities, 34);
    fr_graph_close(&graph);
}

/* Q by hand: two triangles and a bridge, m = 7, each 3 edges inside and strength 7: 2 (3/7 - 1/4). */
static void modularity_by_hand(void **state)
{
    (void)state;
    const int32_t edges[14] = {0, 1, 0, 2, 1, 2, 2, 3, 3, 4, 3, 5, 4, 5};
    fr_graph graph = graph_of(6, 7, edges, 0);
    int32_t membership[6];
    int64_t communities;
    for (int objective = FR_MODULARITY; objective <= FR_CPM; objective++) {
        assert_ok(fr_leiden(membership, &communities, &graph, objective, objective == FR_CPM ? 0.5 : 1, 10, 1));
        const int32_t want[6] = {0, 0, 0, 1, 1, 1};
        assert_int_equal(communities, 2);
        assert_memory_equal(membership, want, sizeof want);
        assert_close(fr_modularity(&graph, membership), 2 * (3.0 / 7 - 0.25), 1e-12);
    }
    /* CPM: an edge joins two nodes where its weight exceeds the resolution. */
    assert_ok(fr_leiden(membership, &communities, &graph, FR_CPM, 1.01, 10, 1));
    assert_int_equal(communities, 6);
    fr_graph_close(&graph);
}

static void graphs_without_edges(void **state)
{
    (void)state;
    const int32_t edges[4] = {0, 1, 1, 2};
    int32_t membership[5];
    int64_t communities = 7;
    fr_graph graph = graph_of(5, 2, edges, 0);
    graph.weight[0] = graph.weight[1] = 0;
    assert_ok(fr_leiden(membership, &communities, &graph, FR_MODULARITY, 1, 10, 1));
    assert_int_equal(communities, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(membership[i], -1);
    assert_true(isnan(fr_modularity(&graph, membership)));
    /* Isolated nodes beside others stay out. */
    graph.weight[1] = 1;
    assert_ok(fr_leiden(membership, &communities, &graph, FR_MODULARITY, 1, 10, 1));
    const int32_t want[5] = {-1, 0, 0, -1, -1};
    assert_int_equal(communities, 1);
    assert_memory_equal(membership, want, sizeof want);
    fr_graph_close(&graph);
    fr_graph none = {0};
    assert_ok(fr_leiden(membership, &communities, &none, FR_MODULARITY, 1, 10, 1));
    assert_int_equal(communities, 0);
}

/* Every community hangs together by its own edges of positive weight. */
static void assert_connected(const fr_graph *graph, const int32_t *membership, int64_t communities)
{
    int64_t n = graph->nodes;
    int32_t *piece = FR_NEW(int32_t, n);
    for (int64_t i = 0; i < n; i++)
        piece[i] = (int32_t)i;
    for (bool more = true; more;) { /* labels flow along edges until nothing changes */
        more = false;
        for (int64_t e = 0; e < graph->E; e++) {
            int32_t a = graph->edges[2 * e], b = graph->edges[2 * e + 1];
            if (membership[a] != membership[b] || !(graph->weight[e] > 0) || piece[a] == piece[b])
                continue;
            piece[a] = piece[b] = piece[a] < piece[b] ? piece[a] : piece[b];
            more = true;
        }
    }
    int64_t pieces = 0;
    for (int64_t i = 0; i < n; i++)
        pieces += membership[i] >= 0 && piece[i] == i;
    assert_int_equal(pieces, communities);
    free(piece);
}

static void communities_are_connected(void **state)
{
    (void)state;
    enum { NODES = 400 };
    int32_t edges[2 * 1200], membership[NODES];
    for (uint64_t seed = 0; seed < 12; seed++) {
        uint64_t stream = fr_stream("sparse", seed, 0);
        int64_t E = 300 + 80 * (int64_t)seed; /* from loose ends to dense */
        for (int64_t e = 0; e < E; e++) {
            int64_t a = fr_rng_below(1, stream, (uint64_t)(2 * e), NODES - 1);
            edges[2 * e] = (int32_t)a;
            edges[2 * e + 1] = (int32_t)(a + 1 + fr_rng_below(1, stream, (uint64_t)(2 * e + 1), NODES - 1 - a));
        }
        fr_graph graph = graph_of(NODES, E, edges, 0);
        for (int64_t e = 0; e < E; e++)
            graph.weight[e] = (float)fr_rng_uniform(2, stream, (uint64_t)e);
        for (int i = 0; i < 4; i++) {
            const double resolution[] = {0.2, 1, 5, 0.01};
            int64_t communities;
            assert_ok(fr_leiden(membership, &communities, &graph, i == 3 ? FR_CPM : FR_MODULARITY, resolution[i],
                                i == 1 ? 1 : 10, seed));
            assert_connected(&graph, membership, communities);
        }
        fr_graph_close(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(karate_club_at_its_optimum),
        cmocka_unit_test(modularity_by_hand),
        cmocka_unit_test(graphs_without_edges),
        cmocka_unit_test(communities_are_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

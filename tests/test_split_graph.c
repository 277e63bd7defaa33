/* The graph over several ranks: shards of 1, 2, 3 and 4 of them are the graph that one process builds in memory, bit
 * for bit; and what is read of them is checked. Without mpirun, one rank only. */
#include "discover/discover_internal.h"
#include "discover/graph_shards.h"
#include "discover/half_edges.h"
#include "test.h"

#include "base/files.h"
#include "base/rng.h"
#include "data/build.h"
#include "data/ranges.h"
#include "device/device.h"
#include "finerouter/log.h"
#include "io/h5.h"

#include <unistd.h>

enum { D = 40 };
static const char *const key = "0123456789abcdef0123456789abcdef";
static fr_device *device;
static const char *folder;
static char *data_path, *shards_path;

static int start(void **state)
{
    (void)state;
    fr_log_level(0);
    folder = test_folder();
    data_path = fr_path_join(folder, "data.h5");
    shards_path = fr_path_join(folder, "out/graph");
    return fr_device_open(&device, FR_DEVICE_CPU, 1);
}

static int end(void **state)
{
    (void)state;
    free(data_path);
    free(shards_path);
    fr_device_close(device);
    return 0;
}

/* One data set with its embeddings, on disk and here. */
typedef struct given {
    fr_config config;
    fr_dataset data;
    float *embedding, *training; /* (N, D), (n, D) */
    int16_t *top, *bottom;       /* (n, M) */
    int64_t n;
    fr_graph want;
} given;

static void given_close(given *g)
{
    fr_graph_close(&g->want);
    fr_dataset_close(&g->data);
    fr_config_close(&g->config);
    free(g->embedding);
    free(g->training);
    free(g->top);
    free(g->bottom);
}

static void set(given *g, const char *assignment)
{
    assert_ok(fr_config_set(&g->config, assignment));
}

/* Unit rows around a few centres; every seventh is the same as the one before, with `same` all are. */
static float *embed(int64_t N, bool same)
{
    float *x = FR_NEW(float, N *D);
    for (int64_t i = 0; i < N; i++) {
        uint64_t of = same ? 0 : (uint64_t)(i % 7 == 6 ? i - 1 : i);
        double squares = 0;
        for (int64_t j = 0; j < D; j++) {
            float centre = (float)fr_rng_normal(1, fr_stream("centre", of % 9, 0), (uint64_t)j),
                  own = (float)fr_rng_normal(1, fr_stream("row", of, 0), (uint64_t)j);
            x[i * D + j] = centre + 0.7f * own;
            squares += (double)x[i * D + j] * (double)x[i * D + j];
        }
        for (int64_t j = 0; j < D; j++)
            x[i * D + j] /= (float)sqrt(squares);
    }
    return x;
}

/* N synthetic prompts of which `training` are for training, spread over the file. */
static void make(given *g, int64_t N, int64_t M, int64_t training, const char *quality, bool same)
{
    *g = (given){0};
    fr_config_defaults(&g->config);
    char text[64];
    snprintf(text, sizeof text, "synth.prompts=%d", (int)N);
    set(g, text);
    snprintf(text, sizeof text, "synth.models=%d", (int)M);
    set(g, text);
    snprintf(text, sizeof text, "synth.quality=%s", quality);
    set(g, text);
    assert_ok(fr_synth(&g->data, &g->config));
    g->n = training;
    for (int64_t i = 0; i < N; i++) /* row i is one where i * training / N steps on */
        g->data.split[i] = (i + 1) * training / N > i * training / N ? FR_SPLIT_TRAIN : FR_SPLIT_TEST;
    g->embedding = embed(N, same);
}

/* Writes the data file; works out the graph in memory. */
static void settle(given *g)
{
    int64_t M = g->data.M, at = 0;
    fr_dataset_seal(&g->data);
    assert_ok(fr_dataset_write(&g->data, data_path));
    fr_h5 *file;
    assert_ok(fr_h5_extend(&file, data_path, FR_DATA_FORMAT, FR_DATA_VERSION));
    char *name = fr_format("/embeddings/%s/description", key);
    assert_ok(fr_h5_write(file, name, FR_H5_F32, 2, (const int64_t[]){g->data.N, D}, g->embedding));
    free(name);
    assert_ok(fr_h5_commit(file));
    int16_t *top = FR_NEW(int16_t, g->data.N * M), *bottom = FR_NEW(int16_t, g->data.N * M);
    fr_preference_ranks(top, bottom, &g->data, &g->config);
    g->training = FR_NEW(float, g->n *D);
    g->top = FR_NEW(int16_t, g->n * M);
    g->bottom = FR_NEW(int16_t, g->n * M);
    for (int64_t i = 0; i < g->data.N; i++) {
        if (g->data.split[i] != FR_SPLIT_TRAIN)
            continue;
        memcpy(g->training + at * D, g->embedding + i * D, D * sizeof(float));
        memcpy(g->top + at * M, top + i * M, (size_t)M * sizeof *top);
        memcpy(g->bottom + at++ * M, bottom + i * M, (size_t)M * sizeof *bottom);
    }
    assert_int_equal(at, g->n);
    free(top);
    free(bottom);
    assert_ok(fr_graph_build(&g->want, g->training, g->top, g->bottom, g->n, D, M, &g->config, device, NULL));
}

static bool has_mpirun(void)
{
    return system("command -v mpirun >/dev/null 2>&1") == 0;
}

/* Runs `finerouter graph`; returns its exit code. What it says is in <folder>/said. */
static int run(const given *g, int ranks, const char *more)
{
    char *config = fr_path_join(folder, "graph.yaml");
    fr_buffer yaml = {0};
    fr_buffer_addf(&yaml, "threads: 1\ndata: {file: %s}\ndiscover: {k: %d, ties: %s, rbo_ties: %s, tau: %g}\n",
                   data_path, (int)g->config.discover.k,
                   (const char *const[]){"tied", "cost", "mean-quality"}[g->config.discover.ties],
                   g->config.discover.rbo_ties == FR_RBO_A ? "a" : "b", g->config.discover.tau);
    assert_ok(fr_file_write(config, yaml.data, yaml.bytes));
    fr_buffer_close(&yaml);
    /* MPI leaks. */
    char *launch = ranks == 1
                       ? fr_strdup("")
                       : fr_format("ASAN_OPTIONS=detect_leaks=0:exitcode=99 mpirun --oversubscribe -n %d ", ranks);
    char *command = fr_format("cd %s && OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
                              "OMPI_MCA_btl_vader_single_copy_mechanism=none OMP_NUM_THREADS=1 %s%s graph graph.yaml "
                              "--out out --quiet %s >said 2>&1",
                              folder, launch, FR_BINARY, more);
    int code = system(command);
    free(command);
    free(launch);
    free(config);
    return code;
}

static char *said(void)
{
    char *path = fr_path_join(folder, "said"), *text;
    assert_ok(fr_file_read(&text, NULL, path, 0));
    free(path);
    return text;
}

static void same_floats(const char *what, const float *got, const float *want, int64_t E, int ranks)
{
    for (int64_t e = 0; e < E; e++)
        if (memcmp(got + e, want + e, sizeof *got) != 0)
            fail_msg("%s of edge %d on %d ranks is %.9g, want %.9g", what, (int)e, ranks, (double)got[e],
                     (double)want[e]);
}

static void compare(given *g, int ranks)
{
    if (ranks > 1 && !has_mpirun())
        return;
    if (run(g, ranks, "") != 0) {
        char *text = said();
        fail_msg("%d ranks: %s", ranks, text);
    }
    fr_graph got;
    g->config.discover.graph = shards_path;
    assert_ok(fr_graph_shards_read(&got, &g->data, g->training, g->n, D, &g->config));
    g->config.discover.graph = "";
    assert_int_equal(got.nodes, g->n);
    assert_int_equal(got.E, g->want.E);
    for (int64_t x = 0; x < 2 * got.E; x++)
        if (got.edges[x] != g->want.edges[x])
            fail_msg("edge %d on %d ranks has end %d, want %d", (int)(x / 2), ranks, got.edges[x], g->want.edges[x]);
    same_floats("cosine", got.cosine, g->want.cosine, got.E, ranks);
    same_floats("RBO", got.rbo, g->want.rbo, got.E, ranks);
    same_floats("weight", got.weight, g->want.weight, got.E, ranks);
    fr_graph_close(&got);
}

/* The weights that the ranks have written are those of the whole, too. */
static void compare_written(const given *g, int ranks)
{
    int64_t at = 0;
    for (int r = 0; r < ranks; r++) {
        char *path = fr_format("%s/graph-%02d-of-%02d.h5", shards_path, r, ranks);
        fr_h5 *file;
        int64_t E;
        float *weight;
        assert_ok(fr_h5_open(&file, path, "finerouter-graph", 1));
        assert_ok(fr_h5_read_new(file, "/weight", FR_H5_F32, 1, &E, (void **)&weight));
        same_floats("written weight", weight, g->want.weight + at, E, ranks);
        at += E;
        free(weight);
        fr_h5_close(file);
        free(path);
    }
    assert_int_equal(at, g->want.E);
}

static void two_grades_on_any_ranks(void **state)
{
    (void)state;
    given g;
    make(&g, 3000, 6, 2500, "binary", false);
    set(&g, "discover.tau=0.3");
    settle(&g);
    for (int ranks = 1; ranks <= 4; ranks++)
        compare(&g, ranks);
    if (has_mpirun())
        compare_written(&g, 4);
    given_close(&g);
}

static void graded_lists(void **state)
{
    (void)state;
    given g;
    make(&g, 1500, 9, 1100, "graded", false);
    for (int64_t x = 0; x < g.data.N * g.data.M; x++)
        g.data.quality[x] = roundf(4 * g.data.quality[x]);
    set(&g, "discover.rbo_ties=a");
    settle(&g);
    compare(&g, 3);
    given_close(&g);
}

static void lists_without_ties(void **state)
{
    (void)state;
    given g;
    make(&g, 1000, 7, 900, "binary", false);
    for (int64_t x = 0; x < g.data.N * g.data.M; x++)
        g.data.quality[x] = isnan(g.data.quality[x]) ? 0 : g.data.quality[x];
    for (int64_t i = 0; i < g.data.N;
         i++) /* mean costs over all ranks break ties: the first half alone says otherwise */
        for (int64_t m = 0; m < g.data.M; m++)
            g.data.cost[i * g.data.M + m] = (float)(i < g.data.N / 2 ? m + 1 : 10 * (g.data.M - m));
    set(&g, "discover.ties=cost");
    settle(&g);
    compare(&g, 2);
    given_close(&g);
}

/* More distinct lists than vectors are kept for, though no rank has so many. */
static void too_many_lists_for_vectors(void **state)
{
    (void)state;
    given g;
    make(&g, 2300, 400, 1800, "graded", false);
    for (int64_t x = 0; x < g.data.N * g.data.M; x++) /* complete: others are never kept as vectors */
        g.data.quality[x] = isnan(g.data.quality[x]) ? 0.5f : g.data.quality[x];
    set(&g, "discover.k=2");
    settle(&g);
    compare(&g, 4);
    given_close(&g);
}

static void few_rows(void **state)
{
    (void)state;
    given g;
    make(&g, 60, 5, 3, "binary", false); /* fewer than ranks */
    settle(&g);
    compare(&g, 4);
    given_close(&g);
    make(&g, 60, 5, 1, "binary", false);
    settle(&g);
    assert_int_equal(g.want.E, 0);
    compare(&g, 2);
    given_close(&g);
    make(&g, 700, 5, 600, "binary", false); /* fewer than a rank searches alone */
    settle(&g);
    compare(&g, 3);
    given_close(&g);
}

static void all_rows_the_same(void **state)
{
    (void)state;
    given g;
    make(&g, 1000, 4, 900, "binary", true);
    settle(&g);
    compare(&g, 3);
    given_close(&g);
}

/* ---- what is wrong is said ---- */

static void expect(const given *g, const char *more, const char *part)
{
    assert_int_not_equal(run(g, 1, more), 0);
    char *text = said();
    if (!strstr(text, part))
        fail_msg("it says \"%s\", want it to contain \"%s\"", text, part);
    free(text);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    given g;
    make(&g, 200, 4, 150, "binary", false);
    settle(&g);
    expect(&g, "--embeddings 77", "none of its 1 embeddings has a key that begins with 77");
    expect(&g, "--set discover.text=prompt", "/prompt: is missing");
    expect(&g, "--set data.file=", "data.file is not set, want a data file with embeddings");
    compare(&g, 1);

    fr_graph got;
    g.config.discover.graph = shards_path;
    g.config.discover.k = 7;
    assert_fails(fr_graph_shards_read(&got, &g.data, g.training, g.n, D, &g.config), FR_FAILED,
                 "index.h5: made with discover.k: 20, want discover.k: 7");
    g.config.discover.k = 20;
    g.training[5] += 1;
    assert_fails(fr_graph_shards_read(&got, &g.data, g.training, g.n, D, &g.config), FR_FAILED,
                 "graph-00-of-01.h5: made from other embeddings");
    g.training[5] -= 1;
    g.data.hash[0] ^= 1;
    assert_fails(fr_graph_shards_read(&got, &g.data, g.training, g.n, D, &g.config), FR_FAILED,
                 "index.h5: made from other data");
    g.data.hash[0] ^= 1;
    char *shard = fr_path_join(shards_path, "graph-00-of-01.h5");
    assert_int_equal(unlink(shard), 0);
    assert_fails(fr_graph_shards_read(&got, &g.data, g.training, g.n, D, &g.config), FR_FAILED,
                 "graph-00-of-01.h5: cannot open");
    free(shard);
    g.config.discover.graph = "";

    assert_ok(fr_dataset_write(&g.data, data_path)); /* without embeddings */
    expect(&g, "", "holds no embeddings; run `finerouter embed` with encoder.store: true first");
    given_close(&g);
}

/* Nodes 5 and 6 of a rank; where both directions are there, and differ, the smaller end's cosine counts, whichever came
 * first. */
static void half_edges_become_edges(void **state)
{
    (void)state;
    fr_half_edge half[] = {{9, true, .1f},  {7, false, .2f}, {9, false, .3f},
                           {8, false, .4f}, {8, true, .5f},  {7, true, .6f}};
    const int64_t start[] = {0, 3, 6};
    static const int32_t edges[] = {5, 7, 5, 9, 6, 7, 6, 8};
    static const float cosine[] = {.2f, .3f, .6f, .4f};
    fr_graph graph = {.nodes = 10};
    fr_half_edges_join(&graph, half, start, 5, 2);
    assert_int_equal(graph.E, 4);
    assert_memory_equal(graph.edges, edges, sizeof edges);
    assert_memory_equal(graph.cosine, cosine, sizeof cosine);
    fr_graph_close(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_edges_become_edges),
        cmocka_unit_test(two_grades_on_any_ranks),
        cmocka_unit_test(graded_lists),
        cmocka_unit_test(lists_without_ties),
        cmocka_unit_test(too_many_lists_for_vectors),
        cmocka_unit_test(few_rows),
        cmocka_unit_test(all_rows_the_same),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, start, end);
}

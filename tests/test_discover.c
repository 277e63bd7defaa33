/* Task discovery: each step against values worked out by hand, the whole on planted tasks and on degenerate data. */
#include "discover/discover_internal.h"
#include "finerouter/log.h"
#include "test.h"

#include "base/files.h"
#include "base/rng.h"
#include "device/device.h"
#include "io/h5.h"

static fr_device *device;
static fr_config config;

static int start(void **state)
{
    (void)state;
    fr_log_level(0);
    fr_config_defaults(&config);
    config.discover.min_task_size = 2;
    return fr_device_open(&device, FR_DEVICE_CPU, 2);
}

static int end(void **state)
{
    (void)state;
    fr_device_close(device);
    fr_config_close(&config);
    return 0;
}

/* A data set in which every prompt is a training prompt with text "prompt <i>" and nothing is observed. */
static fr_dataset blank(int64_t N, int64_t M)
{
    fr_dataset data = {.N = N, .M = M, .sources = 1};
    fr_strings *pool = fr_calloc(1, sizeof *pool);
    data.owned = pool;
    data.text = FR_NEW(const char *, N);
    data.description = FR_NEW(const char *, N);
    data.id = FR_NEW(const char *, N);
    data.model = FR_NEW(const char *, M);
    data.source_name = FR_NEW(const char *, 2);
    data.source = FR_NEW(int32_t, N);
    data.split = FR_NEW(int8_t, N);
    data.quality = FR_NEW(float, N *M);
    data.cost = FR_NEW(float, N *M);
    char text[32];
    for (int64_t i = 0; i < N; i++) {
        int bytes = snprintf(text, sizeof text, "prompt %d", (int)i);
        data.id[i] = data.text[i] = fr_strings_add(pool, text, (size_t)bytes);
        data.description[i] = "";
    }
    for (int64_t m = 0; m < M; m++) {
        int bytes = snprintf(text, sizeof text, "model|%d", (int)m);
        data.model[m] = fr_strings_add(pool, text, (size_t)bytes);
    }
    data.source_name[0] = "bench-a";
    data.source_name[1] = "bench-b";
    for (int64_t x = 0; x < N * M; x++)
        data.quality[x] = data.cost[x] = NAN;
    return data;
}

static void discard(fr_dataset *data)
{
    fr_strings_close(data->owned);
    void *owned[] = {data->owned,       data->text,   data->description, data->id,      data->model,
                     data->source_name, data->source, data->split,       data->quality, data->cost};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
}

static void assert_ranks(const fr_dataset *data, const int16_t *want_top, const int16_t *want_bottom)
{
    int64_t cells = data->N * data->M;
    int16_t *top = FR_NEW(int16_t, cells), *bottom = FR_NEW(int16_t, cells);
    fr_preference_ranks(top, bottom, data, &config);
    for (int64_t x = 0; x < cells; x++)
        if (top[x] != want_top[x] || bottom[x] != want_bottom[x])
            fail_msg("prompt %d, model %d: ranks %d..%d, want %d..%d", (int)(x / data->M), (int)(x % data->M), top[x],
                     bottom[x], want_top[x], want_bottom[x]);
    free(bottom);
    free(top);
}

static void preference_lists(void **state)
{
    (void)state;
    fr_dataset data = blank(3, 4);
    const float quality[12] = {1, 0, 1, 0, 0.5f, NAN, 0.25f, 0.5f, 0, 0, 0, 0};
    const float cost[12] = {5, 1, 3, NAN, 7, 1, NAN, NAN, 0, 9, 0, 0};
    memcpy(data.quality, quality, sizeof quality);
    memcpy(data.cost, cost, sizeof cost);
    data.split[2] = FR_SPLIT_TEST; /* its costs and scores break no ties */
    config.discover.ties = FR_TIES_TIED;
    assert_ranks(&data, (int16_t[]){1, 3, 1, 3, 1, 0, 3, 1, 1, 1, 1, 1},
                 (int16_t[]){2, 4, 2, 4, 2, 0, 3, 2, 4, 4, 4, 4});
    /* Mean costs 6, 1, 3, unknown. */
    config.discover.ties = FR_TIES_COST;
    const int16_t cheap[12] = {2, 3, 1, 4, 1, 0, 3, 2, 3, 1, 2, 4};
    assert_ranks(&data, cheap, cheap);
    /* Mean qualities .75, 0, .625, .25. */
    config.discover.ties = FR_TIES_MEAN_QUALITY;
    const int16_t good[12] = {1, 4, 2, 3, 1, 0, 3, 2, 1, 4, 2, 3};
    assert_ranks(&data, good, good);
    config.discover.ties = FR_TIES_TIED;
    discard(&data);
}

static void fusion_by_hand(void **state)
{
    (void)state;
    /* Three prompts, four models: 0 > (1, 2) > 3;  (2, 0) > 1, 3 missing;  1 > 2 > 0 > 3. */
    const int16_t top[12] = {1, 2, 2, 4, 1, 3, 1, 0, 3, 1, 2, 4}, bottom[12] = {1, 3, 3, 4, 2, 3, 2, 0, 3, 1, 2, 4};
    const int64_t rows[3] = {0, 1, 2};
    double mrr[4];
    fr_fuse(mrr, top, bottom, rows, 3, 4, 60);
    assert_close(mrr[0], 1 / 61.0 + 1 / 61.5 + 1 / 63.0, 1e-15);
    assert_close(mrr[1], 1 / 62.5 + 1 / 63.0 + 1 / 61.0, 1e-15);
    assert_close(mrr[2], 1 / 62.5 + 1 / 61.5 + 1 / 62.0, 1e-15);
    assert_close(mrr[3], 3 * (1 / 64.0), 1e-15); /* two rows rank it; the third says nothing */
    fr_fuse(mrr, top, bottom, rows + 1, 1, 4, 0);
    assert_close(mrr[0], 1 / 1.5, 1e-15);
    assert_true(mrr[3] == 0);
    int16_t list_top[4], list_bottom[4];
    fr_rank_scores(list_top, list_bottom, mrr, NULL, 4, true);
    assert_memory_equal(list_top, ((int16_t[]){1, 3, 1, 0}), sizeof list_top);
    assert_memory_equal(list_bottom, ((int16_t[]){2, 3, 2, 0}), sizeof list_bottom);

    /* The same ranks in another order of the prompts are the same sum, to the bit. */
    int16_t cyclic[9] = {1, 2, 3, 2, 3, 1, 3, 1, 2};
    fr_fuse(mrr, cyclic, cyclic, rows, 3, 3, 60);
    assert_true(mrr[0] == mrr[1] && mrr[1] == mrr[2]);
}

static void medians_and_centres(void **state)
{
    (void)state;
    float odd[5] = {5, 1, 4, 2, 3}, even[4] = {4, 1, 3, 2}, one[1] = {7}, ties[6] = {1, 0, 1, 0, 1, 0};
    assert_close(fr_median(odd, 5), 3, 0);
    assert_close(fr_median(even, 4), 2.5, 0);
    assert_close(fr_median(one, 1), 7, 0);
    assert_close(fr_median(ties, 6), 0.5, 0);
    assert_true(isnan(fr_median(odd, 0)));
    for (int64_t n = 1; n < 60; n++) { /* against sorting */
        float value[60], sorted[60];
        for (int64_t i = 0; i < n; i++)
            sorted[i] = value[i] = (float)fr_rng_below(3, (uint64_t)n, (uint64_t)i, n);
        for (int64_t i = 1; i < n; i++)
            for (int64_t j = i; j > 0 && sorted[j - 1] > sorted[j]; j--) {
                float t = sorted[j];
                sorted[j] = sorted[j - 1];
                sorted[j - 1] = t;
            }
        assert_close(fr_median(value, n), 0.5 * (double)(sorted[(n - 1) / 2] + sorted[n / 2]), 0);
    }
    const float embedding[8] = {3, 1, 4, 0, 100, 2, -9, -9};
    const int64_t rows[3] = {0, 1, 2};
    float centre[2];
    fr_centre(centre, embedding, rows, 3, 2); /* (4, 1) */
    assert_close(centre[0], 4 / sqrt(17), 1e-6);
    assert_close(centre[1], 1 / sqrt(17), 1e-6);
    const float opposite[4] = {1, 0, -1, 0}; /* median and mean vanish */
    fr_centre(centre, opposite, rows, 2, 2);
    assert_close(centre[0], 1, 0);
}

static void agreement_by_hand(void **state)
{
    (void)state;
    double ari, nmi;
    /* S_ab = 1, S_a = 2, S_b = 1, S = 6; H_a = ln 2, H_b = H_ab = 1.5 ln 2. Rows with a negative label do not count. */
    const int32_t a[6] = {0, 0, 1, 1, -1, 3}, b[6] = {5, 5, 9, 7, 2, -1};
    fr_partition_agreement(&ari, &nmi, a, b, 6);
    assert_close(ari, (1 - 2.0 / 6) / (1.5 - 2.0 / 6), 1e-12);
    assert_close(nmi, 0.8, 1e-12);
    /* As good as chance and below: S_ab = 0, S_a = S_b = 2, expected 4/6; nothing shared. */
    const int32_t c[4] = {0, 0, 1, 1}, d[4] = {0, 1, 0, 1};
    fr_partition_agreement(&ari, &nmi, c, d, 4);
    assert_close(ari, (0 - 4.0 / 6) / (2 - 4.0 / 6), 1e-12);
    assert_close(nmi, 0, 1e-12);
    const int32_t renamed[4] = {4, 4, 0, 0}, single[4] = {0, 0, 0, 0};
    fr_partition_agreement(&ari, &nmi, c, renamed, 4);
    assert_close(ari, 1, 0);
    assert_close(nmi, 1, 0);
    fr_partition_agreement(&ari, &nmi, single, single, 4);
    assert_close(ari, 1, 0);
    assert_close(nmi, 1, 0);
    fr_partition_agreement(&ari, &nmi, single, c, 4);
    assert_close(ari, 0, 1e-12);
    assert_close(nmi, 0, 1e-12);
    fr_partition_agreement(&ari, &nmi, a, b, 1);
    assert_true(isnan(ari) && isnan(nmi));
    fr_partition_agreement(NULL, &nmi, a, b, 4);
    fr_partition_agreement(&ari, NULL, a, b, 4);
}

/* One task of five prompts, the fused order given. Best models: {0}, {0, 1}, {1}, {2}, {2}. */
static void candidates_by_hand(void **state)
{
    (void)state;
    fr_dataset data = blank(6, 3);
    const float quality[18] = {1, 0, 0, 1, 1, 0, 0, 1, NAN, 0, 0, 1, 0.2f, 0.4f, 0.5f, 0, 1, 0};
    memcpy(data.quality, quality, sizeof quality);
    int32_t membership[6] = {0, 0, 0, 0, 0, -1}, order[3] = {0, 2, 1};
    uint8_t candidates[3];
    float coverage;
    fr_tasks tasks = {.N = 6,
                      .M = 3,
                      .T = 1,
                      .rounds = 1,
                      .membership = membership,
                      .fused_order = order,
                      .candidates = candidates,
                      .coverage = &coverage};
    const struct {
        double wanted, reached;
        uint8_t set[3];
    } cases[] = {{0, 0.4, {1, 0, 0}},    {0.39, 0.4, {1, 0, 0}}, {0.4, 0.8, {1, 0, 1}},
                 {0.75, 0.8, {1, 0, 1}}, {0.8, 1, {1, 1, 1}},    {1, 1, {1, 1, 1}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fr_tasks_candidates(&tasks, &data, cases[i].wanted);
        assert_memory_equal(candidates, cases[i].set, 3);
        assert_close(coverage, cases[i].reached, 1e-6);
    }
    discard(&data);
}

static void stage1_by_hand(void **state)
{
    (void)state;
    fr_dataset data = blank(8, 3);
    const float quality[24] = {1, 0, NAN, 0, 0,    NAN, 1, 1, NAN, 1, NAN, NAN,
                               0, 1, NAN, 1, 0.5f, NAN, 9, 9, 9,   1, 0,   NAN};
    memcpy(data.quality, quality, sizeof quality);
    data.split[6] = FR_SPLIT_DEV; /* not read */
    const int32_t assignment[8] = {0, 0, 0, 0, 1, -1, 0, -1};
    /* Training means: 5/7, 2.5/6, and for the model that training never saw the mean of all scores, 7.5/13. */
    double g0 = 5.0 / 7, g1 = 2.5 / 6, g2 = 7.5 / 13;
    float s[9];
    fr_tasks_stage1(s, &data, assignment, 2, FR_MEAN, 0);
    const double mean[9] = {0.75, 1.0 / 3, g2, 0, 1, g2, 1, 0.25, g2};
    for (int x = 0; x < 9; x++)
        assert_close(s[x], mean[x], 1e-6);
    fr_tasks_stage1(s, &data, assignment, 2, FR_MEDIAN, 0);
    const double median[9] = {1, 0, g2, 0, 1, g2, 1, 0.25, g2};
    for (int x = 0; x < 9; x++)
        assert_close(s[x], median[x], 1e-6);
    fr_tasks_stage1(s, &data, assignment, 2, FR_MEAN, 2);
    const double shrunk[9] = {(3 + 2 * g0) / 6, (1 + 2 * g1) / 5,   g2, 2 * g0 / 3, (1 + 2 * g1) / 3, g2,
                              (2 + 2 * g0) / 4, (0.5 + 2 * g1) / 4, g2};
    for (int x = 0; x < 9; x++)
        assert_close(s[x], shrunk[x], 1e-6);
    fr_tasks_stage1(s, &data, assignment, 2, FR_MEDIAN, 2);
    assert_close(s[0], 4.0 / 6 * 1 + 2.0 / 6 * g0, 1e-6);
    /* No tasks: everything is Others. */
    const int32_t others[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    fr_tasks_stage1(s, &data, others, 0, FR_MEAN, 0);
    assert_close(s[0], g0, 1e-6);
    assert_close(s[1], g1, 1e-6);
    /* A task without prompts has the training means. */
    fr_tasks_stage1(s, &data, others, 1, FR_MEDIAN, 0);
    assert_close(s[0], g0, 1e-6);
    discard(&data);
}

/* Four unit vectors in the plane at 0, 10, 30 and 90 degrees, k = 1: edges 0-1, 1-2, 2-3. */
static void graph_by_hand(void **state)
{
    (void)state;
    const double degree = 3.14159265358979324 / 180, angle[4] = {0, 10 * degree, 30 * degree, 90 * degree};
    float embedding[8];
    for (int i = 0; i < 4; i++) {
        embedding[2 * i] = (float)cos(angle[i]);
        embedding[2 * i + 1] = (float)sin(angle[i]);
    }
    /* RBO at p = .9: identical 1, then swapped .9, then identical 1. */
    const int16_t list[8] = {1, 2, 1, 2, 2, 1, 2, 1};
    config.discover.k = 1;
    config.discover.tau = 0;
    fr_graph graph;
    assert_ok(fr_graph_build(&graph, embedding, list, list, 4, 2, 2, &config, device, NULL));
    assert_int_equal(graph.nodes, 4);
    assert_int_equal(graph.E, 3);
    const int32_t edges[6] = {0, 1, 1, 2, 2, 3};
    assert_memory_equal(graph.edges, edges, sizeof edges);
    const double cosine[3] = {cos(10 * degree), cos(20 * degree), cos(60 * degree)}, rbo[3] = {1, 0.9, 1};
    for (int e = 0; e < 3; e++) {
        assert_close(graph.cosine[e], cosine[e], 1e-6);
        assert_close(graph.rbo[e], rbo[e], 1e-6);
    }
    assert_close(graph.weight[0], 1, 1e-6);
    assert_close(graph.weight[1], 0, 1e-6); /* smallest RBO */
    assert_close(graph.weight[2], 0, 1e-6); /* smallest cosine */
    fr_graph_close(&graph);

    /* The filter comes first: without the middle edge RBO has no range and counts 1. tau = .9 itself keeps it. */
    config.discover.tau = 0.95;
    config.discover.k = 2; /* adds 0-2 and 1-3, both .9 */
    assert_ok(fr_graph_build(&graph, embedding, list, list, 4, 2, 2, &config, device, NULL));
    assert_int_equal(graph.E, 5);
    for (int e = 0; e < 5; e++)
        assert_true(graph.weight[e] == (e == 0 ? 1 : 0)); /* 2-3 is the least similar edge that remains */
    fr_graph_close(&graph);
    config.discover.tau = 0.9;
    config.discover.weight = FR_WEIGHT_COSINE;
    assert_ok(fr_graph_build(&graph, embedding, list, list, 4, 2, 2, &config, device, NULL));
    double least = cos(80 * degree), most = cos(10 * degree); /* 1-3 and 0-1 */
    const double angles[5] = {10, 30, 20, 80, 60};
    for (int e = 0; e < 5; e++)
        assert_close(graph.weight[e], (cos(angles[e] * degree) - least) / (most - least), 1e-5);
    fr_graph_close(&graph);
    config.discover.weight = FR_WEIGHT_RBO;
    assert_ok(fr_graph_build(&graph, embedding, list, list, 4, 2, 2, &config, device, NULL));
    const double rbo_weight[5] = {1, 0, 0, 0, 1};
    for (int e = 0; e < 5; e++)
        assert_close(graph.weight[e], rbo_weight[e], 1e-6);
    fr_graph_close(&graph);
    config.discover.weight = FR_WEIGHT_BOTH;
    config.discover.tau = 0;
    config.discover.k = 20;
}

enum { D = 24, TASKS = 6, MODELS = 5 };

/* N prompts around TASKS directions; model (task mod MODELS) is best there. Every 10th prompt is dev, some test. */
static fr_dataset planted(float **embedding, int32_t **truth, int64_t N)
{
    fr_dataset data = blank(N, MODELS);
    *embedding = FR_NEW(float, N *D);
    *truth = FR_NEW(int32_t, N);
    data.sources = 2;
    for (int64_t i = 0; i < N; i++) {
        int32_t t = (*truth)[i] = (int32_t)(i * i + i / 7) % TASKS;
        double squares = 0;
        for (int64_t j = 0; j < D; j++) {
            float x =
                (float)(fr_rng_normal(5, 1, (uint64_t)(t * D + j)) + 0.5 * fr_rng_normal(5, 2, (uint64_t)(i * D + j)));
            (*embedding)[i * D + j] = x;
            squares += (double)x * (double)x;
        }
        for (int64_t j = 0; j < D; j++)
            (*embedding)[i * D + j] *= (float)(1 / sqrt(squares));
        for (int64_t m = 0; m < MODELS; m++)
            data.quality[i * MODELS + m] =
                fr_rng_uniform(5, 3, (uint64_t)(i * MODELS + m)) < (m == t % MODELS ? 0.9 : 0.3);
        data.source[i] = t % 2;
        data.split[i] = i % 10 == 3 ? FR_SPLIT_DEV : i % 10 == 7 ? FR_SPLIT_TEST : FR_SPLIT_TRAIN;
    }
    return data;
}

static void assert_consistent(const fr_tasks *tasks, const fr_dataset *data, const float *embedding)
{
    const int32_t *label = tasks->membership + (tasks->rounds - 1) * tasks->N;
    int64_t *size = FR_NEW(int64_t, tasks->T);
    for (int64_t i = 0; i < tasks->N; i++) {
        assert_true(label[i] >= -1 && label[i] < tasks->T);
        if (data->split[i] == FR_SPLIT_TRAIN)
            assert_int_equal(tasks->vote[i], label[i]);
        else
            assert_int_equal(label[i], -1);
        if (label[i] >= 0)
            size[label[i]]++;
    }
    for (int64_t t = 0; t < tasks->T; t++) {
        assert_int_equal(tasks->size[t], size[t]);
        assert_true(size[t] >= config.discover.min_task_size);
        assert_true(t == 0 || size[t - 1] >= size[t]);
        assert_int_equal(tasks->name_row[t], tasks->nearest[3 * t]);
        assert_string_equal(tasks->name[t], data->text[tasks->name_row[t]]);
        double last = 2, squares = 0;
        for (int r = 0; r < 3 && tasks->nearest[3 * t + r] >= 0; r++) {
            double cosine = 0;
            for (int64_t j = 0; j < tasks->d; j++)
                cosine += (double)tasks->centre[t * tasks->d + j] *
                          (double)embedding[tasks->nearest[3 * t + r] * tasks->d + j];
            assert_true(cosine <= last + 1e-6);
            last = cosine;
            assert_int_equal(label[tasks->nearest[3 * t + r]], t);
        }
        for (int64_t j = 0; j < tasks->d; j++)
            squares += pow((double)tasks->centre[t * tasks->d + j], 2);
        assert_close(squares, 1, 1e-5);
    }
    free(size);
}

static void planted_tasks_are_found(void **state)
{
    (void)state;
    float *embedding;
    int32_t *truth;
    fr_dataset data = planted(&embedding, &truth, 900);
    fr_discovery *discovery;
    fr_tasks tasks, again, other;
    config.discover.rounds = 1;
    config.discover.min_task_size = 10;
    assert_ok(fr_discovery_create(&discovery, &data, embedding, D, &config, device));
    assert_ok(fr_discovery_partition(discovery, 1, &tasks));
    assert_int_equal(tasks.T, TASKS);
    assert_int_equal(tasks.rounds, 1);
    double ari, nmi;
    fr_partition_agreement(&ari, &nmi, tasks.membership, truth, data.N);
    assert_true(ari > 0.99);
    assert_true(nmi > 0.98);
    fr_partition_agreement(&ari, &nmi, tasks.vote, truth, data.N); /* dev and test too */
    assert_true(ari > 0.99);
    assert_consistent(&tasks, &data, embedding);
    assert_true(tasks.modularity > 0.6);
    assert_close(tasks.resolution, 1, 0);
    for (int64_t t = 0; t < TASKS; t++) {
        int32_t task = truth[tasks.name_row[t]];
        assert_int_equal(tasks.fused_order[t * MODELS], task % MODELS);
        assert_true(tasks.mean[t * MODELS + task % MODELS] > 0.75);
        assert_close(tasks.median[t * MODELS + task % MODELS], 1, 0);
        assert_true(tasks.cohesion_inside[t] > 0.3);
    }
    /* Deterministic, whatever was partitioned in between; a finer resolution gives at least as many tasks. */
    assert_ok(fr_discovery_partition(discovery, 6, &other));
    assert_true(other.T > TASKS);
    assert_consistent(&other, &data, embedding);
    assert_ok(fr_discovery_partition(discovery, 1, &again));
    assert_memory_equal(again.membership, tasks.membership, (size_t)data.N * sizeof *tasks.membership);
    assert_memory_equal(again.centre, tasks.centre, (size_t)(TASKS * D) * sizeof *tasks.centre);
    fr_tasks_close(&other);
    fr_tasks_close(&again);
    fr_tasks_close(&tasks);

    /* Nothing is large enough: no tasks, all Others. */
    config.discover.min_task_size = 1000;
    assert_ok(fr_discovery_partition(discovery, 1, &tasks));
    assert_int_equal(tasks.T, 0);
    for (int64_t i = 0; i < data.N; i++)
        assert_true(tasks.membership[i] == -1 && tasks.vote[i] == -1);
    fr_tasks_candidates(&tasks, &data, 0.9);
    fr_tasks_close(&tasks);
    fr_discovery_close(discovery);
    config.discover.min_task_size = 2;
    discard(&data);
    free(truth);
    free(embedding);
}

static void rounds_merge_communities(void **state)
{
    (void)state;
    float *embedding;
    int32_t *truth;
    fr_dataset data = planted(&embedding, &truth, 600);
    fr_discovery *discovery;
    fr_tasks tasks;
    config.discover.rounds = 20;
    assert_ok(fr_discovery_create(&discovery, &data, embedding, D, &config, device));
    assert_ok(fr_discovery_partition(discovery, 3, &tasks));
    assert_true(tasks.rounds >= 2 && tasks.rounds < 20);
    assert_consistent(&tasks, &data, embedding);
    for (int64_t r = 0; r < tasks.rounds; r++) {
        int32_t most = -1;
        for (int64_t i = 0; i < data.N; i++)
            most = tasks.membership[r * data.N + i] > most ? tasks.membership[r * data.N + i] : most;
        const fr_graph *graph = &tasks.graph[r];
        if (r + 1 < tasks.rounds)
            assert_int_equal(tasks.graph[r + 1].nodes, most + 1);
        for (int64_t e = 0; e < graph->E; e++) {
            assert_true(graph->edges[2 * e] < graph->edges[2 * e + 1]);
            if (r == 0)
                assert_int_equal(data.split[graph->edges[2 * e]], FR_SPLIT_TRAIN);
            else
                assert_true(graph->edges[2 * e + 1] < graph->nodes);
        }
        /* Prompts once together stay together. */
        for (int64_t i = 1; i < data.N && r > 0 && r + 1 < tasks.rounds; i++)
            for (int64_t j = 0; j < i; j++)
                if (tasks.membership[(r - 1) * data.N + i] >= 0 &&
                    tasks.membership[(r - 1) * data.N + i] == tasks.membership[(r - 1) * data.N + j])
                    assert_int_equal(tasks.membership[r * data.N + i], tasks.membership[r * data.N + j]);
    }
    fr_tasks_close(&tasks);
    fr_discovery_close(discovery);
    config.discover.rounds = 1;
    discard(&data);
    free(truth);
    free(embedding);
}

/* 0 to 5 training prompts, all with one embedding, some without scores of one model, beside one dev and one test
 * prompt. */
static void degenerate_data(void **state)
{
    (void)state;
    for (int64_t n = 0; n <= 5; n++) {
        for (int same = 0; same < 2; same++) {
            fr_dataset data = blank(n + 2, 3);
            float embedding[7 * 2] = {0};
            for (int64_t i = 0; i < n + 2; i++) {
                embedding[2 * i + (same ? 0 : i % 2)] = 1;
                data.quality[3 * i] = (float)(i % 2);
                data.quality[3 * i + 1] = 0.5f; /* model 2 is never observed */
            }
            data.split[n] = FR_SPLIT_DEV;
            data.split[n + 1] = FR_SPLIT_TEST;
            fr_discovery *discovery;
            fr_tasks tasks;
            config.discover.rounds = 3;
            assert_ok(fr_discovery_create(&discovery, &data, embedding, 2, &config, device));
            assert_ok(fr_discovery_partition(discovery, 1, &tasks));
            assert_consistent(&tasks, &data, embedding);
            if (n < 2)
                assert_int_equal(tasks.T, 0);
            fr_tasks_candidates(&tasks, &data, 1);
            fr_tasks_stage1(tasks.stage1, &data, tasks.vote, tasks.T, FR_MEDIAN, 1);
            for (int64_t x = 0; x < (tasks.T + 1) * 3; x++)
                assert_true(isfinite(tasks.stage1[x]));
            for (int64_t t = 0; t < tasks.T; t++) {
                assert_true(isnan(tasks.mean[3 * t + 2]) && isnan(tasks.median[3 * t + 2]));
                assert_int_equal(tasks.fused_order[3 * t + 2], 2); /* what nobody ranks comes last */
                char *card = fr_task_card(&tasks, &data, t);
                assert_non_null(strstr(card, "| - | - |"));
                free(card);
            }
            fr_tasks_close(&tasks);
            fr_discovery_close(discovery);
            discard(&data);
        }
    }
    config.discover.rounds = 1;
}

static void file_round_trip(void **state)
{
    (void)state;
    float *embedding;
    int32_t *truth;
    fr_dataset data = planted(&embedding, &truth, 300);
    fr_discovery *discovery;
    fr_tasks a, b;
    config.discover.rounds = 2;
    assert_ok(fr_discovery_create(&discovery, &data, embedding, D, &config, device));
    assert_ok(fr_discovery_partition(discovery, 4, &a));
    fr_tasks_candidates(&a, &data, 0.9);
    fr_tasks_stage1(a.stage1, &data, a.vote, a.T, FR_MEAN, 20);
    char *path = fr_path_join(test_folder(), "tasks.h5");
    assert_null(a.name_embedding);
    assert_ok(fr_tasks_write(&a, path));
    assert_ok(fr_tasks_read(&b, path));
    assert_null(b.name_embedding);
    fr_tasks_close(&b);
    a.name_embedding = fr_alloc((size_t)(a.T * a.d) * sizeof(float));
    for (int64_t x = 0; x < a.T * a.d; x++)
        a.name_embedding[x] = (float)x;
    assert_ok(fr_tasks_write(&a, path));
    assert_ok(fr_tasks_read(&b, path));
    assert_int_equal(a.T, b.T);
    assert_int_equal(a.rounds, b.rounds);
    assert_close(a.modularity, b.modularity, 0);
#define SAME(member, count) assert_memory_equal(a.member, b.member, (size_t)(count) * sizeof *a.member)
    SAME(membership, a.rounds * a.N);
    SAME(vote, a.N);
    SAME(size, a.T);
    SAME(centre, a.T * a.d);
    SAME(nearest, 3 * a.T);
    SAME(name_row, a.T);
    SAME(name_embedding, a.T * a.d);
    SAME(fused_order, a.T * a.M);
    SAME(candidates, a.T * a.M);
    SAME(coverage, a.T);
    SAME(cohesion_inside, a.T);
    SAME(cohesion_outside, a.T);
    SAME(mean, a.T * a.M);
    SAME(median, a.T * a.M);
    SAME(stage1, (a.T + 1) * a.M);
    for (int64_t t = 0; t < a.T; t++)
        assert_string_equal(a.name[t], b.name[t]);
    for (int64_t r = 0; r < a.rounds; r++) {
        assert_int_equal(a.graph[r].nodes, b.graph[r].nodes);
        SAME(graph[r].edges, 2 * a.graph[r].E);
        SAME(graph[r].cosine, a.graph[r].E);
        SAME(graph[r].rbo, a.graph[r].E);
        SAME(graph[r].weight, a.graph[r].E);
    }
    fr_tasks_close(&b);

    /* Values that contradict each other are refused. */
    a.fused_order[0] = a.fused_order[1];
    assert_ok(fr_tasks_write(&a, path));
    assert_fails(fr_tasks_read(&b, path), FR_FAILED, "/tasks/fused_order: task 0 lacks model");
    a.fused_order[0] = (int32_t)a.M;
    assert_ok(fr_tasks_write(&a, path));
    assert_fails(fr_tasks_read(&b, path), FR_FAILED, "/tasks/fused_order: value 0 is 5, want 0 to 4");
    a.graph[0].edges[1] = (int32_t)a.N;
    assert_ok(fr_tasks_write(&a, path));
    assert_fails(fr_tasks_read(&b, path), FR_FAILED, "/graph/1/edges: value 1 is 300, want 0 to 299");
    a.graph[0].edges[1] = 2;
    a.size[0]++;
    a.fused_order[0] = 0;
    assert_ok(fr_tasks_write(&a, path));
    assert_fails(fr_tasks_read(&b, path), FR_FAILED, "/tasks/size");
    /* A file of another shape, and none at all. */
    fr_h5 *file;
    assert_ok(fr_h5_create(&file, path, "finerouter-tasks", 1));
    assert_ok(fr_h5_commit(file));
    assert_fails(fr_tasks_read(&b, path), FR_FAILED, path);
    assert_fails(fr_tasks_read(&b, "/nowhere/tasks.h5"), FR_FAILED, "/nowhere/tasks.h5");
    free(path);
    fr_tasks_close(&a);
    fr_discovery_close(discovery);
    config.discover.rounds = 1;
    discard(&data);
    free(truth);
    free(embedding);
}

static void card_for_people(void **state)
{
    (void)state;
    float *embedding;
    int32_t *truth;
    fr_dataset data = planted(&embedding, &truth, 300);
    fr_discovery *discovery;
    fr_tasks tasks;
    for (int64_t i = 0; i < data.N; i++)
        data.description[i] = " Asks\n\tfor \xC3\xA4 proof ";
    assert_ok(fr_discovery_create(&discovery, &data, embedding, D, &config, device));
    assert_ok(fr_discovery_partition(discovery, 1, &tasks));
    fr_tasks_candidates(&tasks, &data, 0.9);
    fr_tasks_stage1(tasks.stage1, &data, tasks.vote, tasks.T, FR_MEAN, 20);
    assert_string_equal(tasks.name[0], "Asks for \xC3\xA4 proof");
    char *card = fr_task_card(&tasks, &data, 0);
    const char *const parts[] = {"# Task 0: Asks for \xC3\xA4 proof\n", "training prompts", "   > prompt ", "| bench-",
                                 "of 5 models are candidates",          "| 1 | model\\|",   "| yes | "};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(card, parts[i]))
            fail_msg("the card lacks \"%s\":\n%s", parts[i], card);
    free(card);
    fr_tasks_close(&tasks);
    fr_discovery_close(discovery);
    fr_buffer line = {0};
    fr_add_line(&line, "abc\xC3\xA4\xC3\xA4 d", 4); /* never inside a character */
    assert_string_equal(line.data, "abc\xC3\xA4\xE2\x80\xA6");
    fr_buffer_close(&line);
    discard(&data);
    free(truth);
    free(embedding);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preference_lists),
        cmocka_unit_test(fusion_by_hand),
        cmocka_unit_test(medians_and_centres),
        cmocka_unit_test(agreement_by_hand),
        cmocka_unit_test(candidates_by_hand),
        cmocka_unit_test(stage1_by_hand),
        cmocka_unit_test(graph_by_hand),
        cmocka_unit_test(planted_tasks_are_found),
        cmocka_unit_test(rounds_merge_communities),
        cmocka_unit_test(degenerate_data),
        cmocka_unit_test(file_round_trip),
        cmocka_unit_test(card_for_people),
    };
    return cmocka_run_group_tests(tests, start, end);
}

/* Variants of the method: what each changes, that its products differ from the run's own just there, and tasks that are
 * no communities. */
#include "cli/variants.h"
#include "test.h"

#include "base/memory.h"
#include "finerouter/log.h"

static fr_config config;
static fr_run run;
static fr_dataset data;
static fr_texts texts;
static fr_products own;

static void stages(fr_products *products, const fr_config *with)
{
    *products = (fr_products){.config = with};
    assert_ok(fr_stage_discover(&run, &data, &texts, products));
    assert_ok(fr_stage_train(&run, &data, &texts, products));
    fr_stage_score(&run, &data, products);
}

static int start(void **state)
{
    (void)state;
    static char folder[64];
    fr_log_level(0);
    fr_config_defaults(&config);
    assert_ok(fr_config_read_text(&config,
                                  "threads: 2\n"
                                  "device: cpu\n"
                                  "synth: {prompts: 600, models: 4, tasks: 6, sources: 3, missing: 0.1}\n"
                                  "encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64,"
                                  " vocabulary: 1000, max_tokens: 32}\n"
                                  "discover: {resolution: 2, tau: 0.8}\n"
                                  "classifier: {epochs: 2}\n"
                                  "qe: {epochs: 2, task_epochs: 3, early_stop: mse}\n",
                                  "test"));
    snprintf(folder, sizeof folder, "%s", test_folder());
    fr_device *device;
    assert_ok(fr_device_open(&device, FR_DEVICE_CPU, 2));
    run = (fr_run){.config = &config, .out = folder, .cache = folder, .variant = "", .device = device};
    assert_ok(fr_stage_data(&run, &data));
    assert_ok(fr_stage_embed(&run, &data, &texts));
    stages(&own, &config);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fr_products_close(&own);
    fr_texts_close(&texts);
    fr_dataset_close(&data);
    fr_device_close(run.device);
    fr_run_close(&run);
    fr_config_close(&config);
    return 0;
}

/* The products of a variant; close both. */
static void products_of(fr_products *products, fr_config *changed, const char *name)
{
    const fr_variant *variant = fr_variant_find(name);
    assert_non_null(variant);
    fr_config_copy(changed, &config);
    variant->change(changed, &own);
    stages(products, changed);
}

static const int32_t *tasks_of(const fr_products *products)
{
    return products->tasks.membership + (products->tasks.rounds - 1) * data.N;
}

/* A variant's scores are those of its products, made under its name, and cost nothing a second time. */
static void assert_scores(const char *name, const fr_products *products)
{
    double seconds = NAN;
    fr_scores scores = {0};
    assert_ok(fr_variant_scores(&scores, &seconds, fr_variant_find(name), &run, &data, &texts, &own));
    assert_string_equal(scores.name, name);
    assert_memory_equal(scores.score, products->score, (size_t)(data.N * data.M) * sizeof(float));
    assert_memory_equal(scores.tie, products->s2, (size_t)(data.N * data.M) * sizeof(float));
    assert_true(seconds == 0);
    assert_string_equal(run.variant, "");
    fr_scores_close(&scores);
}

static void without_task_heads(void **state)
{
    (void)state;
    fr_products products;
    fr_config changed;
    products_of(&products, &changed, "no_task_heads");
    assert_memory_equal(tasks_of(&products), tasks_of(&own), (size_t)data.N * sizeof(int32_t));
    assert_memory_equal(products.general, own.general, (size_t)(data.N * data.M) * sizeof(float));
    double most = 0, differs = 0;
    for (int64_t x = 0; x < data.N * data.M; x++) {
        most = fmax(most, fabs((double)products.s2[x] - own.general[x]));
        differs = fmax(differs, fabs((double)own.s2[x] - own.general[x]));
    }
    assert_close(most, 0, 1e-6);
    assert_true(differs > 1e-4);
    assert_memory_equal(products.s1, own.s1, (size_t)(data.N * data.M) * sizeof(float));
    assert_scores("no_task_heads", &products);
    fr_products_close(&products);
    fr_config_close(&changed);
}

/* Tasks are the sources of at least min_task_size training prompts, largest first. */
static void tasks_by_source(void **state)
{
    (void)state;
    fr_products products;
    fr_config changed;
    products_of(&products, &changed, "source_tasks");
    const fr_tasks *tasks = &products.tasks;
    assert_int_equal(tasks->T, data.sources);
    int32_t *source = FR_NEW(int32_t, tasks->T);
    int64_t *size = FR_NEW(int64_t, tasks->T);
    for (int64_t i = 0; i < data.N; i++) {
        int32_t t = tasks_of(&products)[i];
        assert_int_equal(t >= 0, data.split[i] == FR_SPLIT_TRAIN);
        if (t < 0)
            continue;
        assert_true(size[t] == 0 || source[t] == data.source[i]);
        source[t] = data.source[i];
        size[t]++;
    }
    for (int64_t t = 0; t < tasks->T; t++) {
        assert_int_equal(tasks->size[t], size[t]);
        assert_true(t == 0 || size[t] <= size[t - 1]);
        assert_true(tasks->name[t][0] && tasks->nearest[3 * t] >= 0 && tasks->cohesion_inside[t] > 0);
    }
    int64_t voted = 0;
    for (int64_t i = 0; i < data.N; i++)
        voted += data.split[i] != FR_SPLIT_TRAIN && tasks->vote[i] >= 0;
    assert_true(voted > 0);
    assert_true(isnan(tasks->resolution) && tasks->modularity > 0);
    free(source);
    free(size);
    assert_scores("source_tasks", &products);
    fr_products_close(&products);
    fr_config_close(&changed);
}

/* As many as the run's own, each prompt at the nearest mean. */
static void tasks_by_kmeans(void **state)
{
    (void)state;
    fr_products products;
    fr_config changed;
    products_of(&products, &changed, "kmeans_tasks");
    assert_int_equal(changed.discover.clusters, own.tasks.T);
    const int32_t *task = tasks_of(&products);
    int64_t k = own.tasks.T, d = texts.d, wrong = 0, small = 0;
    int32_t *label = FR_NEW(int32_t, data.N);
    assert_ok(fr_kmeans_labels(label, &data, texts.description, d, &changed));
    int64_t *size = FR_NEW(int64_t, k);
    double *mean = FR_NEW(double, k *d);
    for (int64_t i = 0; i < data.N; i++)
        for (int64_t j = 0; label[i] >= 0 && j < d; j++) {
            mean[label[i] * d + j] += texts.description[i * d + j];
            size[label[i]] += j == 0;
        }
    for (int64_t i = 0; i < data.N; i++) {
        assert_int_equal(label[i] >= 0, data.split[i] == FR_SPLIT_TRAIN);
        double own_distance = 0, least = INFINITY;
        for (int64_t c = 0; label[i] >= 0 && c < k; c++) {
            double distance = 0;
            for (int64_t j = 0; j < d; j++)
                distance += pow(texts.description[i * d + j] - mean[c * d + j] / (double)size[c], 2);
            least = fmin(least, distance);
            own_distance = c == label[i] ? distance : own_distance;
        }
        wrong += label[i] >= 0 && own_distance > least + 1e-6;
        small += label[i] >= 0 && size[label[i]] < config.discover.min_task_size;
        for (int64_t j = 0; j < i && label[i] >= 0; j++)
            if (label[j] >= 0 && task[i] >= 0 && task[j] >= 0)
                assert_int_equal(label[i] == label[j], task[i] == task[j]);
        assert_true(label[i] < 0 || (task[i] >= 0) == (size[label[i]] >= config.discover.min_task_size));
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(small > 0, products.tasks.T < k);
    free(label);
    free(size);
    free(mean);
    assert_scores("kmeans_tasks", &products);
    fr_products_close(&products);
    fr_config_close(&changed);
}

/* weight = cosine (or RBO) to 0..1 over the edges that stay; tau drops edges of the run's own graph and of rbo_graph,
 * none of semantic_graph. */
static void graphs_of_one_kind(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        const char *name = kind ? "rbo_graph" : "semantic_graph";
        fr_products products;
        fr_config changed;
        products_of(&products, &changed, name);
        const fr_graph *graph = &products.tasks.graph[0];
        assert_int_equal(graph->E, own.tasks.graph[0].E);
        float low = INFINITY, high = -INFINITY;
        int64_t kept = 0;
        for (int64_t e = 0; e < graph->E; e++) {
            bool in = kind == 0 || graph->rbo[e] >= (float)config.discover.tau - 1e-6f;
            float value = kind ? graph->rbo[e] : graph->cosine[e];
            low = in && value < low ? value : low;
            high = in && value > high ? value : high;
            kept += in;
        }
        assert_true(kind == 0 ? kept == graph->E : kept < graph->E);
        for (int64_t e = 0; e < graph->E; e++) {
            bool in = kind == 0 || graph->rbo[e] >= (float)config.discover.tau - 1e-6f;
            assert_close(graph->weight[e], in ? ((kind ? graph->rbo[e] : graph->cosine[e]) - low) / (high - low) : 0,
                         1e-6);
        }
        assert_true(memcmp(tasks_of(&products), tasks_of(&own), (size_t)data.N * sizeof(int32_t)) != 0);
        assert_scores(name, &products);
        fr_products_close(&products);
        fr_config_close(&changed);
    }
}

/* The table: every variant by its name, its stages under a name of their own. */
static void table(void **state)
{
    (void)state;
    static const char *const order[] = {"no_task_heads",  "source_tasks", "kmeans_tasks",
                                        "semantic_graph", "rbo_graph",    "full_paper"};
    assert_int_equal(fr_variant_count(), sizeof order / sizeof *order);
    for (int64_t v = 0; v < fr_variant_count(); v++) {
        assert_string_equal(fr_variant_at(v)->name, order[v]);
        assert_ptr_equal(fr_variant_find(order[v]), fr_variant_at(v));
        for (int64_t w = 0; w < v; w++)
            assert_string_not_equal(fr_variant_at(v)->stage, fr_variant_at(w)->stage);
    }
    assert_null(fr_variant_find("full"));
}

/* Own stages come before those of a variant; seconds of equal names add up, and spent ones are found by variant. */
static void times_of_stages(void **state)
{
    (void)state;
    fr_run mine = fr_run_fork(&run);
    assert_int_equal(mine.stages, 0);
    for (int v = 0; v < 40; v++) {
        char name[32];
        snprintf(name, sizeof name, "stage %d", v);
        fr_run_seconds(&mine, name, v);
        fr_run_seconds(&mine, name, 1);
    }
    mine.variant = "paper ";
    fr_run_seconds(&mine, "stage 7", 100);
    assert_int_equal(mine.stages, 41);
    assert_string_equal(mine.stage[40].name, "paper stage 7");
    const char *const some[] = {"stage 7", "stage 9", "nothing", NULL};
    assert_close(fr_run_spent(&mine, some), 100, 0);
    mine.variant = "";
    assert_close(fr_run_spent(&mine, some), 8 + 10, 0);
    fr_run_close(&mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_task_heads), cmocka_unit_test(tasks_by_source), cmocka_unit_test(tasks_by_kmeans),
        cmocka_unit_test(graphs_of_one_kind), cmocka_unit_test(table),           cmocka_unit_test(times_of_stages),
    };
    return cmocka_run_group_tests(tests, start, end);
}

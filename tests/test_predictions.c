/* Result files: metrics.json, predictions.jsonl, cards.json and the table, with names made to break them. */
#include "base/files.h"
#include "base/memory.h"
#include "eval/internal.h"
#include "eval/json.h"
#include "eval_data.h"
#include "test.h"

static const char *hostile_model[] = {"a \"quoted\" \\ name", "b\nwith\tcontrols\x01", "c\xC3\xA9 \xFF broken"};
static const char *hostile_id[] = {"t0", "t1", "t2", "t3", "d\"4", "d5", "e6", "e7", "e8", "e9"};

/* Two tasks: prompts 0 and 1; 2. Prompt 3 is Others. */
static int32_t membership[] = {5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 1, -1, -1, -1, -1, -1, -1, -1};
static int32_t assignment[] = {0, 0, 1, -1, 0, -1, 1, 1, -1, 0};
static char *task_name[] = {"<b>first</b>", "say \"second\""};
static int64_t task_size[] = {2, 1}, nearest[] = {0, 1, -1, 2, -1, -1};
static int32_t fused[] = {1, 0, 2, 2, 1, 0};
static uint8_t candidates[] = {1, 1, 0, 0, 0, 1};
static float coverage[] = {1, .5f}, inside[] = {.75f, NAN}, outside[] = {.25f, NAN};
static float mean[] = {1, .5f, 0, 0, 1, NAN};

static fr_tasks small_tasks(void)
{
    return (fr_tasks){.N = 10,
                      .M = 3,
                      .T = 2,
                      .rounds = 2,
                      .resolution = .5,
                      .modularity = .25,
                      .membership = membership,
                      .name = task_name,
                      .size = task_size,
                      .nearest = nearest,
                      .fused_order = fused,
                      .candidates = candidates,
                      .coverage = coverage,
                      .cohesion_inside = inside,
                      .cohesion_outside = outside,
                      .mean = mean,
                      .median = mean};
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return json;
}

/* A number inside nested objects; NaN for null. */
static double at(json_t *json, const char *a, const char *b, const char *c)
{
    json = json_object_get(json, a);
    json = b ? json_object_get(json, b) : json;
    json = c ? json_object_get(json, c) : json;
    if (!json || !(json_is_number(json) || json_is_null(json)))
        fail_msg("%s/%s/%s is no number", a, b ? b : "", c ? c : "");
    return json_is_null(json) ? NAN : json_number_value(json);
}

static void predictions(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_tasks tasks = small_tasks();
    data.model = hostile_model;
    data.id = hostile_id;
    float score[30], s2[30], probability[10];
    for (int i = 0; i < 30; i++)
        score[i] = (float)(i % 3) / 3, s2[i] = NAN;
    for (int i = 0; i < 10; i++)
        probability[i] = .125f;
    score[27] = score[28] = score[29] = .5f; /* tie: a and b cost the same, c more */
    probability[5] = NAN;
    char *path = fr_path_join(test_folder(), "predictions.jsonl");
    assert_ok(fr_predictions_write(path, &data, &tasks, assignment, probability, NULL, s2, score));

    char *text;
    size_t bytes;
    assert_ok(fr_file_read(&text, &bytes, path, 0));
    int lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        json_error_t error;
        json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        if (!json)
            fail_msg("line %d: %s: %s", lines + 1, error.text, line);
        assert_int_equal(json_array_size(json_object_get(json, "ranking")), 3);
        assert_true(json_is_null(json_object_get(json, "s1")));
        assert_true(json_is_null(json_object_get(json_object_get(json, "s2"), hostile_model[0])));
        assert_close(at(json, "score", hostile_model[1], NULL), lines == 5 ? .5 : .333333, 0);
        if (lines == 0) {
            assert_string_equal(json_string_value(json_object_get(json, "id")), "d\"4");
            assert_string_equal(json_string_value(json_object_get(json, "split")), "dev");
            assert_close(at(json, "task", NULL, NULL), 0, 0);
            assert_string_equal(json_string_value(json_object_get(json, "task_name")), "<b>first</b>");
            assert_close(at(json, "task_probability", NULL, NULL), .125, 0);
            const char *first = json_string_value(json_array_get(json_object_get(json, "ranking"), 0));
            assert_string_equal(first, "c\xC3\xA9 \xEF\xBF\xBD broken");
        } else if (lines == 1) {
            assert_true(json_is_null(json_object_get(json, "task")));
            assert_true(json_is_null(json_object_get(json, "task_probability")));
        } else if (lines == 5) {
            assert_string_equal(json_string_value(json_array_get(json_object_get(json, "ranking"), 0)),
                                hostile_model[0]);
            assert_string_equal(json_string_value(json_object_get(json, "split")), "test");
        }
        json_decref(json);
    }
    assert_int_equal(lines, 6); /* dev and test */
    free(text);
    assert_fails(fr_predictions_write("/nowhere/p.jsonl", &data, NULL, NULL, NULL, NULL, NULL, score), FR_FAILED,
                 "/nowhere");
    free(path);
}

static double tolerances[] = {0, 1};

/* best_single, oracle and random of the small data as results. */
static void evaluate(fr_result results[3], const fr_dataset *data, const fr_config *config)
{
    static const char *const name[] = {"best_single", "oracle", "random"};
    for (int r = 0; r < 3; r++) {
        fr_scores scores = {0};
        assert_ok(fr_baseline_find(name[r])->score(&scores, &(fr_eval_input){.config = config, .data = data}));
        fr_evaluate(&results[r], &scores, data, config, FR_SPLIT_TEST);
        fr_scores_close(&scores);
    }
}

static void metrics(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_tasks tasks = small_tasks();
    data.model = hostile_model;
    fr_config config = {0};
    config.top.seed = 4;
    config.eval.tolerances = (fr_reals){2, tolerances};
    fr_run_facts facts = {.tasks = &tasks,
                          .assignment = assignment,
                          .theta = .5,
                          .alpha = NAN,
                          .stages = 2,
                          .stage_name = (const char *const[]){"embed", "discover"},
                          .stage_seconds = (const double[]){1.5, 0},
                          .truncated = 3,
                          .encoder = "mini",
                          .device = "cpu",
                          .config_hash = "ff",
                          .classifier_accuracy = NAN,
                          .seeds = 1};
    fr_result results[3];
    evaluate(results, &data, &config);
    fr_bootstrap(results, 3, 1, &data, 100, 1);
    char *path = fr_path_join(test_folder(), "metrics.json");
    assert_ok(fr_metrics_write(path, results, 3, &data, &facts, &config));

    json_t *json = load(path);
    assert_close(at(json, "schema", NULL, NULL), 2, 0);
    assert_close(at(json, "seed", NULL, NULL), 4, 0);
    assert_close(at(json, "theta", NULL, NULL), .5, 0);
    assert_true(isnan(at(json, "alpha", NULL, NULL)));
    assert_string_equal(json_string_value(json_object_get(json, "version")), FR_VERSION);
    assert_string_equal(json_string_value(json_object_get(json, "encoder")), "mini");
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "data"), "hash")), data.hash);
    assert_close(at(json, "data", "models", NULL), 3, 0);
    assert_close(at(json, "data", "prompts", "train"), 4, 0);
    assert_close(at(json, "data", "prompts", "dev"), 2, 0);
    assert_close(at(json, "data", "prompts", "test"), 4, 0);
    assert_close(at(json, "tasks", "count", NULL), 2, 0);
    assert_close(at(json, "tasks", "others_train", NULL), .25, 1e-9); /* prompt 3 of 0 to 3 */
    assert_close(at(json, "tasks", "others_test", NULL), .25, 1e-9);  /* prompt 8 of 6 to 9 */
    assert_close(at(json, "tasks", "mean_candidates", NULL), 1.5, 1e-9);
    assert_close(at(json, "tasks", "ari", NULL), 1, 1e-9); /* prompts 0, 1 | 2 both ways */
    assert_close(at(json, "tasks", "nmi", NULL), 1, 1e-9);
    assert_close(at(json, "seconds", "embed", NULL), 1.5, 0);
    assert_close(at(json, "seconds", "discover", NULL), 0, 0);
    assert_close(at(json, "reference", "best_single_quality", NULL), 1 / 3.0, 1e-8);
    assert_close(at(json, "reference", "oracle_quality", NULL), .875, 1e-8);
    assert_close(at(json, "single_models", hostile_model[0], "quality"), .375, 1e-8);
    assert_close(at(json, "single_models", hostile_model[0], "cost"), .01, 1e-8);
    json_t *routers = json_object_get(json, "routers"), *oracle = json_object_get(routers, "oracle");
    assert_int_equal(json_object_size(routers), 3);
    assert_close(at(oracle, "quality", NULL, NULL), .875, 1e-8);
    assert_close(at(oracle, "sources", "s1", NULL), .75, 1e-8);
    assert_close(at(oracle, "scored", NULL, NULL), 4, 0);
    assert_true(isnan(at(oracle, "vs_full", "p", NULL)));
    assert_true(isnan(at(oracle, "quality_std", NULL, NULL)));
    assert_int_equal(json_array_size(json_object_get(oracle, "curve")), 2);
    assert_close(at(routers, "best_single", "left_out", NULL), 1, 0);
    assert_close(at(routers, "best_single", "vs_full", "difference"), 2 / 3.0, 1e-8);
    /* Oracles do not compete. */
    assert_string_equal(json_string_value(json_object_get(json, "best_router")), "random");
    json_decref(json);

    /* No tasks, nothing planted; cross-validated. */
    facts.tasks = NULL, facts.assignment = NULL, facts.folds = 5, data.planted = NULL;
    assert_ok(fr_metrics_write(path, results, 3, &data, &facts, &config));
    json = load(path);
    assert_close(at(json, "tasks", "count", NULL), 0, 0);
    assert_true(isnan(at(json, "tasks", "ari", NULL)) && isnan(at(json, "tasks", "others_test", NULL)));
    assert_close(at(json, "data", "prompts", "test"), 10, 0);
    json_decref(json);
    for (int r = 0; r < 3; r++)
        fr_result_close(&results[r]);
    free(path);
}

/* Every line fits 100 columns, and the best router is marked. */
static void terminal_table(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = {0};
    config.eval.tolerances = (fr_reals){2, tolerances};
    fr_result results[3];
    evaluate(results, &data, &config);
    fr_bootstrap(results, 3, 1, &data, 10000, 1);
    snprintf(results[0].name, sizeof results[0].name, "%s", "a_very_long_name_of_a_router_that_is_cut");
    char *table = fr_metrics_table(results, 3, &data);
    assert_non_null(strstr(table, "> random            0.4375    0.4375    28.33  0.4375   25.0%  +0.4375 [+"));
    assert_non_null(strstr(table, "  a_very_long_name  0.3333    0.2500       20  0.6667    0.0%  +0.6667 [+"));
    assert_non_null(strstr(table, "  oracle            0.8750    0.8750     32.5  0.0000  100.0%  -\n"));
    assert_non_null(strstr(table, "not observed are left out: at most 1 of a router"));
    assert_non_null(strstr(table, "4 prompts x 3 models"));
    for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 100);
    free(table);
    for (int r = 0; r < 3; r++)
        fr_result_close(&results[r]);
}

static void cards(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_tasks tasks = small_tasks();
    data.model = hostile_model;
    char *longer = FR_NEW(char, 2000);
    for (int i = 0; i < 999; i++)
        memcpy(longer + 2 * i, "\xC3\xA9", 2);
    const char *text[10];
    memcpy(text, small_text, sizeof text);
    memmove(longer + 1, longer, 1998);
    longer[0] = 'x'; /* byte 600 is inside a character */
    text[2] = longer;
    data.text = text;
    char *path = fr_path_join(test_folder(), "cards.json");
    assert_ok(fr_cards_write(path, &tasks, &data));
    json_t *json = load(path), *list = json_object_get(json, "tasks"), *first = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "<b>first</b>");
    assert_close(at(first, "mix", "s0", NULL), 2, 0);
    assert_null(json_object_get(json_object_get(first, "mix"), "s1"));
    assert_int_equal(json_array_size(json_object_get(first, "examples")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "ranking"), 0)), hostile_model[1]);
    assert_int_equal(json_array_size(json_object_get(first, "candidates")), 2);
    assert_close(at(first, "cohesion_inside", NULL, NULL), .75, 0);
    assert_close(at(first, "mean", hostile_model[1], NULL), .5, 0);
    json_t *second = json_array_get(list, 1);
    assert_true(isnan(at(second, "mean", "c\xC3\xA9 \xEF\xBF\xBD broken", NULL)));
    assert_true(isnan(at(second, "cohesion_inside", NULL, NULL)));
    const char *cut =
        json_string_value(json_object_get(json_array_get(json_object_get(second, "examples"), 0), "text"));
    assert_int_equal(strlen(cut), 599 + 3);
    assert_string_equal(cut + 597, "\xC3\xA9\xE2\x80\xA6");
    json_decref(json);
    free(longer);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions),
        cmocka_unit_test(metrics),
        cmocka_unit_test(terminal_table),
        cmocka_unit_test(cards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

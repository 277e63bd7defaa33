/* Export of a run's predictions: values by hand, and RouterArena's layout read back. */
#include "finerouter/dataset.h"
#include "finerouter/eval.h"
#include "finerouter/log.h"
#include "test.h"

#include "base/files.h"
#include "base/memory.h"
#include "cli/args.h"

#include <unistd.h>

static int set_up(void **state)
{
    (void)state;
    fr_log_level(0);
    return chdir(test_folder());
}

enum { N = 12, M = 2 };

/* `finerouter export` with these words. */
static fr_status export(const char *const *words)
{
    char *argv[16];
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = (char *)words[argc];
    fr_args args;
    fr_status status = fr_args_parse(&args, fr_command_find("export"), argc, argv);
    if (status == FR_OK)
        status = fr_command_find("export")->run(&args);
    fr_args_close(&args);
    return status;
}
#define EXPORT(...) export((const char *[]){__VA_ARGS__, NULL})

static void put(const char *name, const char *text)
{
    assert_ok(fr_file_write(name, text, strlen(text)));
}

/* A run folder of 12 prompts, ids Set_0 .. Set_11: 3 of train, 1 of dev, 8 of test. Model "b, c" is right on odd
 * prompts, and the router scores the right one higher; stage 1 always prefers "a". */
static void make_run(double tolerance)
{
    fr_buffer table = {0};
    float s1[N * M], s2[N * M], score[N * M];
    for (int i = 0; i < N; i++) {
        fr_buffer_addf(
            &table,
            "{\"id\":\"Set_%d\",\"prompt\":\"say \\\"%d\\\"\",\"source\":\"x\",\"split\":\"%s\",\"quality\":{"
            "\"a\":%d,\"b, c\":%d},\"cost\":{\"a\":0.5,\"b, c\":0.25}}\n",
            i, i,
            i < 3    ? "train"
            : i == 3 ? "dev"
                     : "test",
            !(i % 2), i % 2);
        s1[i * M] = 1, s1[i * M + 1] = 0.5f;
        score[i * M + i % 2] = s2[i * M + i % 2] = 1;
        score[i * M + !(i % 2)] = s2[i * M + !(i % 2)] = 0.125f;
    }
    put("table.jsonl", table.data);
    fr_buffer_close(&table);
    fr_config config;
    fr_dataset data;
    fr_config_defaults(&config);
    char *set = fr_format("route.tolerance=%g", tolerance);
    assert_ok(fr_config_set(&config, set));
    assert_ok(fr_import(&data, "table.jsonl", NULL, &config));
    assert_ok(fr_make_folders("run"));
    assert_ok(fr_dataset_write(&data, "run/data.h5"));
    char *text = fr_config_text(&config);
    put("run/config.yaml", text);
    assert_ok(fr_predictions_write("run/predictions.jsonl", &data, NULL, NULL, NULL, s1, s2, score));
    free(text);
    free(set);
    fr_dataset_close(&data);
    fr_config_close(&config);
}

static void routerarena(void **state)
{
    (void)state;
    make_run(0);
    assert_ok(EXPORT("run", "--format", "routerarena", "--out", "out.json", "--quiet"));
    char *text;
    assert_ok(fr_file_read(&text, NULL, "out.json", 0));
    static const char first[] = "[\n  {\n    \"global index\": \"Set_4\",\n    \"prompt\": \"say \\\"4\\\"\",\n"
                                "    \"prediction\": \"a\",\n    \"generated_result\": null,\n    \"cost\": 0.5,\n"
                                "    \"accuracy\": 1\n  },\n";
    text[sizeof first - 1] = 0;
    assert_string_equal(text, first);
    free(text);

    fr_config config;
    fr_dataset data;
    fr_config_defaults(&config);
    assert_ok(fr_import(&data, "out.json", NULL, &config));
    assert_int_equal(data.N, 8);
    assert_int_equal(data.M, 2);
    for (int i = 0; i < 8; i++) { /* the chosen model's score and cost, and nothing of the other */
        assert_close(data.quality[i * M + i % 2], 1, 0);
        assert_close(data.cost[i * M + i % 2], i % 2 ? 0.25 : 0.5, 0);
        assert_true(isnan(data.quality[i * M + !(i % 2)]));
    }
    assert_string_equal(data.text[7], "say \"11\"");
    assert_string_equal(data.source_name[data.source[7]], "Set");
    fr_dataset_close(&data);
    fr_config_close(&config);
}

static void csv(void **state)
{
    (void)state;
    make_run(0);
    assert_ok(EXPORT("run", "--format", "csv", "--out", "out.csv", "--quiet"));
    char *text;
    assert_ok(fr_file_read(&text, NULL, "out.csv", 0));
    static const char begins[] = "prompt_id,source,split,model,s1,s2,score,quality,cost,chosen\n"
                                 "Set_3,x,dev,a,1,0.125,0.125,0,0.5,0\n"
                                 "Set_3,x,dev,\"b, c\",0.5,1,1,1,0.25,1\n"
                                 "Set_4,x,test,a,1,1,1,1,0.5,1\n";
    int64_t lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 1 + 9 * M);
    text[sizeof begins - 1] = 0;
    assert_string_equal(text, begins);
    free(text);
}

/* How often the second model is chosen. */
static int chosen(const char *router)
{
    assert_ok(EXPORT("run", "--format", "routerarena", "--out", "r.json", "--router", router, "--quiet"));
    char *text;
    int count = 0;
    assert_ok(fr_file_read(&text, NULL, "r.json", 0));
    for (const char *at = text; (at = strstr(at, "\"prediction\": \"b, c\"")); at++)
        count++;
    free(text);
    return count;
}

static void choice(void **state)
{
    (void)state;
    make_run(0);
    assert_int_equal(chosen("full"), 4);
    assert_int_equal(chosen("stage1"), 0);
    assert_int_equal(chosen("stage2"), 4);
    make_run(1); /* the cheapest, whatever the scores */
    assert_int_equal(chosen("full"), 8);
}

static void wrong(void **state)
{
    (void)state;
    make_run(0);
    assert_fails(EXPORT("run", "--format", "csv"), FR_USAGE, "export: want --out FILE");
    assert_fails(EXPORT("run", "--out", "x"), FR_USAGE, "export: --format is \"\", want routerarena or csv");
    assert_fails(EXPORT("run", "--out", "x", "--format", "csv", "--router", "knn"), FR_USAGE,
                 "export: --router is \"knn\", want full, stage1 or stage2");
    assert_fails(EXPORT("none", "--out", "x", "--format", "csv"), FR_FAILED, "none: no such run folder");
    assert_fails(EXPORT("run", "--out", "no/where/x", "--format", "csv"), FR_FAILED, "no/where");
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"", "run/predictions.jsonl: has no prompt of the test split"},
        {"{\"id\":\"Set_3\",\"split\":\"dev\"}\n", "run/predictions.jsonl: has no prompt of the test split"},
        {"{\"id\":3}\n", "run/predictions.jsonl:1: has no id or no split"},
        {"{\n", "run/predictions.jsonl:1: is no JSON object"},
        {"{\"id\":\"z\",\"split\":\"test\"}\n", "run/predictions.jsonl:1: prompt \"z\" is not in the run's data"},
        {"{\"id\":\"Set_4\",\"split\":\"test\",\"score\":{\"z\":1}}\n", "model \"z\" is not in the run's data"},
        {"{\"id\":\"Set_4\",\"split\":\"test\"}\n", "has no score, by which router full chooses"},
        {"{\"id\":\"Set_4\",\"split\":\"test\",\"score\":{\"a\":1},\"ranking\":[\"z\"]}\n",
         "its ranking begins with an unknown model"},
    };
    put("kept", "old");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("run/predictions.jsonl", cases[i].line);
        assert_fails(EXPORT("run", "--out", "kept", "--format", "routerarena"), FR_FAILED, cases[i].error);
    }
    char *text;
    assert_ok(fr_file_read(&text, NULL, "kept", 0));
    assert_string_equal(text, "old"); /* a failed export leaves what was there */
    free(text);
    assert_int_equal(unlink("run/predictions.jsonl"), 0);
    assert_fails(EXPORT("run", "--out", "x", "--format", "csv"), FR_FAILED, "run: has no predictions.jsonl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routerarena),
        cmocka_unit_test(csv),
        cmocka_unit_test(choice),
        cmocka_unit_test(wrong),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

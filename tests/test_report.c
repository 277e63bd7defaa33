/* The report: self-contained, complete, and nothing in it is what a name wanted it to be. */
#include "base/files.h"
#include "base/memory.h"
#include "eval/json.h"
#include "finerouter/report.h"
#include "test.h"

#define EVIL "<script>alert('x')</script> \"q\" \\ `touch pwned` &amp; \n\xE4\xBD\xA0\xE5\xA5\xBD $(x) %s"

static char *folder, *page;

static json_t *quality_and_cost(double quality, double cost)
{
    return json_pack("{s:o, s:o}", "quality", fr_json_number(quality), "cost", fr_json_number(cost));
}

static json_t *router(double quality, double cost, const char *setting)
{
    json_t *curve = json_array();
    for (int p = 0; p < 3; p++) {
        json_t *point = quality_and_cost(quality - .05 * p, cost / (p + 1));
        json_object_set_new(point, "tolerance", json_real(.5 * p));
        json_array_append_new(curve, point);
    }
    json_t *json = quality_and_cost(quality, cost);
    json_object_set_new(json, "sources", json_pack("{s:f, s:f, s:n}", "plain", quality, EVIL, quality / 2, "empty"));
    json_object_set_new(json, "quality_by_source", json_real(.75 * quality));
    json_object_set_new(json, "regret", json_real(.9 - quality));
    json_object_set_new(json, "gap_closed", json_real(.5));
    json_object_set_new(json, "left_out", json_integer(2));
    json_object_set_new(json, "setting", json_string(setting));
    json_object_set_new(json, "vs_full",
                        json_pack("{s:f, s:f, s:f, s:f}", "difference", .0123, "low", -.001, "high", .03, "p", .04));
    json_object_set_new(json, "curve", curve);
    return json;
}

static void write_run(const char *into, double cost)
{
    json_t *routers = json_object(), *models = json_object();
    json_object_set_new(routers, "best_single", router(.6, 2 * cost, "model"));
    json_object_set_new(routers, "oracle", router(.9, 3 * cost, ""));
    json_object_set_new(routers, "full", router(.7, cost, "alpha = .4"));
    json_object_set_new(routers, EVIL, router(.65, cost, EVIL));
    json_object_set_new(models, "one", quality_and_cost(.6, 2 * cost));
    json_object_set_new(models, EVIL, quality_and_cost(.5, cost));
    json_t *metrics =
        json_pack("{s:i, s:s, s:s, s:s, s:i, s:o, s:o, s:s}", "schema", 1, "version", "9.8.7", "encoder", EVIL,
                  "device", "cpu", "seed", 7, "routers", routers, "single_models", models, "best_router", "full");
    json_object_set_new(metrics, "data",
                        json_pack("{s:s, s:i, s:{s:i, s:i, s:i}}", "hash", "c0ffee", "models", 2, "prompts", "train",
                                  80, "dev", 10, "test", 10));
    json_object_set_new(
        metrics, "reference",
        json_pack("{s:s, s:f, s:f}", "best_single", EVIL, "best_single_quality", .6, "oracle_quality", .9));
    json_object_set_new(metrics, "seconds", json_pack("{s:f, s:f}", "discover", 1.25, "embed", 0.0));
    json_object_set_new(metrics, "tasks", json_pack("{s:i, s:n}", "count", 2, "ari"));
    char *path = fr_path_join(into, "metrics.json");
    assert_ok(fr_json_write(path, metrics));
    free(path);

    json_t *cards = json_pack("{s:i, s:[s, s], s:[]}", "schema", 1, "models", "one", EVIL, "tasks");
    for (int t = 0; t < 2; t++)
        json_array_append_new(
            json_object_get(cards, "tasks"),
            json_pack("{s:i, s:s, s:i, s:[{s:s, s:s}], s:{s:i}, s:[s, s], s:[s], s:f, s:{s:f, s:n}, s:{s:f}, "
                      "s:f, s:n}",
                      "id", t, "name", EVIL, "size", 40 - t, "examples", "text", EVIL, "source", "plain", "mix", EVIL,
                      30, "ranking", EVIL, "one", "candidates", "one", "coverage", .95, "mean", "one", .5, EVIL,
                      "median", "one", 1.0, "cohesion_inside", .3, "cohesion_outside"));
    path = fr_path_join(into, "cards.json");
    assert_ok(fr_json_write(path, cards));
    free(path);
    path = fr_path_join(into, "config.yaml");
    assert_ok(fr_file_write(path, "name: \"<script>\"\n", 17));
    free(path);
}

static char *report(const char *into, const char *title)
{
    char *path = fr_path_join(into, "report.html"), *text;
    size_t bytes;
    assert_ok(fr_report_write(into, title));
    assert_ok(fr_file_read(&text, &bytes, path, 0));
    assert_int_equal(strlen(text), bytes);
    free(path);
    return text;
}

static int count(const char *text, const char *what)
{
    int hits = 0;
    for (; (text = strstr(text, what)); text++)
        hits++;
    return hits;
}

static int setup(void **state)
{
    (void)state;
    folder = fr_path_join(test_folder(), "a run's \"folder\" & $(more)");
    if (fr_make_folders(folder) != FR_OK)
        return 1;
    write_run(folder, .001);
    page = report(folder, EVIL);
    return 0;
}

static void nothing_foreign(void **state)
{
    (void)state;
    assert_int_equal(count(page, "<script"), 0);
    assert_int_equal(count(page, "http"), 0); /* no resource, no name space either */
    static const char *const loads[] = {"<link", "<img", "<iframe", "<object", "@import", "url(", "src=", "<base"};
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        assert_int_equal(count(page, loads[i]), 0);
    for (const char *link = page; (link = strstr(link, "href=")); link += 6)
        assert_int_equal(link[6], '#');
    assert_true(count(page, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") > 8);
    assert_int_equal(count(page, "alert('x')"), count(page, "\xE2\x80\xBA"
                                                            "alert('x')")); /* only harmless, inside figures */
    assert_false(fr_file_exists("pwned"));
    char *inside = fr_path_join(folder, "pwned");
    assert_false(fr_file_exists(inside));
    free(inside);
    assert_true(strstr(page, "\xE4\xBD\xA0\xE5\xA5\xBD") != NULL);
}

static void complete(void **state)
{
    (void)state;
    if (system("gnuplot --version > /dev/null 2>&1") != 0)
        skip();
    assert_int_equal(count(page, "<svg"), 5);
    assert_int_equal(count(page, "</svg>"), 5);
    static const char *const names[] = {"curves", "curves-zoom", "sources", "task-sizes", "candidates"};
    for (int i = 0; i < 5; i++) {
        char *path = fr_format("%s/figures/%s.svg", folder, names[i]);
        assert_true(fr_file_exists(path));
        free(path);
    }
    assert_int_equal(count(page, "gnuplot was not found"), 0);
    static const char *const units[] = {"USD per 1,000 prompts, log scale", "quality (mean score of an answer)",
                                        "size (training prompts)", "tasks (count)", "candidates of a task (models)"};
    for (int i = 0; i < 5; i++)
        assert_true(count(page, units[i]) > 0);
    /* No id twice. */
    for (const char *id = page; (id = strstr(id, " id=")); id += 4) {
        char attribute[64];
        snprintf(attribute, sizeof attribute, "%.*s%c", (int)strcspn(id + 5, "\"'") + 5, id, id[4]);
        if (count(page, attribute) != 1)
            fail_msg("%s stands %d times", attribute, count(page, attribute));
    }
}

static void content(void **state)
{
    (void)state;
    static const char *const parts[] = {"<tr class=\"best\"><th>full<span class=\"tag\">best</span>",
                                        "<th>oracle<span class=\"tag\">bound</span>",
                                        "0.7000",
                                        "+0.0123 [-0.0010, +0.0300]",
                                        "c0ffee",
                                        "9.8.7",
                                        "name: &quot;&lt;script&gt;&quot;",
                                        "40 prompts, 1 candidates",
                                        "reused",
                                        "1.25",
                                        "alpha = .4",
                                        "0.950 of its prompts",
                                        "80 training and 10 test prompts"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(page, parts[i]))
            fail_msg("the page lacks %s", parts[i]);
    assert_int_equal(count(page, "nan"), count(page, "nance")); /* NaN is a dash */
    assert_int_equal(count(page, "<table"), count(page, "</table>"));
    assert_int_equal(count(page, "<details"), count(page, "</details>"));
    assert_int_equal(count(page, "<div"), count(page, "</div>"));
}

/* No cost known, no cards, no config, no gnuplot: the tables stand alone. */
static void bare(void **state)
{
    (void)state;
    char *into = fr_path_join(test_folder(), "bare"), *path = getenv("PATH") ? fr_strdup(getenv("PATH")) : NULL;
    assert_ok(fr_make_folders(into));
    write_run(into, NAN);
    char *cards = fr_path_join(into, "cards.json"), *config = fr_path_join(into, "config.yaml");
    remove(cards);
    remove(config);
    char *text = report(into, "");
    assert_true(strstr(text, "<title>bare</title>") != NULL);
    assert_true(strstr(text, "No task was discovered") != NULL);
    free(text);
    setenv("PATH", "/nowhere", 1);
    text = report(into, NULL);
    if (path)
        setenv("PATH", path, 1);
    assert_int_equal(count(text, "<svg"), 0);
    assert_true(strstr(text, "gnuplot was not found") != NULL);
    assert_true(strstr(text, "0.7000") != NULL);
    free(text);
    free(into);
    free(path);
    free(cards);
    free(config);
}

static void errors(void **state)
{
    (void)state;
    char *into = fr_strdup(test_folder()), *metrics = fr_path_join(into, "metrics.json");
    assert_fails(fr_report_write(into, ""), FR_FAILED, "metrics.json");
    assert_ok(fr_file_write(metrics, "{\n\"schema\": 1,\n}", 16));
    assert_fails(fr_report_write(into, ""), FR_FAILED, "metrics.json:3: is no valid JSON");
    assert_ok(fr_file_write(metrics, "{\"schema\": 2, \"routers\": {}}", 28));
    assert_fails(fr_report_write(into, ""), FR_FAILED, "want schema 1");
    assert_ok(fr_file_write(metrics, "[]", 2));
    assert_fails(fr_report_write(into, ""), FR_FAILED, "want schema 1");
    /* Wrong types inside are dashes, not crashes. */
    const char *odd =
        "{\"schema\": 1, \"routers\": {\"a\": 3, \"b\": {\"curve\": {}, \"sources\": [], \"quality\": \"x\"}}, "
        "\"single_models\": [], \"tasks\": 1, \"data\": null, \"best_router\": 5, \"seconds\": {\"x\": \"y\"}}";
    assert_ok(fr_file_write(metrics, odd, strlen(odd)));
    assert_ok(fr_report_write(into, ""));
    free(into);
    free(metrics);
}

static int teardown(void **state)
{
    (void)state;
    free(folder);
    free(page);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_foreign), cmocka_unit_test(complete),
        cmocka_unit_test(content),         cmocka_unit_test(bare),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* The report: self-contained, complete, and nothing in it is what a name wanted it to be. */
#include "report_run.h"

static char *folder, *page;

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
    write_run(folder, .001, 0);
    page = report(folder, EVIL);
    return 0;
}

static void nothing_foreign(void **state)
{
    (void)state;
    assert_int_equal(count(page, "<script"), 1); /* its own */
    assert_int_equal(count(page, "</script"), 1);
    assert_true(strstr(page, "<script>document.querySelectorAll(") != NULL);
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
    assert_int_equal(count(page, "<svg"), 4);
    assert_int_equal(count(page, "</svg>"), 4);
    static const char *const names[] = {"curves", "curves-zoom", "task-sizes", "candidates"};
    for (int i = 0; i < 4; i++) {
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
                                        "40 prompts, 1 candidate<",
                                        "39 prompts, 2 candidates<",
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

/* Column "plain": best_single .6, oracle .9, full .7, EVIL .65: full is .1 above the best single model, nothing that
 * competes is farther from it. Column EVIL: half of it all. */
static void shades(void **state)
{
    (void)state;
    const char *heat = strstr(page, "<table class=\"heat\">");
    assert_non_null(heat);
    static const char *const rows[] = {
        "<tr><th>full</th><td class=\"n\" style=\"background:rgba(50,130,220,0.60)\">0.700</td>"
        "<td class=\"n\" style=\"background:rgba(50,130,220,0.30)\">0.350</td>",
        "<tr><th>best_single</th><td class=\"n\" style=\"background:rgba(50,130,220,0.00)\">0.600</td>",
        "<tr><th>oracle</th><td class=\"n\">0.900</td>"};
    for (int r = 0; r < 3; r++) {
        const char *hit = strstr(heat, rows[r]);
        if (!hit)
            fail_msg("the heat map lacks %s", rows[r]);
        heat = hit;
    }
}

/* -.001 .. .03 around .0123, drawn with .03 as 48% on either side of the middle. */
static void intervals(void **state)
{
    (void)state;
    assert_int_equal(count(page, "<span class=\"interval\"><i style=\"left:48.4%;width:49.6%\"></i>"
                                 "<b style=\"left:69.7%\"></b></span>"),
                     4);
    assert_int_equal(count(page, "interval clear\""), 0);
}

/* Tasks that keep equally many models: a sentence, no chart with a single bar. */
static void equal_candidates(void **state)
{
    (void)state;
    char *into = fr_path_join(test_folder(), "equal"), *path = fr_path_join(into, "cards.json"), *text;
    assert_ok(fr_make_folders(into));
    write_run(into, .001, 0);
    assert_int_equal(count(page, "Every task keeps"), 0);
    json_t *cards = json_load_file(path, 0, NULL), *tasks = json_object_get(cards, "tasks");
    json_array_remove(json_object_get(json_array_get(tasks, 1), "candidates"), 1);
    assert_ok(fr_json_write(path, json_incref(cards)));
    text = report(into, "");
    assert_int_equal(count(text, "Every task keeps 1 of 2 models as candidates."), 1);
    assert_int_equal(count(text, "candidates of a task (models)"), 0);
    assert_true(count(text, "<th>Candidate</th>") == 2);
    free(text);

    for (size_t t = 0; t < 2; t++)
        json_array_append_new(json_object_get(json_array_get(tasks, t), "candidates"), json_string(EVIL));
    assert_ok(fr_json_write(path, cards));
    text = report(into, "");
    assert_int_equal(count(text, "Every task keeps all 2 models as candidates."), 1);
    assert_int_equal(count(text, "<th>Candidate</th>"), 0);
    free(text);
    free(into);
    free(path);
}

/* No cost known, no cards, no config, no gnuplot: the tables stand alone. */
static void bare(void **state)
{
    (void)state;
    char *into = fr_path_join(test_folder(), "bare"), *path = getenv("PATH") ? fr_strdup(getenv("PATH")) : NULL;
    assert_ok(fr_make_folders(into));
    write_run(into, NAN, 0);
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
    assert_ok(fr_file_write(metrics, "{\"schema\": 3, \"routers\": {}}", 28));
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
        cmocka_unit_test(nothing_foreign),
        cmocka_unit_test(complete),
        cmocka_unit_test(content),
        cmocka_unit_test(shades),
        cmocka_unit_test(intervals),
        cmocka_unit_test(equal_candidates),
        cmocka_unit_test(bare),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

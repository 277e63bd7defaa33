/* The report: self-contained, complete, and nothing in it is what a name wanted it to be. */
#include "report_run.h"

#include <ctype.h>

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
        ("<tr><th>full</th><td class=\"n\" style=\"background:rgba(50,130,220,0.60)\">0.700</td>"
         "<td class=\"n\" style=\"background:rgba(50,130,220,0.30)\">0.350</td>"),
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

/* That the page has all of these, in this order. */
static void has_all(const char *text, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *hit = strstr(text, parts[i]);
        if (!hit)
            fail_msg("the page lacks %s", parts[i]);
        text = hit;
    }
}
#define HAS_ALL(text, ...)                                                                                             \
    has_all(text, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void balanced(const char *text)
{
    static const char *const names[] = {"div", "section", "figure", "details", "svg", "dl", "ul", "h2", "a"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *open = fr_format("<%s", names[i]), *close = fr_format("</%s>", names[i]);
        int opened = 0;
        for (const char *hit = text; (hit = strstr(hit, open)); hit++)
            opened += !isalnum((unsigned char)hit[strlen(open)]);
        if (opened != count(text, close))
            fail_msg("%d of %s, %d of %s", opened, open, count(text, close), close);
        free(open);
        free(close);
    }
    assert_int_equal(count(text, "<script"), 1);
    assert_int_equal(count(text, "nan<"), 0);
    assert_int_equal(count(text, "inf<"), 0);
    for (const char *id = text; (id = strstr(id, " id=")); id += 4) {
        char attribute[128];
        snprintf(attribute, sizeof attribute, "%.*s%c", (int)strcspn(id + 5, "\"'") + 5, id, id[4]);
        if (count(text, attribute) != 1)
            fail_msg("%s stands %d times", attribute, count(text, attribute));
    }
    for (const char *link = text; (link = strstr(link, "href=\"#")); link += 7) {
        char *id = fr_format(" id=\"%.*s\"", (int)strcspn(link + 7, "\""), link + 7);
        if (count(text, id) != 1)
            fail_msg("a link to nothing: %s", id);
        free(id);
    }
}

/* All that schema 2 has. full, .7, is the best of those that compete. */
static void rich(void **state)
{
    (void)state;
    char *into = fr_path_join(test_folder(), "rich"), *text;
    assert_ok(fr_make_folders(into));
    write_rich_run(into, .001, 0);
    text = report(into, "");
    balanced(text);
    HAS_ALL(text, ">Routers</h2>", "<tr class=\"best\"><th>full", "<tr><th>best_single", "<tr><th>rbo_graph",
            "<tr><th>knn", "<tbody class=\"apart\">", "<tr><th>oracle");
    HAS_ALL(text, ">Ablations</h2>", "<th>stage1<small>task scores alone (alpha = 0)</small></th>",
            "<td class=\"n\">0.5700</td><td class=\"n\">-0.0123 [-0.0323, +0.0077]");
    HAS_ALL(text, ">Recall</h2>", "<td class=\"n\">3</td><td class=\"n\">9</td><td class=\"n\">0.600</td>");
    HAS_ALL(text, ">Metric families</h2>", "<th class=\"group\" colspan=\"2\">AIQ</th>",
            "<th class=\"group\" colspan=\"2\">ORBIT</th>", /* QNC is unknown to all */
            "<th class=\"group\" colspan=\"5\">LLMRouterBench</th>",
            "<tr><th>full</th><td class=\"n top\">0.6500</td><td class=\"n top\">0.6600</td>", "-0.125", "0.675",
            "What the columns mean");
    HAS_ALL(text, ">Calibration and classifier</h2>", "0.8123", "0.0654 of quality", "0.0321 of quality");
    HAS_ALL(text, "0.6100 mean weight of edges inside", "data-size=\"40\"", "Environment</h3>",
            "<dt>threads</dt><dd>3</dd>", "{&quot;x&quot;:true}", "Wall time of the routers");
    if (system("gnuplot --version > /dev/null 2>&1") == 0) {
        static const char *const names[] = {"curves",       "curves-zoom", "ablations",  "recall",  "calibration",
                                            "strong-calls", "task-sizes",  "candidates", "cohesion"};
        for (int i = 0; i < 9; i++) {
            char *path = fr_format("%s/figures/%s.pdf", into, names[i]), *bytes;
            size_t length;
            assert_ok(fr_file_read(&bytes, &length, path, 0));
            assert_true(length > 1000 && memcmp(bytes, "%PDF", 4) == 0);
            free(bytes);
            free(path);
        }
        assert_int_equal(count(text, "<svg"), 9);
        HAS_ALL(text, "full \xE2\x88\x92 variant (quality, mean score)");
        HAS_ALL(text, "correct models of a prompt (count)", "hit rate (share of prompts)");
    }
    free(text);
    free(into);
}

/* A run of schema 1 has none of it, and no heading without a body. */
static void left_out(void **state)
{
    (void)state;
    static const char *const sections[] = {"Ablations</h2>",  "Recall</h2>", "Metric families</h2>",
                                           "classifier</h2>", "Sweep</h2>",  "Wall time of the routers"};
    for (int i = 0; i < 6; i++)
        assert_int_equal(count(page, sections[i]), 0);
    balanced(page);
}

/* Of many routers full and the best six have colours, the rest is grey; bounds keep their dashes. */
static void many_routers(void **state)
{
    (void)state;
    char *into = fr_path_join(test_folder(), "many"), *script_path = fr_path_join(into, "figures/curves.gp"), *text,
         *script;
    size_t bytes;
    if (system("gnuplot --version > /dev/null 2>&1") != 0)
        skip();
    assert_ok(fr_make_folders(into));
    write_run(into, .001, 16);
    text = report(into, "");
    assert_ok(fr_file_read(&script, &bytes, script_path, 0));
    assert_int_equal(count(script, "linecolor rgb '#a0a6ad'"), 20 - 8 + 1); /* and their entry in the legend */
    assert_int_equal(count(script, "dashtype 2"), 1);
    assert_int_equal(count(text, "<i class=\"thin\"></i>12 other routers</li>"), 1);
    free(script);
    free(script_path);
    free(text);
    free(into);
}

/* Two runs and a sweep on one page. full: .7 in both; knn only in one of them. */
static void comparison(void **state)
{
    (void)state;
    char *base = fr_path_join(test_folder(), "several"), *a = fr_path_join(base, EVIL "/one"),
         *b = fr_path_join(base, "two"), *c = fr_path_join(base, "sweep"), *out = fr_path_join(base, "new/page.html");
    const char *folders[] = {a, b, c};
    for (int i = 0; i < 3; i++)
        assert_ok(fr_make_folders(folders[i]));
    write_run(a, .001, 0);
    write_rich_run(b, .002, 0);
    write_sweep(c);
    char *config = fr_path_join(b, "config.yaml");
    assert_ok(fr_file_write(config, "name: x\nqe:\n  lr: <b>\n", 22));
    assert_ok(fr_report_write_all(folders, 3, out, EVIL));
    char *text = read_page(out), *figures = fr_path_join(base, "new/figures/run2-recall.svg");
    balanced(text);
    assert_int_equal(count(text, "type=\"radio\""), 4);
    assert_int_equal(count(text, "class=\"panel\""), 4);
    HAS_ALL(text, "<title>&lt;script&gt;", "Comparison</label>", "one</label>", "two</label>", "sweep</label>");
    /* quality, by source, gap closed; best of its run */
    HAS_ALL(text, "Routers in all runs</h2>",
            "<tr><th>full</th><td class=\"n\">0.7000</td><td class=\"n\">0.5250</td><td class=\"n\">50.0%</td>",
            "<td class=\"n group top\">0.7000</td>", "<tr><th>knn</th><td class=\"n\">\xE2\x80\x93</td>",
            "<td class=\"n group\">0.5500</td>", "<tbody class=\"apart\"><tr><th>oracle");
    HAS_ALL(text, "In what the configs differ</h2>", "<tr><th>name</th><td>&quot;&lt;script&gt;&quot;</td><td>x</td>",
            "<tr><th>qe.lr</th><td>\xE2\x80\x93</td><td>&lt;b&gt;</td>");
    if (system("gnuplot --version > /dev/null 2>&1") == 0)
        assert_true(fr_file_exists(figures));
    free(text);

    folders[1] = a; /* names alike: paths tell them apart, in part */
    assert_ok(fr_report_write_all(folders, 2, out, NULL));
    text = read_page(out);
    HAS_ALL(text, "<title>Comparison of 2 runs</title>", "several/&lt;script&gt;");
    free(text);
    free(figures);
    free(config);
    free(base);
    free(a);
    free(b);
    free(c);
    free(out);
}

/* Points 0..10 of dev quality .6 + .01 p; cell (alpha = .25, ridge = 1000) holds points 6 and 7: .67 on dev. */
static void sweep(void **state)
{
    (void)state;
    char *into = fr_path_join(test_folder(), "a sweep"), *text, *path = fr_path_join(into, "sweep.json");
    assert_ok(fr_make_folders(into));
    write_sweep(into);
    text = report(into, "");
    balanced(text);
    HAS_ALL(text, "<h1>a sweep</h1>", "12, 1 of them failed", "point 10: route.alpha = 1, qe.ridge = 1000",
            "0.7000 on dev", "0.5800 on test");
    HAS_ALL(text, "Dev quality", "<tr><th>0.25</th>", "0.6500</td>", "0.6700</td>", "<tr><th>1</th>", "0.6900</td>",
            "<td class=\"n top\" style=\"background:rgba(50,130,220,0.60)\">0.7000</td>", "Test quality",
            "<tr><th>0.25</th>", "0.5850</td>", "0.5830</td>");
    HAS_ALL(text, "Points</h2>", "<tr class=\"best\"><th>10<span class=\"tag\">chosen</span></th>", "<tr><th>9</th>",
            "<tr><th>11</th>", "class=\"error\">&lt;script&gt;");
    assert_int_equal(count(text, "alert('x')"), count(text, "\xE2\x80\xBA"
                                                            "alert('x')"));
    if (system("gnuplot --version > /dev/null 2>&1") == 0) {
        assert_int_equal(count(text, "<svg"), 4);
        HAS_ALL(text, "qe.ridge (value, log scale)");
    }
    free(text);
    /* Odd contents are dashes and empty tables. */
    const char *odd = "{\"schema\": 1, \"points\": [3, {\"values\": 7}, {\"values\": {\"a\": [1]}, \"error\": 4}], "
                      "\"keys\": [\"a\", 5, {}], \"chosen\": \"x\"}";
    assert_ok(fr_file_write(path, odd, strlen(odd)));
    text = report(into, "");
    balanced(text);
    free(text);
    assert_ok(fr_file_write(path, "{\"schema\": 2, \"points\": []}", 27));
    assert_fails(fr_report_write(into, ""), FR_FAILED, "sweep.json: is no file of a run: want schema 1 and \"points\"");
    free(path);
    free(into);
}

/* Random points have values of their own: dots, no line through them, and no table of two keys. */
static void random_sweep(void **state)
{
    (void)state;
    char *into = fr_path_join(test_folder(), "random"), *path = fr_path_join(into, "sweep.json"), *text;
    json_t *points = json_array();
    assert_ok(fr_make_folders(into));
    for (int p = 0; p < 6; p++)
        json_array_append_new(points, json_pack("{s:i, s:{s:f, s:f}, s:f, s:f, s:f}", "index", p, "values", "a.b",
                                                .1 + .13 * p * p, "c.d", .9 - .1 * p, "dev_quality", .5 + .01 * p,
                                                "test_quality", .5, "test_cost", .001));
    assert_ok(fr_json_write(
        path, json_pack("{s:i, s:[s, s], s:o, s:n}", "schema", 1, "keys", "a.b", "c.d", "points", points, "chosen")));
    text = report(into, "");
    balanced(text);
    assert_int_equal(count(text, "Dev quality</h3>"), 0);
    assert_int_equal(count(text, "class=\"tag\">chosen"), 0);
    HAS_ALL(text, "<tr><th>5</th><td class=\"n\">3.35</td><td class=\"n\">0.4</td><td class=\"n\">0.5500</td>");
    if (system("gnuplot --version > /dev/null 2>&1") == 0) {
        char *script_path = fr_path_join(into, "figures/sweep-curve-1.gp"), *script = read_page(script_path);
        assert_int_equal(count(script, "linespoints"), 0);
        assert_int_equal(count(script, "with points pointtype 7"), 2);
        free(script_path);
        free(script);
    }
    free(text);
    free(path);
    free(into);
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
        cmocka_unit_test(rich),
        cmocka_unit_test(left_out),
        cmocka_unit_test(many_routers),
        cmocka_unit_test(comparison),
        cmocka_unit_test(sweep),
        cmocka_unit_test(random_sweep),
        cmocka_unit_test(bare),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

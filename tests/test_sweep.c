/* Sweep files: what they expand to, and what is wrong with them. */
#include "test.h"

#include "base/files.h"
#include "base/memory.h"
#include "sweep/sweep.h"

static char folder[64];

static char *write_sweep(const char *text)
{
    char *path = fr_path_join(folder, "s.yaml");
    assert_ok(fr_file_write(path, text, strlen(text)));
    return path;
}

static fr_status read_sets(fr_sweep *sweep, const char *text, const char *const *sets, int64_t count)
{
    char *path = write_sweep(text);
    fr_status status = fr_sweep_read(sweep, path, sets, count);
    free(path);
    return status;
}

static fr_status read_text(fr_sweep *sweep, const char *text)
{
    return read_sets(sweep, text, NULL, 0);
}

#define HEAD "config: base.yaml\n"

/* The values of point p, joined by spaces. */
static void assert_point(const fr_sweep *sweep, int64_t p, const char *want)
{
    fr_buffer got = {0};
    for (int64_t k = 0; k < sweep->keys; k++) {
        char *text = fr_sweep_text(sweep, p, k);
        fr_buffer_addf(&got, k ? " %s" : "%s", text);
        free(text);
    }
    assert_string_equal(got.data, want);
    fr_buffer_close(&got);
}

static void test_grid(void **state)
{
    (void)state;
    fr_sweep s;
    assert_ok(read_text(&s, HEAD "name: mine\nset: {seed: 9, discover.k: 30}\n"
                                 "grid:\n  route.alpha: [0, 0.5, auto]\n  discover.tau: [0.1, 0.2]\n"));
    assert_int_equal(s.kind, FR_SWEEP_GRID);
    assert_int_equal(s.points, 6);
    assert_string_equal(s.name, "mine");
    const char *want[] = {"0 0.1", "0 0.2", "0.5 0.1", "0.5 0.2", "auto 0.1", "auto 0.2"};
    for (int64_t p = 0; p < 6; p++)
        assert_point(&s, p, want[p]);
    fr_config config;
    fr_sweep_config(&config, &s, 3);
    assert_close(config.route.alpha, 0.5, 0);
    assert_close(config.discover.tau, 0.2, 0);
    assert_int_equal(config.top.seed, 9);
    assert_int_equal(config.discover.k, 30);
    assert_int_equal(config.synth.prompts, 77);
    fr_config_close(&config);
    assert_true(isnan(fr_sweep_number(&s, 4, 0)));
    fr_sweep_close(&s);
}

/* alpha, tolerance and assignment route, coverage makes other heads on the same tasks: one group; tau makes other
 * tasks, and theta is read by stage-1 scores. */
static void test_groups(void **state)
{
    (void)state;
    fr_sweep s;
    assert_ok(read_text(&s,
                        HEAD "grid:\n  route.alpha: [0, 1]\n  discover.tau: [0, 0.5]\n  discover.coverage: [0.5, 1]\n"
                             "  route.assignment: [hard, soft]\n"));
    assert_int_equal(s.points, 16);
    for (int64_t p = 0; p < 16; p++) { /* bits: alpha 8, tau 4, coverage 2, assignment 1 */
        assert_int_equal(s.group[p], p & 4);
    }
    fr_sweep_close(&s);
    assert_ok(read_text(&s, HEAD "grid: {classifier.theta: [0.1, 0.2], route.tolerance: [0, 0.1]}\n"));
    const int64_t want[] = {0, 0, 2, 2};
    for (int64_t p = 0; p < 4; p++)
        assert_int_equal(s.group[p], want[p]);
    fr_sweep_close(&s);
}

static void test_list(void **state)
{
    (void)state;
    fr_sweep s;
    assert_ok(read_text(&s, HEAD "list:\n  - {route.alpha: 0.25}\n  - {discover.k: 7, route.alpha: 1}\n"
                                 "  - {discover.resolution_grid: [1, 2], data.models: ''}\n"));
    assert_int_equal(s.kind, FR_SWEEP_LIST);
    assert_int_equal(s.points, 3);
    assert_int_equal(s.keys, 4);
    assert_string_equal(s.key[1]->key, "discover.k");
    assert_point(&s, 0, "0.25 15 [0.5, 1, 1.5, 2, 3, 4, 6, 8, 12] ");
    assert_point(&s, 1, "1 7 [0.5, 1, 1.5, 2, 3, 4, 6, 8, 12] ");
    assert_point(&s, 2, "auto 15 [1, 2] ");
    fr_config config;
    fr_sweep_config(&config, &s, 2);
    assert_int_equal(config.discover.resolution_grid.count, 2);
    assert_close(config.discover.resolution_grid.value[1], 2, 0);
    fr_config_close(&config);
    fr_sweep_close(&s);
}

#define RANDOM(points, seed)                                                                                           \
    HEAD "random:\n  points: " points "\n  seed: " seed                                                                \
         "\n  keys:\n    qe.ridge: {from: 1, to: 1000, scale: log}\n    discover.k: {from: 5, to: 8}\n"                \
         "    route.alpha: {from: 0, to: 1}\n    route.assignment: [hard, soft]\n"

static void test_random(void **state)
{
    (void)state;
    fr_sweep s, again, more, other;
    assert_ok(read_text(&s, RANDOM("40", "3")));
    assert_ok(read_text(&again, RANDOM("40", "3")));
    assert_ok(read_text(&more, RANDOM("80", "3")));
    assert_ok(read_text(&other, RANDOM("40", "4")));
    int64_t small = 0, soft = 0, differing = 0, k[4] = {0};
    for (int64_t v = 0; v < 40 * 4; v++) {
        assert_string_equal(s.value[v], again.value[v]);
        assert_string_equal(s.value[v], more.value[v]); /* the first points of more are these */
        differing += strcmp(s.value[v], other.value[v]) != 0;
    }
    for (int64_t p = 0; p < 40; p++) {
        double ridge = fr_sweep_number(&s, p, 0), neighbours = fr_sweep_number(&s, p, 1),
               alpha = fr_sweep_number(&s, p, 2);
        assert_true(ridge >= 1 && ridge <= 1000);
        assert_true(neighbours >= 5 && neighbours <= 8 && neighbours == floor(neighbours));
        assert_true(alpha >= 0 && alpha <= 1);
        k[(int)neighbours - 5]++;
        small += ridge < 31.6228; /* the middle of the log scale */
        soft += strcmp(s.value[p * 4 + 3], "soft") == 0;
    }
    assert_true(differing > 100);
    assert_true(small >= 10 && small <= 30);
    assert_true(soft >= 10 && soft <= 30);
    for (int i = 0; i < 4; i++)
        assert_true(k[i] >= 3);
    fr_sweep_close(&s);
    fr_sweep_close(&again);
    fr_sweep_close(&more);
    fr_sweep_close(&other);
}

/* Six different points are all there are: all of them come, whatever the order; a seventh is too many. */
static void test_random_repetition(void **state)
{
    (void)state;
    fr_sweep s;
    assert_ok(read_text(&s, HEAD "random: {points: 6, keys: {discover.k: [3, 4, 5], route.alpha: [0, 1]}}\n"));
    assert_int_equal(s.points, 6);
    for (int64_t p = 0; p < 6; p++)
        for (int64_t q = 0; q < p; q++)
            assert_true(strcmp(s.value[2 * p], s.value[2 * q]) != 0 ||
                        strcmp(s.value[2 * p + 1], s.value[2 * q + 1]) != 0);
    fr_sweep_close(&s);
    assert_fails(read_text(&s, HEAD "random: {points: 7, keys: {discover.k: [3, 4, 5], route.alpha: [0, 1]}}\n"),
                 FR_USAGE, "700 draws gave 6 different points, want 7");
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"", "want a mapping"},
        {"grid: {route.alpha: [0]}\n", "config is missing"},
        {"config: none.yaml\ngrid: {route.alpha: [0]}\n", "none.yaml: cannot open"},
        {HEAD, "no points, want one of grid, list and random"},
        {HEAD "gird: {route.alpha: [0]}\n", "s.yaml:2: unknown key gird, want some of config, name, set, grid"},
        {HEAD "grid: {route.alpha: [0]}\nlist: [{route.alpha: 0}]\n", "s.yaml:3: list stands beside grid"},
        {HEAD "grid:\n  route.alfa: [0]\n", "s.yaml:3: unknown key route.alfa; did you mean route.alpha?"},
        {HEAD "grid:\n  route.alpha: [0,\n 2]\n", "s.yaml:4: route.alpha is 2, want 0 to 1"},
        {HEAD "grid:\n  route.alpha: [x]\n", "s.yaml:3: route.alpha is \"x\", want a number or auto"},
        {HEAD "grid:\n  route.alpha: 0.5\n", "s.yaml:3: route.alpha is no list"},
        {HEAD "grid:\n  route.alpha: []\n", "s.yaml:3: route.alpha has no values"},
        {HEAD "grid: {}\n", "s.yaml:2: grid is empty"},
        {HEAD "grid: {route.alpha: [0.5, 0.50]}\n", "s.yaml:2: route.alpha has the value 0.5 twice"},
        {HEAD "grid:\n  route.alpha: [0]\n  route.alpha: [1]\n",
         "s.yaml:4: route.alpha is given twice, first on line 3"},
        {HEAD "grid: {route.alpha: [{a: 1}]}\n", "holds something nested"},
        {HEAD "grid: {name: [a, b]}\n", "name cannot be swept: it changes no result"},
        {HEAD "grid: {avengers.beta: [1, 2]}\n", "avengers.beta cannot be swept: it belongs to baselines"},
        {HEAD "grid: {encoder.heads: [4, 3]}\n", "s.yaml: point 1: encoder.hidden 128 is not a multiple"},
        {HEAD "set: {route.alpha: 1}\ngrid: {route.alpha: [0]}\n", "s.yaml:2: route.alpha is set, and swept on line 3"},
        {HEAD "set: {route.alpa: 1}\ngrid: {seed: [0]}\n", "s.yaml:2: unknown key route.alpa; did you mean"},
        {HEAD "set: 3\ngrid: {seed: [0]}\n", "s.yaml:2: set is no mapping"},
        {HEAD "name: a/b\ngrid: {seed: [0]}\n", "s.yaml:2: name is \"a/b\""},
        {HEAD "list: []\n", "s.yaml:2: list is empty"},
        {HEAD "list: [3]\n", "s.yaml:2: point 0 of the list is no mapping"},
        {HEAD "list:\n  - {seed: 3}\n  - {seed: 03}\n", "s.yaml:4: the same point as number 0 of the list, on line 3"},
        {HEAD "list:\n  - {sed: 3}\n", "s.yaml:3: unknown key sed; did you mean seed?"},
        {HEAD "random: {keys: {seed: [0, 1]}}\n", "s.yaml:2: points is missing"},
        {HEAD "random: {points: 1.5, keys: {seed: [0, 1]}}\n", "points is \"1.5\", want a whole number from 1"},
        {HEAD "random: {points: 3}\n", "random has no keys"},
        {HEAD "random: {points: 3, keys: {route.alpha: {from: 0}}}\n", "to is missing"},
        {HEAD "random: {points: 3, keys: {route.alpha: {from: 0, to: 2}}}\n", "to is \"2\", want a number from 0 to 1"},
        {HEAD "random: {points: 3, keys: {route.alpha: {from: 1, to: 1}}}\n", "want from < to"},
        {HEAD "random: {points: 3, keys: {route.alpha: {from: 0, to: 1, scale: log}}}\n", "want more than 0"},
        {HEAD "random: {points: 3, keys: {route.alpha: {from: 0, to: 1, scale: lin}}}\n", "want linear or log"},
        {HEAD "random: {points: 3, keys: {route.alpha: {from: 0, till: 1}}}\n",
         "unknown key till, want some of from, to"},
        {HEAD "random: {points: 3, keys: {seed: {from: 0, to: 9, integer: false}}}\n", "seed is a whole number"},
        {HEAD "random: {points: 3, keys: {discover.ties: {from: 0, to: 9}}}\n", "discover.ties is no number"},
        {HEAD "grid: {route.alpha: [0, 1}\n", "s.yaml:2: not YAML"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fr_sweep s;
        assert_fails(read_text(&s, bad[i].text), FR_USAGE, bad[i].part);
    }
    fr_sweep s;
    const char *const swept[] = {"route.alpha=0.5"}, *const unknown[] = {"route.x=1"};
    assert_fails(read_sets(&s, HEAD "grid: {route.alpha: [0]}\n", swept, 1), FR_USAGE,
                 "--set route.alpha=0.5: the sweep varies route.alpha");
    assert_fails(read_sets(&s, HEAD "grid: {route.alpha: [0]}\n", unknown, 1), FR_USAGE, "unknown key route.x");
}

static void test_choose(void **state)
{
    (void)state;
    fr_sweep_result r[] = {
        {.done = true, .dev_quality = 0.5, .tasks = 3},
        {.done = true, .dev_quality = 0.7, .tasks = 9},
        {.done = true, .dev_quality = NAN, .tasks = 1},
        {.done = true, .dev_quality = 0.7, .tasks = 4},
        {.done = true, .dev_quality = 0.7, .tasks = 4},
        {.done = true, .dev_quality = 0.9, .error = (char *)"it failed"},
        {.done = false, .dev_quality = 0.95, .tasks = 1},
    };
    assert_int_equal(fr_sweep_choose(r, 7), 3);
    assert_int_equal(fr_sweep_choose(r, 2), 1);
    assert_int_equal(fr_sweep_choose(r + 2, 1), -1);
}

/* The plan lists the very points, and reads back. */
static void test_plan(void **state)
{
    (void)state;
    fr_sweep s, plan;
    char *path;
    assert_ok(read_text(&s, HEAD "grid: {data.models: ['', 'a \"b\": c'], data.import: [x.csv], synth.prompts: [0], "
                                 "eval.tolerances: [[0, 0.5], [1]], encoder.projection: [true, false]}\n"));
    char *text = fr_config_text(&s.base), *base = fr_path_join(folder, "config.yaml");
    assert_ok(fr_file_write(base, text, strlen(text)));
    assert_ok(fr_sweep_write_plan(&s, folder, &path));
    assert_ok(fr_sweep_read(&plan, path, NULL, 0));
    assert_int_equal(plan.points, 8);
    for (int64_t v = 0; v < s.points * s.keys; v++)
        assert_string_equal(s.value[v], plan.value[v]);
    assert_point(&plan, 7, "a \"b\": c x.csv 0 [1] false");
    free(text);
    free(base);
    free(path);
    fr_sweep_close(&s);
    fr_sweep_close(&plan);
}

int main(void)
{
    snprintf(folder, sizeof folder, "%s", test_folder());
    char *base = fr_path_join(folder, "base.yaml");
    const char *text = "synth: {prompts: 77}\ndiscover: {k: 15}\n";
    if (fr_file_write(base, text, strlen(text)) != FR_OK)
        return 1;
    free(base);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grid),   cmocka_unit_test(test_groups), cmocka_unit_test(test_list),
        cmocka_unit_test(test_random), cmocka_unit_test(test_errors), cmocka_unit_test(test_random_repetition),
        cmocka_unit_test(test_choose), cmocka_unit_test(test_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "test.h"

#include "base/hash.h"
#include "finerouter/config.h"

static fr_config config;

static int setup(void **state)
{
    (void)state;
    fr_config_defaults(&config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fr_config_close(&config);
    return 0;
}

static void test_defaults_and_values(void **state)
{
    (void)state;
    assert_int_equal(config.discover.k, 20);
    assert_close(config.discover.rbo_p, 0.9, 0);
    assert_true(isnan(config.route.alpha));
    assert_true(config.eval.predictions);
    assert_int_equal(config.discover.ties, FR_TIES_TIED);
    assert_ok(fr_config_read_text(&config,
                                  "seed: 7\n"
                                  "discover:\n  k: 31\n  ties: mean-quality\n  resolution: 2.5\n"
                                  "  resolution_grid: [1, 2.5]\n"
                                  "route: {alpha: 0.25, assignment: hard}\n"
                                  "eval:\n  routers: [knn, full]\n  predictions: false\n",
                                  "t.yaml"));
    assert_int_equal(config.top.seed, 7);
    assert_int_equal(config.discover.k, 31);
    assert_int_equal(config.discover.ties, FR_TIES_MEAN_QUALITY);
    assert_close(config.discover.resolution, 2.5, 0);
    assert_int_equal(config.discover.resolution_grid.count, 2);
    assert_close(config.discover.resolution_grid.value[1], 2.5, 0);
    assert_close(config.route.alpha, 0.25, 0);
    assert_int_equal(config.route.assignment, FR_HARD);
    assert_string_equal(config.eval.routers.word[1], "full");
    assert_false(config.eval.predictions);
}

static void test_errors_name_file_line_and_nearest_key(void **state)
{
    (void)state;
    const char *cases[][2] = {
        {"discover:\n  kk: 3\n", "t.yaml:2: unknown key discover.kk; did you mean discover.k?"},
        {"discover:\n  k: 3\n  k: 4\n", "t.yaml:3: discover.k is given twice, first on line 2"},
        {"discover:\n  k: 3\ndiscover:\n  k: 4\n", "t.yaml:4: discover.k is given twice, first on line 2"},
        {"discover:\n  tau: 1.5\n", "t.yaml:2: discover.tau is 1.5, want 0 to 1"},
        {"discover:\n  k: 2.5\n", "t.yaml:2: discover.k is \"2.5\", want a whole number"},
        {"discover:\n  k: nan\n", "want a whole number"},
        {"route:\n  alpha: high\n", "t.yaml:2: route.alpha is \"high\", want a number or auto"},
        {"route:\n  assignment: weak\n", "t.yaml:2: route.assignment is \"weak\", want one of hard|soft"},
        {"discovery:\n  k: 3\n", "t.yaml:1: unknown section discovery"},
        {"k: 3\n", "t.yaml:1: unknown key k; did you mean discover.k?"},
        {"discover:\n  k: [1, 2]\n", "discover.k is a list, want one value"},
        {"discover:\n  k: {a: 1}\n", "t.yaml:2: discover.k is a mapping, want a value"},
        {"discover:\n  resolution_grid: []\n", "is empty"},
        {"discover:\n  - k\n", "t.yaml:1: unknown key discover"},
        {"seed: [1\n", "not YAML"},
        {"- 1\n- 2\n", "want a mapping"},
        {"seed: &x 3\n", "anchors"},
        {"seed: 3\n---\nseed: 4\n", "second document"},
        {"eval:\n  predictions: yes\n", "want true or false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_fails(fr_config_read_text(&config, cases[i][0], "t.yaml"), FR_USAGE, cases[i][1]);
    assert_fails(fr_config_read(&config, "/nonexistent/x.yaml"), FR_USAGE, "/nonexistent/x.yaml: cannot open");
}

static void test_set(void **state)
{
    (void)state;
    assert_ok(fr_config_set(&config, "discover.resolution_grid=1,2,3"));
    assert_int_equal(config.discover.resolution_grid.count, 3);
    assert_ok(fr_config_set(&config, "seed=9"));
    assert_int_equal(config.top.seed, 9);
    assert_ok(fr_config_set(&config, "data.file=a=b.h5"));
    assert_string_equal(config.data.file, "a=b.h5");
    assert_fails(fr_config_set(&config, "discover.cover=1"), FR_USAGE, "did you mean discover.coverage?");
    assert_fails(fr_config_set(&config, "seed"), FR_USAGE, "want section.key=value");
    assert_fails(fr_config_set(&config, "seed=-1"), FR_USAGE, "want 0 to 2147483647");
}

/* Every key changed to something else and back through text: nothing may be lost or rounded. */
static void test_text_reads_back_equal(void **state)
{
    (void)state;
    assert_fails(fr_config_set(&config, "top.name=x"), FR_USAGE, "did you mean name?");
    assert_ok(fr_config_set(&config, "name=quote \" back \\ tab \t umlaut \xc3\xbc # : - ["));
    assert_ok(fr_config_set(&config, "route.alpha=0.1"));
    assert_ok(fr_config_set(&config, "classifier.lr=0.00012345678901234567"));
    assert_ok(fr_config_set(&config, "discover.resolution=0.3333333333333333"));
    fr_config copy;
    fr_config_copy(&copy, &config);
    char *a = fr_config_text(&config), *b = fr_config_text(&copy);
    assert_string_equal(a, b);
    assert_string_equal(copy.top.name, config.top.name);
    assert_true(copy.classifier.lr == config.classifier.lr);
    free(a);
    free(b);
    fr_config_close(&copy);
}

static void hash_of(char hex[FR_HASH_CHARS], const char *stages)
{
    fr_hash *hash = fr_hash_create();
    fr_config_hash(&config, stages, hash);
    fr_hash_end(hash, hex);
}

static void test_stage_hash_sees_its_keys_only(void **state)
{
    (void)state;
    char graph[FR_HASH_CHARS], route[FR_HASH_CHARS], now[FR_HASH_CHARS];
    hash_of(graph, "G");
    hash_of(route, "R");
    assert_ok(fr_config_set(&config, "route.alpha=0.5"));
    hash_of(now, "G");
    assert_string_equal(now, graph);
    hash_of(now, "R");
    assert_string_not_equal(now, route);
    assert_ok(fr_config_set(&config, "discover.tau=0.5"));
    hash_of(now, "G");
    assert_string_not_equal(now, graph);
}

static void test_options_are_described(void **state)
{
    (void)state;
    for (int64_t i = 0; i < fr_option_count(); i++) {
        fr_option o = fr_option_at(i);
        assert_true(strlen(o.help) > 8);
        assert_true(strlen(o.type) > 0);
        assert_string_equal(fr_option_nearest(o.key), o.key);
    }
    assert_string_equal(fr_option_nearest("resolutoin"), "discover.resolution");
}

static void test_check_between_keys(void **state)
{
    (void)state;
    assert_fails(fr_config_check(&config), FR_USAGE, "no data source");
    assert_ok(fr_config_set(&config, "data.file=a.h5"));
    assert_ok(fr_config_check(&config));
    assert_ok(fr_config_set(&config, "synth.prompts=500"));
    assert_fails(fr_config_check(&config), FR_USAGE, "more than one data source");
    assert_ok(fr_config_set(&config, "synth.prompts=0"));

    /* embeddings of the data: nothing that needs a text encoder */
    static const char *const needs[][3] = {
        {"encoder.train=top", "encoder.train=frozen",
         "encoder.train is top with encoder.embeddings: data, want frozen"},
        {"routerdc.encoder=full", "routerdc.encoder=frozen", "routerdc.encoder is full with encoder.embeddings: data"},
        {"llm.url=http://localhost/v1", "llm.url=", "llm.url is set with encoder.embeddings: data"},
        {"encoder.store=true", "encoder.store=false", "encoder.store is true with encoder.embeddings: data"},
    };
    assert_ok(fr_config_set(&config, "encoder.embeddings=data"));
    assert_ok(fr_config_check(&config));
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        assert_ok(fr_config_set(&config, needs[i][0]));
        assert_fails(fr_config_check(&config), FR_USAGE, needs[i][2]);
        assert_ok(fr_config_set(&config, needs[i][1]));
    }
    assert_ok(fr_config_set(&config, "encoder.embeddings=text"));
    assert_ok(fr_config_set(&config, "encoder.train=full"));
    assert_ok(fr_config_check(&config));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults_and_values),
        TEST(test_errors_name_file_line_and_nearest_key),
        TEST(test_set),
        TEST(test_text_reads_back_equal),
        TEST(test_stage_hash_sees_its_keys_only),
        TEST(test_options_are_described),
        TEST(test_check_between_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

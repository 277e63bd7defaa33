/* Import of public benchmarks' layouts: each fixture gives the matrix it was made from
 * (tests/fixtures/make_fixtures.py). */
#include "finerouter/dataset.h"
#include "finerouter/log.h"
#include "test.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/options.h"
#include "data/table.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    fr_log_level(0);
    snprintf(folder, sizeof folder, "%s", test_folder());
    return chdir(folder);
}

static const char *const models[3] = {"ant-7b", "bee/large", "cat.v2"};
static const float score[6][3] = {{1, 0, 1}, {0, 1, 1}, {0.5f, 0.25f, 0}, {1, 1, 1}, {0, 0, 1}, {1, 0, 0}};
static const char *const words[6] = {"apples", "bridges", "clouds", "dunes", "embers", "ferns"};

/* Imports with up to four --set assignments. */
static fr_status import_with(fr_dataset *data, const char *path, const char *format, const char *list,
                             const char *const *set)
{
    fr_config config;
    fr_config_defaults(&config);
    char *assignment = fr_format("data.format=%s", format);
    assert_ok(fr_config_set(&config, assignment));
    free(assignment);
    for (; set && *set; set++)
        assert_ok(fr_config_set(&config, *set));
    fr_status status = fr_import(data, path, list, &config);
    fr_config_close(&config);
    return status;
}

static fr_status import(fr_dataset *data, const char *path, const char *format)
{
    return import_with(data, path, format, NULL, NULL);
}

static const char *fixture(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, FR_SOURCE_DIR "/tests/fixtures/%s", name);
    return path;
}

/* Imports a fixture, named and by auto, which must agree. */
static void import_fixture(fr_dataset *data, const char *name, const char *format)
{
    fr_dataset other;
    assert_ok(import(data, fixture(name), format));
    assert_ok(import(&other, fixture(name), "auto"));
    assert_string_equal(data->hash, other.hash);
    fr_dataset_close(&other);
}

static int64_t model_of(const fr_dataset *data, const char *name)
{
    for (int64_t m = 0; m < data->M; m++)
        if (strcmp(data->model[m], name) == 0)
            return m;
    fail_msg("no model %s", name);
    return -1;
}

static int64_t row_of(const fr_dataset *data, const char *id)
{
    for (int64_t i = 0; i < data->N; i++)
        if (strcmp(data->id[i], id) == 0)
            return i;
    fail_msg("no prompt %s", id);
    return -1;
}

enum { PLAIN, NO_COST, LABELS };

/* The six prompts "How many WORD?" with their scores; ids by a format with the prompt's number. */
static void check_matrix(const fr_dataset *data, const char *id_format, const char *text_format, int kind)
{
    assert_int_equal(data->M, 3);
    for (int i = 0; i < 6; i++) {
        char id[64], text[64];
        snprintf(id, sizeof id, id_format, i); /* NOLINT */
        snprintf(text, sizeof text, text_format, words[i]);
        int64_t row = row_of(data, id);
        assert_string_equal(data->text[row], text);
        for (int m = 0; m < 3; m++) {
            int64_t at = row * 3 + model_of(data, models[m]);
            double want = kind == LABELS ? score[i][m] > 0.3f : score[i][m];
            assert_close(data->quality[at], want, 0);
            static const double scale[3] = {0.001, 0.01, 0.1};
            if (kind == PLAIN)
                assert_close(data->cost[at], scale[m] * (i + 1), 1e-7);
            else
                assert_true(isnan(data->cost[at]));
        }
    }
}

static void check_sources(const fr_dataset *data, const char *id_format, const char *first, const char *last)
{
    for (int i = 0; i < 6; i++) {
        char id[64];
        snprintf(id, sizeof id, id_format, i); /* NOLINT */
        assert_string_equal(data->source_name[data->source[row_of(data, id)]], i < 4 ? first : last);
    }
}

static void put(const char *name, const char *text)
{
    assert_ok(fr_file_write(name, text, strlen(text)));
}

static void routerbench(void **state)
{
    (void)state;
    fr_dataset data;
    import_fixture(&data, "fuzz/import_routerbench/wide.csv", "routerbench");
    assert_int_equal(data.N, 6);
    assert_int_equal(data.M, 3);
    check_sources(&data, "count.%d", "count", "rest");
    for (int i = 0; i < 6; i++)
        for (int m = 0; m < 3; m++) {
            if (i == 4 && m == 1)
                assert_true(isnan(data.quality[i * 3 + m]));
            else
                assert_close(data.quality[i * 3 + m], score[i][m], 0);
        }
    assert_string_equal(data.model[2], models[2]);
    assert_close(data.cost[5 * 3 + 1], 0.06, 1e-7);
    assert_string_equal(data.text[0], "How many apples?");
    assert_string_equal(data.text[1], "First 'turn',\nnext line\n\nSecond \xC3\xA9"); /* a repeated turn once */
    assert_string_equal(data.text[2], "[not a list");
    fr_dataset_close(&data);
}

static void llmrouterbench(void **state)
{
    (void)state;
    fr_dataset data;
    import_fixture(&data, "llmrouterbench/results", "llmrouterbench");
    assert_int_equal(data.N, 7); /* neither the older run nor the demo */
    assert_int_equal(data.M, 3);
    for (int i = 0; i < 6; i++) {
        char id[32], text[64];
        snprintf(id, sizeof id, "count/test/%d", i + 1);
        snprintf(text, sizeof text, "%sHow many %s?", i == 1 ? "" : "Q: ", words[i]);
        int64_t row = row_of(&data, id);
        assert_string_equal(data.text[row], text);
        assert_string_equal(data.source_name[data.source[row]], "count");
        for (int m = 0; m < 3; m++) {
            float got = data.quality[row * 3 + model_of(&data, models[m])];
            if (i == 4 && m == 1)
                assert_true(isnan(got));
            else
                assert_close(got, score[i][m], 0);
        }
    }
    int64_t talk = row_of(&data, "talk/test/1"), ant = model_of(&data, "ant-7b");
    assert_string_equal(data.text[talk], "[{\"role\":\"user\",\"content\":\"Hi\"}]");
    assert_close(data.quality[talk * 3 + ant], 1, 0);
    assert_close(data.cost[talk * 3 + ant], 0.5, 0);
    assert_true(isnan(data.quality[talk * 3 + (ant + 1) % 3]));
    fr_dataset_close(&data);
}

#define RECORD(i, p, s) "{\"index\":" i ",\"prompt\":\"" p "\",\"score\":" s "}"
#define RESULT(m, records) "{\"dataset_name\":\"d\",\"split\":\"s\",\"model_name\":\"" m "\",\"records\":[" records "]}"

/* Models that were asked differently under one index. */
static void llmrouterbench_prompts(void **state)
{
    (void)state;
    fr_dataset data;
    assert_int_equal(mkdir("bench", 0700), 0);
    put("bench/a.json", RESULT("a", RECORD("1", "p", "1") "," RECORD("2", "q", "1") "," RECORD("3", "r", "1")));
    put("bench/b.json", RESULT("b", RECORD("1", "p", "0") "," RECORD("2", "Q", "0") "," RECORD("3", "r", "0")));
    put("bench/c.json", RESULT("c", RECORD("1", "p", "0") "," RECORD("2", "Q", "1") "," RECORD("3", "r", "0")));
    put("bench/d.json", RESULT("d", RECORD("1", "p", "0") "," RECORD("2", "qq", "1") "," RECORD("3", "r", "0")));
    assert_ok(import_with(&data, "bench", "auto", NULL, (const char *[]){"data.dev_share=0.25", NULL}));
    assert_int_equal(data.N, 5);
    int64_t q = row_of(&data, "d/s/2"), other = row_of(&data, "d/s/2#2"), third = row_of(&data, "d/s/2#3");
    assert_string_equal(data.text[q], "q");
    assert_string_equal(data.text[other], "Q");
    assert_string_equal(data.text[third], "qq");
    assert_close(data.quality[q * 4], 1, 0);
    assert_true(isnan(data.quality[q * 4 + 1]));
    assert_close(data.quality[other * 4 + 1], 0, 0);
    assert_close(data.quality[other * 4 + 2], 1, 0);
    fr_dataset_close(&data);
}

static void llmrouter(void **state)
{
    (void)state;
    fr_dataset data;
    import_fixture(&data, "fuzz/import_llmrouter/default_routing_data.jsonl", "llmrouter");
    check_matrix(&data, "10%d", "How many %s?", NO_COST);
    check_sources(&data, "10%d", "count", "rest");
    fr_dataset_close(&data);

    /* tokens and prices: (10 (i + 1) 2 + 2 * 10) / 1e6, by LLMRouter's own list of models */
    put("llm.json", "{\"ant-7b\":{\"size\":\"7B\",\"input_price\":2,\"output_price\":10},"
                    "\"bee/large\":{\"input_price\":1,\"output_price\":1},\"cat.v2\":{\"input_price\":1}}");
    assert_ok(import_with(&data, fixture("fuzz/import_llmrouter/plain.jsonl"), "llmrouter", "llm.json", NULL));
    assert_close(data.cost[row_of(&data, "3") * 3], 100e-6, 1e-10);
    assert_true(isnan(data.cost[2]));
    fr_dataset_close(&data);

    /* queries in files of their own, splits by the files' names; dev comes out of train */
    import_fixture(&data, "llmrouter", "llmrouter");
    assert_int_equal(data.N, 6);
    assert_string_equal(data.text[row_of(&data, "5")], "How many ferns?");
    assert_close(data.quality[row_of(&data, "2") * 3 + 1], 0.25, 0);
    assert_close(data.cost[row_of(&data, "4") * 3], 0.5, 0);
    int count[FR_SPLITS] = {0};
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        int split = data.split[row_of(&data, id)];
        assert_int_equal(split == FR_SPLIT_TEST, i >= 4);
        count[split]++;
    }
    assert_int_equal(count[FR_SPLIT_DEV], 1);
    fr_dataset_close(&data);
}

static void routerdc(void **state)
{
    (void)state;
    fr_dataset data;
    import_fixture(&data, "fuzz/import_routerdc/list.json", "routerdc");
    check_matrix(&data, "%d", "How many %s?", NO_COST);
    fr_dataset_close(&data);
    import_fixture(&data, "fuzz/import_routerdc/lists.json", "routerdc");
    check_matrix(&data, "%d", "How many %s?", NO_COST);
    fr_dataset_close(&data);
    import_fixture(&data, "routerdc", "routerdc"); /* part_test.json comes before part_train.jsonl */
    assert_string_equal(data.text[row_of(&data, "0")], "How many embers?");
    assert_int_equal(data.split[row_of(&data, "1")], FR_SPLIT_TEST);
    fr_dataset_close(&data);
}

static void embedllm(void **state)
{
    (void)state;
    fr_dataset data;
    import_fixture(&data, "fuzz/import_embedllm/all.csv", "embedllm");
    assert_close(data.quality[1], 1, 0); /* labelled 0 and 1: the highest */
    data.quality[1] = 0;
    check_matrix(&data, "%d", "How many %s?", LABELS);
    check_sources(&data, "%d", "count", "rest");
    fr_dataset_close(&data);
    import_fixture(&data, "embedllm", "embedllm"); /* prompts and models in files of their own */
    check_matrix(&data, "%d", "How many %s?", LABELS);
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(data.split[row_of(&data, id)], i < 3 ? FR_SPLIT_TRAIN : i < 4 ? FR_SPLIT_DEV : FR_SPLIT_TEST);
    }
    fr_dataset_close(&data);
    assert_ok(import(&data, fixture("embedllm/train.csv"), "embedllm")); /* alone: split anew */
    assert_int_equal(data.N, 3);
    fr_dataset_close(&data);
}

static void routereval(void **state)
{
    (void)state;
    fr_dataset data;
    import_fixture(&data, "fuzz/import_routereval/whole.npz", "routereval"); /* Fortran order, big endian, int ids */
    check_matrix(&data, "4%d", "How many %s?", PLAIN);
    check_sources(&data, "4%d", "count", "rest");
    fr_dataset_close(&data);
    import_fixture(&data, "fuzz/import_routereval/splits.npz", "routereval"); /* deflated, float32, bool */
    static const char *const ids[6] = {"train_0", "train_1", "train_2", "val_0", "test_0", "test_1"};
    for (int i = 0; i < 6; i++) {
        int64_t row = row_of(&data, ids[i]);
        assert_int_equal(data.split[row], i < 3 ? FR_SPLIT_TRAIN : i < 4 ? FR_SPLIT_DEV : FR_SPLIT_TEST);
        for (int m = 0; m < 3; m++)
            assert_close(data.quality[row * 3 + m], i < 4 ? score[i][m] : score[i][m] > 0.3f, 0);
    }
    fr_dataset_close(&data);
    import_fixture(&data, "fuzz/import_routereval/bytes.npz", "routereval"); /* bytes as texts, int8 */
    assert_string_equal(data.model[1], models[1]);
    assert_close(data.quality[2 * 3 + 1], 1, 0);
    fr_dataset_close(&data);
    assert_fails(import(&data, fixture("fuzz/import_routereval/objects.npz"), "routereval"), FR_FAILED,
                 "objects.npz: prompt: holds Python objects, which are pickled code and not read; save it again");
}

/* Column c of prompt i's embedding, as make_fixtures.py has it. */
static float embedded(int i, int c)
{
    return (float)(i + 1) - 0.25f * (float)c;
}

static void routereval_embeddings(void **state)
{
    (void)state;
    fr_dataset data;
    import_fixture(&data, "fuzz/import_routereval/embeddings.npz", "routereval"); /* double, half, single precision */
    static const char *const ids[6] = {"train_0", "train_1", "train_2", "val_0", "test_0", "test_1"};
    assert_int_equal(data.embedding_width, 3);
    for (int i = 0; i < 6; i++)
        for (int c = 0; c < 3; c++)
            assert_close(data.embedding[row_of(&data, ids[i]) * 3 + c], embedded(i, c), 0);
    fr_dataset_close(&data);
    import_fixture(&data, "fuzz/import_table/six.jsonl", "table"); /* our own layout has a place for them too */
    assert_int_equal(data.embedding_width, 3);
    assert_close(data.embedding[row_of(&data, "3") * 3 + 1], embedded(3, 1), 0);
    fr_dataset_close(&data);
    import_fixture(&data, "fuzz/import_routereval/splits.npz", "routereval"); /* train has them, val and test not */
    assert_null(data.embedding);
    assert_int_equal(data.embedding_width, 0);
    fr_dataset_close(&data);
    assert_fails(import(&data, fixture("routereval/widths.npz"), "routereval"), FR_FAILED,
                 "widths.npz: row 4: the embedding of prompt \"val_0\" holds 2 numbers, want 3 as those before it");
    assert_fails(import(&data, fixture("routereval/counts.npz"), "routereval"), FR_FAILED,
                 "counts.npz: embeddings: is 5 x 3 (2 dimensions), want prompts x width, 6 x d");
    assert_fails(import(&data, fixture("routereval/texts.npz"), "routereval"), FR_FAILED,
                 "texts.npz: embedding: holds texts (str), want numbers");
    assert_fails(import(&data, fixture("routereval/nan.npz"), "routereval"), FR_FAILED,
                 "nan.npz: prompt \"2\": its embedding is nan at column 1, want finite numbers");
}

static void routerarena(void **state)
{
    (void)state;
    fr_dataset data;
    import_fixture(&data, "routerarena", "routerarena");
    for (int i = 0; i < 6; i++) {
        char id[32];
        snprintf(id, sizeof id, "%s_%d", i < 4 ? "Count" : "The_Rest", i);
        int64_t row = row_of(&data, id);
        assert_string_equal(data.source_name[data.source[row]], i < 4 ? "Count" : "The_Rest");
        for (int m = 0; m < 3; m++)
            assert_close(data.quality[row * 3 + model_of(&data, models[m])], score[i][m], 0);
        assert_close(data.cost[row * 3 + model_of(&data, models[2])], 0.1 * (i + 1), 1e-7);
    }
    fr_dataset_close(&data);
    import_fixture(&data, "fuzz/import_routerarena/router.json",
                   "routerarena"); /* two models a prompt, one not scored */
    int64_t row = row_of(&data, "Count_0");
    assert_close(data.quality[row * 3 + model_of(&data, models[0])], 1, 0);
    assert_true(isnan(data.quality[row * 3 + model_of(&data, models[1])]));
    assert_true(isnan(data.quality[row * 3 + model_of(&data, models[2])]));
    fr_dataset_close(&data);
}

/* ---- data.map ---- */

#define LINE(n, rest) "{\"n\":" n ",\"q\":{\"text\":\"say " n "\"}," rest "}\n"
#define THREE(rest) LINE("1", rest) LINE("2", rest) LINE("3", rest)

static void map(void **state)
{
    (void)state;
    fr_dataset data;
    const char *nested[] = {"data.map=prompt=conversation.0.content,source=meta.set.name,quality=results.*.score,cost="
                            "results.*.usd",
                            NULL};
    assert_ok(import_with(&data, fixture("fuzz/import_map/nested.jsonl"), "auto", NULL, nested));
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i + 1); /* the line's number */
        assert_int_equal(row_of(&data, id), i);
        assert_string_equal(data.source_name[data.source[i]], i < 4 ? "count" : "rest");
        for (int m = 0; m < 3; m++)
            assert_close(data.quality[i * 3 + m], score[i][m], 0);
        assert_close(data.cost[i * 3 + 2], 0.1 * (i + 1), 1e-7);
    }
    fr_dataset_close(&data);

    static const struct {
        const char *lines, *map;
    } ways[] = {
        {THREE("\"scores\":{\"a\":1,\"b.c\":0.5}"), "quality=scores"},
        {THREE("\"r\":[{\"m\":\"a\",\"s\":1},{\"m\":\"b.c\",\"s\":0.5},{\"m\":\"z\"}]"), "quality=r.[].s,model=r.[].m"},
        {THREE("\"names\":[\"a\",\"b.c\"],\"s\":[1,0.5]"), "quality=s,model=names"},
        {THREE("\"x\":{\"y.z\":true},\"w\":0.5"), "quality.a=x.y.z,quality.b.c=w"},
        {THREE("\"a.b\":{\"a\":1,\"b.c\":0.5},\"a\":{\"b\":7}"), "quality=a.b"},              /* the exact key wins */
        {THREE("\"m\":\"a\",\"s\":1") THREE("\"m\":\"b.c\",\"s\":0.5"), "quality=s,model=m"}, /* a long table */
    };
    assert_ok(import_with(&data, fixture("fuzz/import_map/nested.jsonl"), "auto", NULL,
                          (const char *[]){"data.map=prompt=conversation.0.content,quality=results.*.score,"
                                           "embedding=meta.vector",
                                           NULL}));
    assert_int_equal(data.embedding_width, 3);
    assert_close(data.embedding[5 * 3 + 2], embedded(5, 2), 0);
    fr_dataset_close(&data);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        char *set = fr_format("data.map=[id=n, prompt=q.text, %s]", ways[w].map);
        put("w.jsonl", ways[w].lines);
        assert_ok(import_with(&data, "w.jsonl", "table", NULL, (const char *[]){set, NULL}));
        assert_int_equal(data.N, 3);
        assert_int_equal(data.M, 2);
        assert_string_equal(data.id[2], "3");
        assert_string_equal(data.text[1], "say 2");
        assert_string_equal(data.model[1], "b.c");
        assert_close(data.quality[0], 1, 0);
        assert_close(data.quality[1], 0.5, 0);
        fr_dataset_close(&data);
        free(set);
    }
}

static void map_bad(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *map, *error;
    } cases[] = {
        {"", "quality", "data.map: \"quality\": want TARGET=PATH"},
        {"", "quality=", "data.map: \"quality=\": want TARGET=PATH"},
        {"", "score=x", "data.map: \"score=x\": unknown target score, want id, prompt"},
        {"", "embedding=x.[]", "data.map: \"embedding=x.[]\": * and [] go with model, quality and cost alone"},
        {LINE("1", "\"s\":{\"a\":1,\"b\":1},\"e\":{\"v\":\"x\"}"), "prompt=q.text,quality=s,embedding=e.v",
         "b.jsonl:1: embedding is a text, want a list of numbers"},
        {LINE("1", "\"s\":{\"a\":1,\"b\":1},\"e\":[1,null]"), "prompt=q.text,quality=s,embedding=e",
         "b.jsonl:1: embedding: entry 1 is null, want a number"},
        {LINE("1", "\"s\":{\"a\":1,\"b\":1},\"e\":[]"), "prompt=q.text,quality=s,embedding=e",
         "b.jsonl:1: the embedding of prompt \"1\" holds 0 numbers, want 1 to 65536"},
        {LINE("1", "\"s\":{\"a\":1},\"e\":[1]") LINE("1", "\"s\":{\"b\":1},\"e\":[2]"),
         "id=n,prompt=q.text,quality=s,embedding=e",
         "b.jsonl:2: the embedding of prompt \"1\" differs from the one in line 1"},
        {LINE("1", "\"s\":{\"a\":1,\"b\":1},\"e\":[1]") LINE("2", "\"s\":{\"a\":1,\"b\":1}"),
         "id=n,prompt=q.text,quality=s,embedding=e",
         "b.jsonl:2: has no embedding, though line 1 has one; give it for all prompts or for none"},
        {"", "prompt=a..b", "data.map: \"prompt=a..b\": the path has an empty part"},
        {"", "prompt=a.*", "data.map: \"prompt=a.*\": * and [] go with model, quality and cost alone"},
        {"", "quality=r.[].s", "data.map: quality=r.[].s needs the model of each item: want model=r.[].KEY"},
        {"", "quality=r,model=r.[].m", "data.map: quality=r is no list of items"},
        {"", "quality=a,quality=b", "data.map: quality is given twice"},
        {LINE("1", "\"s\":{\"a\":1}"), "prompt=p.0,quality=s", "b.jsonl:1: prompt: the path p.0 leads nowhere here"},
        {LINE("1", "\"s\":{\"a\":1}"), "id=x,prompt=q.text,quality=s", "b.jsonl:1: id: the path x leads nowhere"},
        {LINE("1", "\"s\":{\"a\":1}"), "prompt=q,quality=s", "b.jsonl:1: prompt=q is an object, want a text"},
        {LINE("1", "\"s\":{\"a\":1}"), "prompt=q.text,quality=t", "b.jsonl:1: quality: the path t leads nowhere here"},
        {LINE("1", "\"s\":3"), "prompt=q.text,quality=s", "b.jsonl:1: quality=s is a number, want an object"},
        {LINE("1", "\"s\":{\"a\":\"x\"}"), "prompt=q.text,quality=s", "quality of model \"a\" is the text \"x\""},
        {LINE("1", "\"s\":[1,2],\"m\":[\"a\"]"), "prompt=q.text,quality=s,model=m", "want two lists of one length"},
        {LINE("1", "\"s\":[{\"v\":1}]"), "prompt=q.text,quality=s.[].v,model=s.[].m", "item 0 has no model at \"m\""},
        {LINE("1", "\"s\":{\"a\":1}") "{\"n\":1,\"q\":{\"text\":\"other\"},\"s\":{\"b\":1}}\n",
         "id=n,prompt=q.text,quality=s", "b.jsonl:2: prompt of prompt \"1\" differs from the one in line 1"},
    };
    fr_dataset data;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *set = fr_format("data.map=[%s]", cases[i].map);
        put("b.jsonl", cases[i].lines);
        assert_fails(import_with(&data, "b.jsonl", "table", NULL, (const char *[]){set, NULL}),
                     strncmp(cases[i].error, "data.map", 8) == 0 ? FR_USAGE : FR_FAILED, cases[i].error);
        free(set);
    }
    put("c.csv", "a\n");
    assert_fails(import_with(&data, "c.csv", "table", NULL, (const char *[]){"data.map=prompt=p", NULL}), FR_USAGE,
                 "c.csv: data.map goes with JSON Lines");
    assert_fails(import_with(&data, "b.jsonl", "routerdc", NULL, (const char *[]){"data.map=prompt=p", NULL}), FR_USAGE,
                 "data.map goes with data.format table, not with routerdc");
    put("d.jsonl", "{\"question\":\"q\",\"scores\":{\"a\":1}}\n"); /* a layout that auto knows, but the map says more */
    assert_fails(import_with(&data, "d.jsonl", "auto", NULL, (const char *[]){"data.map=prompt=p", NULL}), FR_FAILED,
                 "d.jsonl:1: prompt: the path p leads nowhere");
}

/* ---- what is wrong ---- */

#define WIDE "sample_id,prompt,eval_name,a,b,a|total_cost,b|model_response\n"
#define QUERY(rest) "{\"query\":\"q\",\"task_name\":\"t\",\"model_name\":\"a\"," rest "}\n"
#define BENCH(rest) "{\"dataset_name\":\"d\",\"split\":\"s\",\"model_name\":\"a\"," rest "}"
#define ARENA(rest) "[{\"global index\":\"D_1\",\"prompt\":\"p\"," rest "}]"

static void bad(void **state)
{
    (void)state;
    static const struct {
        const char *format, *name, *text, *error;
    } cases[] = {
        {"auto", "x.jsonl", "", "x.jsonl: has no prompts"},
        {"auto", "x.json", "[]", "x.json: its content has no layout that is known"},
        {"auto", "x.txt", "", "x.txt: unknown kind of table, want a name that ends in .jsonl"},
        {"table", "x.json", "[]", "x.json: is no table by its name"},
        {"routerbench", "x.csv", "", "x.csv: is empty, want a header line"},
        {"routerbench", "x.csv", "sample_id,prompt\n", "x.csv:1: the header has no model"},
        {"routerbench", "x.csv", "prompt,a,a|total_cost\n", "x.csv:1: the header lacks the column sample_id"},
        {"routerbench", "x.csv", WIDE "1,p,s,good,1,0,\n", "x.csv:2: score of model \"a\" is \"good\", want a finite"},
        {"routerbench", "x.csv", WIDE "1,p,s,nan,1,0,\n", "x.csv:2: score of model \"a\" is \"nan\""},
        {"routerbench", "x.csv", WIDE "1,p,s,1,1,-2,\n", "x.csv:2: cost of model \"a\" is -2"},
        {"routerbench", "x.csv", WIDE "1,p,s,1,1\n", "x.csv:2: has 5 fields, want 7 as in the header"},
        {"routerbench", "x.csv", WIDE "1,\"[]\",s,1,1,,\n1,p,s,1,1,,\n", "x.csv:3: prompt of prompt \"1\" differs"},
        {"routerbench", "x.csv", WIDE "1,p,s,1,1,,\n1,p,s,0,1,,\n",
         "x.csv:3: quality of prompt \"1\" and model \"a\" stands in line 2 already with another value (1, here 0)"},
        {"routerbench", "x.csv", WIDE "1,\"p,s", "x.csv:2: field 2: its quote is never closed"},
        {"routerbench", "x.csv", WIDE "1,\xFF,s,1,1,,\n", "x.csv:2: invalid UTF-8 at byte 3 of the line (0xFF)"},
        {"embedllm", "x.csv", "prompt_id,prompt,label\n",
         "x.csv:1: the header \"prompt_id,...\" lacks the column model_name"},
        {"embedllm", "x.csv", "prompt_id,model_name,label\n", "lacks the column prompt"},
        {"embedllm", "x.csv", "prompt_id,prompt,model_id,label\n1,p,0,yes\n",
         "x.csv:2: label is \"yes\", want a finite"},
        {"llmrouter", "x.jsonl", QUERY("\"performance\":NaN"), "x.jsonl:1: no valid JSON at byte"},
        {"llmrouter", "x.jsonl", QUERY("\"performance\":\"1\""),
         "x.jsonl:1: performance of model \"a\" is the text \"1\""},
        {"llmrouter", "x.jsonl", QUERY("\"p\":1"), "x.jsonl:1: performance is missing"},
        {"llmrouter", "x.jsonl", QUERY("\"performance\":1,\"cost\":[1]"), "x.jsonl:1: cost is an array, want a number"},
        {"llmrouter", "x.jsonl",
         QUERY("\"performance\":1") QUERY(
             "\"performance\":0") "{\"query\":\"q\",\"task_name\":\"t\",\"model_name\":\"b\",\"performance\":1}\n",
         "x.jsonl:2: quality of prompt \"0\""},
        {"llmrouter", "x.jsonl", "{\"query\":\"q\",\"performance\":1}\n", "x.jsonl:1: model_name is missing"},
        {"llmrouter", "x.jsonl", "{\"embedding_id\":3,\"model_name\":\"a\",\"performance\":1}\n",
         "x.jsonl:1: query is missing, and no query file (*query*.jsonl) is beside"},
        {"llmrouter", "x.jsonl", "[1]\n", "x.jsonl:1: the line is an array, want a JSON object"},
        {"llmrouter", "x.csv", "model_name,performance,query\na,x,q\n", "x.csv:2: performance is \"x\", want a finite"},
        {"routerdc", "x.json", "{\"question\":\"q\"}", "x.json: holds an object, want a list of objects"},
        {"routerdc", "x.json", "[{\"question\":\"q\",\"scores\":{\"a\":1}},3]",
         "x.json: record 2: is a number, want an object"},
        {"routerdc", "x.json", "[{\"question\":\"q\",\"scores\":[1]}]",
         "x.json: record 1: scores is an array, want an object"},
        {"routerdc", "x.json", "[{\"question\":\"q\"}]", "x.json: record 1: scores is missing"},
        {"routerdc", "x.json", "[{\"scores\":{}}]", "x.json: record 1: question is missing"},
        {"routerdc", "x.json", "[{\"question\":\" \",\"scores\":{}}]", "x.json: record 1: the prompt is empty"},
        {"routerdc", "x.json", "[{\"query\":\"q\",\"llm_name_list\":[\"a\"],\"perf_list\":[]}]",
         "x.json: record 1: llm_name_list has 1 entries and perf_list 0, want two lists of one length"},
        {"routerdc", "x.json", "[{\"question\":\"q\",\n\"scores\":{\"a\":1}",
         "x.json:2: no valid JSON: it ends too early"},
        {"llmrouterbench", "x.json", "[]", "x.json: holds an array, want an object with records"},
        {"llmrouterbench", "x.json", BENCH("\"records\":3"), "x.json: records is a number, want a list"},
        {"llmrouterbench", "x.json", BENCH("\"records\":[{}]"), "x.json: record 1: index is missing"},
        {"llmrouterbench", "x.json", BENCH("\"records\":[{\"index\":1}]"), "x.json: record 1: score is missing"},
        {"llmrouterbench", "x.json", BENCH("\"records\":[{\"index\":1,\"score\":{}}]"),
         "x.json: record 1: score of model \"a\" is an object, want a number or null"},
        {"llmrouterbench", "x.json", BENCH("\"records\":[{\"index\":1,\"score\":1}]"),
         "x.json: record 1: the prompt is empty"},
        {"llmrouterbench", "x.json", BENCH("\"records\":[{\"index\":1,\"score\":1e300,\"prompt\":\"p\"}]"),
         "x.json: record 1: quality of model \"a\" is 1e+300, want a finite number of single precision"},
        {"llmrouterbench", "x.json", "{\"records\":[]}", "x.json: model_name is missing, and no folder above names it"},
        {"routerarena", "x.json", "{}", "x.json: holds an object, want a list of predictions"},
        {"routerarena", "x.json", "[{\"prompt\":\"p\"}]", "x.json: record 1: \"global index\" is missing"},
        {"routerarena", "x.json", ARENA("\"accuracy\":1"), "x.json: record 1: prediction is missing"},
        {"routerarena", "x.json", ARENA("\"prediction\":\"a\",\"accuracy\":\"1\""),
         "x.json: record 1: accuracy is a text"},
        {"routerarena", "x.json", ARENA("\"prediction\":\"a\",\"accuracy\":1,\"cost\":-1"),
         "record 1: cost of model \"a\" is -1"},
        {"routereval", "x.npz", "", "x.npz: no good ZIP file"},
        {"routereval", "x.npz", "PK\3\4 and so on, but nothing else",
         "x.npz: no good ZIP file: the end of its directory"},
    };
    fr_dataset data;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i].name, cases[i].text);
        assert_fails(import(&data, cases[i].name, cases[i].format), FR_FAILED, cases[i].error);
    }
    assert_fails(import(&data, "none.json", "routerdc"), FR_FAILED, "none.json: cannot open");
    assert_fails(import(&data, "none.npz", "auto"), FR_FAILED, "none.npz: cannot open");
    assert_int_equal(mkdir("empty", 0700), 0);
    assert_fails(import(&data, "empty", "auto"), FR_FAILED, "empty: is a folder without a file that ends in");
    assert_fails(import(&data, "empty", "llmrouterbench"), FR_FAILED, "empty: has no prompts");
    assert_fails(import(&data, "empty", "embedllm"), FR_FAILED, "empty: holds neither train.csv");
    assert_fails(import(&data, "empty", "table"), FR_FAILED, "empty: is no table by its name");
}

/* A model that the list lacks, in every layout that names models. */
static void unknown_model(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"routerbench", "fuzz/import_routerbench/wide.csv"},
        {"llmrouterbench", "llmrouterbench"},
        {"llmrouter", "llmrouter"},
        {"routerdc", "routerdc"},
        {"embedllm", "embedllm"},
        {"routereval", "fuzz/import_routereval/whole.npz"},
        {"routerarena", "routerarena"},
    };
    fr_dataset data;
    put("list.json", "[{\"name\":\"ant-7b\"},{\"name\":\"bee/large\"}]");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_fails(import_with(&data, fixture(names[i][1]), names[i][0], "list.json", NULL), FR_FAILED,
                     "model \"cat.v2\" is not in list.json; nearest there: \"ant-7b\"");
}

/* Our own tables stay ours, whatever else stands in them. */
static void own(void **state)
{
    (void)state;
    fr_dataset data;
    put("own.jsonl",
        "{\"id\":\"1\",\"prompt\":\"p\",\"quality\":{\"a\":1,\"b\":0},\"global_index\":1,\"model_name\":\"x\","
        "\"performance\":2,\"question\":\"q\",\"scores\":{}}\n"
        "{\"id\":\"2\",\"prompt\":\"q\",\"quality\":{\"a\":1,\"b\":0}}\n"
        "{\"id\":\"3\",\"prompt\":\"r\",\"quality\":{\"a\":1,\"b\":0}}\n");
    assert_ok(import(&data, "own.jsonl", "auto"));
    assert_string_equal(data.id[0], "1");
    fr_dataset_close(&data);
    put("own.csv",
        "prompt_id,label,prompt,model,quality,model_name,performance\n1,,p,a,1,,\n1,,p,b,1,,\n2,,q,a,0,,\n3,,r,a,1,,\n"
        "2,,q,b,1,,\n3,,r,b,1,,\n");
    assert_ok(import(&data, "own.csv", "auto"));
    assert_string_equal(data.model[1], "b");
    fr_dataset_close(&data);
}

/* Every importer's name is a choice of data.format, and the other way round. */
static void names(void **state)
{
    (void)state;
    const char *choices = fr_option_find("data.format")->choices;
    int count = 1;
    for (const fr_importer *const *i = fr_importers; *i; i++, count++)
        assert_true(fr_choice_index(choices, (*i)->name, strlen((*i)->name)) > 0);
    for (const char *bar = choices; (bar = strchr(bar, '|')); bar++)
        count--;
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routerbench),
        cmocka_unit_test(llmrouterbench),
        cmocka_unit_test(llmrouterbench_prompts),
        cmocka_unit_test(llmrouter),
        cmocka_unit_test(routerdc),
        cmocka_unit_test(embedllm),
        cmocka_unit_test(routereval),
        cmocka_unit_test(routereval_embeddings),
        cmocka_unit_test(routerarena),
        cmocka_unit_test(map),
        cmocka_unit_test(map_bad),
        cmocka_unit_test(bad),
        cmocka_unit_test(unknown_model),
        cmocka_unit_test(own),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

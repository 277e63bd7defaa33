/* Import of tables: good ones become data sets, bad ones one clear line. */
#include "finerouter/dataset.h"
#include "finerouter/log.h"
#include "test.h"

#include "base/files.h"
#include "base/memory.h"

#include <unistd.h>
#include <zlib.h>

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    fr_log_level(0);
    snprintf(folder, sizeof folder, "%s", test_folder());
    return chdir(folder);
}

static void put(const char *name, const char *text)
{
    assert_ok(fr_file_write(name, text, strlen(text)));
}

static void put_gzip(const char *name, const char *text, int64_t cut)
{
    gzFile file = gzopen(name, "wb");
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    gzclose(file);
    if (cut) {
        char *data;
        size_t bytes;
        assert_ok(fr_file_read(&data, &bytes, name, 0));
        assert_ok(fr_file_write(name, data, bytes - (size_t)cut));
        free(data);
    }
}

#define P(id, rest) "{\"id\":\"" id "\",\"prompt\":\"say " id "\"," rest "}\n"
#define AB "\"quality\":{\"a\":1,\"b\":0}"
#define TRAIN ",\"split\":\"train\""
#define GOOD P("1", AB TRAIN) P("2", AB ",\"split\":\"dev\"") P("3", AB ",\"split\":\"test\"")
#define MODELS                                                                                                         \
    "[{\"name\":\"b\",\"input_usd_per_mtok\":2,\"output_usd_per_mtok\":10},{\"name\":\"a\",\"input_usd_per_mtok\":"    \
    "null}]"

static fr_status import(fr_dataset *data, const char *path, const char *models)
{
    fr_config config;
    fr_config_defaults(&config);
    fr_status status = fr_import(data, path, models, &config);
    fr_config_close(&config);
    return status;
}

static void jsonl_good(void **state)
{
    (void)state;
    fr_dataset data;
    put("g.jsonl",
        "\xEF\xBB\xBF"
        "{\"id\":7,\"prompt\":\"Hi \\u00e9!\\n\",\"description\":\"greets\",\"source\":\"x\",\"split\":\"train\","
        "\"quality\":{\"a\":true,\"b\":null},\"cost\":{\"a\":0.5},\"note\":[1]}\r\n"
        "\n" P("2", "\"quality\":{\"b\":-2.5,\"a\":3},\"split\":\"dev\",\"source\":null")
            P("3", "\"quality\":{\"b\":0.25},\"split\":\"train\"") "{\"id\":\"4\",\"prompt\":\"last\",\"split\":"
                                                                   "\"test\",\"quality\":{\"a\":false}}");
    put("m.json", MODELS);
    assert_ok(import(&data, "g.jsonl", "m.json"));
    assert_int_equal(data.N, 4);
    assert_int_equal(data.M, 2);
    assert_string_equal(data.model[0], "b"); /* order of the list */
    assert_string_equal(data.id[0], "7");
    assert_string_equal(data.text[0], "Hi \xC3\xA9!\n");
    assert_string_equal(data.description[0], "greets");
    assert_string_equal(data.description[1], "");
    assert_string_equal(data.source_name[data.source[0]], "x");
    assert_string_equal(data.source_name[data.source[1]], "unknown");
    assert_true(isnan(data.quality[0]));
    assert_close(data.quality[1], 1, 0);
    assert_close(data.quality[2], -2.5, 0);
    assert_close(data.quality[7], 0, 0);
    assert_close(data.cost[1], 0.5, 0);
    /* "Hi e!\n" has 6 characters: (6 / 4 * 2 + 200 * 10) / 1e6 */
    assert_close(data.cost[0], 2003e-6, 1e-9);
    assert_true(isnan(data.cost[3])); /* half of a's price is unknown */
    assert_int_equal(data.split[1], FR_SPLIT_DEV);
    fr_dataset_close(&data);
    assert_ok(import(&data, "g.jsonl", NULL));
    assert_string_equal(data.model[0], "a"); /* order of appearance */
    fr_dataset_close(&data);
}

static void gzip(void **state)
{
    (void)state;
    fr_dataset data;
    put_gzip("g.jsonl.gz", GOOD, 0);
    assert_ok(import(&data, "g.jsonl.gz", NULL));
    assert_int_equal(data.N, 3);
    fr_dataset_close(&data);
    for (int cut = 1; cut <= 30; cut++) {
        put_gzip("t.jsonl.gz", GOOD, cut);
        assert_fails(import(&data, "t.jsonl.gz", NULL), FR_FAILED, "the gzip file is truncated");
    }
    put("p.jsonl.gz", GOOD);
    assert_fails(import(&data, "p.jsonl.gz", NULL), FR_FAILED, "p.jsonl.gz: is not a gzip file");

    /* two members are one text; other bytes behind them are an error, and so is a flipped bit */
    char *bytes;
    size_t size;
    assert_ok(fr_file_read(&bytes, &size, "g.jsonl.gz", 0));
    put_gzip("h.jsonl.gz", P("4", AB TRAIN), 0);
    char *more;
    size_t more_size;
    assert_ok(fr_file_read(&more, &more_size, "h.jsonl.gz", 0));
    fr_buffer both = {0};
    fr_buffer_add(&both, bytes, size);
    fr_buffer_add(&both, more, more_size);
    fr_buffer_add(&both, "\0\0\0", 3);
    assert_ok(fr_file_write("b.jsonl.gz", both.data, both.bytes));
    assert_ok(import(&data, "b.jsonl.gz", NULL));
    assert_int_equal(data.N, 4);
    fr_dataset_close(&data);
    fr_buffer_add(&both, "junk", 4);
    assert_ok(fr_file_write("b.jsonl.gz", both.data, both.bytes));
    assert_fails(import(&data, "b.jsonl.gz", NULL), FR_FAILED, "the gzip stream has other bytes behind its end");
    bytes[size - 6] ^= 1;
    assert_ok(fr_file_write("f.jsonl.gz", bytes, size));
    assert_fails(import(&data, "f.jsonl.gz", NULL), FR_FAILED, "the gzip data is damaged: incorrect data check");
    fr_buffer_close(&both);
    free(bytes);
    free(more);
}

static void jsonl_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "x.jsonl: has no prompts"},
        {GOOD "{\"id\":\"4\"", "x.jsonl:4: no valid JSON at byte 9: it ends too early"},
        {GOOD "{\"id\":\"4\",}\n", "x.jsonl:4: no valid JSON at byte 11"},
        {GOOD "[1]\n", "x.jsonl:4: the line is an array, want a JSON object"},
        {GOOD P("4", AB TRAIN) "{\"id\":\"2\",\"prompt\":\"p\"," AB TRAIN "}\n",
         "x.jsonl:5: id \"2\" stands in line 2 already"},
        {GOOD "{\"prompt\":\"p\"," AB "}\n", "x.jsonl:4: id is missing"},
        {GOOD "{\"id\":\" \",\"prompt\":\"p\"," AB "}\n", "x.jsonl:4: the prompt's id is empty"},
        {GOOD "{\"id\":[],\"prompt\":\"p\"," AB "}\n", "x.jsonl:4: id is an array, want a text"},
        {GOOD "{\"id\":\"4\"," AB "}\n", "x.jsonl:4: prompt is missing"},
        {GOOD "{\"id\":\"4\",\"prompt\":\" \\n\\t\\u00a0\"," AB "}\n", "x.jsonl:4: the prompt is empty"},
        {GOOD "{\"id\":\"4\",\"prompt\":5," AB "}\n", "x.jsonl:4: prompt is a number, want a text"},
        {GOOD "{\"id\":\"4\",\"prompt\":\"a\\u0000b\"," AB "}\n",
         "x.jsonl:4: no valid JSON at byte 29: NUL characters"},
        {GOOD "{\"id\":\"4\",\"prompt\":\"a\xC3(\"," AB "}\n",
         "x.jsonl:4: invalid UTF-8 at byte 22 of the line (0xC3)"},
        {GOOD P("4", "\"split\":\"train\""), "x.jsonl:4: quality is missing"},
        {GOOD P("4", "\"quality\":[1,0]" TRAIN), "x.jsonl:4: quality is an array, want an object"},
        {GOOD P("4", "\"quality\":{\"a\":\"good\"}" TRAIN),
         "x.jsonl:4: quality of model \"a\" is the text \"good\", want a number or null"},
        {GOOD P("4", "\"quality\":{\"a\":{}}" TRAIN), "x.jsonl:4: quality of model \"a\" is an object"},
        {GOOD P("4", "\"quality\":{\"a\":NaN}" TRAIN), "JSON has no NaN or Infinity"},
        {GOOD P("4", "\"quality\":{\"a\":-Infinity}" TRAIN), "JSON has no NaN or Infinity"},
        {GOOD P("4", "\"quality\":{\"a\":1e999}" TRAIN), "x.jsonl:4: no valid JSON at byte 47: real number overflow"},
        {GOOD P("4", "\"quality\":{\"a\":1e60}" TRAIN),
         "x.jsonl:4: quality of model \"a\" is 1e+60, want a finite number"},
        {GOOD P("4", "\"quality\":{\"a\":1,\"a\":0}" TRAIN), "x.jsonl:4: no valid JSON at byte"},
        {GOOD P("4", AB TRAIN ",\"cost\":{\"a\":-1}"),
         "x.jsonl:4: cost of model \"a\" is -1, want a finite number from 0 up"},
        {GOOD P("4", AB TRAIN ",\"cost\":{\"a\":\"1\"}"), "x.jsonl:4: cost of model \"a\" is the text"},
        {GOOD P("4", "\"quality\":{\"a\":null}" TRAIN), "x.jsonl:4: prompt \"4\" has no observed quality"},
        {GOOD P("4", "\"quality\":{}" TRAIN), "x.jsonl:4: prompt \"4\" has no observed quality"},
        {GOOD P("4", "\"quality\":{\"a\":1,\"c\":null}" TRAIN), "x.jsonl: model \"c\" has no observed quality here"},
        {P("1", AB TRAIN) P("2", "\"quality\":{\"c\":1},\"split\":\"dev\"") P("3", AB ",\"split\":\"test\""),
         "x.jsonl: model \"c\" has no observed quality in train (1 in dev and test)"},
        {GOOD P("4", AB ",\"split\":\"validation\""), "x.jsonl:4: split is \"validation\", want train, dev or test"},
        {GOOD P("4", AB), "x.jsonl:4: has no split, though line 1 has one"},
        {P("1", AB TRAIN) P("2", AB TRAIN) P("3", AB ",\"split\":\"test\""), "x.jsonl: the dev split is empty"},
        {P("1", "\"quality\":{\"a\":1}") P("2", "\"quality\":{\"a\":1}"), "x.jsonl: has 1 model, want at least 2"},
        {P("1", AB), "x.jsonl: the dev split is empty"},
    };
    fr_dataset data;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("x.jsonl", cases[i].text);
        assert_fails(import(&data, "x.jsonl", NULL), FR_FAILED, cases[i].error);
        assert_null(data.id);
    }
    assert_ok(fr_file_write("x.jsonl", GOOD "{\"id\":\0}", sizeof GOOD + 7));
    assert_fails(import(&data, "x.jsonl", NULL), FR_FAILED, "x.jsonl:4: NUL character at byte 7 of the line");
    assert_fails(import(&data, "none.jsonl", NULL), FR_FAILED, "none.jsonl: cannot open: No such file");
    assert_fails(import(&data, "x.txt", NULL), FR_FAILED,
                 "x.txt: unknown kind of table, want a name that ends in .jsonl");
    assert_ok(fr_make_folders("folder.jsonl"));
    assert_fails(import(&data, "folder.jsonl", NULL), FR_FAILED, "folder.jsonl: is a folder");
}

static void models_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"[\n{\"name\":\"a\"},\n{\"name\":}]", "m.json:3: no valid JSON"},
        {"{}", "m.json: holds an object, want a list of models"},
        {"[{\"name\":\"a\"}]", "m.json: lists 1 model, want at least 2"},
        {"[{\"name\":\"a\"},{\"name\":\"a\"}]", "m.json: entries 1 and 2 have the same name \"a\""},
        {"[{\"name\":\"a\"},{\"nam\":\"b\"}]", "m.json: entry 2 has no name"},
        {"[{\"name\":\"a\"},\"b\"]", "m.json: entry 2 is a text, want an object"},
        {"[{\"name\":\"a\",\"input_usd_per_mtok\":-1},{\"name\":\"b\"}]",
         "model \"a\": input_usd_per_mtok is negative"},
        {"[{\"name\":\"a\",\"output_usd_per_mtok\":\"1\"},{\"name\":\"b\"}]",
         "model \"a\": output_usd_per_mtok is a text"},
        {"[{\"name\":\"a\"},{\"name\":\"B\"}]", "x.jsonl:1: model \"b\" is not in m.json; nearest there: \"B\""},
        {"[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]",
         "x.jsonl: model \"c\" of m.json has no observed quality here"},
        {"[{\"name\":\"a\xFF\"}]", "m.json: invalid UTF-8 at byte 12"},
    };
    fr_dataset data;
    put("x.jsonl", GOOD);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("m.json", cases[i].text);
        assert_fails(import(&data, "x.jsonl", "m.json"), FR_FAILED, cases[i].error);
    }
    assert_fails(import(&data, "x.jsonl", "no.json"), FR_FAILED, "no.json: cannot open");
}

#define HEAD "prompt_id,prompt,model,quality,cost,description,source,split\n"

static void csv_good(void **state)
{
    (void)state;
    fr_dataset data;
    put("g.csv", "prompt_id,extra,prompt,model,quality,cost,split\r\n"
                 "1,?,\"say \"\"hi\"\", then\r\nleave\",a,1,0.5,train\r\n"
                 "1,?,,b,0.25,,train\r\n"
                 "\r\n"
                 "2,?,two,a,,,dev\r\n"
                 "2,?,two,\"b\",-1e-1,,\r\n"
                 "3,?,three,b,true,,test");
    assert_ok(import(&data, "g.csv", NULL));
    assert_int_equal(data.N, 3);
    assert_int_equal(data.M, 2);
    assert_string_equal(data.text[0], "say \"hi\", then\r\nleave");
    assert_close(data.quality[1], 0.25, 0);
    assert_true(isnan(data.quality[2]));
    assert_close(data.quality[3], -0.1f, 0);
    assert_close(data.quality[5], 1, 0);
    assert_close(data.cost[0], 0.5, 0);
    assert_true(isnan(data.cost[1]));
    assert_int_equal(data.split[2], FR_SPLIT_TEST);
    fr_dataset_close(&data);
}

static void csv_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "x.csv: is empty, want a header line"},
        {HEAD, "x.csv: has no prompts"},
        {"prompt_id,prompt,quality\n", "x.csv:1: the header \"prompt_id,...\" lacks the column model"},
        {"prompt_id,prompt,model,quality,model\n", "x.csv:1: column model stands there twice"},
        {HEAD "1,p,a,1\n", "x.csv:2: has 4 fields, want 8"},
        {HEAD "1,p,a,good,,,,\n", "x.csv:2: quality is \"good\", want a finite number"},
        {HEAD "1,p,a,nan,,,,\n", "x.csv:2: quality is \"nan\""},
        {HEAD "1,p,a,0x10,,,,\n", "x.csv:2: quality is \"0x10\""},
        {HEAD "1,p,a,1e,,,,\n", "x.csv:2: quality is \"1e\""},
        {HEAD "1,p,a,1e999,,,,\n", "x.csv:2: quality of model \"a\" is inf"},
        {HEAD "1,p,a,1,-2,,,\n", "x.csv:2: cost of model \"a\" is -2"},
        {HEAD "1,p,,1,,,,\n", "x.csv:2: a model's name is empty"},
        {HEAD "1, ,a,1,,,,\n", "x.csv:2: the prompt is empty"},
        {HEAD ",p,a,1,,,,\n", "x.csv:2: the prompt's id is empty"},
        {HEAD "1,p,a,1,,,,\n1,q,b,1,,,,\n", "x.csv:3: prompt of prompt \"1\" differs from the one in line 2"},
        {HEAD "1,p,a,1,,,s,\n1,p,b,1,,,t,\n", "x.csv:3: source of prompt \"1\" differs from the one in line 2"},
        {HEAD "1,p,a,1,,,,train\n1,p,b,1,,,,dev\n", "x.csv:3: split of prompt \"1\" differs from the one in line 2"},
        {HEAD "1,p,a,1,,,,\n1,p,b,1,,,,\n1,,a,0,,,,\n",
         "x.csv:4: quality of prompt \"1\" and model \"a\" stands in line 2 already"},
        {HEAD "1,\"p,a,1\n2,p", "x.csv:2: field 2: its quote is never closed"},
        {HEAD "1,p\"q,a,1,,,,\n", "x.csv:2: field 2: a quote inside an unquoted field"},
        {HEAD "1,\"p\"q,a,1,,,,\n", "x.csv:2: field 2: text behind the closing quote"},
        {HEAD "1,p\xE9,a,1,,,,\n", "x.csv:2: invalid UTF-8 at byte 4 of the line (0xE9)"},
    };
    fr_dataset data;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("x.csv", cases[i].text);
        assert_fails(import(&data, "x.csv", NULL), FR_FAILED, cases[i].error);
    }
}

/* A line far longer than any buffer. */
static void long_line(void **state)
{
    (void)state;
    fr_buffer text = {0};
    fr_buffer_addf(&text, "{\"id\":\"0\"," AB TRAIN ",\"prompt\":\"");
    for (int i = 0; i < 100000; i++)
        fr_buffer_addf(&text, "word %06d ", i);
    fr_buffer_addf(&text, "\"}\n" GOOD);
    put("l.jsonl", text.data);
    put_gzip("l.jsonl.gz", text.data, 0);
    fr_dataset a, b;
    assert_ok(import(&a, "l.jsonl", NULL));
    assert_ok(import(&b, "l.jsonl.gz", NULL));
    assert_int_equal(strlen(a.text[0]), 1200000);
    assert_string_equal(a.hash, b.hash);
    fr_dataset_close(&a);
    fr_dataset_close(&b);
    fr_buffer_close(&text);
}

/* The public tables, where FR_DATA names their folder. */
static void check_real(const char *name, int64_t N, int64_t M, int64_t sources, const double figures[4])
{
    const char *where = getenv("FR_DATA") ? getenv("FR_DATA") : "";
    char *table = fr_format("%s/%s.jsonl.gz", where, name), *models = fr_format("%s/%s.models.json", where, name);
    bool there = fr_file_exists(table) && fr_file_exists(models);
    fr_dataset data = {0};
    if (there)
        assert_ok(import(&data, table, models));
    free(table);
    free(models);
    if (!there)
        skip();
    assert_int_equal(data.N, N);
    assert_int_equal(data.M, M);
    assert_int_equal(data.sources, sources);
    fr_summary s;
    fr_summarize(&s, &data);
    assert_close(s.best_single_quality, figures[0], 5.01e-4);
    assert_close(s.oracle_quality, figures[1], 5.01e-4);
    assert_close(s.dataset_oracle_quality, figures[2], 1.01e-3);
    if (figures[3] > 0)
        assert_close(s.random_quality, figures[3], 5.01e-4);
    assert_int_equal(s.with_description, N);
    fr_dataset back;
    char *path = fr_format("%s/%s.h5", folder, name);
    assert_ok(fr_dataset_write(&data, path));
    assert_ok(fr_dataset_read(&back, path));
    assert_string_equal(back.hash, data.hash);
    free(path);
    fr_summary_close(&s);
    fr_dataset_close(&back);
    fr_dataset_close(&data);
}

static void llmrouter(void **state)
{
    (void)state;
    check_real("llmrouter", 5989, 9, 14, (double[]){.620, .798, .667, .427});
}

static void mmlu_pro(void **state)
{
    (void)state;
    check_real("mmlu_pro", 11873, 13, 14, (double[]){.722, .923, .746, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jsonl_good), cmocka_unit_test(gzip),      cmocka_unit_test(jsonl_bad),
        cmocka_unit_test(models_bad), cmocka_unit_test(csv_good),  cmocka_unit_test(csv_bad),
        cmocka_unit_test(long_line),  cmocka_unit_test(llmrouter), cmocka_unit_test(mmlu_pro),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

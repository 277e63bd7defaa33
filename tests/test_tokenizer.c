/* The tokenizer against Hugging Face's on 2,500 hard texts (golden/make_tokens.py), and what it does with broken files
 * and random bytes. */
#include "test.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/rng.h"
#include "finerouter/tokenizer.h"
#include "text/unicode.h"

#include <omp.h>

#define GOLDEN FR_SOURCE_DIR "/tests/golden/tokens/"

typedef struct golden {
    char *data;
    const char **text;
    size_t *bytes;
    int64_t count;
} golden;

static char unescape(char c)
{
    return c == 'n' ? '\n' : c == 'r' ? '\r' : c == '0' ? '\0' : c;
}

/* Lines of texts.txt, unescaped in place. */
static void golden_open(golden *g)
{
    size_t size;
    *g = (golden){0};
    assert_ok(fr_file_read(&g->data, &size, GOLDEN "texts.txt", 0));
    g->text = FR_NEW(const char *, size);
    g->bytes = FR_NEW(size_t, size);
    for (size_t at = 0; at < size; at++) {
        char *start = g->data + at, *to = start;
        for (; g->data[at] != '\n'; at++)
            *to++ = g->data[at] == '\\' ? unescape(g->data[++at]) : g->data[at];
        g->text[g->count] = start;
        g->bytes[g->count++] = (size_t)(to - start);
    }
}

static void golden_close(golden *g)
{
    free(g->data);
    free(g->text);
    free(g->bytes);
}

static uint32_t fnv(const int32_t *ids, int64_t count)
{
    uint32_t hash = 0x811C9DC5;
    for (int64_t i = 0; i < count; i++)
        for (int b = 0; b < 32; b += 8)
            hash = (hash ^ ((uint32_t)ids[i] >> b & 255)) * 0x01000193;
    return hash;
}

static void compare_golden(const fr_tokenizer *tokenizer, const char *name)
{
    golden g;
    char *want, *path = fr_format(GOLDEN "%s.ids", name);
    static int32_t ids[1 << 15];
    golden_open(&g);
    assert_ok(fr_file_read(&want, NULL, path, 0));
    assert_true(g.count >= 2000);
    for (int64_t i = 0; i < g.count; i++) {
        bool cut = true;
        int64_t count = fr_tokenizer_encode(tokenizer, g.text[i], g.bytes[i], 1 << 15, ids, &cut);
        uint32_t expected = (uint32_t)strtoul(want + 9 * i, NULL, 16);
        if (cut || fnv(ids, count) != expected)
            fail_msg("%s: ids of text %lld differ; see make_tokens.py --show %s %lld", name, (long long)i + 1, name,
                     (long long)i + 1);
    }
    assert_int_equal(want[9 * g.count], 0);
    free(want);
    free(path);
    golden_close(&g);
}

static fr_tokenizer *open_golden(const char *name)
{
    fr_tokenizer *tokenizer;
    char *folder = fr_format(GOLDEN "%s", name);
    assert_ok(fr_tokenizer_open(&tokenizer, folder));
    free(folder);
    return tokenizer;
}

/* The pretrained encoder's folder, or NULL where it is not on this machine. */
static char *encoder_folder(void)
{
    const char *given = getenv("FINEROUTER_ENCODER"), *home = getenv("HOME");
    char *folder = given ? fr_strdup(given) : fr_format("%s/.cache/finerouter/all-MiniLM-L6-v2", home ? home : "");
    if (fr_is_folder(folder))
        return folder;
    free(folder);
    return NULL;
}

static void test_golden(void **state)
{
    static const char *const name[] = {"uncased", "cased", "odd"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        fr_tokenizer *tokenizer = open_golden(name[i]);
        compare_golden(tokenizer, name[i]);
        fr_tokenizer_close(tokenizer);
    }
}

static void test_golden_encoder(void **state)
{
    (void)state;
    char *folder = encoder_folder();
    if (!folder)
        skip();
    fr_tokenizer *tokenizer;
    assert_ok(fr_tokenizer_open(&tokenizer, folder));
    assert_int_equal(fr_tokenizer_size(tokenizer), 30522);
    assert_string_equal(fr_tokenizer_piece(tokenizer, 101), "[CLS]");
    assert_string_equal(fr_tokenizer_piece(tokenizer, 30521), "##～");
    assert_null(fr_tokenizer_piece(tokenizer, 30522));
    assert_null(fr_tokenizer_piece(tokenizer, -1));
    /* "Hello, world!" as every BERT tutorial prints it */
    static const int32_t hello[] = {101, 7592, 1010, 2088, 999, 102};
    int32_t ids[16];
    assert_int_equal(fr_tokenizer_encode(tokenizer, "Hello, world!", 13, 16, ids, NULL), 6);
    assert_memory_equal(ids, hello, sizeof hello);
    compare_golden(tokenizer, "minilm");
    fr_tokenizer_close(tokenizer);
    free(folder);
}

/* Cut to any length: the same ids up to there, [SEP] at the end, nothing written behind. */
static void test_cut(void **state)
{
    (void)state;
    golden g;
    fr_tokenizer *tokenizer = open_golden("uncased");
    int32_t sep = 3;
    assert_string_equal(fr_tokenizer_piece(tokenizer, sep), "[SEP]");
    static int32_t whole[1 << 15];
    golden_open(&g);
    for (int64_t i = 0; i < g.count; i++) {
        int64_t total = fr_tokenizer_encode(tokenizer, g.text[i], g.bytes[i], 1 << 15, whole, NULL);
        for (int64_t most = 2; most <= 20; most++) {
            int32_t ids[21] = {0};
            bool cut;
            ids[most] = -7;
            int64_t count = fr_tokenizer_encode(tokenizer, g.text[i], g.bytes[i], most, ids, &cut);
            assert_int_equal(count, total < most ? total : most);
            assert_int_equal(cut, total > most);
            assert_memory_equal(ids, whole, (size_t)(count - 1) * sizeof *ids);
            assert_int_equal(ids[count - 1], sep);
            assert_int_equal(ids[most], -7);
        }
    }
    golden_close(&g);
    fr_tokenizer_close(tokenizer);
}

static void test_tokenize(void **state)
{
    (void)state;
    golden g;
    fr_tokenizer *tokenizer = open_golden("cased");
    golden_open(&g);
    const char **text = FR_NEW(const char *, g.count);
    for (int64_t i = 0; i < g.count; i++)
        text[i] = fr_strndup(g.text[i], g.bytes[i]); /* ends at the first NUL */
    fr_tokens one, more, none;
    omp_set_num_threads(1);
    fr_tokenize(&one, tokenizer, text, g.count, 16);
    omp_set_num_threads(3);
    fr_tokenize(&more, tokenizer, text, g.count, 16);
    assert_int_equal(one.count, g.count);
    assert_int_equal(one.truncated, more.truncated);
    assert_memory_equal(one.offset, more.offset, (size_t)(g.count + 1) * sizeof *one.offset);
    assert_memory_equal(one.ids, more.ids, (size_t)one.offset[g.count] * sizeof *one.ids);
    int64_t truncated = 0;
    for (int64_t i = 0; i < g.count; i++) {
        int32_t ids[16];
        bool cut;
        int64_t count = fr_tokenizer_encode(tokenizer, text[i], strlen(text[i]), 16, ids, &cut);
        assert_int_equal(one.offset[i + 1] - one.offset[i], count);
        assert_memory_equal(one.ids + one.offset[i], ids, (size_t)count * sizeof *ids);
        truncated += cut;
        free((char *)text[i]);
    }
    assert_int_equal(one.truncated, truncated);
    assert_true(truncated > 0);
    fr_tokenize(&none, tokenizer, text, 0, 16);
    assert_int_equal(none.offset[0], 0);
    fr_tokens_close(&one);
    fr_tokens_close(&more);
    fr_tokens_close(&none);
    free(text);
    golden_close(&g);
    fr_tokenizer_close(tokenizer);
}

/* Random bytes, and random bytes of the kind UTF-8 is made of. */
static void test_random_bytes(void **state)
{
    (void)state;
    static const char *const name[] = {"uncased", "odd"};
    static const unsigned char likely[] = {0xC3, 0xA9, 0xE4, 0xB8, 0xAD, 0xF0, 0x9F, 0x91, 0x8D,
                                           0xCC, 0x81, 0xED, 0xA0, 0xEA, '[',  'a',  ' '};
    for (int t = 0; t < 2; t++) {
        fr_tokenizer *tokenizer = open_golden(name[t]);
        for (uint64_t round = 0; round < 20000; round++) {
            uint64_t stream = fr_stream("random bytes", (uint64_t)t, round);
            size_t bytes = (size_t)fr_rng_below(1, stream, 1000, 60);
            char *text = fr_alloc(bytes); /* no NUL behind: a read beyond the end shows under AddressSanitizer */
            for (size_t i = 0; i < bytes; i++) {
                uint64_t r = fr_rng_u64(1, stream, i);
                text[i] = (char)(round % 2 ? r & 255 : likely[r % sizeof likely]);
            }
            int64_t most = 2 + fr_rng_below(1, stream, 1001, 30);
            int32_t *ids = FR_NEW(int32_t, most);
            int64_t count = fr_tokenizer_encode(tokenizer, text, bytes, most, ids, NULL);
            assert_true(count >= 2 && count <= most);
            for (int64_t i = 0; i < count; i++)
                assert_non_null(fr_tokenizer_piece(tokenizer, ids[i]));
            free(ids);
            free(text);
        }
        fr_tokenizer_close(tokenizer);
    }
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t code[5];
    } row[] = {
        /* Unicode 15, table 3-8 and its neighbours: one U+FFFD for every maximal subpart */
        {"\xC0\xAF", {0xFFFD, 0xFFFD}},
        {"\xE0\x80\xAF", {0xFFFD, 0xFFFD, 0xFFFD}},
        {"\xED\xA0\x80", {0xFFFD, 0xFFFD, 0xFFFD}},
        {"\xF4\x91\x92\x93", {0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD}},
        {"\xE1\x80\xE2\xF0\x91", {0xFFFD, 0xFFFD, 0xFFFD}},
        {"\xF1\xBF"
         "A",
         {0xFFFD, 'A'}},
        {"\xE2\x82\xAC\xF0\x9F\x98\x80\xC3\xA9z", {0x20AC, 0x1F600, 0xE9, 'z'}},
        {"\xF4\x8F\xBF\xBF", {0x10FFFF}},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        const unsigned char *at = (const unsigned char *)row[i].text, *end = at + strlen(row[i].text);
        for (int j = 0; row[i].code[j]; j++) {
            assert_true(at < end);
            assert_int_equal(fr_utf8_next(&at, end), row[i].code[j]);
        }
        assert_ptr_equal(at, end);
    }
    for (int32_t code = 0; code < 0x110000; code++) {
        unsigned char text[4];
        int bytes = fr_utf8_put(text, code);
        const unsigned char *at = text;
        if (code < 0xD800 || code > 0xDFFF)
            assert_int_equal(fr_utf8_next(&at, text + bytes), code);
        else
            assert_false(fr_utf8_valid((const char *)text, (size_t)bytes));
    }
    assert_true(fr_utf8_valid("\xEF\xBF\xBD", 3));
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char *path = fr_path_join(folder, name);
    assert_ok(fr_file_write(path, text, strlen(text)));
    free(path);
}

static void test_build_and_save(void **state)
{
    (void)state;
    static const char *const text[] = {"The cat saw the cat.", "Café, the CAFE!", "中 saw"};
    /* Words (lower case, no accents): the 3, cat 2, cafe 2, saw 2, and . , ! 中. Characters by frequency, then by code
     * point: a 6 (cat 2, cafe 2, saw 2), e 5 (the 3, cafe 2), t 5 (the 3, cat 2), c 4, h 3, f 2, s 2, w 2, then ! , .
     * 中 with 1. */
    static const char *const want[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",   "##a",  "e",   "##e", "t",
                                       "##t",   "c",     "##c",   "h",     "##h",    "f",   "##f",  "s",   "##s", "w",
                                       "##w",   "!",     ",",     ".",     "中",     "the", "cafe", "cat", "saw"};
    enum { WANT = sizeof want / sizeof want[0] };
    fr_tokenizer *built, *again;
    assert_ok(fr_tokenizer_build(&built, text, 3, 1000));
    assert_int_equal(fr_tokenizer_size(built), WANT);
    for (int32_t id = 0; id < WANT; id++)
        assert_string_equal(fr_tokenizer_piece(built, id), want[id]);
    int32_t ids[32];
    static const int32_t cats[] = {2, 25, 27, 18, 21, 3}; /* [CLS] the cat ##s ! [SEP] */
    assert_int_equal(fr_tokenizer_encode(built, "thé CATs!", 10, 32, ids, NULL), 6);
    assert_memory_equal(ids, cats, sizeof cats);

    const char *folder = test_folder();
    assert_ok(fr_tokenizer_save(built, folder));
    assert_ok(fr_tokenizer_open(&again, folder));
    assert_string_equal(fr_tokenizer_hash(again), fr_tokenizer_hash(built));
    fr_tokenizer_close(again);
    char *json = fr_path_join(folder, "tokenizer.json");
    assert_int_equal(remove(json), 0);
    assert_ok(fr_tokenizer_open(&again, folder)); /* from vocab.txt now */
    assert_string_equal(fr_tokenizer_hash(again), fr_tokenizer_hash(built));
    fr_tokenizer_close(again);
    fr_tokenizer_close(built);
    free(json);

    assert_ok(fr_tokenizer_build(&built, text, 3, 8)); /* cut to size */
    assert_int_equal(fr_tokenizer_size(built), 8);
    assert_string_equal(fr_tokenizer_piece(built, 7), "e");
    fr_tokenizer_close(built);
    assert_fails(fr_tokenizer_build(&built, text, 3, 5), FR_FAILED, "vocabulary size is 5, want 6");
    assert_ok(fr_tokenizer_build(&built, NULL, 0, 100)); /* no texts: the special tokens alone */
    assert_int_equal(fr_tokenizer_size(built), 5);
    assert_int_equal(fr_tokenizer_encode(built, "a b", 3, 32, ids, NULL), 4);
    assert_int_equal(ids[1], 1);
    fr_tokenizer_close(built);
}

/* What was opened with rare settings is saved with them. */
static void test_save_odd(void **state)
{
    (void)state;
    fr_tokenizer *odd = open_golden("odd"), *again;
    const char *folder = test_folder();
    assert_ok(fr_tokenizer_save(odd, folder));
    assert_ok(fr_tokenizer_open(&again, folder));
    assert_string_equal(fr_tokenizer_hash(again), fr_tokenizer_hash(odd));
    compare_golden(again, "odd");
    fr_tokenizer_close(again);
    fr_tokenizer_close(odd);
}

/* Vocabulary and settings make the hash. */
static void test_hash(void **state)
{
    (void)state;
    const char *folder = test_folder();
    char hash[3][33];
    static const char *const config[] = {"{}", "{\"do_lower_case\": false}", "{\"strip_accents\": false}"};
    write_text(folder, "vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n");
    for (int i = 0; i < 3; i++) {
        fr_tokenizer *tokenizer;
        write_text(folder, "tokenizer_config.json", config[i]);
        assert_ok(fr_tokenizer_open(&tokenizer, folder));
        snprintf(hash[i], sizeof hash[i], "%s", fr_tokenizer_hash(tokenizer));
        fr_tokenizer_close(tokenizer);
    }
    assert_string_not_equal(hash[0], hash[1]);
    assert_string_not_equal(hash[0], hash[2]);
    assert_string_not_equal(hash[1], hash[2]);
}

/* Lower case with accents kept: the one case where lowering gives two code points. */
static void test_accents(void **state)
{
    (void)state;
    const char *folder = test_folder();
    fr_tokenizer *tokenizer;
    write_text(folder, "vocab.txt", "[UNK]\n[CLS]\n[SEP]\ni\n##\u0307\nı\né\ne\n");
    write_text(folder, "tokenizer_config.json", "{\"strip_accents\": false}");
    assert_ok(fr_tokenizer_open(&tokenizer, folder));
    static const int32_t kept[] = {1, 3, 4, 5, 3, 6, 7, 2}; /* i ##(dot above), dotless i, i, é, e */
    int32_t ids[16];
    assert_int_equal(fr_tokenizer_encode(tokenizer, "İ ı I É E", 12, 16, ids, NULL), 8);
    assert_memory_equal(ids, kept, sizeof kept);
    fr_tokenizer_close(tokenizer);
    write_text(folder, "tokenizer_config.json", "{\"strip_accents\": null}"); /* follows do_lower_case, true */
    assert_ok(fr_tokenizer_open(&tokenizer, folder));
    static const int32_t stripped[] = {1, 3, 5, 3, 7, 7, 2};
    assert_int_equal(fr_tokenizer_encode(tokenizer, "İ ı I É E", 12, 16, ids, NULL), 7);
    assert_memory_equal(ids, stripped, sizeof stripped);
    fr_tokenizer_close(tokenizer);
}

static const char good_json[] = "{\"added_tokens\": [{\"id\": 0, \"content\": \"[UNK]\", \"special\": true, "
                                "\"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
                                "\"single_word\": false}], \"normalizer\": {\"type\": \"BertNormalizer\", "
                                "\"clean_text\": true, \"handle_chinese_chars\": true, "
                                "\"strip_accents\": null, \"lowercase\": true}, \"pre_tokenizer\": {\"type\": "
                                "\"BertPreTokenizer\"}, \"post_processor\": {\"type\": "
                                "\"BertProcessing\", \"sep\": [\"[SEP]\", 2], \"cls\": [\"[CLS]\", 1]}, \"model\": "
                                "{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
                                "\"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100, \"vocab\": "
                                "{\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"a\": 3}}}";

/* good_json with one place changed. */
static void write_changed(const char *folder, const char *from, const char *to)
{
    const char *at = strstr(good_json, from);
    assert_non_null(at);
    char *text = fr_format("%.*s%s%s", (int)(at - good_json), good_json, to, at + strlen(from));
    write_text(folder, "tokenizer.json", text);
    free(text);
}

static void test_broken_json(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *error;
    } row[] = {
        {"\"WordPiece\"", "\"BPE\"", "model is BPE, want WordPiece"},
        {"\"BertNormalizer\"", "\"NFC\"", "normalizer is NFC, want BertNormalizer"},
        {"\"BertPreTokenizer\"", "\"ByteLevel\"", "pre_tokenizer is ByteLevel"},
        {"\"BertProcessing\"", "\"ByteLevel\"", "post_processor is ByteLevel"},
        {"\"lowercase\": true", "\"lowercase\": 1", "lowercase is something else, want true or false"},
        {"\"clean_text\": true, ", "", "clean_text is missing"},
        {"\"strip_accents\": null", "\"strip_accents\": \"x\"", "strip_accents is something else"},
        {"\"##\"", "\"@@\"", "continuing_subword_prefix is \"@@\""},
        {"\"max_input_chars_per_word\": 100", "\"max_input_chars_per_word\": 100000",
         "max_input_chars_per_word is 100000, want 1 to 1000"},
        {"\"max_input_chars_per_word\": 100", "\"max_input_chars_per_word\": -1", "max_input_chars_per_word is -1"},
        {"\"a\": 3", "\"a\": 4", "id of piece \"a\" is out of range, want 0 to 3"},
        {"\"a\": 3", "\"a\": -1", "id of piece \"a\" is out of range"},
        {"\"a\": 3", "\"a\": 2.5", "id of piece \"a\" is no integer"},
        {"\"a\": 3", "\"a\": 2", "have the same id 2"},
        {"\"a\": 3", "\"a\\nb\": 3", "piece \"a?b\" has a line break"},
        {"\"a\": 3", "\"[SEP]\": 3", "not valid JSON: duplicate"},
        {"{\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"a\": 3}", "[]", "model.vocab is missing or empty"},
        {"\"unk_token\": \"[UNK]\"", "\"unk_token\": \"<unk>\"", "special token <unk> (unk) is not in the vocabulary"},
        {"[\"[SEP]\", 2]", "[\"[SEP]\", 4]", "post_processor does not name two tokens"},
        {"[\"[CLS]\", 1]", "7", "post_processor does not name two tokens"},
        {"\"id\": 0", "\"id\": 9", "added token \"[UNK]\" has id 9, want 4"},
        {"\"id\": 0", "\"id\": \"0\"", "added token number 0 has no id"},
        {"\"content\": \"[UNK]\"", "\"content\": \"\"", "added token 0 has no content"},
        {"\"single_word\": false", "\"single_word\": true", "single_word, which is not supported"},
        {"\"id\": 0, \"content\": \"[UNK]\", \"special\": true, \"lstrip\": false, \"rstrip\": false, \"normalized\": "
         "false",
         "\"id\": 4, \"content\": \"\\u0301\", \"special\": true, \"lstrip\": false, \"rstrip\": false, "
         "\"normalized\": true",
         "nothing is left"},
        {"{\"added", "[{\"added", "not valid JSON"},
        {"\"a\": 3}}}", "\"a\": 3}", "not valid JSON"},
        {"\"a\"", "\"\xFF\"", "not valid JSON"},
        {good_json, "", "not valid JSON"},
        {good_json, "[]", "is not a JSON object"},
        {good_json, "{}", "model is missing or without type, want WordPiece"},
        {good_json, "{\"model\": 3}", "model is missing or without type"},
    };
    const char *folder = test_folder();
    fr_tokenizer *tokenizer;
    write_text(folder, "tokenizer.json", good_json);
    assert_ok(fr_tokenizer_open(&tokenizer, folder));
    fr_tokenizer_close(tokenizer);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        write_changed(folder, row[i].from, row[i].to);
        assert_fails(fr_tokenizer_open(&tokenizer, folder), FR_FAILED, row[i].error);
        assert_non_null(strstr(fr_error_text(), folder));
        assert_null(tokenizer);
    }
    /* Cut off anywhere: an error, never a crash. */
    for (size_t length = 0; length < sizeof good_json - 1; length += 7) {
        char *text = fr_strndup(good_json, length);
        write_text(folder, "tokenizer.json", text);
        assert_int_equal(fr_tokenizer_open(&tokenizer, folder), FR_FAILED);
        free(text);
    }
}

static void test_broken_vocabulary(void **state)
{
    (void)state;
    static const struct {
        const char *vocabulary, *config, *error;
    } row[] = {
        {"", "{}", "has 0 lines"},
        {"a\n\xFF\n", "{}", "is not UTF-8 text"},
        {"a\nb\n", "{}", "special token [UNK] (unk) is not in the vocabulary"},
        {"[UNK]\n[SEP]\n", "{}", "special token [CLS] (cls) is not in the vocabulary"},
        {"[UNK]\n[CLS]\n", "{}", "special token [SEP] (sep) is not in the vocabulary"},
        {"[UNK]\n[CLS]\n[SEP]", "{\"tokenizer_class\": \"RobertaTokenizer\"}",
         "tokenizer_class is RobertaTokenizer, want BertTokenizer"},
        {"[UNK]\n[CLS]\n[SEP]", "{\"do_lower_case\": \"yes\"}", "do_lower_case is something else"},
        {"[UNK]\n[CLS]\n[SEP]", "{\"cls_token\": {\"content\": \"<s>\"}}",
         "special token <s> (cls) is not in the vocabulary"},
        {"[UNK]\n[CLS]\n[SEP]", "{", "not valid JSON"},
    };
    const char *folder = test_folder();
    fr_tokenizer *tokenizer;
    assert_fails(fr_tokenizer_open(&tokenizer, folder), FR_FAILED, "has no tokenizer.json and no vocab.txt");
    assert_fails(fr_tokenizer_open(&tokenizer, "/nonexistent"), FR_FAILED, "/nonexistent: has no tokenizer.json");
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        write_text(folder, "vocab.txt", row[i].vocabulary);
        write_text(folder, "tokenizer_config.json", row[i].config);
        assert_fails(fr_tokenizer_open(&tokenizer, folder), FR_FAILED, row[i].error);
    }
    /* No config; lines end as on Windows; of two equal pieces the later counts. */
    char *config = fr_path_join(folder, "tokenizer_config.json");
    assert_int_equal(remove(config), 0);
    free(config);
    write_text(folder, "vocab.txt", "a\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n");
    assert_ok(fr_tokenizer_open(&tokenizer, folder));
    static const int32_t want[] = {2, 4, 1, 3};
    int32_t ids[8];
    assert_int_equal(fr_tokenizer_encode(tokenizer, "A b", 3, 8, ids, NULL), 4);
    assert_memory_equal(ids, want, sizeof want);
    fr_tokenizer_close(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_golden_encoder),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_tokenize),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_build_and_save),
        cmocka_unit_test(test_save_odd),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_accents),
        cmocka_unit_test(test_broken_json),
        cmocka_unit_test(test_broken_vocabulary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

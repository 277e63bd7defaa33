/* The encoder and the disk: folders read, refused, exported, hashed; many texts embedded; all-MiniLM-L6-v2. */
#include "gradients.h"

#include "base/files.h"
#include "finerouter/log.h"
#include "io/safetensors.h"
#include "nn/encoder.h"

#include <signal.h>
#include <unistd.h>

#define GOLDEN FR_SOURCE_DIR "/tests/golden/"
#define TINY GOLDEN "encoder_tiny"
static fr_config config;
static char folder[100];

static void copy_tiny(void)
{
    static const char *const name[] = {"config.json", "modules.json", "sentence_bert_config.json",
                                       "1_Pooling/config.json", "model.safetensors"};
    char from[400], to[400], pooling[200];
    snprintf(pooling, sizeof pooling, "%s/1_Pooling", folder);
    assert_ok(fr_make_folders(pooling));
    for (int i = 0; i < 5; i++) {
        char *data;
        size_t bytes;
        snprintf(from, sizeof from, "%s/%s", TINY, name[i]);
        snprintf(to, sizeof to, "%s/%s", folder, name[i]);
        assert_ok(fr_file_read(&data, &bytes, from, 0));
        assert_ok(fr_file_write(to, data, bytes));
        free(data);
    }
}

/* Replaces `old` by `new` in a file of the copied folder; old NULL: the whole file. */
static void edit(const char *name, const char *old, const char *new)
{
    char path[400], *data;
    fr_buffer text = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!old) {
        assert_ok(fr_file_write(path, new, strlen(new)));
        return;
    }
    assert_ok(fr_file_read(&data, NULL, path, 0));
    char *at = strstr(data, old);
    assert_non_null(at);
    fr_buffer_add(&text, data, (size_t)(at - data));
    fr_buffer_addf(&text, "%s%s", new, at + strlen(old));
    assert_ok(fr_file_write(path, text.data, text.bytes));
    fr_buffer_close(&text);
    free(data);
}

typedef struct model {
    fr_params params;
    fr_encoder *encoder;
} model;

static void open_model(model *m, fr_device *device, const fr_encoder_shape *shape, int64_t N, int64_t B)
{
    fr_params_create(&m->params, device);
    m->encoder = fr_encoder_create(shape, &m->params, "", 0, N, B);
    fr_params_commit(&m->params);
    fr_encoder_commit(m->encoder);
}

static void close_model(model *m)
{
    fr_encoder_close(m->encoder);
    fr_params_close(&m->params);
}

static void test_shape(void **state)
{
    (void)state;
    fr_encoder_shape s;
    assert_ok(fr_encoder_shape_read(&s, TINY, &config));
    assert_int_equal(s.vocabulary, 30);
    assert_int_equal(s.positions, 12);
    assert_int_equal(s.types, 2);
    assert_int_equal(s.layers, 2);
    assert_int_equal(s.hidden, 18);
    assert_int_equal(s.heads, 3);
    assert_int_equal(s.intermediate, 26);
    assert_close(s.layernorm_epsilon, 1e-12, 0);
    assert_int_equal(s.max_tokens, 10);
    assert_true(s.normalize && !s.cls && !s.lower_case);

    copy_tiny();
    edit("1_Pooling/config.json", NULL, "{\"embedding_dimension\": 18, \"pooling_mode\": \"cls\"}");
    edit("modules.json", "models.Normalize", "models.Transformer");
    edit("sentence_bert_config.json", NULL, "{}");
    assert_ok(fr_encoder_shape_read(&s, folder, &config));
    assert_true(s.cls && !s.normalize);
    assert_int_equal(s.max_tokens, 12); /* 256, but there are 12 positions */
    edit("tokenizer_config.json", NULL, "{\"model_max_length\": 1000000000000000019884624838656}");
    assert_ok(fr_encoder_shape_read(&s, folder, &config));
    assert_int_equal(s.max_tokens, 12);
    edit("tokenizer_config.json", NULL, "{\"model_max_length\": 7}");
    assert_ok(fr_encoder_shape_read(&s, folder, &config));
    assert_int_equal(s.max_tokens, 7);
    edit("tokenizer_config.json", NULL, "{}");

    fr_config own;
    fr_config_copy(&own, &config);
    own.encoder.max_tokens = 4;
    own.encoder.pooling = FR_POOLING_MEAN;
    own.encoder.normalize = FR_NORMALIZE_TRUE;
    assert_ok(fr_encoder_shape_read(&s, folder, &own));
    assert_true(!s.cls && s.normalize && s.max_tokens == 4);
    own.encoder.max_tokens = 13;
    assert_fails(fr_encoder_shape_read(&s, folder, &own), FR_USAGE, "encoder.max_tokens is 13");
    own.encoder.max_tokens = 0;
    fr_encoder_shape_fresh(&s, &own, 99);
    assert_int_equal(s.vocabulary, 99);
    assert_int_equal(s.hidden, own.encoder.hidden);
    assert_int_equal(s.max_tokens, 256);
    fr_config_close(&own);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *file, *old, *new, *part;
    } bad[] = {
        {"config.json", "\"bert\"", "\"roberta\"", "config.json: model_type is roberta, want bert"},
        {"config.json", "\"model_type\"", "\"kind\"", "has no model_type"},
        {"config.json", "\"gelu\"", "\"relu\"", "config.json: hidden_act is relu, want gelu"},
        {"config.json", "\"vocab_size\": 30", "\"position_embedding_type\": \"relative_key\"",
         "position_embedding_type is relative_key"},
        {"config.json", "\"vocab_size\": 30", "\"vocab_size\": 0",
         "config.json: vocab_size is 0, want a whole number >= 1"},
        {"config.json", "\"vocab_size\": 30", "\"vocab_size\": \"many\"", "vocab_size is \"many\""},
        {"config.json", "\"vocab_size\": 30", "\"x\": 30", "vocab_size is missing"},
        {"config.json", "\"hidden_size\": 18", "\"hidden_size\": 19",
         "hidden_size 19 is not a multiple of num_attention_heads 3"},
        {"config.json", "1e-12", "-1", "layer_norm_eps is -1"},
        {"config.json", "{", "", "config.json:"},
        {"modules.json", "models.Pooling", "models.Dense", "modules.json: module 1 is a Dense"},
        {"1_Pooling/config.json", "false", "true", "1_Pooling/config.json: pools by several modes"},
        {"1_Pooling/config.json", "mean_tokens", "max_tokens", "pools by max_tokens, want one of mean and cls"},
        {"1_Pooling/config.json", NULL, "{\"pooling_mode\": [\"cls\", \"mean\"]}", "pools by several modes"},
    };
    fr_encoder_shape s;
    assert_fails(fr_encoder_shape_read(&s, "/nonexistent", &config), FR_FAILED, "no such folder");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        copy_tiny();
        edit(bad[i].file, bad[i].old, bad[i].new);
        assert_fails(fr_encoder_shape_read(&s, folder, &config), FR_FAILED, bad[i].part);
        assert_non_null(strstr(fr_error_text(), folder));
    }
    copy_tiny();
}

/* Writes the tiny model's weights under other names; `missing` is left out. */
static void rewrite(const char *prefix, bool old_names, const char *missing)
{
    fr_device *device = test_device(FR_DEVICE_CPU);
    fr_encoder_shape shape;
    model m;
    assert_ok(fr_encoder_shape_read(&shape, TINY, &config));
    open_model(&m, device, &shape, 8, 8);
    assert_ok(fr_encoder_load(m.encoder, TINY));
    fr_safetensor *tensor = FR_NEW(fr_safetensor, m.params.count);
    int64_t count = 0;
    for (int64_t i = 0; i < m.params.count; i++) {
        const fr_param *p = &m.params.item[i];
        char *name = fr_format("%s%s", prefix, p->name), *norm = strstr(name, "LayerNorm.");
        if (old_names && norm)
            strcpy(norm + 10, strcmp(norm + 10, "weight") == 0 ? "gamma" : "beta");
        if (missing && strcmp(p->name, missing) == 0) {
            free(name);
            continue;
        }
        tensor[count] = (fr_safetensor){.name = name, .rank = p->value.rank, .data = p->value.data};
        memcpy(tensor[count++].shape, p->value.shape, sizeof p->value.shape);
    }
    char path[200];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_ok(fr_safetensors_write(path, tensor, count));
    for (int64_t i = 0; i < count; i++)
        free((char *)tensor[i].name);
    free(tensor);
    close_model(&m);
    fr_device_close(device);
}

static void test_load(void **state)
{
    (void)state;
    fr_device *device = test_device(FR_DEVICE_CPU);
    fr_encoder_shape shape;
    model m;
    copy_tiny();
    assert_ok(fr_encoder_shape_read(&shape, TINY, &config));
    open_model(&m, device, &shape, 8, 8);
    assert_ok(fr_encoder_load(m.encoder, TINY));
    float *want = FR_NEW(float, fr_params_total(&m.params, false)),
          *got = FR_NEW(float, fr_params_total(&m.params, false));
    size_t bytes = (size_t)fr_params_total(&m.params, false) * sizeof *want;
    fr_params_get(&m.params, want, false);
    for (int form = 0; form < 4; form++) {
        rewrite(form & 1 ? "bert." : "", form & 2, NULL);
        fr_encoder_init(m.encoder, 1);
        assert_ok(fr_encoder_load(m.encoder, folder));
        fr_params_get(&m.params, got, false);
        assert_memory_equal(got, want, bytes);
    }
    rewrite("", false, "encoder.layer.1.output.dense.bias");
    assert_fails(fr_encoder_load(m.encoder, folder), FR_FAILED, "has no tensor encoder.layer.1.output.dense.bias");
    close_model(&m);
    shape.positions = 13;
    open_model(&m, device, &shape, 8, 8);
    assert_fails(fr_encoder_load(m.encoder, TINY), FR_FAILED,
                 "embeddings.position_embeddings.weight is 12 x 18, want 13 x 18");
    assert_fails(fr_encoder_load(m.encoder, "/nonexistent"), FR_FAILED, "/nonexistent/model.safetensors: cannot open");
    edit("model.safetensors", NULL, "short");
    assert_fails(fr_encoder_load(m.encoder, folder), FR_FAILED, "too few for a safetensors file");
    close_model(&m);
    free(want);
    free(got);
    fr_device_close(device);
}

static fr_tokens some_tokens(int64_t count, int64_t longest)
{
    fr_tokens tokens = {.count = count, .offset = FR_NEW(int64_t, count + 1), .ids = FR_NEW(int32_t, count * longest)};
    for (int64_t i = 0; i < count; i++) {
        int64_t length = 1 + fr_rng_below(1, 1, (uint64_t)i, longest);
        tokens.offset[i + 1] = tokens.offset[i] + length;
        for (int64_t j = 0; j < length; j++) /* few words, so that short texts repeat */
            tokens.ids[tokens.offset[i] + j] =
                (int32_t)fr_rng_below(1, 2, (uint64_t)(i * longest + j), length > 2 ? 30 : 2);
    }
    return tokens;
}

/* In the order of the texts, whatever the packing; repeated texts exactly alike. */
static void test_embed(void **state)
{
    (void)state;
    enum { COUNT = 100, C = 18 };
    fr_device *device = test_device(FR_DEVICE_REF);
    fr_encoder_shape shape;
    model m;
    float one[COUNT * C], out[COUNT * C];
    fr_tokens tokens = some_tokens(COUNT, 12), none = {.count = 0, .offset = tokens.offset, .ids = tokens.ids};
    assert_ok(fr_encoder_shape_read(&shape, TINY, &config));
    open_model(&m, device, &shape, 64, 10);
    assert_ok(fr_encoder_load(m.encoder, TINY));
    for (int64_t i = 0; i < COUNT; i++) {
        int64_t offset[2] = {0, tokens.offset[i + 1] - tokens.offset[i]};
        fr_tokens text = {.count = 1, .offset = offset, .ids = tokens.ids + tokens.offset[i]};
        assert_ok(fr_encoder_embed(m.encoder, one + i * C, &text, "one", 64));
    }
    for (int64_t budget = 1; budget <= 1000; budget *= 10) {
        memset(out, 0xFF, sizeof out);
        assert_ok(fr_encoder_embed(m.encoder, out, &tokens, "all", budget));
        for (int64_t i = 0; i < COUNT * C; i++)
            assert_close(out[i], one[i], 1e-7);
    }
    int64_t repeated = 0;
    for (int64_t i = 0; i < COUNT; i++)
        for (int64_t j = 0; j < i; j++) {
            int64_t n = tokens.offset[i + 1] - tokens.offset[i];
            if (n == tokens.offset[j + 1] - tokens.offset[j] &&
                memcmp(tokens.ids + tokens.offset[i], tokens.ids + tokens.offset[j], (size_t)n * sizeof(int32_t)) ==
                    0) {
                assert_memory_equal(out + i * C, out + j * C, C * sizeof(float));
                repeated++;
            }
        }
    assert_true(repeated > 0);
    assert_ok(fr_encoder_embed(m.encoder, out, &none, "none", 64));
    free(tokens.offset);
    free(tokens.ids);
    close_model(&m);
    fr_device_close(device);
}

static void test_export(void **state)
{
    (void)state;
    fr_device *device = test_device(FR_DEVICE_CPU);
    for (int variant = 0; variant < 2; variant++) {
        char path[200];
        snprintf(path, sizeof path, "%s/exported/%d", folder, variant);
        fr_encoder_shape shape, back;
        model m, again;
        assert_ok(fr_encoder_shape_read(&shape, TINY, &config));
        shape.cls = variant;
        shape.normalize = !variant;
        shape.layernorm_epsilon = 1e-7;
        open_model(&m, device, &shape, 8, 8);
        fr_encoder_init(m.encoder, 4);
        assert_ok(fr_encoder_export(m.encoder, NULL, path));
        assert_ok(fr_encoder_export(m.encoder, NULL, path)); /* over what is there */
        assert_ok(fr_encoder_shape_read(&back, path, &config));
        assert_memory_equal(&shape, &back, sizeof shape);
        open_model(&again, device, &back, 8, 8);
        assert_ok(fr_encoder_load(again.encoder, path));
        for (int64_t i = 0; i < m.params.count; i++)
            assert_memory_equal(m.params.item[i].value.data, again.params.item[i].value.data,
                                fr_tensor_bytes(&m.params.item[i].value));
        close_model(&m);
        close_model(&again);
    }
    fr_device_close(device);
}

static void test_hash(void **state)
{
    (void)state;
    char first[33], second[33];
    copy_tiny();
    assert_ok(fr_encoder_folder_hash(first, TINY));
    edit("tokenizer_config.json", NULL, "{}");
    assert_ok(fr_encoder_folder_hash(second, folder));
    assert_string_not_equal(first, second);
    assert_ok(fr_encoder_folder_hash(first, folder));
    assert_string_equal(first, second);
    static const char *const names[] = {"config.json", "model.safetensors", "1_Pooling/config.json", "vocab.txt"};
    for (int i = 0; i < 4; i++) {
        edit(names[i], NULL, "other");
        strcpy(first, second);
        assert_ok(fr_encoder_folder_hash(second, folder));
        assert_string_not_equal(first, second);
    }
    assert_fails(fr_encoder_folder_hash(first, "/nonexistent"), FR_FAILED, "/nonexistent/config.json");
}

/* PyTorch's f32 embeddings of varied texts, from token ids (tests/golden/make_encoder.py). */
static void test_minilm(void **state)
{
    (void)state;
    enum { C = 384 };
    char *real = fr_encoder_default_folder();
    if (!fr_is_folder(real)) {
        free(real);
        skip();
    }
    fr_safetensors *file;
    float counts[2];
    assert_ok(fr_safetensors_open(&file, GOLDEN "encoder_minilm.safetensors"));
    assert_ok(fr_safetensors_read(file, "count", 1, (int64_t[]){2}, counts));
    int64_t B = (int64_t)counts[0], N = (int64_t)counts[1];
    float *cu = FR_NEW(float, B + 1), *ids = FR_NEW(float, N), *want = FR_NEW(float, B *C), *got = FR_NEW(float, B *C);
    assert_ok(fr_safetensors_read(file, "cu", 1, &(int64_t){B + 1}, cu));
    assert_ok(fr_safetensors_read(file, "ids", 1, &N, ids));
    assert_ok(fr_safetensors_read(file, "h", 2, (int64_t[]){B, C}, want));
    fr_safetensors_close(file);
    fr_tokens tokens = {.count = B, .offset = FR_NEW(int64_t, B + 1), .ids = FR_NEW(int32_t, N)};
    for (int64_t b = 0; b <= B; b++)
        tokens.offset[b] = (int64_t)cu[b];
    for (int64_t i = 0; i < N; i++)
        tokens.ids[i] = (int32_t)ids[i];

    fr_device *device = test_device(FR_DEVICE_CPU);
    fr_encoder_shape shape;
    model m;
    assert_ok(fr_encoder_shape_read(&shape, real, &config));
    assert_int_equal(shape.max_tokens, 256);
    open_model(&m, device, &shape, 1024, 16);
    assert_ok(fr_encoder_load(m.encoder, real));
    assert_ok(fr_encoder_embed(m.encoder, got, &tokens, "texts", 1024));
    for (int64_t b = 0; b < B; b++) {
        double dot = 0, squares = 0;
        for (int64_t j = 0; j < C; j++) {
            dot += (double)got[b * C + j] * want[b * C + j];
            squares += (double)got[b * C + j] * got[b * C + j];
            assert_close(got[b * C + j], want[b * C + j], 2e-6);
        }
        assert_close(squares, 1, 1e-5);
        assert_true(dot > 0.99999);
    }
    close_model(&m);
    fr_device_close(device);
    free(cu);
    free(ids);
    free(want);
    free(got);
    free(tokens.offset);
    free(tokens.ids);
    free(real);
}

static void test_default_folder(void **state)
{
    (void)state;
    static const char *const name[3] = {"FINEROUTER_ENCODER", "XDG_CACHE_HOME", "HOME"};
    char *saved[3];
    for (int i = 0; i < 3; i++) {
        saved[i] = fr_strdup(getenv(name[i]));
        setenv(name[i], i == 0 ? "/e" : i == 1 ? "/c" : "/h", 1);
    }
    static const char *const want[3] = {"/e", "/c/finerouter/all-MiniLM-L6-v2",
                                        "/h/.cache/finerouter/all-MiniLM-L6-v2"};
    for (int i = 0; i < 3; i++) {
        char *path = fr_encoder_default_folder();
        assert_string_equal(path, want[i]);
        free(path);
        setenv(name[i], "", 1);
    }
    for (int i = 0; i < 3; i++) {
        if (saved[i])
            setenv(name[i], saved[i], 1);
        else
            unsetenv(name[i]);
        free(saved[i]);
    }
}

/* Last: the wish to stop cannot be taken back. */
static void test_interrupt(void **state)
{
    (void)state;
    fr_device *device = test_device(FR_DEVICE_CPU);
    fr_encoder_shape shape;
    model m;
    fr_tokens tokens = some_tokens(9, 5);
    float out[9 * 18];
    assert_ok(fr_encoder_shape_read(&shape, TINY, &config));
    open_model(&m, device, &shape, 8, 8);
    fr_encoder_init(m.encoder, 1);
    fr_interrupt_install();
    raise(SIGINT);
    assert_int_equal(fr_encoder_embed(m.encoder, out, &tokens, "texts", 8), FR_INTERRUPTED);
    free(tokens.offset);
    free(tokens.ids);
    close_model(&m);
    fr_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),  cmocka_unit_test(test_refused),        cmocka_unit_test(test_load),
        cmocka_unit_test(test_embed),  cmocka_unit_test(test_export),         cmocka_unit_test(test_hash),
        cmocka_unit_test(test_minilm), cmocka_unit_test(test_default_folder), cmocka_unit_test(test_interrupt)};
    fr_log_level(0);
    fr_config_defaults(&config);
    snprintf(folder, sizeof folder, "%s/encoder", test_folder());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fr_config_close(&config);
    return failed;
}

/* What an encoder folder says about itself: sizes, pooling, longest input. */
#include "base/files.h"
#include "base/memory.h"
#include "encoder.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CONFIG_BYTES (16u << 20)

/* A JSON file of the folder. Where it may be missing, *json stays NULL. flags: of jansson. */
static fr_status read_json(json_t **json, char **path, const char *folder, const char *name, bool required,
                           size_t flags)
{
    *json = NULL;
    *path = fr_path_join(folder, name);
    if (!required && !fr_file_exists(*path))
        return FR_OK;
    char *text;
    size_t bytes;
    json_error_t error;
    FR_TRY(fr_file_read(&text, &bytes, *path, MOST_CONFIG_BYTES));
    *json = json_loadb(text, bytes, flags, &error);
    free(text);
    return *json ? FR_OK : fr_fail(FR_FAILED, "%s:%d: %s", *path, error.line, error.text);
}

/* config[key], a whole number in low .. 2^30; `standard` where the key is missing and that is no error (>= 0). */
static fr_status read_size(int64_t *out, const json_t *config, const char *path, const char *key, int64_t low,
                           int64_t standard)
{
    const json_t *value = json_object_get(config, key);
    *out = standard;
    if (!value && standard >= 0)
        return FR_OK;
    *out = json_is_integer(value) ? json_integer_value(value) : -1;
    if (*out >= low && *out <= 1 << 30)
        return FR_OK;
    char *is = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    fr_status status = fr_fail(FR_FAILED, "%s: %s is %.60s, want a whole number >= %lld", path, key,
                               is ? is : "missing", (long long)low);
    free(is);
    return status;
}

/* config[key] must be the text `want`, or may be missing. */
static fr_status want_text(const json_t *config, const char *path, const char *key, const char *want)
{
    const json_t *value = json_object_get(config, key);
    if (!value || (json_is_string(value) && strcmp(json_string_value(value), want) == 0))
        return FR_OK;
    return fr_fail(FR_FAILED, "%s: %s is %.60s, want %s: only BERT encoders are supported", path, key,
                   json_is_string(value) ? json_string_value(value) : "not a text", want);
}

static fr_status read_config(fr_encoder_shape *s, const json_t *config, const char *path)
{
    if (!json_is_object(config) || !json_object_get(config, "model_type"))
        return fr_fail(FR_FAILED, "%s: has no model_type, want bert", path);
    FR_TRY(want_text(config, path, "model_type", "bert"));
    FR_TRY(want_text(config, path, "hidden_act", "gelu"));
    FR_TRY(want_text(config, path, "position_embedding_type", "absolute"));
    FR_TRY(read_size(&s->vocabulary, config, path, "vocab_size", 1, -1));
    FR_TRY(read_size(&s->positions, config, path, "max_position_embeddings", 2, -1));
    FR_TRY(read_size(&s->types, config, path, "type_vocab_size", 1, 2));
    FR_TRY(read_size(&s->layers, config, path, "num_hidden_layers", 1, -1));
    FR_TRY(read_size(&s->hidden, config, path, "hidden_size", 1, -1));
    FR_TRY(read_size(&s->heads, config, path, "num_attention_heads", 1, -1));
    FR_TRY(read_size(&s->intermediate, config, path, "intermediate_size", 1, -1));
    if (s->hidden % s->heads)
        return fr_fail(FR_FAILED, "%s: hidden_size %lld is not a multiple of num_attention_heads %lld", path,
                       (long long)s->hidden, (long long)s->heads);
    const json_t *epsilon = json_object_get(config, "layer_norm_eps");
    s->layernorm_epsilon = epsilon ? json_number_value(epsilon) : 1e-12;
    if (!(s->layernorm_epsilon > 0 && s->layernorm_epsilon < 1))
        return fr_fail(FR_FAILED, "%s: layer_norm_eps is %g, want a number between 0 and 1", path,
                       s->layernorm_epsilon);
    return FR_OK;
}

/* Either spelling of sentence-transformers: "pooling_mode": "mean", or one flag a mode. */
static fr_status read_pooling(fr_encoder_shape *s, const json_t *pooling, const char *path)
{
    const json_t *mode = json_object_get(pooling, "pooling_mode"), *value;
    const char *key, *flag = "pooling_mode_", *found = mode ? json_string_value(mode) : "none";
    int count = mode != NULL;
    if (!mode) {
        json_object_foreach((json_t *)pooling, key, value)
        {
            if (strncmp(key, flag, strlen(flag)) == 0 && json_is_true(value)) {
                found = key + strlen(flag);
                count++;
            }
        }
    }
    bool mean = found && (strcmp(found, "mean") == 0 || strcmp(found, "mean_tokens") == 0);
    s->cls = found && (strcmp(found, "cls") == 0 || strcmp(found, "cls_token") == 0);
    if (count != 1 || !(mean || s->cls))
        return fr_fail(FR_FAILED, "%s: pools by %s, want one of mean and cls", path,
                       count > 1 || !found ? "several modes" : found);
    return FR_OK;
}

/* "sentence_transformers.models.Pooling" -> "Pooling" */
static const char *class_name(const json_t *module)
{
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *dot = type ? strrchr(type, '.') : NULL;
    return dot ? dot + 1 : type ? type : "nothing";
}

/* Walks modules.json: Transformer, Pooling and perhaps Normalize. *pooling: folder of the Pooling module. */
static fr_status read_modules(fr_encoder_shape *s, const char **pooling, const json_t *modules, const char *path)
{
    size_t i;
    const json_t *module;
    s->normalize = false;
    json_array_foreach((json_t *)modules, i, module)
    {
        const char *name = class_name(module), *at = json_string_value(json_object_get(module, "path"));
        if (strcmp(name, "Pooling") == 0 && at)
            *pooling = at;
        else if (strcmp(name, "Normalize") == 0)
            s->normalize = true;
        else if (strcmp(name, "Transformer") != 0)
            return fr_fail(FR_FAILED, "%s: module %zu is a %s, want Transformer, Pooling and perhaps Normalize", path,
                           i, name);
    }
    return FR_OK;
}

/* The longest input: sentence_bert_config.json, else (newer folders) tokenizer_config.json, else 256. */
static void read_longest(fr_encoder_shape *s, const json_t *sentence, const json_t *tokenizer)
{
    double longest = json_number_value(json_object_get(sentence, "max_seq_length"));
    s->lower_case = json_is_true(json_object_get(sentence, "do_lower_case"));
    if (!(longest >= 2))
        longest = json_number_value(json_object_get(tokenizer, "model_max_length"));
    if (!(longest >= 2 && longest < 1e9))
        longest = 256;
    s->max_tokens = longest < (double)s->positions ? (int64_t)longest : s->positions;
}

static fr_status apply(fr_encoder_shape *s, const fr_config *config, const char *folder)
{
    if (config->encoder.max_tokens > s->positions)
        return fr_fail(FR_USAGE, "encoder.max_tokens is %lld, but the encoder in %s has %lld positions",
                       (long long)config->encoder.max_tokens, folder, (long long)s->positions);
    if (config->encoder.max_tokens > 0)
        s->max_tokens = config->encoder.max_tokens;
    if (config->encoder.pooling != FR_POOLING_AUTO)
        s->cls = config->encoder.pooling == FR_POOLING_CLS;
    if (config->encoder.normalize != FR_NORMALIZE_AUTO)
        s->normalize = config->encoder.normalize == FR_NORMALIZE_TRUE;
    return FR_OK;
}

enum { CONFIG, MODULES, SENTENCE, TOKENIZER, POOLING, FILES };

static fr_status read_folder(fr_encoder_shape *s, json_t *json[FILES], char *path[FILES], const char *folder)
{
    FR_TRY(read_json(&json[CONFIG], &path[CONFIG], folder, "config.json", true, 0));
    FR_TRY(read_json(&json[MODULES], &path[MODULES], folder, "modules.json", false, 0));
    FR_TRY(read_json(&json[SENTENCE], &path[SENTENCE], folder, "sentence_bert_config.json", false, 0));
    /* transformers writes 10^30 for "no limit" there, more than an integer holds */
    FR_TRY(
        read_json(&json[TOKENIZER], &path[TOKENIZER], folder, "tokenizer_config.json", false, JSON_DECODE_INT_AS_REAL));
    FR_TRY(read_config(s, json[CONFIG], path[CONFIG]));
    read_longest(s, json[SENTENCE], json[TOKENIZER]);

    const char *pooling = "1_Pooling";
    if (json[MODULES])
        FR_TRY(read_modules(s, &pooling, json[MODULES], path[MODULES]));
    char *name = fr_path_join(pooling, "config.json");
    fr_status status = read_json(&json[POOLING], &path[POOLING], folder, name, false, 0);
    free(name);
    FR_TRY(status);
    return json[POOLING] ? read_pooling(s, json[POOLING], path[POOLING]) : FR_OK;
}

fr_status fr_encoder_shape_read(fr_encoder_shape *shape, const char *folder, const fr_config *config)
{
    *shape = (fr_encoder_shape){.normalize = true};
    if (!fr_is_folder(folder))
        return fr_fail(FR_FAILED,
                       "%s: no such folder; scripts/get-encoder.sh fetches the default encoder, or set "
                       "encoder.path",
                       folder);
    json_t *json[FILES] = {0};
    char *path[FILES] = {0};
    fr_status status = read_folder(shape, json, path, folder);
    if (status == FR_OK)
        status = apply(shape, config, folder);
    for (int i = 0; i < FILES; i++) {
        json_decref(json[i]);
        free(path[i]);
    }
    return status;
}

void fr_encoder_shape_fresh(fr_encoder_shape *shape, const fr_config *config, int64_t vocabulary)
{
    int64_t longest = config->encoder.max_tokens > 0 ? config->encoder.max_tokens : 256;
    *shape = (fr_encoder_shape){.vocabulary = vocabulary,
                                .positions = longest < 2 ? 2 : longest,
                                .types = 2,
                                .layers = config->encoder.layers,
                                .hidden = config->encoder.hidden,
                                .heads = config->encoder.heads,
                                .intermediate = config->encoder.intermediate,
                                .layernorm_epsilon = 1e-12,
                                .max_tokens = longest < 2 ? 2 : longest,
                                .cls = config->encoder.pooling == FR_POOLING_CLS,
                                .normalize = config->encoder.normalize != FR_NORMALIZE_FALSE,
                                .lower_case = true};
}

/* Weights in, weights out, and the hash of a folder. */
#include "base/files.h"
#include "base/hash.h"
#include "base/memory.h"
#include "encoder_internal.h"
#include "io/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The name under which the file holds this parameter: as is, within "bert.", or with LayerNorm's old gamma and beta. */
static void name_in_file(char *name, size_t bytes, const fr_safetensors *file, const char *ours)
{
    const char *norm = strstr(ours, "LayerNorm.");
    for (int form = 0; form < 4; form++) {
        const char *prefix = form & 1 ? "bert." : "";
        if (form & 2 && norm)
            snprintf(name, bytes, "%s%.*sLayerNorm.%s", prefix, (int)(norm - ours), ours,
                     strcmp(norm, "LayerNorm.weight") == 0 ? "gamma" : "beta");
        else
            snprintf(name, bytes, "%s%s", prefix, ours);
        if (fr_safetensors_has(file, name))
            return;
    }
    snprintf(name, bytes, "%s", ours); /* the error speaks of the usual name */
}

static int64_t largest_param(const fr_encoder *encoder)
{
    int64_t largest = 1;
    for (int64_t i = 0; i < encoder->param_count; i++) {
        int64_t n = fr_tensor_count(&encoder->params->item[encoder->first_param + i].value);
        largest = n > largest ? n : largest;
    }
    return largest;
}

static fr_status load_all(fr_encoder *encoder, const fr_safetensors *file)
{
    float *host = fr_alloc((size_t)largest_param(encoder) * sizeof *host);
    fr_status status = FR_OK;
    for (int64_t i = 0; i < encoder->param_count && status == FR_OK; i++) {
        fr_param *param = &encoder->params->item[encoder->first_param + i];
        char name[160];
        name_in_file(name, sizeof name, file, param->name + encoder->prefix_length);
        status = fr_safetensors_read(file, name, param->value.rank, param->value.shape, host);
        if (status == FR_OK)
            fr_tensor_set(param->value, host);
    }
    fr_params_refresh(encoder->params);
    free(host);
    return status;
}

fr_status fr_encoder_load(fr_encoder *encoder, const char *folder)
{
    char *path = fr_path_join(folder, "model.safetensors");
    fr_safetensors *file;
    fr_status status = fr_safetensors_open(&file, path);
    if (status == FR_OK) {
        status = load_all(encoder, file);
        fr_safetensors_close(file);
    }
    free(path);
    return status;
}

static fr_status export_weights(const fr_encoder *encoder, const char *path)
{
    int64_t count = encoder->param_count, total = 0;
    const fr_param *param = encoder->params->item + encoder->first_param;
    for (int64_t i = 0; i < count; i++)
        total += fr_tensor_count(&param[i].value);
    fr_safetensor *tensor = FR_NEW(fr_safetensor, count);
    float *host = fr_alloc((size_t)total * sizeof *host), *at = host;
    for (int64_t i = 0; i < count; i++) {
        tensor[i].name = param[i].name + encoder->prefix_length;
        tensor[i].rank = param[i].value.rank;
        memcpy(tensor[i].shape, param[i].value.shape, sizeof tensor[i].shape);
        tensor[i].data = at;
        fr_tensor_get(param[i].value, at);
        at += fr_tensor_count(&param[i].value);
    }
    fr_status status = fr_safetensors_write(path, tensor, count);
    free(host);
    free(tensor);
    return status;
}

/* Writes json into folder/name and releases it. */
static fr_status write_json(json_t *json, const char *folder, const char *name)
{
    FR_CHECK(json, "%s cannot be built", name);
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17)), *path = fr_path_join(folder, name);
    fr_status status = fr_file_write(path, text, strlen(text));
    json_decref(json);
    free(text);
    free(path);
    return status;
}

static json_t *bert_config(const fr_encoder_shape *s)
{
    return json_pack("{s:[s],s:s,s:s,s:s,s:f,s:f,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:i,s:s}", "architectures",
                     "BertModel", "model_type", "bert", "hidden_act", "gelu", "position_embedding_type", "absolute",
                     "layer_norm_eps", s->layernorm_epsilon, "initializer_range", 0.02, "vocab_size",
                     (json_int_t)s->vocabulary, "max_position_embeddings", (json_int_t)s->positions, "type_vocab_size",
                     (json_int_t)s->types, "num_hidden_layers", (json_int_t)s->layers, "hidden_size",
                     (json_int_t)s->hidden, "num_attention_heads", (json_int_t)s->heads, "intermediate_size",
                     (json_int_t)s->intermediate, "hidden_dropout_prob", 0.1, "attention_probs_dropout_prob", 0.1,
                     "pad_token_id", 0, "torch_dtype", "float32");
}

static json_t *module_list(bool normalize)
{
    json_t *list = json_pack("[{s:i,s:s,s:s,s:s},{s:i,s:s,s:s,s:s}]", "idx", 0, "name", "0", "path", "", "type",
                             "sentence_transformers.models.Transformer", "idx", 1, "name", "1", "path", "1_Pooling",
                             "type", "sentence_transformers.models.Pooling");
    if (normalize)
        json_array_append_new(list, json_pack("{s:i,s:s,s:s,s:s}", "idx", 2, "name", "2", "path", "2_Normalize", "type",
                                              "sentence_transformers.models.Normalize"));
    return list;
}

static fr_status make_subfolder(const char *folder, const char *name)
{
    char *path = fr_path_join(folder, name);
    fr_status status = fr_make_folders(path);
    free(path);
    return status;
}

fr_status fr_encoder_export(const fr_encoder *encoder, const fr_tokenizer *tokenizer, const char *folder)
{
    const fr_encoder_shape *s = &encoder->shape;
    FR_TRY(fr_make_folders(folder));
    FR_TRY(make_subfolder(folder, "1_Pooling"));
    FR_TRY(write_json(bert_config(s), folder, "config.json"));
    FR_TRY(write_json(module_list(s->normalize), folder, "modules.json"));
    FR_TRY(write_json(json_pack("{s:I,s:b,s:b,s:b,s:b}", "word_embedding_dimension", (json_int_t)s->hidden,
                                "pooling_mode_cls_token", s->cls, "pooling_mode_mean_tokens", !s->cls,
                                "pooling_mode_max_tokens", 0, "pooling_mode_mean_sqrt_len_tokens", 0),
                      folder, "1_Pooling/config.json"));
    FR_TRY(
        write_json(json_pack("{s:I,s:b}", "max_seq_length", (json_int_t)s->max_tokens, "do_lower_case", s->lower_case),
                   folder, "sentence_bert_config.json"));
    if (s->normalize) {
        FR_TRY(make_subfolder(folder, "2_Normalize"));
        FR_TRY(write_json(json_object(), folder, "2_Normalize/config.json"));
    }
    if (tokenizer)
        FR_TRY(fr_tokenizer_save(tokenizer, folder));
    char *path = fr_path_join(folder, "model.safetensors");
    fr_status status = export_weights(encoder, path);
    free(path);
    return status;
}

fr_status fr_encoder_folder_hash(char hex[33], const char *folder)
{
    static const char *const name[] = {
        "config.json",    "model.safetensors",     "modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
        "tokenizer.json", "tokenizer_config.json", "vocab.txt"};
    fr_hash *hash = fr_hash_create();
    fr_status status = FR_OK;
    for (size_t i = 0; i < sizeof name / sizeof *name && status == FR_OK; i++) {
        char *path = fr_path_join(folder, name[i]), content[FR_HASH_CHARS] = "missing";
        if (i < 2 || fr_file_exists(path)) /* without the first two it is no encoder */
            status = fr_hash_file(content, path);
        fr_hash_add_text(hash, name[i]);
        fr_hash_add_text(hash, content);
        free(path);
    }
    fr_hash_end(hash, hex);
    return status;
}

char *fr_encoder_default_folder(void)
{
    const char *folder = getenv("FINEROUTER_ENCODER"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (folder && *folder)
        return fr_strdup(folder);
    if (cache && *cache)
        return fr_format("%s/finerouter/all-MiniLM-L6-v2", cache);
    return fr_format("%s/.cache/finerouter/all-MiniLM-L6-v2", home && *home ? home : ".");
}

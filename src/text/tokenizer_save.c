#include "wordpiece.h"

#include "base/files.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *added_json(const fr_added *added)
{
    return json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (int)added->id, "content", added->content,
                     "single_word", 0, "lstrip", (int)added->lstrip, "rstrip", (int)added->rstrip, "normalized",
                     (int)added->normalized, "special", (int)added->special);
}

static int compare_ids(const void *a, const void *b)
{
    const fr_added *x = *(const fr_added *const *)a, *y = *(const fr_added *const *)b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Both sets together, by id. */
static json_t *added_list(const fr_tokenizer *tokenizer)
{
    int64_t raw = tokenizer->raw.count, count = raw + tokenizer->normalized.count;
    const fr_added **order = FR_NEW(const fr_added *, count);
    for (int64_t i = 0; i < count; i++)
        order[i] = i < raw ? &tokenizer->raw.added[i] : &tokenizer->normalized.added[i - raw];
    qsort(order, (size_t)count, sizeof *order, compare_ids);
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++)
        json_array_append_new(list, added_json(order[i]));
    free(order);
    return list;
}

static json_t *accents_json(const fr_tokenizer *tokenizer)
{
    return tokenizer->accents < 0 ? json_null() : json_boolean(tokenizer->accents);
}

static json_t *special_json(const char *piece)
{
    return json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", piece, "type_id", 0);
}

static json_t *special_entry(const char *piece, int32_t id)
{
    return json_pack("{s:s, s:[i], s:[s]}", "id", piece, "ids", (int)id, "tokens", piece);
}

/* [CLS] text [SEP], and [CLS] text [SEP] second text [SEP]. */
static json_t *template_json(const fr_tokenizer *tokenizer)
{
    const char *cls = tokenizer->piece[tokenizer->cls], *sep = tokenizer->piece[tokenizer->sep];
    json_t *first = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0);
    json_t *second = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "B", "type_id", 1);
    json_t *end = json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", sep, "type_id", 1);
    json_t *specials = json_object();
    json_object_set_new(specials, cls, special_entry(cls, tokenizer->cls));
    json_object_set_new(specials, sep, special_entry(sep, tokenizer->sep));
    return json_pack("{s:s, s:[o, O, o], s:[o, o, o, o, o], s:o}", "type", "TemplateProcessing", "single",
                     special_json(cls), first, special_json(sep), "pair", special_json(cls), first, special_json(sep),
                     second, end, "special_tokens", specials);
}

static json_t *vocabulary_json(const fr_tokenizer *tokenizer)
{
    json_t *vocabulary = json_object();
    for (int64_t id = 0; id < tokenizer->words; id++)
        json_object_set_new_nocheck(vocabulary, tokenizer->piece[id], json_integer(id));
    return vocabulary;
}

static json_t *tokenizer_json(const fr_tokenizer *tokenizer)
{
    const fr_normalizer *normal = &tokenizer->normal;
    json_t *normalizer = json_pack("{s:s, s:b, s:b, s:o, s:b}", "type", "BertNormalizer", "clean_text",
                                   (int)normal->clean_text, "handle_chinese_chars", (int)normal->handle_chinese_chars,
                                   "strip_accents", accents_json(tokenizer), "lowercase", (int)normal->lowercase);
    json_t *model =
        json_pack("{s:s, s:s, s:s, s:I, s:o}", "type", "WordPiece", "unk_token", tokenizer->piece[tokenizer->unk],
                  "continuing_subword_prefix", "##", "max_input_chars_per_word", (json_int_t)tokenizer->max_word_chars,
                  "vocab", vocabulary_json(tokenizer));
    return json_pack("{s:s, s:n, s:n, s:o, s:o, s:{s:s}, s:o, s:{s:s, s:s, s:b}, s:o}", "version", "1.0", "truncation",
                     "padding", "added_tokens", added_list(tokenizer), "normalizer", normalizer, "pre_tokenizer",
                     "type", "BertPreTokenizer", "post_processor", template_json(tokenizer), "decoder", "type",
                     "WordPiece", "prefix", "##", "cleanup", 1, "model", model);
}

static json_t *config_json(const fr_tokenizer *tokenizer)
{
    json_t *config = json_pack("{s:s, s:b, s:b, s:o, s:s, s:s, s:s}", "tokenizer_class", "BertTokenizer",
                               "do_lower_case", (int)tokenizer->normal.lowercase, "tokenize_chinese_chars",
                               (int)tokenizer->normal.handle_chinese_chars, "strip_accents", accents_json(tokenizer),
                               "unk_token", tokenizer->piece[tokenizer->unk], "cls_token",
                               tokenizer->piece[tokenizer->cls], "sep_token", tokenizer->piece[tokenizer->sep]);
    static const char *const optional[4][2] = {
        {"pad_token", "[PAD]"}, {"pad_token", "<pad>"}, {"mask_token", "[MASK]"}, {"mask_token", "<mask>"}};
    for (int i = 0; i < 4; i++)
        if (!json_object_get(config, optional[i][0]) && fr_tokenizer_find(tokenizer, optional[i][1]) >= 0)
            json_object_set_new(config, optional[i][0], json_string(optional[i][1]));
    return config;
}

static fr_status write_json(json_t *root, const char *folder, const char *name)
{
    char *path = fr_path_join(folder, name), *text = json_dumps(root, JSON_INDENT(2));
    FR_CHECK(text, "%s: cannot be written as JSON", name);
    fr_status status = fr_file_write(path, text, strlen(text));
    free(text);
    free(path);
    json_decref(root);
    return status;
}

static fr_status write_lines(const fr_tokenizer *tokenizer, const char *folder)
{
    fr_buffer text = {0};
    for (int64_t id = 0; id < tokenizer->size; id++)
        fr_buffer_addf(&text, "%s\n", tokenizer->piece[id]);
    char *path = fr_path_join(folder, "vocab.txt");
    fr_status status = fr_file_write(path, text.data, text.bytes);
    free(path);
    fr_buffer_close(&text);
    return status;
}

fr_status fr_tokenizer_save(const fr_tokenizer *tokenizer, const char *folder)
{
    FR_TRY(fr_make_folders(folder));
    FR_TRY(write_lines(tokenizer, folder));
    FR_TRY(write_json(config_json(tokenizer), folder, "tokenizer_config.json"));
    return write_json(tokenizer_json(tokenizer), folder, "tokenizer.json");
}

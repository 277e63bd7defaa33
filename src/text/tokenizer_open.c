#include "wordpiece.h"

#include "base/files.h"
#include "unicode.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 256 << 20 };

/* Text from a file, fit for one line of an error. */
typedef struct shown {
    char text[64];
} shown;

static shown show(const char *text)
{
    shown s;
    size_t i = 0;
    for (; text[i] && i < sizeof s.text - 1; i++)
        s.text[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7F ? '?' : text[i];
    while (text[i] && i > 0 && ((unsigned char)text[i] & 0xC0) == 0x80) /* not in the middle of a character */
        i--;
    s.text[i] = 0;
    return s;
}

static fr_status read_json(json_t **root, const char *path)
{
    char *data;
    size_t bytes;
    json_error_t error;
    FR_TRY(fr_file_read(&data, &bytes, path, FILE_LIMIT));
    *root = json_loadb(data, bytes, JSON_REJECT_DUPLICATES, &error);
    free(data);
    if (!*root)
        return fr_fail(FR_FAILED, "%s:%d: not valid JSON: %s", path, error.line, show(error.text).text);
    if (!json_is_object(*root)) {
        json_decref(*root);
        *root = NULL;
        return fr_fail(FR_FAILED, "%s: is not a JSON object", path);
    }
    return FR_OK;
}

/* The text of a string or, as in added tokens, of an object's "content"; NULL if it is neither. */
static const char *text_of(const json_t *value)
{
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static fr_status want_type(const json_t *root, const char *part, const char *want, const char *path)
{
    const char *type = json_string_value(json_object_get(json_object_get(root, part), "type"));
    if (type && strcmp(type, want) == 0)
        return FR_OK;
    return fr_fail(FR_FAILED, "%s: %s is %s, want %s", path, part, type ? show(type).text : "missing or without type",
                   want);
}

static fr_status read_bool(bool *value, const json_t *object, const char *key, const char *path)
{
    const json_t *json = json_object_get(object, key);
    if (!json_is_boolean(json))
        return fr_fail(FR_FAILED, "%s: %s is %s, want true or false", path, key, json ? "something else" : "missing");
    *value = json_is_true(json);
    return FR_OK;
}

static fr_status read_accents(int *accents, const json_t *object, const char *path)
{
    const json_t *json = json_object_get(object, "strip_accents");
    if (json && !json_is_null(json) && !json_is_boolean(json))
        return fr_fail(FR_FAILED, "%s: strip_accents is something else, want true, false or null", path);
    *accents = json_is_boolean(json) ? json_is_true(json) : -1;
    return FR_OK;
}

static fr_status check_piece(const char *piece, const char *path)
{
    if (strpbrk(piece, "\r\n"))
        return fr_fail(FR_FAILED, "%s: piece \"%s\" has a line break in it", path, show(piece).text);
    return FR_OK;
}

/* The vocabulary {piece: id}: ids 0 .. n-1, each once. */
static fr_status read_vocabulary(fr_tokenizer *tokenizer, const json_t *vocabulary, const char *path)
{
    if (!json_is_object(vocabulary) || !json_object_size(vocabulary))
        return fr_fail(FR_FAILED, "%s: model.vocab is missing or empty, want an object of pieces and ids", path);
    int64_t size = (int64_t)json_object_size(vocabulary);
    if (size > FR_MOST_PIECES)
        return fr_fail(FR_FAILED, "%s: model.vocab has %lld pieces, want at most %d", path, (long long)size,
                       FR_MOST_PIECES);
    tokenizer->piece = FR_NEW(const char *, size);
    tokenizer->size = tokenizer->words = size;
    const char *piece;
    json_t *value;
    json_object_foreach((json_t *)vocabulary, piece, value)
    {
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= size)
            return fr_fail(FR_FAILED, "%s: id of piece \"%s\" is %s, want 0 to %lld", path, show(piece).text,
                           json_is_integer(value) ? "out of range" : "no integer", (long long)size - 1);
        if (tokenizer->piece[id])
            return fr_fail(FR_FAILED, "%s: pieces \"%s\" and \"%s\" have the same id %lld", path,
                           show(tokenizer->piece[id]).text, show(piece).text, (long long)id);
        FR_TRY(check_piece(piece, path));
        tokenizer->piece[id] = fr_strings_add(&tokenizer->strings, piece, strlen(piece));
    }
    return FR_OK;
}

static fr_status find_special(int32_t *id, const fr_tokenizer *tokenizer, const char *piece, const char *role,
                              const char *path)
{
    *id = piece ? fr_tokenizer_find(tokenizer, piece) : -1;
    if (*id >= 0)
        return FR_OK;
    return fr_fail(FR_FAILED, "%s: special token %s (%s) is not in the vocabulary", path,
                   piece ? show(piece).text : "without a name", role);
}

static fr_status read_model(fr_tokenizer *tokenizer, const json_t *root, const char *path)
{
    const json_t *model = json_object_get(root, "model");
    FR_TRY(want_type(root, "model", "WordPiece", path));
    const char *prefix = json_string_value(json_object_get(model, "continuing_subword_prefix"));
    if (!prefix || strcmp(prefix, "##") != 0)
        return fr_fail(FR_FAILED, "%s: continuing_subword_prefix is \"%s\", want \"##\"", path,
                       prefix ? show(prefix).text : "");
    tokenizer->max_word_chars = json_integer_value(json_object_get(model, "max_input_chars_per_word"));
    if (tokenizer->max_word_chars < 1 || tokenizer->max_word_chars > FR_MOST_WORD_CHARS)
        return fr_fail(FR_FAILED, "%s: max_input_chars_per_word is %lld, want 1 to %d", path,
                       (long long)tokenizer->max_word_chars, FR_MOST_WORD_CHARS);
    FR_TRY(read_vocabulary(tokenizer, json_object_get(model, "vocab"), path));
    return find_special(&tokenizer->unk, tokenizer, json_string_value(json_object_get(model, "unk_token")), "unk",
                        path);
}

static fr_status read_normalizer(fr_tokenizer *tokenizer, const json_t *root, const char *path)
{
    const json_t *json = json_object_get(root, "normalizer");
    fr_normalizer *normal = &tokenizer->normal;
    FR_TRY(want_type(root, "normalizer", "BertNormalizer", path));
    FR_TRY(read_bool(&normal->clean_text, json, "clean_text", path));
    FR_TRY(read_bool(&normal->handle_chinese_chars, json, "handle_chinese_chars", path));
    FR_TRY(read_bool(&normal->lowercase, json, "lowercase", path));
    FR_TRY(read_accents(&tokenizer->accents, json, path));
    return want_type(root, "pre_tokenizer", "BertPreTokenizer", path);
}

/* A piece that is not in the vocabulary yet takes the next id. */
static fr_status append_piece(fr_tokenizer *tokenizer, const char *content, json_int_t id, const char *path)
{
    if (id != tokenizer->size)
        return fr_fail(FR_FAILED, "%s: added token \"%s\" has id %lld, want %lld, the next one", path,
                       show(content).text, (long long)id, (long long)tokenizer->size);
    tokenizer->piece = fr_realloc(tokenizer->piece, (size_t)(tokenizer->size + 1) * sizeof *tokenizer->piece);
    tokenizer->piece[tokenizer->size++] = fr_strings_add(&tokenizer->strings, content, strlen(content));
    return FR_OK;
}

static fr_status read_added(fr_tokenizer *tokenizer, const json_t *json, json_int_t id, const char *path)
{
    const char *content = json_string_value(json_object_get(json, "content"));
    if (!content || !content[0])
        return fr_fail(FR_FAILED, "%s: added token %lld has no content", path, (long long)id);
    FR_TRY(check_piece(content, path));
    fr_added added = {0};
    bool single = false;
    FR_TRY(read_bool(&added.special, json, "special", path));
    FR_TRY(read_bool(&added.lstrip, json, "lstrip", path));
    FR_TRY(read_bool(&added.rstrip, json, "rstrip", path));
    FR_TRY(read_bool(&added.normalized, json, "normalized", path));
    FR_TRY(read_bool(&single, json, "single_word", path));
    if (single)
        return fr_fail(FR_FAILED, "%s: added token \"%s\" has single_word, which is not supported", path,
                       show(content).text);
    if (id < 0 || id >= tokenizer->size || strcmp(tokenizer->piece[id], content) != 0)
        FR_TRY(append_piece(tokenizer, content, id, path));
    added.content = tokenizer->piece[id];
    added.id = (int32_t)id;
    fr_added_append(tokenizer, added);
    return FR_OK;
}

static fr_status read_added_tokens(fr_tokenizer *tokenizer, const json_t *root, const char *path)
{
    const json_t *list = json_object_get(root, "added_tokens"), *json;
    size_t i;
    if (list && !json_is_null(list) && !json_is_array(list))
        return fr_fail(FR_FAILED, "%s: added_tokens is no list", path);
    json_array_foreach(list, i, json)
    {
        const json_t *id = json_object_get(json, "id");
        if (!json_is_integer(id))
            return fr_fail(FR_FAILED, "%s: added token number %zu has no id", path, i);
        FR_TRY(read_added(tokenizer, json, json_integer_value(id), path));
    }
    return FR_OK;
}

/* The one special token a template element names, by its id in the table special_tokens. */
static int64_t template_id(const json_t *processor, const json_t *element)
{
    const char *name = json_string_value(json_object_get(json_object_get(element, "SpecialToken"), "id"));
    const json_t *entry = name ? json_object_get(json_object_get(processor, "special_tokens"), name) : NULL;
    const json_t *ids = json_object_get(entry, "ids");
    return json_array_size(ids) == 1 && json_is_integer(json_array_get(ids, 0))
               ? json_integer_value(json_array_get(ids, 0))
               : -1;
}

static int64_t pair_id(const json_t *processor, const char *key)
{
    const json_t *id = json_array_get(json_object_get(processor, key), 1);
    return json_is_integer(id) ? json_integer_value(id) : -1;
}

static fr_status read_post_processor(fr_tokenizer *tokenizer, const json_t *root, const char *path)
{
    const json_t *processor = json_object_get(root, "post_processor");
    const char *type = json_string_value(json_object_get(processor, "type"));
    int64_t cls, sep;
    if (type && (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0)) {
        cls = pair_id(processor, "cls");
        sep = pair_id(processor, "sep");
    } else {
        FR_TRY(want_type(root, "post_processor", "TemplateProcessing", path));
        const json_t *single = json_object_get(processor, "single");
        if (json_array_size(single) != 3 || !json_object_get(json_array_get(single, 1), "Sequence"))
            return fr_fail(FR_FAILED, "%s: post_processor.single is another template, want [CLS] text [SEP]", path);
        cls = template_id(processor, json_array_get(single, 0));
        sep = template_id(processor, json_array_get(single, 2));
    }
    if (cls < 0 || cls >= tokenizer->size || sep < 0 || sep >= tokenizer->size)
        return fr_fail(FR_FAILED,
                       "%s: post_processor does not name two tokens of the vocabulary before and behind the text",
                       path);
    tokenizer->cls = (int32_t)cls;
    tokenizer->sep = (int32_t)sep;
    return FR_OK;
}

static fr_status open_json(fr_tokenizer *tokenizer, const char *path)
{
    json_t *root;
    FR_TRY(read_json(&root, path));
    fr_status status = read_model(tokenizer, root, path);
    if (status == FR_OK)
        status = read_normalizer(tokenizer, root, path);
    if (status == FR_OK)
        status = read_added_tokens(tokenizer, root, path);
    if (status == FR_OK)
        status = read_post_processor(tokenizer, root, path);
    json_decref(root);
    return status;
}

static fr_status read_lines(fr_tokenizer *tokenizer, const char *path)
{
    char *data;
    size_t bytes;
    FR_TRY(fr_file_read(&data, &bytes, path, FILE_LIMIT));
    fr_status status = FR_OK;
    int64_t lines = bytes && data[bytes - 1] != '\n';
    for (size_t i = 0; i < bytes; i++)
        lines += data[i] == '\n';
    if (!lines || lines > FR_MOST_PIECES)
        status = fr_fail(FR_FAILED, "%s: has %lld lines, want one piece a line, 1 to %d", path, (long long)lines,
                         FR_MOST_PIECES);
    else if (!fr_utf8_valid(data, bytes) || memchr(data, 0, bytes))
        status = fr_fail(FR_FAILED, "%s: is not UTF-8 text", path);
    if (status == FR_OK) {
        tokenizer->piece = FR_NEW(const char *, lines);
        for (char *at = data; tokenizer->size < lines; tokenizer->size++) {
            char *end = at + strcspn(at, "\n");
            size_t length = (size_t)(end - at);
            length -= length && end[-1] == '\r';
            tokenizer->piece[tokenizer->size] = fr_strings_add(&tokenizer->strings, at, length);
            at = end + 1;
        }
        tokenizer->words = tokenizer->size;
    }
    free(data);
    return status;
}

static fr_status check_class(const json_t *config, const char *path)
{
    static const char *const known[] = {"BertTokenizer",           "DistilBertTokenizer", "ElectraTokenizer",
                                        "MobileBertTokenizer",     "MPNetTokenizer",      "SqueezeBertTokenizer",
                                        "PreTrainedTokenizerFast", "TokenizersBackend"};
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    if (!name)
        return FR_OK;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(name, known[i], strlen(known[i])) == 0)
            return FR_OK;
    return fr_fail(FR_FAILED, "%s: tokenizer_class is %s, want BertTokenizer", path, show(name).text);
}

static fr_status read_config_bool(bool *value, const json_t *config, const char *key, const char *path)
{
    return json_object_get(config, key) ? read_bool(value, config, key, path) : FR_OK;
}

/* The special tokens of a vocab.txt, by the names the config gives or the usual ones; all are found in texts too. */
static fr_status read_specials(fr_tokenizer *tokenizer, const json_t *config, const char *path)
{
    static const char *const role[5] = {"pad", "unk", "cls", "sep", "mask"};
    static const char *const usual[5] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    int32_t *const needed[5] = {NULL, &tokenizer->unk, &tokenizer->cls, &tokenizer->sep, NULL};
    for (int i = 0; i < 5; i++) {
        char key[16];
        snprintf(key, sizeof key, "%s_token", role[i]);
        const char *name = text_of(json_object_get(config, key));
        name = name ? name : usual[i];
        int32_t id = fr_tokenizer_find(tokenizer, name);
        if (needed[i])
            FR_TRY(find_special(needed[i], tokenizer, name, role[i], path));
        if (id >= 0)
            fr_added_append(tokenizer, (fr_added){.content = tokenizer->piece[id], .id = id, .special = true});
    }
    return FR_OK;
}

static fr_status read_config(fr_tokenizer *tokenizer, const json_t *config, const char *path)
{
    FR_TRY(check_class(config, path));
    FR_TRY(read_config_bool(&tokenizer->normal.lowercase, config, "do_lower_case", path));
    FR_TRY(read_config_bool(&tokenizer->normal.handle_chinese_chars, config, "tokenize_chinese_chars", path));
    return read_accents(&tokenizer->accents, config, path);
}

static fr_status open_vocabulary(fr_tokenizer *tokenizer, const char *path, const char *config_path)
{
    json_t *config = NULL;
    FR_TRY(read_lines(tokenizer, path));
    if (fr_file_exists(config_path))
        FR_TRY(read_json(&config, config_path));
    fr_status status = config ? read_config(tokenizer, config, config_path) : FR_OK;
    if (status == FR_OK)
        status = read_specials(tokenizer, config, path);
    json_decref(config);
    return status;
}

/* An added piece that normalizes to nothing would be found everywhere. */
static fr_status check_patterns(const fr_tokenizer *tokenizer, const char *folder)
{
    for (int64_t i = 0; i < tokenizer->normalized.count; i++)
        if (!tokenizer->normalized.added[i].bytes)
            return fr_fail(FR_FAILED, "%s: nothing is left of added token \"%s\" when it is normalized", folder,
                           show(tokenizer->normalized.added[i].content).text);
    return FR_OK;
}

fr_status fr_tokenizer_open(fr_tokenizer **tokenizer, const char *folder)
{
    char *json = fr_path_join(folder, "tokenizer.json"), *lines = fr_path_join(folder, "vocab.txt");
    char *config = fr_path_join(folder, "tokenizer_config.json");
    fr_tokenizer *opened = fr_tokenizer_create();
    fr_status status;
    *tokenizer = NULL;
    if (fr_file_exists(json))
        status = open_json(opened, json);
    else if (fr_file_exists(lines))
        status = open_vocabulary(opened, lines, config);
    else
        status = fr_fail(FR_FAILED, "%s: has no tokenizer.json and no vocab.txt", folder);
    if (status == FR_OK) {
        fr_tokenizer_finish(opened);
        status = check_patterns(opened, folder);
    }
    if (status == FR_OK)
        *tokenizer = opened;
    else
        fr_tokenizer_close(opened);
    free(json);
    free(lines);
    free(config);
    return status;
}

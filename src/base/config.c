#include "finerouter/config.h"

#include "hash.h"
#include "memory.h"
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Texts and lists of a config; a value that is set again leaves its old memory here until the config is closed. */
typedef struct config_memory {
    fr_strings texts;
    void **block;
    int64_t blocks;
} config_memory;

static void *keep(fr_config *config, void *block)
{
    config_memory *memory = config->owned;
    memory->block = fr_realloc(memory->block, (size_t)(memory->blocks + 1) * sizeof *memory->block);
    return memory->block[memory->blocks++] = block;
}

static const char *keep_text(fr_config *config, const char *text)
{
    return fr_strings_add(&((config_memory *)config->owned)->texts, text, strlen(text));
}

static fr_status read_number(double *value, const option *o, const char *text, const char *where)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    bool whole = o->kind != OPTION_INT || *value == floor(*value);
    if (!*text || *end || !isfinite(*value) || !whole)
        return fr_fail(FR_USAGE, "%s: %s is \"%s\", want %s", where, o->key, text,
                       o->kind == OPTION_INT    ? "a whole number"
                       : o->kind == OPTION_AUTO ? "a number or auto"
                                                : "a number");
    if (*value < o->low || *value > o->high)
        return fr_fail(FR_USAGE, "%s: %s is %s, want %.10g to %.10g", where, o->key, text, o->low, o->high);
    return FR_OK;
}

static fr_status read_scalar(fr_config *config, const option *o, const char *text, const char *where)
{
    void *place = fr_option_place(config, o);
    double value;
    switch (o->kind) {
    case OPTION_INT:
        FR_TRY(read_number(&value, o, text, where));
        *(int64_t *)place = (int64_t)value;
        return FR_OK;
    case OPTION_AUTO:
        if (strcmp(text, "auto") == 0) {
            *(double *)place = NAN;
            return FR_OK;
        }
        /* fall through */
    case OPTION_REAL:
        FR_TRY(read_number(&value, o, text, where));
        *(double *)place = value;
        return FR_OK;
    case OPTION_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return fr_fail(FR_USAGE, "%s: %s is \"%s\", want true or false", where, o->key, text);
        *(bool *)place = text[0] == 't';
        return FR_OK;
    case OPTION_ENUM: {
        int index = fr_choice_index(o->choices, text, strlen(text));
        if (index < 0)
            return fr_fail(FR_USAGE, "%s: %s is \"%s\", want one of %s", where, o->key, text, o->choices);
        *(int *)place = index;
        return FR_OK;
    }
    case OPTION_TEXT:
        *(const char **)place = keep_text(config, text);
        return FR_OK;
    default:
        break;
    }
    FR_CHECK(0, "%s is a list", o->key);
    return FR_FAILED;
}

static fr_status read_list(fr_config *config, const option *o, const char *const *items, int64_t count,
                           const char *where)
{
    void *place = fr_option_place(config, o);
    if (count == 0 && o->standard[0]) /* a list that is empty by default may be so */
        return fr_fail(FR_USAGE, "%s: %s is empty, want at least one entry", where, o->key);
    if (o->kind == OPTION_REALS) {
        double *value = keep(config, FR_NEW(double, count));
        for (int64_t i = 0; i < count; i++)
            FR_TRY(read_number(&value[i], o, items[i], where));
        *(fr_reals *)place = (fr_reals){count, value};
        return FR_OK;
    }
    const char **word = keep(config, FR_NEW(const char *, count));
    for (int64_t i = 0; i < count; i++)
        word[i] = keep_text(config, items[i]);
    *(fr_words *)place = (fr_words){count, word};
    return FR_OK;
}

fr_status fr_option_assign(fr_config *config, const option *o, const char *const *items, int64_t count, bool is_list,
                           const char *where)
{
    if (o->kind == OPTION_REALS || o->kind == OPTION_WORDS)
        return read_list(config, o, items, count, where);
    if (is_list)
        return fr_fail(FR_USAGE, "%s: %s is a list, want one value", where, o->key);
    return read_scalar(config, o, items[0], where);
}

/* "1, 2, 3" as a list; a scalar as it is. The text is changed. */
static fr_status assign_text(fr_config *config, const option *o, char *text, const char *where)
{
    const char *items[256];
    int64_t count = 0;
    if (o->kind != OPTION_REALS && o->kind != OPTION_WORDS) {
        items[0] = text;
        return fr_option_assign(config, o, items, 1, false, where);
    }
    size_t length = strlen(text);
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text[length - 1] = 0;
        text++;
    }
    for (char *rest = NULL, *item = strtok_r(text, ", ", &rest); item; item = strtok_r(NULL, ", ", &rest)) {
        if (count == 256)
            return fr_fail(FR_USAGE, "%s: %s has more than 256 entries", where, o->key);
        items[count++] = item;
    }
    return fr_option_assign(config, o, items, count, true, where);
}

void fr_config_defaults(fr_config *config)
{
    *config = (fr_config){.owned = FR_NEW(config_memory, 1)};
    for (int64_t i = 0; i < fr_options_count; i++) {
        char *text = fr_strdup(fr_options[i].standard);
        fr_status status = assign_text(config, &fr_options[i], text, "options.def");
        FR_CHECK(status == FR_OK, "%s", fr_error_text());
        free(text);
    }
}

void fr_config_close(fr_config *config)
{
    config_memory *memory = config->owned;
    if (!memory)
        return;
    for (int64_t i = 0; i < memory->blocks; i++)
        free(memory->block[i]);
    free(memory->block);
    fr_strings_close(&memory->texts);
    free(memory);
    *config = (fr_config){0};
}

void fr_config_copy(fr_config *to, const fr_config *from)
{
    char *text = fr_config_text(from);
    fr_config_defaults(to);
    fr_status status = fr_config_read_text(to, text, "copy");
    FR_CHECK(status == FR_OK, "a config does not read back: %s", fr_error_text());
    free(text);
}

fr_status fr_config_set(fr_config *config, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return fr_fail(FR_USAGE, "--set %s: want section.key=value", assignment);
    char *key = fr_strndup(assignment, (size_t)(equals - assignment)), *value = fr_strdup(equals + 1);
    const option *o = fr_option_find(key);
    fr_status status = o ? assign_text(config, o, value, "--set")
                         : fr_fail(FR_USAGE, "--set: unknown key %s; did you mean %s?", key, fr_option_nearest(key));
    free(key);
    free(value);
    return status;
}

/* The shortest decimal that reads back to the same double. */
static void add_number(fr_buffer *out, double value)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fr_buffer_addf(out, "%s", text);
}

/* A YAML double-quoted scalar. */
static void add_quoted(fr_buffer *out, const char *text)
{
    fr_buffer_addf(out, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fr_buffer_addf(out, "\\%c", c);
        else if (c < 32 || c == 127)
            fr_buffer_addf(out, "\\x%02x", c);
        else
            fr_buffer_add(out, text, 1);
    }
    fr_buffer_addf(out, "\"");
}

static void add_value(fr_buffer *out, const fr_config *config, const option *o)
{
    const void *place = fr_option_place(config, o);
    switch (o->kind) {
    case OPTION_INT:
        fr_buffer_addf(out, "%lld", (long long)*(const int64_t *)place);
        break;
    case OPTION_AUTO:
        if (isnan(*(const double *)place)) {
            fr_buffer_addf(out, "auto");
            break;
        }
        /* fall through */
    case OPTION_REAL:
        add_number(out, *(const double *)place);
        break;
    case OPTION_BOOL:
        fr_buffer_addf(out, "%s", *(const bool *)place ? "true" : "false");
        break;
    case OPTION_ENUM: {
        const char *start;
        int length = fr_choice_text(o->choices, *(const int *)place, &start);
        fr_buffer_addf(out, "%.*s", length, start);
        break;
    }
    case OPTION_TEXT:
        add_quoted(out, *(const char *const *)place);
        break;
    case OPTION_REALS: {
        const fr_reals *list = place;
        for (int64_t i = 0; i < list->count; i++) {
            fr_buffer_addf(out, i ? ", " : "[");
            add_number(out, list->value[i]);
        }
        fr_buffer_addf(out, "]");
        break;
    }
    case OPTION_WORDS: {
        const fr_words *list = place;
        fr_buffer_addf(out, "[");
        for (int64_t i = 0; i < list->count; i++) {
            fr_buffer_addf(out, i ? ", " : "");
            add_quoted(out, list->word[i]);
        }
        fr_buffer_addf(out, "]");
        break;
    }
    }
}

char *fr_option_value(const fr_config *config, const option *o)
{
    fr_buffer out = {0};
    add_value(&out, config, o);
    return out.data;
}

char *fr_config_text(const fr_config *config)
{
    fr_buffer out = {0};
    char section[64] = "";
    for (int64_t i = 0; i < fr_options_count; i++) {
        const char *key = fr_options[i].key, *dot = strchr(key, '.');
        if (dot && (strncmp(section, key, (size_t)(dot - key)) != 0 || section[dot - key])) {
            snprintf(section, sizeof section, "%.*s", (int)(dot - key), key);
            fr_buffer_addf(&out, "%s:\n", section);
        }
        fr_buffer_addf(&out, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : key);
        add_value(&out, config, &fr_options[i]);
        fr_buffer_addf(&out, "\n");
    }
    return out.data;
}

void fr_config_hash(const fr_config *config, const char *stages, fr_hash *hash)
{
    for (int64_t i = 0; i < fr_options_count; i++) {
        if (!strpbrk(fr_options[i].stages, stages))
            continue;
        fr_buffer value = {0};
        fr_buffer_addf(&value, "%s=", fr_options[i].key);
        add_value(&value, config, &fr_options[i]);
        fr_hash_add_text(hash, value.data);
        fr_buffer_close(&value);
    }
}

fr_status fr_config_check_llm(const fr_config *config)
{
    const char *url = config->llm.url;
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    if (scheme == 0 || !url[scheme])
        return fr_fail(FR_USAGE, "llm.url is \"%s\", want an address like http://localhost:8000/v1/chat/completions",
                       url);
    if (memchr(url + scheme, '@', strcspn(url + scheme, "/?#")))
        return fr_fail(FR_USAGE, "llm.url holds a user name or password, want them out of the config: the key goes "
                                 "into the environment variable FINEROUTER_LLM_KEY");
    if (!config->llm.model[0])
        return fr_fail(FR_USAGE, "llm.url is set without llm.model, the name of the model to ask there");
    return FR_OK;
}

/* Embeddings of the data leave nothing that could embed or train on a text. */
static fr_status check_embeddings(const fr_config *config)
{
    static const char *const train[] = {"frozen", "top", "full"};
    if (config->encoder.embeddings != FR_EMBEDDINGS_DATA)
        return FR_OK;
    if (config->encoder.train != FR_TRAIN_FROZEN)
        return fr_fail(FR_USAGE,
                       "encoder.train is %s with encoder.embeddings: data, want frozen: there is no text "
                       "encoder to train",
                       train[config->encoder.train]);
    if (config->routerdc.encoder == FR_ROUTERDC_FULL)
        return fr_fail(FR_USAGE, "routerdc.encoder is full with encoder.embeddings: data, want frozen: there is no "
                                 "text encoder to train");
    if (config->llm.url[0])
        return fr_fail(FR_USAGE, "llm.url is set with encoder.embeddings: data, want it empty: there is no text "
                                 "encoder to embed the names of tasks");
    if (config->encoder.store)
        return fr_fail(FR_USAGE, "encoder.store is true with encoder.embeddings: data, want false: the data file has "
                                 "its embeddings already");
    return FR_OK;
}

fr_status fr_config_check(const fr_config *config)
{
    int sources = (config->data.file[0] != 0) + (config->data.import[0] != 0) + (config->synth.prompts > 0);
    if (sources != 1)
        return fr_fail(FR_USAGE, "%s, want exactly one of data.file, data.import and synth.prompts",
                       sources ? "more than one data source is set" : "no data source is set");
    if (config->data.models[0] && !config->data.import[0])
        return fr_fail(FR_USAGE, "data.models is set without data.import, which is the only thing it goes with");
    if (config->data.dev_share + config->data.test_share >= 1)
        return fr_fail(FR_USAGE, "data.dev_share %g + data.test_share %g leave nothing to train on, want less than 1",
                       config->data.dev_share, config->data.test_share);
    if (config->encoder.hidden % config->encoder.heads)
        return fr_fail(FR_USAGE, "encoder.hidden %lld is not a multiple of encoder.heads %lld",
                       (long long)config->encoder.hidden, (long long)config->encoder.heads);
    FR_TRY(check_embeddings(config));
    if (config->eval.folds == 1)
        return fr_fail(FR_USAGE, "eval.folds is 1, want 0 (the splits of the data) or at least 2");
    if (config->discover.graph[0] && (config->eval.folds > 0 || config->route.choose_by == FR_CHOOSE_OUT_OF_FOLD))
        return fr_fail(FR_USAGE,
                       "discover.graph is set, which holds the splits of the data alone, want eval.folds 0 and "
                       "route.choose_by dev");
    if (config->synth.prompts > 0 && config->synth.prompts < 50)
        return fr_fail(FR_USAGE, "synth.prompts is %lld, want at least 50", (long long)config->synth.prompts);
    return config->llm.url[0] ? fr_config_check_llm(config) : FR_OK;
}

void fr_config_apply_paper(fr_config *config)
{
    config->discover.rounds = 2;
    config->discover.coverage = 0.9;
    config->stage1.aggregate = FR_MEDIAN;
    config->stage1.members = FR_MEMBERS_DISCOVERED;
    config->stage1.shrinkage = 0;
    config->qe.hidden = 128;
    config->qe.ridge = 0;
    config->qe.weight_decay = 0.01;
    config->qe.dropout = 0.1;
    config->qe.early_stop = FR_STOP_MSE;
    config->qe.task_head_init = FR_HEAD_INIT_GENERAL;
    config->qe.task_head_prior = 0;
    config->route.assignment = FR_HARD;
    config->route.choose_by = FR_CHOOSE_ON_DEV;
}

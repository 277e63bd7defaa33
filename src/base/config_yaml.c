/* config_yaml.c - YAML into a config, by libyaml's events, so that every error knows its line. */
#include "finerouter/config.h"

#include "files.h"
#include "memory.h"
#include "options.h"
#include "yaml_tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define MAX_ITEMS 256
#define MAX_CONFIG_BYTES ((size_t)1 << 20)

typedef struct reader {
    yaml_parser_t parser;
    const char *name; /* of the file, for errors */
    char where[512];  /* "file:line" of the newest event */
    fr_config *config;
    int *seen_line; /* (options) line on which a key was set, 0 not yet */
} reader;

static fr_status next(reader *r, yaml_event_t *event)
{
    if (!yaml_parser_parse(&r->parser, event))
        return fr_fail(FR_USAGE, "%s:%zu: not YAML: %s", r->name, r->parser.problem_mark.line + 1,
                       r->parser.problem ? r->parser.problem : "syntax error");
    snprintf(r->where, sizeof r->where, "%s:%zu", r->name, event->start_mark.line + 1);
    if (event->type == YAML_ALIAS_EVENT || (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor)) {
        yaml_event_delete(event);
        return fr_fail(FR_USAGE, "%s: anchors and aliases are not supported, write the value out", r->where);
    }
    if (event->type == YAML_SCALAR_EVENT && strlen((char *)event->data.scalar.value) != event->data.scalar.length) {
        yaml_event_delete(event);
        return fr_fail(FR_USAGE, "%s: a value holds a NUL character", r->where);
    }
    return FR_OK;
}

/* Takes the scalar's text out of an event (malloc'd). */
static char *take(yaml_event_t *event)
{
    char *text = fr_strdup((char *)event->data.scalar.value);
    yaml_event_delete(event);
    return text;
}

static fr_status note_key(reader *r, const char *key, const option **found)
{
    const option *o = fr_option_find(key);
    if (!o)
        return fr_fail(FR_USAGE, "%s: unknown key %s; did you mean %s?", r->where, key, fr_option_nearest(key));
    int64_t index = o - fr_options;
    if (r->seen_line[index])
        return fr_fail(FR_USAGE, "%s: %s is given twice, first on line %d", r->where, key, r->seen_line[index]);
    r->seen_line[index] = atoi(strrchr(r->where, ':') + 1);
    *found = o;
    return FR_OK;
}

static fr_status read_sequence(reader *r, const option *o)
{
    char *items[MAX_ITEMS];
    int64_t count = 0;
    char where[sizeof r->where];
    snprintf(where, sizeof where, "%s", r->where);
    fr_status status = FR_OK;
    for (;;) {
        yaml_event_t event;
        FR_TRY_GOTO(next(r, &event), done);
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        bool scalar = event.type == YAML_SCALAR_EVENT;
        if (!scalar || count == MAX_ITEMS) {
            yaml_event_delete(&event);
            status = fr_fail(FR_USAGE, "%s: %s %s", r->where, o->key,
                             scalar ? "has more than 256 entries" : "holds something nested, want plain values");
            goto done;
        }
        items[count++] = take(&event);
    }
    status = fr_option_assign(r->config, o, (const char *const *)items, count, true, where);
done:
    for (int64_t i = 0; i < count; i++)
        free(items[i]);
    return status;
}

static fr_status read_mapping(reader *r, const char *section);

static bool is_section(const char *word)
{
    size_t length = strlen(word);
    for (int64_t i = 0; i < fr_options_count; i++)
        if (strncmp(fr_options[i].key, word, length) == 0 && fr_options[i].key[length] == '.')
            return true;
    return false;
}

/* The value after `key`; section NULL at the top level. */
static fr_status read_value(reader *r, const char *section, const char *key)
{
    char *full = section ? fr_format("%s.%s", section, key) : fr_strdup(key);
    char key_where[sizeof r->where];
    snprintf(key_where, sizeof key_where, "%s", r->where);
    const option *o = NULL;
    fr_status status;
    yaml_event_t event;
    FR_TRY_GOTO(next(r, &event), done);
    if (event.type == YAML_MAPPING_START_EVENT && !section) {
        yaml_event_delete(&event);
        status = is_section(key) ? read_mapping(r, key)
                                 : fr_fail(FR_USAGE, "%s: unknown section %s; the nearest key is %s", key_where, key,
                                           fr_option_nearest(key));
        goto done;
    }
    snprintf(r->where, sizeof r->where, "%s", key_where);
    status = note_key(r, full, &o);
    if (status != FR_OK) {
        yaml_event_delete(&event);
    } else if (event.type == YAML_SCALAR_EVENT) {
        char *text = take(&event);
        const char *one = text;
        status = fr_option_assign(r->config, o, &one, 1, false, r->where);
        free(text);
    } else {
        bool sequence = event.type == YAML_SEQUENCE_START_EVENT;
        yaml_event_delete(&event);
        status =
            sequence ? read_sequence(r, o) : fr_fail(FR_USAGE, "%s: %s is a mapping, want a value", r->where, full);
    }
done:
    free(full);
    return status;
}

static fr_status read_mapping(reader *r, const char *section)
{
    for (;;) {
        yaml_event_t event;
        FR_TRY(next(r, &event));
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return FR_OK;
        }
        if (event.type != YAML_SCALAR_EVENT) {
            yaml_event_delete(&event);
            return fr_fail(FR_USAGE, "%s: a key must be a plain word", r->where);
        }
        char *key = take(&event);
        fr_status status = read_value(r, section, key);
        free(key);
        FR_TRY(status);
    }
}

static fr_status read_document(reader *r)
{
    bool documents = false;
    for (;;) {
        yaml_event_t event;
        FR_TRY(next(r, &event));
        yaml_event_type_t type = event.type;
        bool empty = type == YAML_SCALAR_EVENT && event.data.scalar.length == 0;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return FR_OK;
        if (type == YAML_DOCUMENT_START_EVENT && documents)
            return fr_fail(FR_USAGE, "%s: a second document begins, want one", r->where);
        if (type == YAML_DOCUMENT_START_EVENT)
            documents = true;
        if (type == YAML_MAPPING_START_EVENT)
            FR_TRY(read_mapping(r, NULL));
        else if ((type == YAML_SCALAR_EVENT && !empty) || type == YAML_SEQUENCE_START_EVENT)
            return fr_fail(FR_USAGE, "%s: want a mapping of sections at the top level", r->where);
    }
}

fr_status fr_config_read_text(fr_config *config, const char *text, const char *name)
{
    reader r = {.name = name, .config = config, .seen_line = FR_NEW(int, fr_options_count)};
    FR_CHECK(yaml_parser_initialize(&r.parser), "out of memory for the YAML parser");
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, strlen(text));
    fr_status status = read_document(&r);
    yaml_parser_delete(&r.parser);
    free(r.seen_line);
    return status;
}

static fr_status read_file(char **text, const char *path)
{
    size_t bytes;
    if (fr_file_read(text, &bytes, path, MAX_CONFIG_BYTES) != FR_OK)
        return FR_USAGE;
    if (strlen(*text) == bytes)
        return FR_OK;
    fr_status status = fr_fail(FR_USAGE, "%s: holds a NUL character at byte %zu, want YAML text", path, strlen(*text));
    free(*text);
    return status;
}

fr_status fr_config_read(fr_config *config, const char *path)
{
    char *text;
    FR_TRY(read_file(&text, path));
    fr_status status = fr_config_read_text(config, text, path);
    free(text);
    return status;
}

/* ---- a document as a tree ---- */

void fr_yaml_close(fr_yaml *node)
{
    for (int64_t i = 0; i < node->count; i++)
        fr_yaml_close(&node->item[i]);
    free(node->item);
    free(node->key);
    free(node->text);
    *node = (fr_yaml){0};
}

static fr_yaml *add_item(fr_yaml *node)
{
    node->item = fr_realloc(node->item, (size_t)(node->count + 1) * sizeof *node->item);
    node->item[node->count] = (fr_yaml){0};
    return &node->item[node->count++];
}

static fr_status load(reader *r, yaml_event_t *event, fr_yaml *node, int depth);

static fr_status load_key(reader *r, yaml_event_t *event, fr_yaml *map, fr_yaml *item)
{
    if (event->type != YAML_SCALAR_EVENT) {
        yaml_event_delete(event);
        return fr_fail(FR_USAGE, "%s: a key must be a plain word", r->where);
    }
    item->key = take(event);
    for (const fr_yaml *other = map->item; other < item; other++)
        if (strcmp(other->key, item->key) == 0)
            return fr_fail(FR_USAGE, "%s: %s is given twice, first on line %lld", r->where, item->key,
                           (long long)other->line);
    return next(r, event);
}

static fr_status load_items(reader *r, fr_yaml *node, int depth)
{
    if (depth == 8)
        return fr_fail(FR_USAGE, "%s: nested too deeply", r->where);
    for (;;) {
        yaml_event_t event;
        FR_TRY(next(r, &event));
        if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return FR_OK;
        }
        fr_yaml *item = add_item(node);
        if (node->kind == FR_YAML_MAP)
            FR_TRY(load_key(r, &event, node, item));
        FR_TRY(load(r, &event, item, depth + 1));
    }
}

static fr_status load(reader *r, yaml_event_t *event, fr_yaml *node, int depth)
{
    node->line = (int64_t)event->start_mark.line + 1;
    if (event->type == YAML_SCALAR_EVENT) {
        node->kind = FR_YAML_TEXT;
        node->text = take(event);
        return FR_OK;
    }
    node->kind = event->type == YAML_MAPPING_START_EVENT ? FR_YAML_MAP : FR_YAML_LIST;
    yaml_event_delete(event);
    return load_items(r, node, depth);
}

static fr_status load_document(reader *r, fr_yaml *root)
{
    for (bool found = false;;) {
        yaml_event_t event;
        FR_TRY(next(r, &event));
        yaml_event_type_t type = event.type;
        if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT) {
            FR_TRY(load(r, &event, root, 0));
            continue;
        }
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return FR_OK;
        if (type == YAML_DOCUMENT_START_EVENT && found)
            return fr_fail(FR_USAGE, "%s: a second document begins, want one", r->where);
        found = found || type == YAML_DOCUMENT_START_EVENT;
    }
}

fr_status fr_yaml_read(fr_yaml *root, const char *path)
{
    *root = (fr_yaml){0};
    char *text;
    FR_TRY(read_file(&text, path));
    reader r = {.name = path};
    FR_CHECK(yaml_parser_initialize(&r.parser), "out of memory for the YAML parser");
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, strlen(text));
    fr_status status = load_document(&r, root);
    yaml_parser_delete(&r.parser);
    free(text);
    if (status != FR_OK)
        fr_yaml_close(root);
    return status;
}

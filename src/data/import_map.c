/* import_map.c - JSON Lines of any columns, by data.map: TARGET=PATH each.
 *
 * A path is dotted: keys of objects, indices of lists, "*" for every key of an object, "[]" for every item of a list.
 * At an object the longest key that the rest of the path begins with wins, so that names may hold dots. Scores:
 *   quality=scores                                         {model: score}
 *   quality=results.*.score                                {model: {score}}; what * stands for is the model
 *   quality=results.[].score model=results.[].name         [{name, score}]
 *   quality=scores model=names                             two lists of one length
 *   quality.gpt=results.gpt_score                          one model
 * cost goes the same ways; embedding=vector is a list of numbers. Targets that the map does not name are looked for
 * under their own names, and a prompt whose id it does not name has the number of its line. */
#include "long.h"

#include "io/utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts first, scores last. */
enum { ID, PROMPT, DESCRIPTION, SOURCE, SPLIT, TEXTS, EMBEDDING = TEXTS, MODEL, QUALITY, COST, TARGETS };

static const char *const target_names[TARGETS] = {"id",        "prompt", "description", "source", "split",
                                                  "embedding", "model",  "quality",     "cost"};

typedef struct map_entry {
    int target;
    const char *model, *path; /* model: of quality.MODEL, else NULL */
} map_entry;

typedef struct score_map {
    map_entry *entry;
    int64_t count;
    const char *path[TARGETS]; /* of the plain targets; NULL: not named */
} score_map;

/* ---- the map itself ---- */

/* quality.MODEL=PATH may hold '=' in neither; MODEL may hold dots. */
static fr_status read_entry(score_map *map, const char *text, fr_strings *pool)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : 0;
    if (!equals || !length || !equals[1])
        return fr_fail(FR_USAGE, "data.map: \"%s\": want TARGET=PATH, e.g. prompt=conversation.0.content", text);
    const char *target = fr_strings_add(pool, text, length), *path = equals + 1;
    map_entry new = {.target = -1, .path = path};
    for (int t = 0; t < TARGETS; t++) {
        size_t name = strlen(target_names[t]);
        if (strcmp(target, target_names[t]) == 0)
            new.target = t;
        else if (t >= QUALITY && strncmp(target, target_names[t], name) == 0 && target[name] == '.' &&
                 target[name + 1]) {
            new.target = t;
            new.model = target + name + 1;
        }
    }
    if (new.target < 0)
        return fr_fail(FR_USAGE,
                       "data.map: \"%s\": unknown target %s, want id, prompt, description, source, split, "
                       "embedding, model, quality, cost, quality.MODEL or cost.MODEL",
                       text, target);
    if (path[0] == '.' || path[strlen(path) - 1] == '.' || strstr(path, ".."))
        return fr_fail(FR_USAGE, "data.map: \"%s\": the path has an empty part", text);
    bool pattern = strstr(path, "[]") || strchr(path, '*');
    if (pattern && (new.target < MODEL || new.model))
        return fr_fail(FR_USAGE, "data.map: \"%s\": * and [] go with model, quality and cost alone", text);
    if (!new.model && map->path[new.target])
        return fr_fail(FR_USAGE, "data.map: %s is given twice", target);
    if (!new.model)
        map->path[new.target] = path;
    map->entry[map->count++] = new;
    return FR_OK;
}

/* The rest of a path behind its "[]" part, *length the bytes before it; NULL where there is none. */
static const char *behind_items(const char *path, size_t *length)
{
    for (const char *at = path; (at = strstr(at, "[]")); at += 2)
        if ((at == path || at[-1] == '.') && (!at[2] || at[2] == '.')) {
            *length = (size_t)(at - path);
            return at[2] ? at + 3 : at + 2;
        }
    return NULL;
}

/* Lists of objects need the model's name from the same list. */
static fr_status check_lists(const score_map *map)
{
    size_t own, models = 0;
    const char *model = map->path[MODEL];
    bool listed = model && behind_items(model, &models);
    for (int t = QUALITY; t <= COST; t++) {
        const char *path = map->path[t];
        if (!path)
            continue;
        bool items = behind_items(path, &own);
        if (items && (!listed || own != models || strncmp(path, model, own) != 0))
            return fr_fail(FR_USAGE,
                           "data.map: %s=%s needs the model of each item: want model=%.*s[].KEY, KEY being where an "
                           "item has its model's name",
                           target_names[t], path, (int)own, path);
        if (!items && listed)
            return fr_fail(FR_USAGE, "data.map: %s=%s is no list of items, though model=%s is", target_names[t], path,
                           model);
    }
    return FR_OK;
}

static fr_status read_map(score_map *map, const fr_words *words, fr_strings *pool)
{
    map->entry = FR_NEW(map_entry, words->count);
    for (int64_t i = 0; i < words->count; i++)
        FR_TRY(read_entry(map, words->word[i], pool));
    return check_lists(map);
}

/* ---- paths ---- */

/* A list's item by a part of a path that is a number. */
static json_t *item(const json_t *list, const char *part, size_t length)
{
    size_t index = 0;
    if (length == 0 || length > 9)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)part[i]))
            return NULL;
        index = 10 * index + (size_t)(part[i] - '0');
    }
    return json_array_get(list, index);
}

/* One step into a value: moves *path behind the part taken; NULL where it leads nowhere. */
static json_t *step(const json_t *value, const char **path)
{
    size_t length = strlen(*path);
    json_t *found = NULL;
    for (; length && !found;) {
        size_t part = length;
        found = json_is_object(value)  ? json_object_getn(value, *path, part)
                : json_is_array(value) ? item(value, *path, part)
                                       : NULL;
        if (found) {
            *path += part + ((*path)[part] == '.');
            return found;
        }
        while (length && (*path)[length - 1] != '.')
            length--;
        if (length)
            length--;
    }
    return NULL;
}

/* The value at the end of a path without patterns; NULL where it leads nowhere. */
static json_t *follow(json_t *value, const char *path)
{
    while (value && *path)
        value = step(value, &path);
    return value;
}

/* ---- scores ---- */

typedef fr_status add_score(fr_table *table, int64_t row, const char *model, double value);

typedef struct score_walk {
    fr_table *table;
    int64_t row;
    const char *target, *path; /* as in the map */
    add_score *add;
    json_t *models; /* list of names that goes with a list of scores, or NULL */
} score_walk;

static fr_status add_value(const score_walk *s, const char *model, const json_t *value)
{
    double score;
    FR_TRY(fr_entry_score(s->table, s->target, model, value, &score));
    return isnan(score) && strcmp(s->target, "cost") == 0 ? FR_OK : s->add(s->table, s->row, model, score);
}

static fr_status add_lists(const score_walk *s, json_t *list)
{
    size_t count = json_array_size(list);
    if (!json_is_array(s->models) || json_array_size(s->models) != count)
        return fr_table_fail(s->table, "%s=%s is a list of %zu, and model is %s%s, want two lists of one length",
                             s->target, s->path, count, s->models ? fr_json_kind(s->models) : "missing",
                             json_is_array(s->models) ? " of another length" : "");
    for (size_t i = 0; i < count; i++) {
        const char *model = json_string_value(json_array_get(s->models, i));
        if (!model)
            return fr_table_fail(s->table, "model: entry %zu is %s, want a text", i,
                                 fr_json_kind(json_array_get(s->models, i)));
        FR_TRY(add_value(s, model, json_array_get(list, i)));
    }
    return FR_OK;
}

/* The rest of a path from `value`; `model` is what * stood for, or NULL. A member that lacks the rest is not observed.
 */
static fr_status add_at(const score_walk *s, json_t *value, const char *path, const char *model)
{
    while (value && *path) {
        if (path[0] == '*' && (!path[1] || path[1] == '.') && json_is_object(value)) {
            const char *key, *rest = path[1] ? path + 2 : path + 1;
            json_t *member;
            json_object_foreach(value, key, member) FR_TRY(add_at(s, member, rest, model ? model : key));
            return FR_OK;
        }
        value = step(value, &path);
    }
    if (!value && model)
        return FR_OK;
    if (!value)
        return strcmp(s->target, "cost") == 0
                   ? FR_OK
                   : fr_table_fail(s->table, "quality: the path %s leads nowhere here", s->path);
    if (model)
        return add_value(s, model, value);
    if (json_is_array(value))
        return add_lists(s, value);
    if (!json_is_object(value) && !json_is_null(value))
        return fr_table_fail(s->table, "%s=%s is %s, want an object {model: number}", s->target, s->path,
                             fr_json_kind(value));
    json_t *score;
    json_object_foreach(value, model, score) FR_TRY(add_value(s, model, score));
    return FR_OK;
}

/* quality=results.[].score with model=results.[].name */
static fr_status add_items(const score_walk *s, json_t *object, const score_map *map)
{
    size_t length = 0;
    const char *rest = behind_items(s->path, &length), *name = behind_items(map->path[MODEL], &length);
    char *before = fr_strndup(s->path, length ? length - 1 : 0);
    json_t *list = follow(object, before);
    free(before);
    if (!list && strcmp(s->target, "cost") == 0)
        return FR_OK;
    if (!json_is_array(list))
        return fr_table_fail(s->table, "%s=%s: what stands before [] is %s, want a list", s->target, s->path,
                             list ? fr_json_kind(list) : "missing");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *one = json_array_get(list, i), *value = follow(one, rest);
        const char *model = json_string_value(follow(one, name));
        if (!model)
            return fr_table_fail(s->table, "%s=%s: item %zu has no model at \"%s\"", s->target, s->path, i, name);
        if (value)
            FR_TRY(add_value(s, model, value));
    }
    return FR_OK;
}

static fr_status add_scores(fr_table *table, int64_t row, json_t *object, const score_map *map, int target)
{
    score_walk s = {.table = table,
                    .row = row,
                    .target = target_names[target],
                    .path = map->path[target],
                    .add = target == QUALITY ? fr_table_quality : fr_table_cost};
    bool single = false;
    for (int64_t i = 0; i < map->count; i++) {
        const map_entry *e = &map->entry[i];
        if (e->target != target || !e->model)
            continue;
        json_t *value = follow(object, e->path);
        single = true;
        if (value)
            FR_TRY(add_value(&s, e->model, value));
    }
    if (!s.path && single)
        return FR_OK;
    s.path = s.path ? s.path : target_names[target];
    size_t length = 0;
    if (behind_items(s.path, &length))
        return add_items(&s, object, map);
    s.models = map->path[MODEL] ? follow(object, map->path[MODEL]) : NULL;
    if (json_is_string(s.models))
        return add_at(&s, object, s.path, json_string_value(s.models));
    return add_at(&s, object, s.path, NULL);
}

/* ---- a line ---- */

/* The text at a target's path, numbers too; "" where there is none. */
static fr_status text_of(const fr_table *table, json_t *object, const score_map *map, int target, char room[32],
                         const char **text)
{
    const char *path = map->path[target] ? map->path[target] : target_names[target];
    const json_t *value = follow(object, path);
    *text = "";
    if (!value || json_is_null(value))
        return FR_OK;
    if (json_is_integer(value) && target != PROMPT) {
        snprintf(room, 32, "%lld", (long long)json_integer_value(value));
        *text = room;
        return FR_OK;
    }
    if (!json_is_string(value))
        return fr_table_fail(table, "%s=%s is %s, want a text", target_names[target], path, fr_json_kind(value));
    *text = json_string_value(value);
    return FR_OK;
}

static fr_status add_line(fr_table *table, json_t *object, void *context)
{
    const score_map *map = context;
    const char *text[TEXTS];
    char room[TEXTS][32];
    int64_t row;
    for (int t = ID; t < TEXTS; t++)
        FR_TRY(text_of(table, object, map, t, room[t], &text[t]));
    if (!map->path[ID]) {
        snprintf(room[ID], sizeof room[ID], "%lld", (long long)table->line);
        text[ID] = room[ID];
    } else if (!text[ID][0]) {
        return fr_table_fail(table, "id: the path %s leads nowhere here", map->path[ID]);
    }
    if (map->path[PROMPT] && !text[PROMPT][0])
        return fr_table_fail(table, "prompt: the path %s leads nowhere here, or to an empty text", map->path[PROMPT]);
    const fr_prompt prompt = {.id = text[ID],
                              .text = text[PROMPT],
                              .description = text[DESCRIPTION],
                              .source = text[SOURCE],
                              .split = text[SPLIT]};
    FR_TRY(fr_table_prompt(table, &prompt, &row));
    const char *embedding = map->path[EMBEDDING] ? map->path[EMBEDDING] : target_names[EMBEDDING];
    FR_TRY(fr_entry_embedding(table, row, follow(object, embedding)));
    FR_TRY(add_scores(table, row, object, map, QUALITY));
    return add_scores(table, row, object, map, COST);
}

fr_status fr_import_mapped(fr_table *table)
{
    score_map map = {0};
    fr_strings pool = {0};
    fr_status status = read_map(&map, &table->config->data.map, &pool);
    if (status == FR_OK)
        status = fr_import_lines(table, table->whole, add_line, &map);
    free(map.entry);
    fr_strings_close(&pool);
    return status;
}

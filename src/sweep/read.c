/* A sweep file into its points. Every error is one line with file and line, before anything runs. */
#include "sweep/sweep.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/yaml_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_POINTS = 100000, MOST_ITEMS = 256 };

typedef struct source {
    fr_sweep *sweep;
    fr_yaml root;
    const fr_yaml *points; /* grid, list or random */
} source;

static char *where_of(const source *in, const fr_yaml *node)
{
    return fr_format("%s:%lld", in->sweep->path, (long long)node->line);
}

static const fr_yaml *find(const fr_yaml *map, const char *key)
{
    for (int64_t i = 0; i < map->count; i++)
        if (strcmp(map->item[i].key, key) == 0)
            return &map->item[i];
    return NULL;
}

static fr_status find_option(const option **found, const source *in, const fr_yaml *node)
{
    *found = fr_option_find(node->key);
    if (*found)
        return FR_OK;
    return fr_fail(FR_USAGE, "%s:%lld: unknown key %s; did you mean %s?", in->sweep->path, (long long)node->line,
                   node->key, fr_option_nearest(node->key));
}

/* A key whose points could not differ is refused. */
static fr_status find_swept(const option **found, const source *in, const fr_yaml *node)
{
    FR_TRY(find_option(found, in, node));
    const char *key = node->key, *stages = (*found)->stages;
    bool baselines = stages[0] && strspn(stages, "B") == strlen(stages),
         idle = strcmp(key, "name") == 0 || strcmp(key, "cache") == 0 || strncmp(key, "report.", 7) == 0;
    if (baselines || idle)
        return fr_fail(FR_USAGE, "%s:%lld: %s cannot be swept: %s", in->sweep->path, (long long)node->line, key,
                       baselines ? "it belongs to baselines, and a sweep evaluates the router full alone"
                                 : "it changes no result");
    return FR_OK;
}

static fr_status assign(fr_config *config, const source *in, const option *o, const fr_yaml *value)
{
    const char *items[MOST_ITEMS];
    int64_t count = value->kind == FR_YAML_TEXT ? 1 : value->count;
    char *where = where_of(in, value);
    fr_status status = FR_OK;
    items[0] = value->text;
    bool plain = value->kind != FR_YAML_MAP && count <= MOST_ITEMS;
    for (int64_t i = 0; plain && value->kind == FR_YAML_LIST && i < count; i++) {
        plain = value->item[i].kind == FR_YAML_TEXT;
        items[i] = value->item[i].text;
    }
    if (!plain)
        status = fr_fail(FR_USAGE, "%s: %s holds something nested, want plain values", where, o->key);
    else
        status = fr_option_assign(config, o, items, count, value->kind == FR_YAML_LIST, where);
    free(where);
    return status;
}

static void add_key(fr_sweep *sweep, const option *o)
{
    for (int64_t k = 0; k < sweep->keys; k++)
        if (sweep->key[k] == o)
            return;
    sweep->key = fr_realloc(sweep->key, (size_t)(sweep->keys + 1) * sizeof *sweep->key);
    sweep->key[sweep->keys++] = o;
}

/* Appends the values that a config has for the swept keys; -1, or the earlier point that is the same. */
static int64_t add_point(fr_sweep *sweep, const fr_config *config)
{
    int64_t keys = sweep->keys, n = sweep->points;
    sweep->value = fr_realloc(sweep->value, (size_t)((n + 1) * keys) * sizeof *sweep->value);
    char **mine = sweep->value + n * keys;
    for (int64_t k = 0; k < keys; k++)
        mine[k] = fr_option_value(config, sweep->key[k]);
    for (int64_t p = 0; p < n; p++) {
        int64_t same = 0;
        while (same < keys && strcmp(sweep->value[p * keys + same], mine[same]) == 0)
            same++;
        if (same < keys)
            continue;
        for (int64_t k = 0; k < keys; k++)
            free(mine[k]);
        return p;
    }
    sweep->points++;
    return -1;
}

/* ---- grid ---- */

/* The values of one axis as YAML, (values->count); checked and without repetition. */
static fr_status read_axis(char ***text, const source *in, const option *o, const fr_yaml *values)
{
    if (values->kind != FR_YAML_LIST || values->count == 0)
        return fr_fail(FR_USAGE, "%s:%lld: %s %s, want a list of values", in->sweep->path, (long long)values->line,
                       o->key, values->kind == FR_YAML_LIST ? "has no values" : "is no list");
    *text = FR_NEW(char *, values->count);
    fr_config scratch;
    fr_config_copy(&scratch, &in->sweep->base);
    fr_status status = FR_OK;
    for (int64_t i = 0; i < values->count && status == FR_OK; i++) {
        status = assign(&scratch, in, o, &values->item[i]);
        if (status != FR_OK)
            break;
        (*text)[i] = fr_option_value(&scratch, o);
        for (int64_t j = 0; j < i && status == FR_OK; j++)
            if (strcmp((*text)[i], (*text)[j]) == 0)
                status = fr_fail(FR_USAGE, "%s:%lld: %s has the value %s twice", in->sweep->path,
                                 (long long)values->item[i].line, o->key, (*text)[i]);
    }
    fr_config_close(&scratch);
    return status;
}

static void free_axes(char ***axis, const fr_yaml *grid)
{
    for (int64_t k = 0; k < grid->count; k++)
        for (int64_t i = 0; axis[k] && i < grid->item[k].count; i++)
            free(axis[k][i]);
    for (int64_t k = 0; k < grid->count; k++)
        free(axis[k]);
    free(axis);
}

static fr_status read_grid(source *in)
{
    fr_sweep *sweep = in->sweep;
    const fr_yaml *grid = in->points;
    if (grid->kind != FR_YAML_MAP || grid->count == 0)
        return fr_fail(FR_USAGE, "%s:%lld: grid is empty, want {key: [values], ...}", sweep->path,
                       (long long)grid->line);
    char ***axis = FR_NEW(char **, grid->count);
    fr_status status = FR_OK;
    int64_t points = 1;
    for (int64_t k = 0; k < grid->count; k++) {
        const option *o;
        FR_TRY_GOTO(find_swept(&o, in, &grid->item[k]), done);
        FR_TRY_GOTO(read_axis(&axis[k], in, o, &grid->item[k]), done);
        add_key(sweep, o);
        points *= grid->item[k].count;
        if (points > MOST_POINTS) {
            status = fr_fail(FR_USAGE, "%s:%lld: the grid has more than %d points", sweep->path, (long long)grid->line,
                             MOST_POINTS);
            goto done;
        }
    }
    sweep->points = points;
    sweep->value = FR_NEW(char *, points * sweep->keys);
    for (int64_t p = 0; p < points; p++)
        for (int64_t k = sweep->keys - 1, rest = p; k >= 0; k--) {
            sweep->value[p * sweep->keys + k] = fr_strdup(axis[k][rest % grid->item[k].count]);
            rest /= grid->item[k].count;
        }
done:
    free_axes(axis, grid);
    return status;
}

/* ---- list ---- */

static fr_status list_keys(source *in)
{
    const fr_yaml *list = in->points;
    if (list->kind != FR_YAML_LIST || list->count == 0)
        return fr_fail(FR_USAGE, "%s:%lld: list is empty, want [{key: value, ...}, ...]", in->sweep->path,
                       (long long)list->line);
    if (list->count > MOST_POINTS)
        return fr_fail(FR_USAGE, "%s:%lld: the list has more than %d points", in->sweep->path, (long long)list->line,
                       MOST_POINTS);
    for (int64_t i = 0; i < list->count; i++) {
        const fr_yaml *point = &list->item[i];
        if (point->kind != FR_YAML_MAP || point->count == 0)
            return fr_fail(FR_USAGE, "%s:%lld: point %lld of the list is no mapping, want {key: value, ...}",
                           in->sweep->path, (long long)point->line, (long long)i);
        for (int64_t k = 0; k < point->count; k++) {
            const option *o;
            FR_TRY(find_swept(&o, in, &point->item[k]));
            add_key(in->sweep, o);
        }
    }
    return FR_OK;
}

static fr_status list_point(source *in, const fr_yaml *point)
{
    fr_config config;
    fr_config_copy(&config, &in->sweep->base);
    fr_status status = FR_OK;
    for (int64_t k = 0; k < point->count && status == FR_OK; k++)
        status = assign(&config, in, fr_option_find(point->item[k].key), &point->item[k]);
    int64_t same = status == FR_OK ? add_point(in->sweep, &config) : -1;
    if (same >= 0)
        status = fr_fail(FR_USAGE, "%s:%lld: the same point as number %lld of the list, on line %lld", in->sweep->path,
                         (long long)point->line, (long long)same, (long long)in->points->item[same].line);
    fr_config_close(&config);
    return status;
}

static fr_status read_list(source *in)
{
    FR_TRY(list_keys(in));
    for (int64_t i = 0; i < in->points->count; i++)
        FR_TRY(list_point(in, &in->points->item[i]));
    return FR_OK;
}

/* ---- random ---- */

static fr_status read_number(double *number, const source *in, const fr_yaml *map, const char *key, double low,
                             double high, bool whole)
{
    const fr_yaml *node = find(map, key);
    char *end = NULL;
    if (!node)
        return isnan(*number) ? fr_fail(FR_USAGE, "%s:%lld: %s is missing", in->sweep->path, (long long)map->line, key)
                              : FR_OK;
    double x = node->kind == FR_YAML_TEXT ? strtod(node->text, &end) : NAN;
    if (!end || !node->text[0] || *end || !(x >= low && x <= high) || (whole && x != floor(x)))
        return fr_fail(FR_USAGE, "%s:%lld: %s is \"%s\", want a %snumber from %.10g to %.10g", in->sweep->path,
                       (long long)node->line, key, node->text ? node->text : "nested", whole ? "whole " : "", low,
                       high);
    *number = x;
    return FR_OK;
}

/* One of two words; 1 for the second. */
static fr_status read_word(bool *second, const source *in, const fr_yaml *map, const char *key, const char *a,
                           const char *b)
{
    const fr_yaml *node = find(map, key);
    if (!node)
        return FR_OK;
    const char *text = node->kind == FR_YAML_TEXT ? node->text : "";
    if (strcmp(text, a) != 0 && strcmp(text, b) != 0)
        return fr_fail(FR_USAGE, "%s:%lld: %s is \"%s\", want %s or %s", in->sweep->path, (long long)node->line, key,
                       text, a, b);
    *second = strcmp(text, b) == 0;
    return FR_OK;
}

static fr_status only_keys(const source *in, const fr_yaml *map, const char *const *known, int64_t count)
{
    for (int64_t i = 0; i < map->count; i++) {
        int64_t k = 0;
        while (k < count && strcmp(map->item[i].key, known[k]) != 0)
            k++;
        if (k < count)
            continue;
        fr_buffer words = {0};
        for (k = 0; k < count; k++)
            fr_buffer_addf(&words, k ? ", %s" : "%s", known[k]);
        fr_status status = fr_fail(FR_USAGE, "%s:%lld: unknown key %s, want some of %s", in->sweep->path,
                                   (long long)map->item[i].line, map->item[i].key, words.data);
        fr_buffer_close(&words);
        return status;
    }
    return FR_OK;
}

static fr_status read_range(fr_draw *draw, const source *in, const fr_yaml *node)
{
    static const char *const known[] = {"from", "to", "scale", "integer"};
    const option *o = draw->key;
    FR_TRY(only_keys(in, node, known, 4));
    if (o->kind != OPTION_INT && o->kind != OPTION_REAL && o->kind != OPTION_AUTO)
        return fr_fail(FR_USAGE, "%s:%lld: %s is no number, want a list of choices", in->sweep->path,
                       (long long)node->line, o->key);
    draw->from = draw->to = NAN;
    draw->integer = o->kind == OPTION_INT;
    FR_TRY(read_word(&draw->log, in, node, "scale", "linear", "log"));
    FR_TRY(read_word(&draw->integer, in, node, "integer", "false", "true"));
    bool whole = draw->integer;
    if (o->kind == OPTION_INT && !whole)
        return fr_fail(FR_USAGE, "%s:%lld: integer is false, but %s is a whole number", in->sweep->path,
                       (long long)node->line, o->key);
    FR_TRY(read_number(&draw->from, in, node, "from", o->low, o->high, whole));
    FR_TRY(read_number(&draw->to, in, node, "to", o->low, o->high, whole));
    if (!(draw->from < draw->to))
        return fr_fail(FR_USAGE, "%s:%lld: %s goes from %g to %g, want from < to", in->sweep->path,
                       (long long)node->line, o->key, draw->from, draw->to);
    if (draw->log && !(draw->from > 0))
        return fr_fail(FR_USAGE, "%s:%lld: %s goes from %g on a log scale, want more than 0", in->sweep->path,
                       (long long)node->line, o->key, draw->from);
    return FR_OK;
}

static fr_status read_draws(fr_draw *draw, source *in, const fr_yaml *keys)
{
    for (int64_t k = 0; k < keys->count; k++) {
        const fr_yaml *node = &keys->item[k];
        FR_TRY(find_swept(&draw[k].key, in, node));
        add_key(in->sweep, draw[k].key);
        if (node->kind == FR_YAML_MAP) {
            FR_TRY(read_range(&draw[k], in, node));
            continue;
        }
        char **text = NULL;
        fr_status status = read_axis(&text, in, draw[k].key, node);
        for (int64_t i = 0; text && i < node->count; i++)
            free(text[i]);
        free(text);
        FR_TRY(status);
        draw[k].choices = node->count;
    }
    return FR_OK;
}

static fr_status draw_point(fr_config *config, const source *in, const fr_yaml *keys, const fr_draw *draw,
                            uint64_t seed, int64_t attempt)
{
    for (int64_t k = 0; k < keys->count; k++) {
        if (draw[k].choices > 0) {
            FR_TRY(assign(config, in, draw[k].key, &keys->item[k].item[fr_draw_choice(&draw[k], seed, attempt)]));
            continue;
        }
        char *text = fr_draw_number(&draw[k], seed, attempt), *where = where_of(in, &keys->item[k]);
        const char *item = text;
        fr_status status = fr_option_assign(config, draw[k].key, &item, 1, false, where);
        free(text);
        free(where);
        FR_TRY(status);
    }
    return FR_OK;
}

/* Points that came before are drawn again, up to a hundred times as often as there are points. */
static fr_status draw_points(source *in, const fr_yaml *keys, const fr_draw *draw, int64_t points, uint64_t seed)
{
    fr_config config;
    fr_config_copy(&config, &in->sweep->base);
    fr_status status = FR_OK;
    int64_t attempt = 0;
    for (; attempt < 100 * points && in->sweep->points < points && status == FR_OK; attempt++) {
        status = draw_point(&config, in, keys, draw, seed, attempt);
        if (status == FR_OK)
            add_point(in->sweep, &config);
    }
    fr_config_close(&config);
    if (status == FR_OK && in->sweep->points < points)
        status = fr_fail(FR_USAGE, "%s:%lld: %lld draws gave %lld different points, want %lld: ask for fewer points",
                         in->sweep->path, (long long)in->points->line, (long long)attempt, (long long)in->sweep->points,
                         (long long)points);
    return status;
}

static fr_status read_random(source *in)
{
    static const char *const known[] = {"points", "seed", "keys"};
    const fr_yaml *random = in->points;
    if (random->kind != FR_YAML_MAP)
        return fr_fail(FR_USAGE, "%s:%lld: random is no mapping, want {points: n, keys: {...}}", in->sweep->path,
                       (long long)random->line);
    FR_TRY(only_keys(in, random, known, 3));
    double points = NAN, seed = 1;
    FR_TRY(read_number(&points, in, random, "points", 1, MOST_POINTS, true));
    FR_TRY(read_number(&seed, in, random, "seed", 0, 2147483647, true));
    const fr_yaml *keys = find(random, "keys");
    if (!keys || keys->kind != FR_YAML_MAP || keys->count == 0)
        return fr_fail(FR_USAGE, "%s:%lld: random has no keys, want keys: {key: {from: a, to: b}, ...}",
                       in->sweep->path, (long long)random->line);
    fr_draw *draw = FR_NEW(fr_draw, keys->count);
    fr_status status = read_draws(draw, in, keys);
    if (status == FR_OK)
        status = draw_points(in, keys, draw, (int64_t)points, (uint64_t)seed);
    free(draw);
    return status;
}

/* ---- the file ---- */

static fr_status plain_text(const char **text, const source *in, const char *key)
{
    const fr_yaml *node = find(&in->root, key);
    *text = NULL;
    if (!node)
        return FR_OK;
    if (node->kind != FR_YAML_TEXT || !node->text[0])
        return fr_fail(FR_USAGE, "%s:%lld: %s is no text", in->sweep->path, (long long)node->line, key);
    *text = node->text;
    return FR_OK;
}

static fr_status read_base(source *in, const char *const *sets, int64_t count)
{
    fr_sweep *sweep = in->sweep;
    const char *config, *name;
    FR_TRY(plain_text(&config, in, "config"));
    FR_TRY(plain_text(&name, in, "name"));
    if (!config)
        return fr_fail(FR_USAGE, "%s: config is missing, want config: FILE, the config that all points share",
                       sweep->path);
    char *folder = fr_path_folder(sweep->path);
    sweep->base_path = strcmp(folder, ".") == 0 ? fr_strdup(config) : fr_path_join(folder, config);
    free(folder);
    sweep->name = name ? fr_strdup(name) : fr_path_stem(sweep->path);
    if (strchr(sweep->name, '/'))
        return fr_fail(FR_USAGE, "%s:%lld: name is \"%s\", want one without a slash", sweep->path,
                       (long long)find(&in->root, "name")->line, name);
    FR_TRY(fr_config_read(&sweep->base, sweep->base_path));
    const fr_yaml *set = find(&in->root, "set");
    if (set && set->kind != FR_YAML_MAP)
        return fr_fail(FR_USAGE, "%s:%lld: set is no mapping, want {key: value, ...}", sweep->path,
                       (long long)set->line);
    for (int64_t i = 0; set && i < set->count; i++) {
        const option *o;
        FR_TRY(find_option(&o, in, &set->item[i]));
        FR_TRY(assign(&sweep->base, in, o, &set->item[i]));
    }
    for (int64_t i = 0; i < count; i++)
        FR_TRY(fr_config_set(&sweep->base, sets[i]));
    return FR_OK;
}

static fr_status read_points(source *in)
{
    static const char *const known[] = {"config", "name", "set", "grid", "list", "random"};
    FR_TRY(only_keys(in, &in->root, known, 6));
    for (int kind = FR_SWEEP_GRID; kind <= FR_SWEEP_RANDOM; kind++) {
        const fr_yaml *node = find(&in->root, known[3 + kind]);
        if (node && in->points)
            return fr_fail(FR_USAGE, "%s:%lld: %s stands beside %s, want one of grid, list and random", in->sweep->path,
                           (long long)node->line, node->key, in->points->key);
        if (node) {
            in->points = node;
            in->sweep->kind = (fr_sweep_kind)kind;
        }
    }
    return in->points ? FR_OK : fr_fail(FR_USAGE, "%s: no points, want one of grid, list and random", in->sweep->path);
}

/* What is swept is not set too. */
static fr_status check_sets(const source *in, const char *const *sets, int64_t count)
{
    const fr_yaml *set = find(&in->root, "set");
    for (int64_t k = 0; k < in->sweep->keys; k++) {
        const char *key = in->sweep->key[k]->key;
        const fr_yaml *node = set ? find(set, key) : NULL;
        if (node)
            return fr_fail(FR_USAGE, "%s:%lld: %s is set, and swept on line %lld", in->sweep->path,
                           (long long)node->line, key, (long long)in->points->line);
        for (int64_t i = 0; i < count; i++)
            if (strncmp(sets[i], key, strlen(key)) == 0 && sets[i][strlen(key)] == '=')
                return fr_fail(FR_USAGE, "--set %s: the sweep varies %s", sets[i], key);
    }
    return FR_OK;
}

static fr_status check_points(const fr_sweep *sweep)
{
    for (int64_t p = 0; p < sweep->points; p++) {
        fr_config config;
        fr_sweep_config(&config, sweep, p);
        fr_status status = fr_config_check(&config);
        fr_config_close(&config);
        if (status != FR_OK)
            return fr_fail_within(status, "%s: point %lld", sweep->path, (long long)p);
    }
    return FR_OK;
}

fr_status fr_sweep_read(fr_sweep *sweep, const char *path, const char *const *sets, int64_t count)
{
    *sweep = (fr_sweep){.path = fr_strdup(path)};
    fr_config_defaults(&sweep->base);
    source in = {.sweep = sweep};
    fr_status status;
    FR_TRY_GOTO(fr_yaml_read(&in.root, path), done);
    if (in.root.kind != FR_YAML_MAP) {
        status = fr_fail(FR_USAGE, "%s: want a mapping with config and one of grid, list and random", path);
        goto done;
    }
    FR_TRY_GOTO(read_points(&in), done);
    FR_TRY_GOTO(read_base(&in, sets, count), done);
    FR_TRY_GOTO(sweep->kind == FR_SWEEP_GRID   ? read_grid(&in)
                : sweep->kind == FR_SWEEP_LIST ? read_list(&in)
                                               : read_random(&in),
                done);
    FR_TRY_GOTO(check_sets(&in, sets, count), done);
    FR_TRY_GOTO(check_points(sweep), done);
    fr_sweep_group(sweep);
done:
    fr_yaml_close(&in.root);
    if (status != FR_OK)
        fr_sweep_close(sweep);
    return status;
}

void fr_sweep_close(fr_sweep *sweep)
{
    for (int64_t v = 0; sweep->value && v < sweep->points * sweep->keys; v++)
        free(sweep->value[v]);
    free(sweep->value);
    free(sweep->key);
    free(sweep->group);
    free(sweep->path);
    free(sweep->base_path);
    free(sweep->name);
    fr_config_close(&sweep->base);
    *sweep = (fr_sweep){0};
}

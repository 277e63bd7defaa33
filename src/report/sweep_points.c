/* See sweep.h. */
#include "report/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_dev(const void *a, const void *b)
{
    const sweep_point *x = a, *y = b;
    if (isnan(x->dev) != isnan(y->dev))
        return isnan(x->dev) ? 1 : -1;
    if (x->dev < y->dev || x->dev > y->dev)
        return x->dev < y->dev ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static const json_t *value_of(const sweep_point *point, const char *key)
{
    return json_object_get(json_object_get(point->json, "values"), key);
}

static int by_number(const void *a, const void *b)
{
    double x = strtod(*(char *const *)a, NULL), y = strtod(*(char *const *)b, NULL);
    return x < y ? -1 : x > y ? 1 : 0;
}

static void find_levels(sweep_key *key, const report_sweep *sweep)
{
    key->level = FR_NEW(char *, sweep->points + 1);
    key->numeric = true;
    for (size_t p = 0; p < sweep->points; p++) {
        const json_t *value = value_of(&sweep->point[p], key->name);
        if (!value)
            continue;
        char *text = fr_report_value_text(value);
        bool known = false;
        for (size_t l = 0; l < key->levels && !known; l++)
            known = !strcmp(text, key->level[l]);
        key->numeric &= json_is_number(value);
        if (known)
            free(text);
        else
            key->level[key->levels++] = text;
    }
    if (key->numeric)
        qsort(key->level, key->levels, sizeof *key->level, by_number);
}

void fr_report_sweep_open(report_sweep *sweep, const json_t *json)
{
    const json_t *points = json_object_get(json, "points"), *keys = json_object_get(json, "keys");
    double chosen = fr_report_number(json, "chosen");
    size_t index;
    json_t *value;
    *sweep = (report_sweep){.json = json, .chosen = isnan(chosen) ? -1 : (int64_t)chosen};
    sweep->point = FR_NEW(sweep_point, json_array_size(points) + 1);
    sweep->key = FR_NEW(sweep_key, json_array_size(keys) + 1);
    json_array_foreach((json_t *)points, index, value)
    {
        double number = fr_report_number(value, "index");
        sweep->point[sweep->points++] =
            (sweep_point){value, fr_report_number(value, "dev_quality"), fr_report_number(value, "test_quality"),
                          isnan(number) ? (int64_t)index : (int64_t)number};
        sweep->failed += *fr_report_text(value, "error") != '\0';
    }
    json_array_foreach((json_t *)keys, index, value) if (json_is_string(value))
    {
        sweep_key *key = &sweep->key[sweep->keys++];
        key->name = json_string_value(value);
        find_levels(key, sweep);
    }
    qsort(sweep->point, sweep->points, sizeof *sweep->point, by_dev);
}

void fr_report_sweep_close(report_sweep *sweep)
{
    for (size_t k = 0; k < sweep->keys; k++) {
        for (size_t l = 0; l < sweep->key[k].levels; l++)
            free(sweep->key[k].level[l]);
        free(sweep->key[k].level);
    }
    free(sweep->key);
    free(sweep->point);
}

int64_t fr_report_sweep_level(const sweep_point *point, const sweep_key *key)
{
    const json_t *value = value_of(point, key->name);
    int64_t level = -1;
    char *text = value ? fr_report_value_text(value) : NULL;
    for (size_t l = 0; l < key->levels && text && level < 0; l++)
        if (!strcmp(text, key->level[l]))
            level = (int64_t)l;
    free(text);
    return level;
}

/* Points stand by falling dev quality: the first that fits is the best. */
const sweep_point *fr_report_sweep_best(const report_sweep *sweep, const sweep_key *a, size_t level_a,
                                        const sweep_key *b, size_t level_b)
{
    for (size_t p = 0; p < sweep->points && !isnan(sweep->point[p].dev); p++)
        if (fr_report_sweep_level(&sweep->point[p], a) == (int64_t)level_a &&
            (!b || fr_report_sweep_level(&sweep->point[p], b) == (int64_t)level_b))
            return &sweep->point[p];
    return NULL;
}

bool fr_report_sweep_scattered(const report_sweep *sweep, const sweep_key *key)
{
    return key->levels > 4 && 3 * key->levels > 2 * sweep->points && sweep->keys > 1;
}

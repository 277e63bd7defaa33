/* <folder>/points/NNNNN.json: what a point gave, and the hash of what gave it. */
#include "sweep/sweep.h"

#include "base/files.h"
#include "base/memory.h"
#include "eval/json.h"
#include "sweep/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void fr_sweep_result_close(fr_sweep_result *result)
{
    free(result->error);
    *result = (fr_sweep_result){0};
}

char *fr_sweep_point_path(const char *folder, int64_t point)
{
    return fr_format("%s/points/%05lld.json", folder, (long long)point);
}

const fr_sweep_measure_row fr_sweep_measures[FR_SWEEP_MEASURES] = {
    {"dev_quality", offsetof(fr_sweep_result, dev_quality)},
    {"test_quality", offsetof(fr_sweep_result, test_quality)},
    {"test_quality_by_source", offsetof(fr_sweep_result, test_quality_by_source)},
    {"test_cost", offsetof(fr_sweep_result, test_cost)},
    {"tasks", offsetof(fr_sweep_result, tasks)},
    {"alpha", offsetof(fr_sweep_result, alpha)},
    {"theta", offsetof(fr_sweep_result, theta)},
    {"seconds", offsetof(fr_sweep_result, seconds)},
};

double fr_sweep_measure(const fr_sweep_result *result, int measure)
{
    double value;
    memcpy(&value, (const char *)result + fr_sweep_measures[measure].offset, sizeof value);
    bool figures = result->done && !result->error;
    return figures || fr_sweep_measures[measure].offset == offsetof(fr_sweep_result, seconds) ? value : NAN;
}

static json_t *measure_json(const fr_sweep_result *result, int measure)
{
    double value = fr_sweep_measure(result, measure);
    bool whole = fr_sweep_measures[measure].offset == offsetof(fr_sweep_result, tasks);
    return whole && !isnan(value) ? json_integer((json_int_t)value) : fr_json_number(value);
}

json_t *fr_sweep_point_json(const fr_sweep *sweep, int64_t point, const fr_sweep_result *result)
{
    json_t *object = json_object(), *values = json_object();
    json_object_set_new(object, "index", json_integer(point));
    for (int64_t k = 0; k < sweep->keys; k++) {
        double number = fr_sweep_number(sweep, point, k);
        char *text = fr_sweep_text(sweep, point, k);
        json_t *value = sweep->key[k]->kind == OPTION_INT    ? json_integer((json_int_t)number)
                        : sweep->key[k]->kind == OPTION_BOOL ? json_boolean(text[0] == 't')
                        : isnan(number)                      ? fr_json_text(text)
                                                             : json_real(number);
        json_object_set_new(values, sweep->key[k]->key, value);
        free(text);
    }
    json_object_set_new(object, "values", values);
    for (int m = 0; m < FR_SWEEP_MEASURES; m++)
        json_object_set_new(object, fr_sweep_measures[m].name, measure_json(result, m));
    json_object_set_new(object, "error", result->error ? fr_json_text(result->error) : json_null());
    return object;
}

fr_status fr_sweep_result_write(const char *folder, const fr_sweep *sweep, int64_t point, const fr_sweep_result *result)
{
    json_t *object = fr_sweep_point_json(sweep, point, result);
    json_object_set_new(object, "schema", json_integer(1));
    json_object_set_new(object, "hash", json_string(result->hash));
    json_object_set_new(object, "threads", json_integer(result->threads));
    json_object_set_new(object, "device", fr_json_text(result->device));
    char *path = fr_sweep_point_path(folder, point);
    fr_status status = fr_json_write(path, object);
    free(path);
    return status;
}

void fr_sweep_result_read(fr_sweep_result *result, const char *folder, int64_t point)
{
    *result = (fr_sweep_result){0};
    char *path = fr_sweep_point_path(folder, point);
    json_t *object = json_load_file(path, 0, NULL);
    const char *hash = json_string_value(json_object_get(object, "hash")),
               *error = json_string_value(json_object_get(object, "error")),
               *device = json_string_value(json_object_get(object, "device"));
    if (hash && strlen(hash) == sizeof result->hash - 1) {
        result->done = true;
        memcpy(result->hash, hash, sizeof result->hash);
        result->error = error ? fr_strdup(error) : NULL;
        result->threads = json_integer_value(json_object_get(object, "threads"));
        snprintf(result->device, sizeof result->device, "%s", device ? device : "");
        for (int m = 0; m < FR_SWEEP_MEASURES; m++) {
            const json_t *number = json_object_get(object, fr_sweep_measures[m].name);
            double value = json_is_number(number) ? json_number_value(number) : NAN;
            memcpy((char *)result + fr_sweep_measures[m].offset, &value, sizeof value);
        }
    }
    json_decref(object);
    free(path);
}

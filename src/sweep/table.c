/* The whole sweep as JSON, CSV, HDF5, and for a terminal. */
#include "sweep/internal.h"

#include "base/files.h"
#include "base/memory.h"
#include "eval/json.h"
#include "io/h5.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"grid", "list", "random"};

static bool scored(const fr_sweep_result *result)
{
    return result->done && !result->error && !isnan(result->dev_quality);
}

/* Whether a stands before b; equal ones stand as they came. */
static bool better(const fr_sweep_result *a, const fr_sweep_result *b)
{
    return a->dev_quality != b->dev_quality ? a->dev_quality > b->dev_quality : a->tasks < b->tasks;
}

int64_t fr_sweep_choose(const fr_sweep_result *results, int64_t points)
{
    int64_t best = -1;
    for (int64_t p = 0; p < points; p++)
        if (scored(&results[p]) && (best < 0 || better(&results[p], &results[best])))
            best = p;
    return best;
}

static fr_status write_json(const char *folder, const fr_sweep *sweep, const fr_sweep_result *results,
                            const fr_sweep_facts *facts)
{
    json_t *root = json_object(), *keys = json_array(), *points = json_array();
    int64_t chosen = fr_sweep_choose(results, sweep->points);
    for (int64_t k = 0; k < sweep->keys; k++)
        json_array_append_new(keys, json_string(sweep->key[k]->key));
    for (int64_t p = 0; p < sweep->points; p++)
        json_array_append_new(points, fr_sweep_point_json(sweep, p, &results[p]));
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "name", fr_json_text(sweep->name));
    json_object_set_new(root, "config", fr_json_text(sweep->base_path));
    json_object_set_new(root, "keys", keys);
    json_object_set_new(root, "kind", json_string(kinds[sweep->kind]));
    json_object_set_new(root, "jobs", json_integer(facts->jobs));
    json_object_set_new(root, "threads", json_integer(facts->threads));
    json_object_set_new(root, "seconds", fr_json_number(facts->seconds));
    json_object_set_new(root, "points", points);
    json_object_set_new(root, "chosen", chosen < 0 ? json_null() : json_integer(chosen));
    json_object_set_new(root, "chosen_by", json_string("dev_quality"));
    char *path = fr_path_join(folder, "sweep.json");
    fr_status status = fr_json_write(path, root);
    free(path);
    return status;
}

/* ---- CSV (RFC 4180) ---- */

static void add_cell(fr_buffer *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fr_buffer_addf(out, "%s,", text);
        return;
    }
    fr_buffer_addf(out, "\"");
    for (; *text; text++)
        fr_buffer_addf(out, *text == '"' ? "\"\"" : "%c", *text);
    fr_buffer_addf(out, "\",");
}

static void add_line(fr_buffer *out, const fr_sweep *sweep, int64_t point, const fr_sweep_result *result)
{
    fr_buffer_addf(out, "%lld,", (long long)point);
    for (int64_t k = 0; k < sweep->keys; k++) {
        char *text = fr_sweep_text(sweep, point, k);
        add_cell(out, text);
        free(text);
    }
    for (int m = 0; m < FR_SWEEP_MEASURES; m++) {
        double value = fr_sweep_measure(result, m);
        fr_buffer_addf(out, isnan(value) ? "," : "%.9g,", value);
    }
    add_cell(out, result->error ? result->error : "");
    out->data[out->bytes - 1] = '\n';
}

static fr_status write_csv(const char *folder, const fr_sweep *sweep, const fr_sweep_result *results)
{
    fr_buffer out = {0};
    fr_buffer_addf(&out, "index,");
    for (int64_t k = 0; k < sweep->keys; k++)
        add_cell(&out, sweep->key[k]->key);
    for (int m = 0; m < FR_SWEEP_MEASURES; m++)
        add_cell(&out, fr_sweep_measures[m].name);
    fr_buffer_addf(&out, "error\n");
    for (int64_t p = 0; p < sweep->points; p++)
        add_line(&out, sweep, p, &results[p]);
    char *path = fr_path_join(folder, "sweep.csv");
    fr_status status = fr_file_write(path, out.data, out.bytes);
    fr_buffer_close(&out);
    free(path);
    return status;
}

/* ---- HDF5: /points/<column> ---- */

static fr_status write_texts(fr_h5 *file, const char *name, char **text, int64_t count)
{
    char *path = fr_format("/points/%s", name);
    fr_status status = fr_h5_write_texts(file, path, count, (const char *const *)text);
    free(path);
    return status;
}

static fr_status write_numbers(fr_h5 *file, const char *name, const double *number, int64_t count)
{
    char *path = fr_format("/points/%s", name);
    fr_status status = fr_h5_write(file, path, FR_H5_F64, 1, &count, number);
    free(path);
    return status;
}

/* A key's column is of numbers where all of its values are. */
static fr_status write_key(fr_h5 *file, const fr_sweep *sweep, int64_t k)
{
    double *number = FR_NEW(double, sweep->points);
    char **text = FR_NEW(char *, sweep->points);
    bool numbers = true;
    for (int64_t p = 0; p < sweep->points; p++) {
        text[p] = fr_sweep_text(sweep, p, k);
        number[p] = fr_sweep_number(sweep, p, k);
        numbers = numbers && !isnan(number[p]);
    }
    fr_status status = numbers ? write_numbers(file, sweep->key[k]->key, number, sweep->points)
                               : write_texts(file, sweep->key[k]->key, text, sweep->points);
    for (int64_t p = 0; p < sweep->points; p++)
        free(text[p]);
    free(text);
    free(number);
    return status;
}

static fr_status write_columns(fr_h5 *file, const fr_sweep *sweep, const fr_sweep_result *results)
{
    int64_t n = sweep->points, *index = FR_NEW(int64_t, n);
    double *number = FR_NEW(double, n);
    char **error = FR_NEW(char *, n);
    fr_status status = FR_OK;
    for (int64_t p = 0; p < n; p++)
        index[p] = p;
    FR_TRY_GOTO(fr_h5_write(file, "/points/index", FR_H5_I64, 1, &n, index), done);
    for (int64_t k = 0; k < sweep->keys; k++)
        FR_TRY_GOTO(write_key(file, sweep, k), done);
    for (int m = 0; m < FR_SWEEP_MEASURES; m++) {
        for (int64_t p = 0; p < n; p++)
            number[p] = fr_sweep_measure(&results[p], m);
        FR_TRY_GOTO(write_numbers(file, fr_sweep_measures[m].name, number, n), done);
    }
    for (int64_t p = 0; p < n; p++)
        error[p] = results[p].error ? results[p].error : (char *)"";
    status = write_texts(file, "error", error, n);
done:
    free(error);
    free(number);
    free(index);
    return status;
}

static fr_status write_h5(const char *folder, const fr_sweep *sweep, const fr_sweep_result *results)
{
    char *path = fr_path_join(folder, "sweep.h5");
    fr_h5 *file;
    fr_status status = fr_h5_create(&file, path, "finerouter-sweep", 1);
    free(path);
    FR_TRY(status);
    FR_TRY_GOTO(fr_h5_set_text(file, "name", sweep->name), fail);
    FR_TRY_GOTO(fr_h5_set_text(file, "kind", kinds[sweep->kind]), fail);
    FR_TRY_GOTO(fr_h5_set_integer(file, "chosen", fr_sweep_choose(results, sweep->points)), fail);
    FR_TRY_GOTO(write_columns(file, sweep, results), fail);
    return fr_h5_commit(file);
fail:
    fr_h5_close(file);
    return status;
}

fr_status fr_sweep_write(const char *folder, const fr_sweep *sweep, const fr_sweep_result *results,
                         const fr_sweep_facts *facts)
{
    FR_TRY(write_json(folder, sweep, results, facts));
    FR_TRY(write_csv(folder, sweep, results));
    return write_h5(folder, sweep, results);
}

/* ---- terminal ---- */

enum { TOP = 10 };

/* The best by dev quality, best first; returns how many. */
static int rank(int64_t order[TOP], const fr_sweep *sweep, const fr_sweep_result *results)
{
    int count = 0;
    for (int64_t p = 0; p < sweep->points; p++) {
        if (!scored(&results[p]))
            continue;
        int at = count < TOP ? count++ : TOP;
        for (; at > 0 && better(&results[p], &results[order[at - 1]]); at--)
            if (at < TOP)
                order[at] = order[at - 1];
        if (at < TOP)
            order[at] = p;
    }
    return count;
}

static void add_number(fr_buffer *out, const char *format, double value, int width)
{
    char text[32] = "-";
    if (!isnan(value))
        snprintf(text, sizeof text, format, value);
    fr_buffer_addf(out, " %*s", width, text);
}

static int column_width(const fr_sweep *sweep, int64_t key, const int64_t *order, int count)
{
    int width = (int)strlen(sweep->key[key]->key);
    for (int i = 0; i < count; i++) {
        char *text = fr_sweep_text(sweep, order[i], key);
        int length = (int)strlen(text);
        width = length > width ? length : width;
        free(text);
    }
    return width > 24 ? 24 : width;
}

char *fr_sweep_table(const fr_sweep *sweep, const fr_sweep_result *results)
{
    int64_t order[TOP];
    int count = rank(order, sweep, results), *width = FR_NEW(int, sweep->keys);
    fr_buffer out = {0};
    fr_buffer_addf(&out, "   point");
    for (int64_t k = 0; k < sweep->keys; k++) {
        width[k] = column_width(sweep, k, order, count);
        fr_buffer_addf(&out, "  %*.*s", width[k], width[k], sweep->key[k]->key);
    }
    fr_buffer_addf(&out, "  dev qual  test qual  by source   USD/1k  tasks  alpha  theta\n");
    for (int i = 0; i < count; i++) {
        const fr_sweep_result *r = &results[order[i]];
        fr_buffer_addf(&out, "%s %6lld", i == 0 ? ">" : " ", (long long)order[i]);
        for (int64_t k = 0; k < sweep->keys; k++) {
            char *text = fr_sweep_text(sweep, order[i], k);
            fr_buffer_addf(&out, "  %*.*s", width[k], width[k], text);
            free(text);
        }
        add_number(&out, "%.4f", r->dev_quality, 9);
        add_number(&out, "%.4f", r->test_quality, 10);
        add_number(&out, "%.4f", r->test_quality_by_source, 10);
        add_number(&out, "%.4g", 1000 * r->test_cost, 8);
        fr_buffer_addf(&out, " %6.0f", r->tasks);
        add_number(&out, "%.3g", r->alpha, 6);
        add_number(&out, "%.3g", r->theta, 6);
        fr_buffer_addf(&out, "\n");
    }
    fr_buffer_addf(&out,
                   "The %d best of %lld points on dev. > chosen: the highest dev quality; ties: fewer tasks, then the "
                   "first. Test figures rank nothing.\n",
                   count, (long long)sweep->points);
    free(width);
    return out.data;
}

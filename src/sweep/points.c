/* Points as configs, and which of them share what. */
#include "sweep/sweep.h"

#include "base/files.h"
#include "base/hash.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "discover: {k: 20}", or "seed: 1" at the top level. */
static void add_assignment(fr_buffer *out, const option *o, const char *value)
{
    const char *dot = strchr(o->key, '.');
    if (dot)
        fr_buffer_addf(out, "%.*s: {%s: %s}\n", (int)(dot - o->key), o->key, dot + 1, value);
    else
        fr_buffer_addf(out, "%s: %s\n", o->key, value);
}

void fr_sweep_config(fr_config *config, const fr_sweep *sweep, int64_t point)
{
    fr_config_copy(config, &sweep->base);
    for (int64_t k = 0; k < sweep->keys; k++) {
        fr_buffer text = {0};
        add_assignment(&text, sweep->key[k], sweep->value[point * sweep->keys + k]);
        fr_status status = fr_config_read_text(config, text.data, "point");
        FR_CHECK(status == FR_OK, "a value does not read back: %s", fr_error_text());
        fr_buffer_close(&text);
    }
}

char *fr_sweep_text(const fr_sweep *sweep, int64_t point, int64_t key)
{
    const char *value = sweep->value[point * sweep->keys + key];
    if (sweep->key[key]->kind != OPTION_TEXT)
        return fr_strdup(value);
    fr_config config;
    fr_sweep_config(&config, sweep, point);
    char *text = fr_strdup(*(const char *const *)fr_option_place(&config, sweep->key[key]));
    fr_config_close(&config);
    return text;
}

double fr_sweep_number(const fr_sweep *sweep, int64_t point, int64_t key)
{
    option_kind kind = sweep->key[key]->kind;
    const char *value = sweep->value[point * sweep->keys + key];
    if ((kind != OPTION_INT && kind != OPTION_REAL && kind != OPTION_AUTO) || strcmp(value, "auto") == 0)
        return NAN;
    return strtod(value, NULL);
}

/* Whether a key has a letter, and all of its letters are among these. */
static bool only(const option *o, const char *letters)
{
    return o->stages[0] && strspn(o->stages, letters) == strlen(o->stages);
}

/* Index of the first point with the same values of all keys that make what stands before task heads. */
static int64_t first_like(const fr_sweep *sweep, int64_t point)
{
    for (int64_t p = 0; p < point; p++) {
        bool same = true;
        for (int64_t k = 0; k < sweep->keys && same; k++)
            same = only(sweep->key[k], "RO2KB") ||
                   strcmp(sweep->value[p * sweep->keys + k], sweep->value[point * sweep->keys + k]) == 0;
        if (same)
            return p;
    }
    return point;
}

void fr_sweep_group(fr_sweep *sweep)
{
    sweep->group = FR_NEW(int64_t, sweep->points);
    for (int64_t p = 0; p < sweep->points; p++)
        sweep->group[p] = first_like(sweep, p);
}

fr_status fr_sweep_write_plan(const fr_sweep *sweep, const char *folder, char **plan)
{
    fr_buffer text = {0};
    fr_buffer_addf(&text, "# The points by value: finerouter sweep on this file does the same again.\n"
                          "config: config.yaml\nlist:\n");
    for (int64_t p = 0; p < sweep->points; p++) {
        fr_buffer_addf(&text, "  - {");
        for (int64_t k = 0; k < sweep->keys; k++)
            fr_buffer_addf(&text, k ? ", %s: %s" : "%s: %s", sweep->key[k]->key, sweep->value[p * sweep->keys + k]);
        fr_buffer_addf(&text, "}\n");
    }
    char *config = fr_config_text(&sweep->base), *path = fr_path_join(folder, "config.yaml");
    *plan = fr_path_join(folder, "sweep.yaml");
    fr_status status = fr_file_write(path, config, strlen(config));
    if (status == FR_OK)
        status = fr_file_write(*plan, text.data, text.bytes);
    fr_buffer_close(&text);
    free(config);
    free(path);
    return status;
}

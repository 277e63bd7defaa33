/* The table of devices. */
#include "base/files.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/yaml_tree.h"
#include "plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEVICE, HOST };

static const struct {
    const char *name;
    int part;
} table[FR_RATES] = {
#define RATE(name, part, help) {#name, part},
#include "rates.def"
#undef RATE
};

const char *fr_rate_name(fr_rate rate)
{
    return table[rate].name;
}

bool fr_rate_measured(const fr_rates *rates, fr_rate rate)
{
    return strncmp(rates->source[rate], "measured", 8) == 0 || strncmp(rates->source[rate], "as built", 8) == 0;
}

void fr_rates_close(fr_rates *rates)
{
    free(rates->name);
    for (int i = 0; i < FR_RATES; i++)
        free(rates->source[i]);
    *rates = (fr_rates){0};
}

static const char *nearest_rate(const char *word)
{
    int best = 0;
    for (int i = 1; i < FR_RATES; i++)
        if (fr_spelling_distance(word, table[i].name) < fr_spelling_distance(word, table[best].name))
            best = i;
    return table[best].name;
}

/* ---- reading ---- */

static const fr_yaml *find(const fr_yaml *map, const char *key)
{
    for (int64_t i = 0; map->kind == FR_YAML_MAP && i < map->count; i++)
        if (strcmp(map->item[i].key, key) == 0)
            return &map->item[i];
    return NULL;
}

static int find_rate(const char *key)
{
    for (int i = 0; i < FR_RATES; i++)
        if (strcmp(table[i].name, key) == 0)
            return i;
    return -1;
}

/* {value: 7.9e14, source: measured ...} */
static fr_status read_rate(fr_rates *rates, int rate, const fr_yaml *node, const char *path)
{
    long long line = (long long)node->line;
    const fr_yaml *value = find(node, "value"), *source = find(node, "source");
    if (!value || !source || node->count != 2 || value->kind != FR_YAML_TEXT || source->kind != FR_YAML_TEXT)
        return fr_fail(FR_USAGE, "%s:%lld: %s: want {value: NUMBER, source: WHERE IT COMES FROM}", path, line,
                       node->key);
    char *end;
    double number = strtod(value->text, &end);
    if (!value->text[0] || *end || !(number > 0 && isfinite(number)))
        return fr_fail(FR_USAGE, "%s:%lld: %s: the value is %s, want a number above 0", path, (long long)value->line,
                       node->key, value->text);
    rates->value[rate] = number;
    free(rates->source[rate]);
    rates->source[rate] = fr_strdup(source->text);
    return FR_OK;
}

static fr_status read_items(fr_rates *rates, const fr_yaml *device, const char *path)
{
    for (int64_t i = 0; i < device->count; i++) {
        const fr_yaml *node = &device->item[i];
        int rate = find_rate(node->key);
        if (strcmp(node->key, "host") == 0)
            continue;
        if (rate < 0)
            return fr_fail(FR_USAGE, "%s:%lld: unknown key %s; did you mean %s?", path, (long long)node->line,
                           node->key, nearest_rate(node->key));
        FR_TRY(read_rate(rates, rate, node, path));
    }
    return FR_OK;
}

static fr_status find_device(const fr_yaml **found, const fr_yaml *root, const char *name, const char *path,
                             int64_t line)
{
    *found = find(root, name);
    if (*found && (*found)->kind == FR_YAML_MAP)
        return FR_OK;
    const char *nearest = "";
    fr_buffer known = {0};
    for (int64_t i = 0; root->kind == FR_YAML_MAP && i < root->count; i++) {
        const char *key = root->item[i].key;
        if (!*nearest || fr_spelling_distance(name, key) < fr_spelling_distance(name, nearest))
            nearest = key;
        fr_buffer_addf(&known, "%s%s", i ? ", " : "", key);
    }
    fr_status status = fr_fail(FR_USAGE, "%s:%lld: there is no device %s; did you mean %s? The table has %s", path,
                               (long long)line, name, nearest, known.data ? known.data : "none");
    fr_buffer_close(&known);
    return status;
}

static fr_status read_device(fr_rates *rates, const fr_yaml *root, const char *path, const char *name)
{
    const fr_yaml *device, *host;
    FR_TRY(find_device(&device, root, name, path, root->line ? root->line : 1));
    const fr_yaml *from = find(device, "host");
    if (from) {
        if (from->kind != FR_YAML_TEXT)
            return fr_fail(FR_USAGE, "%s:%lld: host: want the name of a device", path, (long long)from->line);
        FR_TRY(find_device(&host, root, from->text, path, from->line));
        FR_TRY(read_items(rates, host, path));
        for (int i = 0; i < FR_RATES; i++)
            if (table[i].part == DEVICE) {
                free(rates->source[i]);
                rates->source[i] = NULL;
            }
        rates->gpu = true;
    }
    FR_TRY(read_items(rates, device, path));
    for (int i = 0; i < FR_RATES; i++)
        if (!rates->source[i])
            return fr_fail(FR_USAGE, "%s:%lld: %s has no %s, want one (finerouter/src/plan/rates.def says what it is)",
                           path, (long long)device->line, name, table[i].name);
    return FR_OK;
}

fr_status fr_rates_read(fr_rates *rates, const char *path, const char *device)
{
    fr_yaml root;
    *rates = (fr_rates){.name = fr_strdup(device)};
    fr_status status = fr_yaml_read(&root, path);
    if (status == FR_OK) {
        status = read_device(rates, &root, path, device);
        fr_yaml_close(&root);
    }
    if (status != FR_OK)
        fr_rates_close(rates);
    return status;
}

char *fr_rates_find(void)
{
    static const char *const places[] = {"configs", "../configs", "../share/finerouter"};
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    char *beside = fr_path_folder(program), *found = NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places && !found; i++) {
        char *folder = i == 0 ? fr_strdup(places[i]) : fr_path_join(beside, places[i]);
        found = fr_path_join(folder, "devices.yaml");
        free(folder);
        if (!fr_file_exists(found)) {
            free(found);
            found = NULL;
        }
    }
    free(beside);
    return found;
}

#include "sweep_array.h"

#include "base/memory.h"
#include "finerouter/log.h"
#include "run_folder.h"
#include "sweep_group.h"
#include "sweep_jobs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- --list ---- */

/* "0-3,7": the points that are marked. */
static void add_ranges(fr_buffer *out, const bool *marked, int64_t points)
{
    const char *comma = "";
    for (int64_t p = 0, end; p < points; p = end + 1) {
        for (end = p; end < points && marked[end];)
            end++;
        if (end == p)
            continue;
        fr_buffer_addf(out, "%s%lld", comma, (long long)p);
        if (end > p + 1)
            fr_buffer_addf(out, "-%lld", (long long)end - 1);
        comma = ",";
    }
}

/* "route.alpha=0.3,0.5": a key's values in a group, each once, in the order of its points. */
static void add_values(fr_buffer *out, const fr_sweep *sweep, int64_t group, int64_t key)
{
    char separator = '=';
    fr_buffer_addf(out, "%s", sweep->key[key]->key);
    for (int64_t p = group; p < sweep->points; p++) {
        const char *value = sweep->value[p * sweep->keys + key];
        bool fresh = sweep->group[p] == group;
        for (int64_t before = group; before < p && fresh; before++)
            fresh = sweep->group[before] != group || strcmp(sweep->value[before * sweep->keys + key], value) != 0;
        if (fresh) {
            fr_buffer_addf(out, "%c%s", separator, value);
            separator = ',';
        }
    }
}

void fr_sweep_list(const fr_sweep *sweep)
{
    bool *mine = FR_NEW(bool, sweep->points);
    for (int64_t g = 0; g < sweep->points; g++) {
        if (sweep->group[g] != g)
            continue;
        fr_buffer line = {0};
        for (int64_t p = 0; p < sweep->points; p++)
            mine[p] = sweep->group[p] == g;
        fr_buffer_addf(&line, "%lld\t", (long long)g);
        add_ranges(&line, mine, sweep->points);
        for (int64_t k = 0; k < sweep->keys; k++) {
            fr_buffer_addf(&line, k ? " " : "\t");
            add_values(&line, sweep, g, k);
        }
        printf("%s\n", line.data);
        fr_buffer_close(&line);
    }
    free(mine);
}

/* ---- --collect ---- */

typedef struct collection {
    fr_sweep_result *result; /* (points) */
    bool *missing;           /* (points) */
    int64_t missed;
    int64_t threads; /* of what is there; -1: they differ; 0: nothing is */
    double seconds;
} collection;

/* A point counts if it was made with the threads that the config asks for; where it asks for all cores, those of the
 * machine that made it. An error counts whatever it came from: the array would have written over it. */
static bool is_of(const fr_sweep_result *result, const fr_config *config, fr_sweep_inputs *inputs)
{
    char hash[FR_HASH_CHARS];
    int64_t threads = config->top.threads > 0 ? config->top.threads : result->threads;
    fr_sweep_point_hash(hash, config, fr_sweep_inputs_of(inputs, config), threads);
    return result->done && (result->error || strcmp(hash, result->hash) == 0);
}

static void take_point(collection *c, const fr_sweep *sweep, const char *folder, int64_t p, fr_sweep_inputs *inputs)
{
    fr_sweep_result *result = &c->result[p];
    fr_config config;
    fr_sweep_config(&config, sweep, p);
    fr_sweep_result_read(result, folder, p);
    if (is_of(result, &config, inputs)) {
        c->seconds += isnan(result->seconds) ? 0 : result->seconds;
        if (!result->error)
            c->threads = c->threads == 0 || c->threads == result->threads ? result->threads : -1;
    } else {
        fr_sweep_result_close(result);
        *result = (fr_sweep_result){.done = true, .error = fr_strdup("missing"), .seconds = NAN};
        c->missing[p] = true;
        c->missed++;
    }
    fr_config_close(&config);
}

static collection collection_open(const fr_sweep *sweep, const char *folder)
{
    collection c = {.result = FR_NEW(fr_sweep_result, sweep->points), .missing = FR_NEW(bool, sweep->points)};
    fr_sweep_inputs inputs = {0};
    for (int64_t p = 0; p < sweep->points; p++)
        take_point(&c, sweep, folder, p, &inputs);
    free(inputs.files);
    return c;
}

static void collection_close(collection *c, int64_t points)
{
    for (int64_t p = 0; p < points; p++)
        fr_sweep_result_close(&c->result[p]);
    free(c->result);
    free(c->missing);
}

/* A word as a shell takes it. */
static void add_word(fr_buffer *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%";
    if (text[0] && strspn(text, plain) == strlen(text)) {
        fr_buffer_addf(out, " %s", text);
        return;
    }
    fr_buffer_addf(out, " '");
    for (; *text; text++)
        fr_buffer_addf(out, *text == '\'' ? "'\\''" : "%c", *text);
    fr_buffer_addf(out, "'");
}

/* The command gets the threads of the points that are there, or it would make these again too. */
static fr_status say_missing(const collection *c, const fr_sweep *sweep, const char *folder, const char *const *sets,
                             int64_t count)
{
    fr_buffer which = {0}, command = {0};
    add_ranges(&which, c->missing, sweep->points);
    fr_buffer_addf(&command, "finerouter sweep");
    add_word(&command, sweep->path);
    fr_buffer_addf(&command, " --out");
    add_word(&command, folder);
    for (int64_t i = 0; i < count; i++) {
        fr_buffer_addf(&command, " --set");
        add_word(&command, sets[i]);
    }
    if (c->threads > 0 && c->threads != fr_sweep_threads(&sweep->base))
        fr_buffer_addf(&command, " --set threads=%lld", (long long)c->threads);
    fr_status status = fr_fail(FR_FAILED, "%s: %lld of %lld points are missing (%s); to run them: %s", folder,
                               (long long)c->missed, (long long)sweep->points, which.data, command.data);
    fr_buffer_close(&which);
    fr_buffer_close(&command);
    return status;
}

/* The device that made the points, not the one this process would have: whoever collects may have no GPU. */
static fr_status open_folder(int *lock, const fr_sweep *sweep, const char *folder, const collection *c)
{
    fr_device *device;
    FR_TRY(fr_device_open(&device, FR_DEVICE_CPU, (int)sweep->base.top.threads));
    fr_device maker = *device;
    for (int64_t p = sweep->points - 1; p >= 0; p--)
        if (!c->result[p].error) {
            maker.threads = (int)c->result[p].threads;
            memcpy(maker.description, c->result[p].device, sizeof maker.description);
        }
    fr_status status = fr_run_folder_open(lock, &sweep->base, folder, sweep->base.top.cache, &maker);
    fr_device_close(device);
    return status;
}

static fr_status publish(const collection *c, const fr_sweep *sweep, const char *folder)
{
    int lock;
    char *plan = NULL;
    FR_TRY(open_folder(&lock, sweep, folder, c));
    if (c->threads < 0)
        fr_log("%s: points were made with different numbers of threads: they may differ in their last digits", folder);
    fr_sweep_facts facts = {
        .jobs = 1, .threads = c->threads > 0 ? c->threads : fr_sweep_threads(&sweep->base), .seconds = c->seconds};
    fr_status status = fr_sweep_write_plan(sweep, folder, &plan);
    if (status == FR_OK)
        status = fr_sweep_publish(folder, sweep, c->result, &facts);
    free(plan);
    fr_run_folder_close(lock);
    return status;
}

fr_status fr_sweep_collect(fr_sweep *sweep, const char *folder, const char *const *sets, int64_t count)
{
    FR_TRY(fr_sweep_set_cache(sweep, folder));
    collection c = collection_open(sweep, folder);
    fr_status status = c.missed < sweep->points ? publish(&c, sweep, folder) : FR_OK;
    if (c.missed > 0)
        status = say_missing(&c, sweep, folder, sets, count);
    collection_close(&c, sweep->points);
    return status;
}

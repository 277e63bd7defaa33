#include "resolution.h"

#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"

#include <math.h>
#include <stdlib.h>

#define DISCOVER_VERSION 1

static fr_status discover(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    const fr_config *config = products->config;
    const float *embedding = config->discover.text == FR_TEXT_DESCRIPTION ? texts->description : texts->prompt;
    fr_discovery *discovery;
    FR_TRY(fr_discovery_create(&discovery, data, embedding, texts->d, config, run->device));
    fr_status status = FR_OK;
    if (config->discover.method != FR_TASKS_LEIDEN) {
        int32_t *label = FR_NEW(int32_t, data->N);
        if (config->discover.method == FR_TASKS_SOURCE)
            fr_source_labels(label, data);
        else
            status = fr_kmeans_labels(label, data, embedding, texts->d, config);
        if (status == FR_OK)
            fr_discovery_label(discovery, label, &products->tasks);
        free(label);
    } else if (isnan(config->discover.resolution)) {
        products->grid_quality = FR_NEW(double, config->discover.resolution_grid.count);
        status = fr_choose_resolution(&products->tasks, products->grid_quality, discovery, run, config, data, texts);
    } else {
        status = fr_discovery_partition(discovery, config->discover.resolution, &products->tasks);
    }
    fr_discovery_close(discovery);
    return status;
}

static void tell(const fr_run *run, const fr_products *products, bool reused)
{
    const fr_tasks *tasks = &products->tasks;
    const char *end = reused ? " (reused)" : "";
    int method = products->config->discover.method;
    if (method == FR_TASKS_LEIDEN)
        fr_log("%s%lld tasks at resolution %g%s", run->variant, (long long)tasks->T, tasks->resolution, end);
    else
        fr_log("%s%lld tasks by %s%s", run->variant, (long long)tasks->T,
               method == FR_TASKS_SOURCE ? "source" : "k-means", end);
}

fr_status fr_stage_discover(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    const fr_config *config = products->config;
    double start = fr_seconds();
    products->tasks_key = FR_KEY("tasks", DISCOVER_VERSION, config, "G", run->device, data->hash, texts->key.hex);
    char *cached = fr_cache_path(run->cache, "tasks", products->tasks_key, ".h5");
    bool reused;
    fr_cache_lock lock;
    fr_status status = fr_cache_take(&lock, &reused, cached);
    if (status == FR_OK)
        status = reused ? fr_tasks_read(&products->tasks, cached) : discover(run, data, texts, products);
    if (status == FR_OK && !reused && fr_is_root())
        status = fr_tasks_write(&products->tasks, cached);
    fr_cache_release(&lock);
    free(cached);
    FR_TRY(status);
    fr_tasks_candidates(&products->tasks, data, config->discover.coverage);
    tell(run, products, reused);
    fr_run_seconds(run, "discover", reused ? 0 : fr_seconds() - start);
    return fr_name_tasks(run, data, texts, products);
}

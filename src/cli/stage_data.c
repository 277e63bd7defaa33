#include "stages.h"

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"

#include <stdlib.h>

#define SYNTH_VERSION 1
#define IMPORT_VERSION 2

static fr_status imported_key(fr_key *key, const fr_config *config)
{
    char table[FR_HASH_CHARS], models[FR_HASH_CHARS] = "";
    FR_TRY(fr_import_hash(table, config->data.import));
    if (config->data.models[0])
        FR_TRY(fr_hash_file(models, config->data.models));
    *key = FR_KEY("import", IMPORT_VERSION, config, "D", NULL, table, models);
    return FR_OK;
}

/* Imports or makes the data and caches it. */
static fr_status make(fr_dataset *data, const fr_config *config, const char *cached)
{
    if (config->data.import[0])
        FR_TRY(fr_import(data, config->data.import, config->data.models[0] ? config->data.models : NULL, config));
    else
        FR_TRY(fr_synth(data, config));
    FR_TRY(fr_dataset_check(data, config->data.import[0] ? config->data.import : "synthetic data"));
    return fr_dataset_write(data, cached);
}

/* The root makes it, the others read what it wrote. */
static fr_status make_once(fr_dataset *data, const fr_config *config, const char *cached)
{
    FR_TRY(fr_comm_agree(fr_is_root() ? make(data, config, cached) : FR_OK));
    return fr_is_root() ? FR_OK : fr_dataset_read(data, cached);
}

fr_status fr_stage_data(fr_run *run, fr_dataset *data)
{
    const fr_config *config = run->config;
    double start = fr_seconds();
    if (config->data.file[0]) {
        FR_TRY(fr_dataset_read(data, config->data.file));
        fr_run_seconds(run, "data", fr_seconds() - start);
        return FR_OK;
    }
    fr_key key;
    if (config->data.import[0])
        FR_TRY(imported_key(&key, config));
    else
        key = FR_KEY("synth", SYNTH_VERSION, config, "D", NULL, "");
    char *cached = fr_cache_path(run->cache, "data", key, ".h5"),
         *linked = run->out ? fr_path_join(run->out, "data.h5") : NULL;
    bool reused = false;
    fr_cache_lock lock;
    fr_status status;
    FR_TRY_GOTO(fr_cache_take(&lock, &reused, cached), done);
    status = reused ? fr_dataset_read(data, cached) : make_once(data, config, cached);
    if (status == FR_OK && linked && fr_is_root())
        status = fr_file_link(cached, linked);
    fr_run_seconds(run, "data", reused ? 0 : fr_seconds() - start);
done:
    fr_cache_release(&lock);
    free(cached);
    free(linked);
    return status;
}

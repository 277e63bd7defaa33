#include "stages.h"

#include "base/files.h"
#include "base/memory.h"
#include "finerouter/log.h"

#include <stdlib.h>

#define DATA_VERSION 1

static fr_status imported_key(fr_key *key, const fr_config *config)
{
    char table[FR_HASH_CHARS], models[FR_HASH_CHARS] = "";
    FR_TRY(fr_import_hash(table, config->data.import));
    if (config->data.models[0])
        FR_TRY(fr_hash_file(models, config->data.models));
    *key = FR_KEY("import", DATA_VERSION, config, "D", NULL, table, models);
    return FR_OK;
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
        key = FR_KEY("synth", DATA_VERSION, config, "D", NULL, "");
    char *cached = fr_cache_path(run->cache, "data", key, ".h5"),
         *linked = run->out ? fr_path_join(run->out, "data.h5") : NULL;
    bool reused = false;
    fr_cache_lock lock;
    fr_status status;
    FR_TRY_GOTO(fr_cache_take(&lock, &reused, cached), done);
    if (reused) {
        status = fr_dataset_read(data, cached);
    } else {
        FR_TRY_GOTO(config->data.import[0] ? fr_import(data, config->data.import,
                                                       config->data.models[0] ? config->data.models : NULL, config)
                                           : fr_synth(data, config),
                    done);
        FR_TRY_GOTO(fr_dataset_check(data, config->data.import[0] ? config->data.import : "synthetic data"), done);
        status = fr_dataset_write(data, cached);
    }
    if (status == FR_OK && linked)
        status = fr_file_link(cached, linked);
    fr_run_seconds(run, "data", reused ? 0 : fr_seconds() - start);
done:
    fr_cache_release(&lock);
    free(cached);
    free(linked);
    return status;
}

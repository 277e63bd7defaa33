/* cmd_graph.c - graph: the preference graph over all ranks, from a data file that is read by ranges. */
#include "commands.h"

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "discover/circulate.h"
#include "discover/graph_shards.h"
#include "finerouter/log.h"
#include "run_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most memory that this process has had resident so far, in MiB; 0 where /proc does not tell. */
static int64_t peak_memory(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long long kib = 0;
    while (file && fgets(line, sizeof line, file) && sscanf(line, "VmHWM: %lld kB", &kib) != 1)
        ;
    if (file)
        fclose(file);
    return kib / 1024;
}

static char *join_numbers(const int64_t *value, const char *unit)
{
    fr_buffer text = {0};
    for (int r = 0; r < fr_comm_ranks(); r++)
        fr_buffer_addf(&text, "%s%lld%s", r ? ", " : "", (long long)value[r], unit);
    return text.data;
}

/* Together. One line of what it took, every rank's part. */
static void tell(const fr_shards_summary *summary, double seconds)
{
    int ranks = fr_comm_ranks();
    int64_t *peak = FR_NEW(int64_t, ranks), *waited = FR_NEW(int64_t, ranks);
    double spent = fr_comm_spent().seconds;
    fr_gather_numbers(peak, peak_memory());
    fr_gather_numbers(waited, (int64_t)(100 * spent / seconds + 0.5));
    char *peaks = join_numbers(peak, ""), *shares = join_numbers(waited, "%");
    if (fr_is_root())
        printf("%lld nodes, %lld edges in %d shard%s; %.1f s; peak memory of each rank %s MiB; of the time with other "
               "ranks %s\n",
               (long long)summary->nodes, (long long)summary->edges, ranks, ranks == 1 ? "" : "s", seconds, peaks,
               shares);
    fr_log_event("graph", "nodes=d edges=d ranks=d seconds=f peak_mib=s comm=s", summary->nodes, summary->edges,
                 (int64_t)ranks, seconds, peaks, shares);
    fflush(stdout);
    free(peaks);
    free(shares);
    free(peak);
    free(waited);
}

static fr_status check(const fr_config *config)
{
    if (!config->data.file[0])
        return fr_fail(FR_USAGE, "data.file is not set, want a data file with embeddings: write one by `finerouter "
                                 "import` or `synth`, then run `finerouter embed` with encoder.store: true");
    if (config->encoder.embeddings != FR_EMBEDDINGS_TEXT)
        return fr_fail(FR_USAGE,
                       "encoder.embeddings is data, want text: this command reads what a text encoder stored");
    if (config->discover.graph[0])
        return fr_fail(FR_USAGE, "discover.graph is set: this command makes the graph that it names");
    return fr_config_check(config);
}

static fr_status make(const fr_config *config, const char *out, const char *key, fr_device *device)
{
    double start = fr_seconds();
    char *folder = fr_path_join(out, "graph");
    fr_status status = fr_comm_agree(fr_is_root() ? fr_make_folders(folder) : FR_OK);
    fr_log("%s; %d rank%s", device->description, fr_comm_ranks(), fr_comm_ranks() == 1 ? "" : "s");
    fr_shards_summary summary;
    if (status == FR_OK)
        status = fr_graph_shards_make(&summary, folder, config, key, device);
    if (status == FR_OK)
        tell(&summary, fr_seconds() - start);
    free(folder);
    return status == FR_INTERRUPTED
               ? fr_fail(status, "stopped as asked; the same command makes the graph from the start")
               : status;
}

static fr_status run(const fr_config *config, const char *out, const char *key)
{
    FR_TRY(check(config));
    fr_device *device;
    int lock;
    FR_TRY(fr_run_device_open(&device, config, out));
    char *cache = fr_cache_folder(config, out);
    fr_status status = fr_comm_agree(fr_run_folder_open(&lock, config, out, cache, device));
    if (status == FR_OK) {
        status = make(config, out, key, device);
        fr_run_folder_close(lock);
    }
    free(cache);
    fr_device_close(device);
    return status;
}

fr_status fr_cmd_graph(const fr_args *args)
{
    fr_config config;
    char *out = NULL;
    fr_status status = fr_args_config(&config, &out, args, true);
    if (status == FR_OK)
        status = run(&config, out, fr_args_value(args, "--embeddings"));
    free(out);
    fr_config_close(&config);
    return status;
}

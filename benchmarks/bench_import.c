/* bench_import - import, write, read, summary and folds of a table made on the spot.
 *
 *   bench_import [prompts [models]]     default 279,000 x 11, the size of the paper's pool
 *
 * One JSON line a step: step, seconds, seconds of all threads, prompts per second, MB per second. */
#include "base/files.h"
#include "base/memory.h"
#include "base/rng.h"
#include "finerouter/dataset.h"
#include "finerouter/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void write_table(const char *path, int64_t prompts, int64_t models)
{
    FILE *file = fopen(path, "w");
    FR_CHECK(file, "cannot write %s", path);
    for (int64_t i = 0; i < prompts; i++) {
        fprintf(file, "{\"id\": \"prompt-%lld\", \"source\": \"source-%lld\", \"prompt\": \"", (long long)i,
                (long long)(i % 10));
        for (int64_t k = fr_rng_below(1, 1, (uint64_t)i, 60) + 10, w = 0; w < k; w++)
            fprintf(file, "word%lld ", (long long)fr_rng_below(1, 2, (uint64_t)(i * 100 + w), 20000));
        fprintf(file, "\", \"description\": \"A sentence on the task of a prompt, number %lld.\", \"quality\": {",
                (long long)i);
        for (int64_t m = 0; m < models; m++)
            fprintf(file, "%s\"some-model-%lld\": %d.0", m ? ", " : "", (long long)m,
                    fr_rng_uniform(1, 3, (uint64_t)(i * models + m)) < 0.6);
        fprintf(file, "}, \"cost\": {");
        for (int64_t m = 0; m < models; m++)
            fprintf(file, "%s\"some-model-%lld\": %.9f", m ? ", " : "", (long long)m,
                    fr_rng_uniform(1, 4, (uint64_t)(i * models + m)) * 1e-2);
        fprintf(file, "}}\n");
    }
    FR_CHECK(fclose(file) == 0, "cannot write %s", path);
}

static double started;
static clock_t cpu_started;

static void report(const char *step, int64_t prompts, const char *path)
{
    double seconds = fr_seconds() - started, cpu = (double)(clock() - cpu_started) / CLOCKS_PER_SEC;
    struct stat info = {0};
    FR_CHECK(stat(path, &info) == 0, "cannot read %s", path);
    printf("{\"bench\": \"import\", \"step\": \"%s\", \"prompts\": %lld, \"seconds\": %.3f, \"cpu_seconds\": %.3f, "
           "\"prompts_per_s\": %.0f, \"MB_per_s\": %.1f}\n",
           step, (long long)prompts, seconds, cpu, (double)prompts / seconds, (double)info.st_size / seconds / 1e6);
    fflush(stdout);
    started = fr_seconds();
    cpu_started = clock();
}

static void must(fr_status status)
{
    FR_CHECK(status == FR_OK, "%s", fr_error_text());
}

int main(int count, char **argument)
{
    int64_t prompts = count > 1 ? atoll(argument[1]) : 279000, models = count > 2 ? atoll(argument[2]) : 11;
    char folder[] = "/tmp/finerouter-bench-XXXXXX";
    FR_CHECK(mkdtemp(folder), "cannot make a folder in /tmp");
    char *table = fr_path_join(folder, "t.jsonl"), *file = fr_path_join(folder, "t.h5");
    fr_config config;
    fr_config_defaults(&config);
    fr_log_level(0);
    write_table(table, prompts, models);
    fr_dataset data;
    fr_summary summary;
    started = fr_seconds();
    cpu_started = clock();
    must(fr_import(&data, table, NULL, &config));
    report("import", prompts, table);
    must(fr_dataset_write(&data, file));
    report("write", prompts, file);
    fr_dataset_close(&data);
    started = fr_seconds();
    cpu_started = clock();
    must(fr_dataset_read(&data, file));
    report("read", prompts, file);
    fr_summarize(&summary, &data);
    report("summary", prompts, file);
    fr_make_fold(&data, 0, 5, 1);
    report("fold", prompts, file);
    fr_summary_close(&summary);
    fr_dataset_close(&data);
    fr_config_close(&config);
    unlink(table);
    unlink(file);
    rmdir(folder);
    free(table);
    free(file);
    return 0;
}

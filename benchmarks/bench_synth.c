/* bench_synth.c - how fast synthetic data is made: bench_synth [prompts] [models]; the paper's scale by default. One
 * JSON line a thread count. */
#include "finerouter/dataset.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double text_megabytes(const fr_dataset *data)
{
    double bytes = 0;
    for (int64_t i = 0; i < data->N; i++)
        bytes += (double)(strlen(data->text[i]) + strlen(data->description[i]));
    return bytes / 1e6;
}

int main(int argc, char **argv)
{
    fr_config config;
    fr_config_defaults(&config);
    config.synth.prompts = argc > 1 ? atoll(argv[1]) : 278977;
    config.synth.models = argc > 2 ? atoll(argv[2]) : 11;
    config.synth.tasks = 300;
    int most = omp_get_max_threads();
    for (int threads = 1; threads <= most; threads *= 2) {
        omp_set_num_threads(threads);
        fr_dataset data;
        double start = omp_get_wtime();
        if (fr_synth(&data, &config) != FR_OK) {
            fprintf(stderr, "bench_synth: %s\n", fr_error_text());
            return 1;
        }
        double seconds = omp_get_wtime() - start;
        printf("{\"bench\": \"synth\", \"prompts\": %lld, \"models\": %lld, \"threads\": %d, \"seconds\": %.3f, "
               "\"prompts_per_second\": %.0f, \"text_mb\": %.1f}\n",
               (long long)data.N, (long long)data.M, threads, seconds, (double)data.N / seconds, text_megabytes(&data));
        fr_dataset_close(&data);
    }
    fr_config_close(&config);
    return 0;
}

/* Exact nearest neighbours. Reads queries and corpus from raw f32 files that benchmarks/ref_knn.py wrote, or makes
 * random unit rows; writes one JSON line, and the indices for the comparison. Usage: bench_knn nq nc d k [threads]
 * [folder] */
#include "base/rng.h"
#include "finerouter/config.h"
#include "finerouter/log.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static float *rows(const char *folder, const char *name, int64_t n, int64_t d, uint64_t stream)
{
    float *x = malloc((size_t)(n * d) * sizeof(float));
    if (folder) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.f32", folder, name);
        FILE *file = fopen(path, "rb");
        if (!file || fread(x, (size_t)(d * (int64_t)sizeof(float)), (size_t)n, file) != (size_t)n) {
            fprintf(stderr, "%s: cannot read %ld rows of %ld numbers\n", path, (long)n, (long)d);
            exit(1);
        }
        fclose(file);
        return x;
    }
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < d; j++) {
            x[i * d + j] = (float)fr_rng_normal(1, stream, (uint64_t)(i * d + j));
            sum += (double)x[i * d + j] * (double)x[i * d + j];
        }
        for (int64_t j = 0; j < d; j++)
            x[i * d + j] *= (float)(1 / sqrt(sum));
    }
    return x;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: bench_knn nq nc d k [threads] [folder]   (nq 0: the corpus against itself)\n");
        return 2;
    }
    int64_t nq = atol(argv[1]), nc = atol(argv[2]), d = atol(argv[3]), k = atol(argv[4]);
    const char *folder = argc > 6 ? argv[6] : NULL;
    fr_device *device;
    if (fr_device_open(&device, FR_DEVICE_CPU, argc > 5 ? atoi(argv[5]) : 0) != FR_OK) {
        fprintf(stderr, "%s\n", fr_error_text());
        return 1;
    }
    bool self = nq == 0;
    float *corpus = rows(folder, "corpus", nc, d, 2), *queries = self ? corpus : rows(folder, "queries", nq, d, 1);
    if (self)
        nq = nc;
    int32_t *index = malloc((size_t)(nq * k) * sizeof(int32_t));
    float *similarity = malloc((size_t)(nq * k) * sizeof(float));
    double start = fr_seconds(), cpu = cpu_seconds();
    fr_knn(device, index, similarity, queries, corpus, nq, nc, d, k, NULL, NULL, NULL);
    double seconds = fr_seconds() - start, used = cpu_seconds() - cpu,
           flops = 2.0 * (double)nq * (double)nc * (double)d;
    printf(
        "{\"bench\": \"knn\", \"nq\": %ld, \"nc\": %ld, \"d\": %ld, \"k\": %ld, \"device\": \"%s\", \"seconds\": %.3f, "
        "\"cpu_seconds\": %.3f, \"gflops_per_cpu_second\": %.1f}\n",
        (long)nq, (long)nc, (long)d, (long)k, device->description, seconds, used, flops / used * 1e-9);
    if (folder) {
        char path[512];
        snprintf(path, sizeof path, "%s/index.i32", folder);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(index, sizeof(int32_t), (size_t)(nq * k), file) != (size_t)(nq * k) || fclose(file) != 0) {
            fprintf(stderr, "%s: cannot write\n", path);
            return 1;
        }
    }
    if (!self)
        free(queries);
    free(corpus);
    free(index);
    free(similarity);
    fr_device_close(device);
    return 0;
}

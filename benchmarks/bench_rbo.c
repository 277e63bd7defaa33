/* bench_rbo [M] [threads] - million edges a second of the rbo kernel, by kind of list and by kernel table; JSON lines.
 * The reference in the same run is the definition in f64 (table ref). benchmarks/bench_rbo.py measures numpy. */
#include "base/memory.h"
#include "base/rng.h"
#include "device/tables.h"
#include "finerouter/log.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 20000, EDGES = 1000000, RUNS = 7 };

typedef struct kind {
    const char *name;
    double levels, missing; /* distinct scores, 0: no ties; share of missing scores */
} kind;

static void make_lists(int16_t *top, int16_t *bottom, int64_t M, kind k)
{
    double *score = FR_NEW(double, M);
    for (int64_t i = 0; i < NODES; i++) {
        for (int64_t m = 0; m < M; m++) {
            double u = fr_rng_uniform(1, 1, (uint64_t)(i * M + m));
            score[m] = fr_rng_uniform(1, 2, (uint64_t)(i * M + m)) < k.missing ? NAN
                       : k.levels > 0                                          ? floor(u * k.levels)
                                                                               : u;
        }
        for (int64_t m = 0; m < M; m++) {
            int16_t before = 0, level = 0;
            for (int64_t j = 0; j < M; j++) {
                before += score[j] > score[m];
                level += score[j] == score[m];
            }
            top[i * M + m] = (int16_t)(isnan(score[m]) ? 0 : before + 1);
            bottom[i * M + m] = (int16_t)(isnan(score[m]) ? 0 : before + level);
        }
    }
    free(score);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds for E edges. */
static double measure(const fr_kernels *kernels, float *rbo, const int32_t *edges, const int16_t *top,
                      const int16_t *bottom, int64_t E, int64_t M)
{
    double seconds[RUNS];
    for (int run = -1; run < RUNS; run++) { /* one to warm up */
        double begin = fr_seconds();
        kernels->rbo(NULL, rbo, edges, top, bottom, E, M, 0.9, true);
        if (run >= 0)
            seconds[run] = fr_seconds() - begin;
    }
    qsort(seconds, RUNS, sizeof *seconds, ascending);
    return seconds[RUNS / 2];
}

int main(int argc, char **argv)
{
    int64_t M = argc > 1 ? atoll(argv[1]) : 11;
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    if (M < 1 || M > 1000 || threads < 1)
        return fprintf(stderr, "usage: bench_rbo [models 1..1000] [threads]\n"), 2;
    omp_set_num_threads(threads);
    int16_t *top = FR_NEW(int16_t, NODES * M), *bottom = FR_NEW(int16_t, NODES * M);
    int32_t *edges = FR_NEW(int32_t, 2 * EDGES);
    float *rbo = FR_NEW(float, EDGES), *want = FR_NEW(float, EDGES);
    for (int64_t e = 0; e < EDGES; e++) { /* as a graph has them: sorted by the smaller end, the other anywhere */
        edges[2 * e] = (int32_t)(e * NODES / EDGES);
        edges[2 * e + 1] = (int32_t)fr_rng_below(1, 3, (uint64_t)e, NODES);
    }
    const kind kinds[] = {{"no ties", 0, 0}, {"right or wrong", 2, 0}, {"ten grades", 10, 0}, {"2% missing", 2, 0.02}};
    const char *const isa[] = {"ref", "base", "avx2", "avx512"};
    for (int k = 0; k < 4; k++) {
        make_lists(top, bottom, M, kinds[k]);
        double reference = 0;
        for (int t = 0; t < 4; t++) {
            const fr_kernels *table = fr_kernels_isa(isa[t]);
            if (!table)
                continue;
            int64_t E = t == 0 ? EDGES / 50 : EDGES; /* the definition is slow */
            double rate = (double)E / measure(table, rbo, edges, top, bottom, E, M), error = 0;
            if (t == 0) {
                reference = rate;
                memcpy(want, rbo, (size_t)E * sizeof *want);
            }
            for (int64_t e = 0; e < EDGES / 50; e++)
                error = fmax(error, fabs((double)rbo[e] - (double)want[e]));
            printf("{\"bench\": \"rbo\", \"lists\": \"%s\", \"M\": %d, \"threads\": %d, \"table\": \"%s\", "
                   "\"medges_per_s\": "
                   "%.1f, \"against_ref\": %.1f, \"error\": %.2g}\n",
                   kinds[k].name, (int)M, threads, table->name, rate / 1e6, rate / reference, error);
            fflush(stdout);
        }
    }
    free(want);
    free(rbo);
    free(edges);
    free(bottom);
    free(top);
    return 0;
}

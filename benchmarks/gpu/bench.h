/* bench.h - what the parts of bench_gpu share. */
#ifndef FR_BENCH_GPU_H
#define FR_BENCH_GPU_H

#include "base/memory.h"
#include "base/rng.h"
#include "finerouter/config.h"
#include "finerouter/log.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench {
    fr_device *device;
    const char *folder; /* inputs that peers read too, and results that they compare */
    bool small;         /* sizes that a CPU can do: to test the program itself */
    int64_t prompts;    /* of the heads' data; 0: the paper's number */
} bench;

/* Ends the program with the error's line where there is one. */
void bench_ok(fr_status status);

/* "<folder>/<name>", valid until the next call. */
const char *bench_path(const bench *b, const char *name);

/* Writes (or reads, malloc'd, FR_CHECKing the size) a raw file of the folder. */
void bench_write(const bench *b, const char *name, const void *data, size_t bytes);
void *bench_read(const bench *b, const char *name, size_t bytes);

/* Median seconds of `repeat` runs after two that warm up; each is `inner` calls between two synchronisations. */
double bench_median(bench *b, void (*work)(void *context), void *context, int repeat, int inner);

/* The smallest n values sort first; `share` of them lie below the result. */
double bench_quantile(double *seconds, int count, double share);

/* {"bench": "name", "device": ..., and the fields of a printf format without braces, one line on stdout. */
void bench_line(const bench *b, const char *name, const char *fields, ...) __attribute__((format(printf, 3, 4)));

/* The parts, in the order of `all`. */
void bench_prepare(bench *b); /* writes the inputs of the encoder's parts */
void bench_ceilings(bench *b);
void bench_encode(bench *b);
void bench_train(bench *b);
void bench_latency(bench *b);
void bench_knn(bench *b);
void bench_rbo(bench *b);
void bench_heads(bench *b);

#endif

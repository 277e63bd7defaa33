/* bench_split_graph FILE [prompts] [d] [models] - makes a data file of any size for `finerouter graph`, by ranges:
 * training prompts without texts, whose embeddings are unit rows around centres (900 prompts each, as tasks are), whose
 * models are right or wrong by task. Prints its size. experiments/006-scaling/memory.sh measures with it. */
#include "finerouter/dataset.h"

#include "base/memory.h"
#include "base/rng.h"
#include "io/h5.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 16384, TASK = 900 };
static const char *const embeddings = "/embeddings/0123456789abcdef0123456789abcdef/description";

typedef struct sizes {
    int64_t N, d, M;
} sizes;

static int64_t task_of(const sizes *s, int64_t i)
{
    return i % (s->N / TASK + 1);
}

static void embed(float *x, const sizes *s, int64_t first, int64_t rows)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; i++) {
        uint64_t centre = fr_stream("centre", (uint64_t)task_of(s, first + i), 0), own = (uint64_t)(first + i);
        double squares = 0;
        for (int64_t j = 0; j < s->d; j++) {
            double v = fr_rng_normal(1, centre, (uint64_t)j) + fr_rng_normal(2, own, (uint64_t)j);
            x[i * s->d + j] = (float)v;
            squares += v * v;
        }
        for (int64_t j = 0; j < s->d; j++)
            x[i * s->d + j] /= (float)sqrt(squares);
    }
}

static void answer(float *quality, const sizes *s, int64_t first, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t m = 0; m < s->M; m++) {
            double skill = fr_rng_uniform(3, (uint64_t)task_of(s, first + i), (uint64_t)m);
            quality[i * s->M + m] = fr_rng_uniform(4, (uint64_t)(first + i), (uint64_t)m) < skill;
        }
}

static fr_status fill(fr_h5 *file, const sizes *s)
{
    const int64_t matrix[2] = {s->N, s->M}, unit[2] = {s->N, s->d};
    const char **name = FR_NEW(const char *, s->M);
    char(*text)[24] = fr_calloc((size_t)s->M, sizeof *text);
    for (int64_t m = 0; m < s->M; m++) {
        snprintf(text[m], sizeof *text, "model-%lld", (long long)m);
        name[m] = text[m];
    }
    fr_status status;
    float *room = FR_NEW(float, ROWS *(s->d > s->M ? s->d : s->M));
    FR_TRY_GOTO(fr_h5_set_text(file, "hash", "0123456789abcdef0123456789abcdef"), done);
    FR_TRY_GOTO(fr_h5_write_texts(file, "/models/name", s->M, name), done);
    FR_TRY_GOTO(fr_h5_reserve(file, "/prompts/split", FR_H5_I8, 1, &s->N), done); /* all 0: train */
    FR_TRY_GOTO(fr_h5_reserve(file, "/quality", FR_H5_F32, 2, matrix), done);
    FR_TRY_GOTO(fr_h5_reserve(file, "/cost", FR_H5_F32, 2, matrix), done);
    FR_TRY_GOTO(fr_h5_reserve(file, embeddings, FR_H5_F32, 2, unit), done);
    for (int64_t first = 0; first < s->N; first += ROWS) {
        int64_t rows = s->N - first < ROWS ? s->N - first : ROWS;
        memset(room, 0, (size_t)rows);
        FR_TRY_GOTO(fr_h5_write_rows(file, "/prompts/split", FR_H5_I8, first, rows, room), done);
        memset(room, 0, (size_t)(rows * s->M) * sizeof *room);
        FR_TRY_GOTO(fr_h5_write_rows(file, "/cost", FR_H5_F32, first, rows, room), done);
        answer(room, s, first, rows);
        FR_TRY_GOTO(fr_h5_write_rows(file, "/quality", FR_H5_F32, first, rows, room), done);
        embed(room, s, first, rows);
        FR_TRY_GOTO(fr_h5_write_rows(file, embeddings, FR_H5_F32, first, rows, room), done);
    }
done:
    free(room);
    free(text);
    free(name);
    return status;
}

int main(int argc, char **argv)
{
    sizes s = {.N = argc > 2 ? atoll(argv[2]) : 100000,
               .d = argc > 3 ? atoll(argv[3]) : 64,
               .M = argc > 4 ? atoll(argv[4]) : 8};
    if (argc < 2 || s.N < 2 || s.N > INT32_MAX || s.d < 1 || s.M < 2 || s.M > 512)
        return fprintf(stderr, "usage: bench_split_graph FILE [prompts >= 2] [d] [models 2 to 512]\n"), 2;
    fr_h5 *file;
    fr_status status = fr_h5_create(&file, argv[1], FR_DATA_FORMAT, FR_DATA_VERSION);
    if (status == FR_OK) {
        status = fill(file, &s);
        if (status == FR_OK)
            status = fr_h5_commit(file);
        else
            fr_h5_close(file);
    }
    if (status != FR_OK)
        return fprintf(stderr, "bench_split_graph: %s\n", fr_error_text()), (int)status;
    printf("{\"prompts\": %lld, \"d\": %lld, \"models\": %lld, \"embeddings_mib\": %.1f}\n", (long long)s.N,
           (long long)s.d, (long long)s.M, (double)(s.N * s.d) * 4 / 1048576);
    return 0;
}

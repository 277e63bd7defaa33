/* Speed of the encoder on the CPU: embedding and training, as tokens per second and as share of what one large GEMM
 * reaches in the same run.
 *
 *     bench_encoder [--threads n] [--batch tokens] [--repeat n] [--texts n] [--encoder folder] [--ids file] [--out file]
 *
 * --ids: little-endian int32: count, then count lengths, then the ids (benchmarks/ref_encoder.py writes it, and runs
 * its peers on the same ids); without it random ids of 16 to 239 tokens. --out: the embeddings as f32. Prints one JSON
 * line. Times are medians; `cpu_share` below 1 says that the machine was busy with other work. */
#include "base/files.h"
#include "base/memory.h"
#include "base/rng.h"
#include "finerouter/log.h"
#include "nn/encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void ok(fr_status status)
{
    if (status == FR_OK)
        return;
    fprintf(stderr, "%s\n", fr_error_text());
    exit((int)status);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef struct timing {
    double wall, cpu; /* medians, seconds */
} timing;

static timing measure(void (*work)(void *), void *context, int repeat)
{
    double *wall = FR_NEW(double, repeat), *cpu = FR_NEW(double, repeat);
    work(context);
    for (int i = 0; i < repeat; i++) {
        double w = fr_seconds(), c = cpu_seconds();
        work(context);
        wall[i] = fr_seconds() - w;
        cpu[i] = cpu_seconds() - c;
    }
    qsort(wall, (size_t)repeat, sizeof *wall, by_value);
    qsort(cpu, (size_t)repeat, sizeof *cpu, by_value);
    timing result = {wall[repeat / 2], cpu[repeat / 2]};
    free(wall);
    free(cpu);
    return result;
}

static fr_tokens random_tokens(int64_t count, int64_t vocabulary)
{
    fr_tokens tokens = {.count = count, .offset = FR_NEW(int64_t, count + 1)};
    for (int64_t i = 0; i < count; i++)
        tokens.offset[i + 1] = tokens.offset[i] + 16 + fr_rng_below(1, 1, (uint64_t)i, 224);
    tokens.ids = FR_NEW(int32_t, tokens.offset[count]);
    for (int64_t i = 0; i < tokens.offset[count]; i++)
        tokens.ids[i] = (int32_t)fr_rng_below(1, 2, (uint64_t)i, vocabulary);
    return tokens;
}

static fr_tokens read_tokens(const char *path)
{
    char *data;
    size_t bytes;
    ok(fr_file_read(&data, &bytes, path, 0));
    const int32_t *at = (const int32_t *)data;
    fr_tokens tokens = {.count = at[0], .offset = FR_NEW(int64_t, at[0] + 1)};
    for (int64_t i = 0; i < tokens.count; i++)
        tokens.offset[i + 1] = tokens.offset[i] + at[1 + i];
    int64_t total = tokens.offset[tokens.count];
    FR_CHECK(bytes == (size_t)(1 + tokens.count + total) * sizeof *at, "%s has %zu bytes", path, bytes);
    tokens.ids = FR_NEW(int32_t, total);
    memcpy(tokens.ids, at + 1 + tokens.count, (size_t)total * sizeof *at);
    free(data);
    return tokens;
}

/* 2 per multiplication: the layers' matrices, and the two products of attention. */
static double forward_flops(const fr_encoder_shape *s, const fr_tokens *tokens)
{
    double C = (double)s->hidden, F = (double)s->intermediate, squares = 0;
    for (int64_t i = 0; i < tokens->count; i++) {
        double T = (double)(tokens->offset[i + 1] - tokens->offset[i]);
        squares += T * T;
    }
    return (double)s->layers * ((double)tokens->offset[tokens->count] * (8 * C * C + 4 * C * F) + 4 * C * squares);
}

typedef struct gemm_work {
    fr_tensor c, a, b;
} gemm_work;

enum { GEMM_M = 2048, GEMM_N = 1536, GEMM_K = 1536 };

static void run_gemm(void *context)
{
    gemm_work *w = context;
    fr_gemm(w->c, w->a, false, w->b, true, FR_NONE, 1, 0);
}

static double gemm_rate(fr_device *device, int repeat, timing *t)
{
    fr_arena *arena = fr_arena_create(device);
    gemm_work w;
    for (int pass = 0; pass < 2; pass++) {
        w.a = fr_arena_tensor(arena, device->real, FR_SHAPE(GEMM_M, GEMM_K));
        w.b = fr_arena_tensor(arena, device->real, FR_SHAPE(GEMM_N, GEMM_K));
        w.c = fr_arena_tensor(arena, device->real, FR_SHAPE(GEMM_M, GEMM_N));
        if (pass == 0)
            fr_arena_commit(arena);
    }
    float *values = FR_NEW(float, GEMM_M *GEMM_K);
    for (int64_t i = 0; i < GEMM_M * GEMM_K; i++)
        values[i] = (float)fr_rng_uniform(1, 1, (uint64_t)i) - 0.5f;
    fr_tensor_set(w.a, values);
    fr_tensor_set(w.b, values);
    free(values);
    *t = measure(run_gemm, &w, repeat);
    fr_arena_close(arena);
    return 2.0 * GEMM_M * GEMM_N * GEMM_K;
}

typedef struct encoder_work {
    fr_encoder *encoder;
    fr_params params;
    fr_tokens tokens; /* of one batch when training */
    float *out;
    int64_t batch, steps;
    fr_arena *arena;
    fr_tensor h;
} encoder_work;

static void run_embed(void *context)
{
    encoder_work *w = context;
    ok(fr_encoder_embed(w->encoder, w->out, &w->tokens, "texts", w->batch));
}

/* Forward with dropout, backward from dh = h, AdamW. */
static void run_step(void *context)
{
    encoder_work *w = context;
    int64_t B = w->tokens.count;
    int32_t *cu = FR_NEW(int32_t, B + 1);
    for (int64_t b = 0; b <= B; b++)
        cu[b] = (int32_t)w->tokens.offset[b];
    const fr_optimizer rule = {
        .lr = {1e-5, 1e-5}, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .clip = 1, .steps = 100};
    fr_params_zero_grad(&w->params);
    fr_encoder_forward(w->encoder, w->h, w->tokens.ids, cu, B,
                       (fr_encoder_randomness){.p = 0.1, .seed = 1, .step = (uint64_t)w->steps});
    fr_encoder_backward(w->encoder, w->h);
    ok(fr_optimizer_step(&rule, &w->params, w->steps++, NULL));
    free(cu);
}

static void open_encoder(encoder_work *w, fr_device *device, const fr_encoder_shape *shape, int64_t trainable,
                         const char *folder)
{
    fr_params_create(&w->params, device);
    w->encoder = fr_encoder_create(shape, &w->params, "", trainable, w->batch, w->batch / 8);
    fr_params_commit(&w->params);
    fr_encoder_commit(w->encoder);
    if (folder)
        ok(fr_encoder_load(w->encoder, folder));
    else
        fr_encoder_init(w->encoder, 1);
}

int main(int argc, char **argv)
{
    int threads = 0, repeat = 5, texts = 64;
    int64_t batch = 2048;
    const char *ids = NULL, *out = NULL;
    char *folder = fr_encoder_default_folder();
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0)
            threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--batch") == 0)
            batch = atoll(argv[i + 1]);
        else if (strcmp(argv[i], "--repeat") == 0)
            repeat = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--texts") == 0)
            texts = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--ids") == 0)
            ids = argv[i + 1];
        else if (strcmp(argv[i], "--out") == 0)
            out = argv[i + 1];
        else if (strcmp(argv[i], "--encoder") == 0) {
            free(folder);
            folder = fr_strdup(argv[i + 1]);
        }
    }
    fr_log_level(0);
    fr_device *device;
    fr_config config;
    fr_encoder_shape shape;
    ok(fr_device_open(&device, FR_DEVICE_CPU, threads));
    fr_config_defaults(&config);
    bool there = fr_is_folder(folder);
    if (there)
        ok(fr_encoder_shape_read(&shape, folder, &config));
    else
        shape = (fr_encoder_shape){30522, 512, 2, 6, 384, 12, 1536, 1e-12, 256, false, true, true};

    encoder_work embed = {.batch = batch, .tokens = ids ? read_tokens(ids) : random_tokens(texts, shape.vocabulary)};
    int64_t N = embed.tokens.offset[embed.tokens.count];
    embed.out = FR_NEW(float, embed.tokens.count *shape.hidden);
    open_encoder(&embed, device, &shape, 0, there ? folder : NULL);
    timing gemm, again, forward = measure(run_embed, &embed, repeat), step;
    double gemm_flops = gemm_rate(device, 3 * repeat, &gemm);
    if (out)
        ok(fr_file_write(out, embed.out, (size_t)(embed.tokens.count * shape.hidden) * sizeof *embed.out));

    encoder_work train = {.batch = batch, .tokens = embed.tokens};
    train.tokens.count = 0;
    while (train.tokens.count < embed.tokens.count && embed.tokens.offset[train.tokens.count + 1] <= batch)
        train.tokens.count++;
    int64_t n = train.tokens.offset[train.tokens.count];
    train.arena = fr_arena_create(device);
    for (int pass = 0; pass < 2; pass++) {
        train.h = fr_arena_tensor(train.arena, device->real, FR_SHAPE(train.tokens.count, shape.hidden));
        if (pass == 0)
            fr_arena_commit(train.arena);
    }
    open_encoder(&train, device, &shape, -1, there ? folder : NULL);
    step = measure(run_step, &train, repeat);
    gemm_rate(device, 3 * repeat, &again);
    gemm.wall = gemm.wall < again.wall ? gemm.wall : again.wall;
    gemm.cpu = gemm.cpu < again.cpu ? gemm.cpu : again.cpu;

    double flops = forward_flops(&shape, &embed.tokens), train_flops = 3 * forward_flops(&shape, &train.tokens);
    printf("{\"bench\": \"encoder\", \"device\": \"%s\", \"threads\": %d, \"batch_tokens\": %lld, \"tokens\": %lld, "
           "\"gemm_gflops\": %.1f, \"forward_tokens_per_s\": %.0f, \"forward_share\": %.3f, "
           "\"train_tokens_per_s\": %.0f, \"train_share\": %.3f, \"forward_cpu_share\": %.2f, "
           "\"cpu_time\": {\"gemm_gflops\": %.1f, \"forward_tokens_per_s\": %.0f, \"forward_share\": %.3f, "
           "\"train_tokens_per_s\": %.0f, \"train_share\": %.3f}}\n",
           device->description, device->threads, (long long)batch, (long long)N, gemm_flops / gemm.wall / 1e9,
           (double)N / forward.wall, flops / forward.wall / (gemm_flops / gemm.wall), (double)n / step.wall,
           train_flops / step.wall / (gemm_flops / gemm.wall), forward.cpu / forward.wall / device->threads,
           gemm_flops / gemm.cpu / 1e9, (double)N / forward.cpu, flops / forward.cpu / (gemm_flops / gemm.cpu),
           (double)n / step.cpu, train_flops / step.cpu / (gemm_flops / gemm.cpu));

    fr_encoder_close(embed.encoder);
    fr_params_close(&embed.params);
    fr_encoder_close(train.encoder);
    fr_params_close(&train.params);
    fr_arena_close(train.arena);
    free(embed.tokens.offset);
    free(embed.tokens.ids);
    free(embed.out);
    free(folder);
    fr_config_close(&config);
    fr_device_close(device);
}

/* Encoders of MiniLM's and BERT-base's shape with random weights: embedding, training, single prompts. */
#include "bench.h"

#include "base/files.h"
#include "finerouter/tokenizer.h"
#include "nn/encoder.h"

typedef struct model {
    const char *name;
    int64_t layers, hidden, heads, intermediate, latency_tokens;
} model;

static const model models[] = {{"minilm", 6, 384, 12, 1536, 32}, {"base", 12, 768, 12, 3072, 128}};
enum { MODELS = 2, VOCABULARY = 30522, LONGEST = 512, CLS = 101, SEP = 102 };

static fr_encoder_shape shape_of(const model *m)
{
    return (fr_encoder_shape){VOCABULARY,      LONGEST, 2,       m->layers, m->hidden, m->heads,
                              m->intermediate, 1e-12,   LONGEST, false,     true,      true};
}

/* 2 per multiplication: the layers' matrices, and the two products of attention. */
static double forward_flops(const model *m, const fr_tokens *tokens)
{
    double C = (double)m->hidden, F = (double)m->intermediate, squares = 0;
    for (int64_t i = 0; i < tokens->count; i++) {
        double T = (double)(tokens->offset[i + 1] - tokens->offset[i]);
        squares += T * T;
    }
    return (double)m->layers * ((double)tokens->offset[tokens->count] * (8 * C * C + 4 * C * F) + 4 * C * squares);
}

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

/* Lengths as prompts have them: lognormal around 100 tokens, mean 128, at most 512. The file: int32 count, lengths,
 * ids. */
static void write_tokens(bench *b)
{
    int64_t count = b->small ? 40 : 8192, total = 0;
    int32_t *data = FR_NEW(int32_t, 1 + count + count * LONGEST), *length = data + 1, *ids = data + 1 + count;
    data[0] = (int32_t)count;
    for (int64_t i = 0; i < count; i++) {
        double drawn = exp(4.6 + .71 * fr_rng_normal(1, 1, (uint64_t)i));
        length[i] = (int32_t)fmin(fmax(round(drawn), 4), b->small ? 64 : LONGEST);
        ids[total] = CLS;
        for (int64_t k = 1; k < length[i] - 1; k++)
            ids[total + k] = (int32_t)(1000 + fr_rng_below(1, 2, (uint64_t)(total + k), 29000));
        ids[total + length[i] - 1] = SEP;
        total += length[i];
    }
    bench_write(b, "tokens.i32", data, (size_t)(1 + count + total) * sizeof *data);
    free(data);
}

static fr_tokens read_tokens(const bench *b)
{
    int32_t *data = bench_read(b, "tokens.i32", 0);
    fr_tokens tokens = {.count = data[0], .offset = FR_NEW(int64_t, data[0] + 1)};
    for (int64_t i = 0; i < tokens.count; i++)
        tokens.offset[i + 1] = tokens.offset[i] + data[1 + i];
    tokens.ids = FR_NEW(int32_t, tokens.offset[tokens.count]);
    memcpy(tokens.ids, data + 1 + tokens.count, (size_t)tokens.offset[tokens.count] * sizeof *data);
    free(data);
    return tokens;
}

/* The same weights for everyone: an exported folder of Hugging Face's form. */
void bench_prepare(bench *b)
{
    write_tokens(b);
    fr_device *cpu;
    bench_ok(fr_device_open(&cpu, FR_DEVICE_CPU, 0));
    for (int m = 0; m < MODELS; m++) {
        fr_encoder_shape shape = shape_of(&models[m]);
        fr_params params;
        fr_params_create(&params, cpu);
        fr_encoder *encoder = fr_encoder_create(&shape, &params, "", 0, LONGEST, 1);
        fr_params_commit(&params);
        fr_encoder_commit(encoder);
        fr_encoder_init(encoder, 1);
        bench_ok(fr_make_folders(bench_path(b, models[m].name)));
        bench_ok(fr_encoder_export(encoder, NULL, bench_path(b, models[m].name)));
        fr_encoder_close(encoder);
        fr_params_close(&params);
    }
    fr_device_close(cpu);
}

typedef struct open_model {
    const model *model;
    fr_params params;
    fr_encoder *encoder;
    fr_arena *arena;
    fr_tensor h, dh;
    fr_tokens tokens;
    int64_t batch, steps;
    float *out;
    int32_t *cu;
    double p; /* dropout */
} open_model;

static void open_encoder(open_model *o, bench *b, const model *m, bool train, int64_t batch, int64_t rows)
{
    fr_encoder_shape shape = shape_of(m);
    o->model = m;
    o->batch = batch;
    fr_params_create(&o->params, b->device);
    o->encoder = fr_encoder_create(&shape, &o->params, "", train ? -1 : 0, batch, rows);
    bench_ok(fr_encoder_check_memory(o->encoder));
    fr_params_commit(&o->params);
    fr_encoder_commit(o->encoder);
    bench_ok(fr_encoder_load(o->encoder, bench_path(b, m->name)));
    o->out = FR_NEW(float, o->tokens.count * m->hidden);
    o->cu = FR_NEW(int32_t, o->tokens.count + 1);
    for (int64_t i = 0; i <= o->tokens.count; i++)
        o->cu[i] = (int32_t)o->tokens.offset[i];
    o->arena = fr_arena_create(b->device);
    for (int pass = 0; pass < 2; pass++) {
        o->h = fr_arena_tensor(o->arena, b->device->wide, FR_SHAPE(rows, m->hidden));
        o->dh = fr_arena_tensor(o->arena, b->device->wide, FR_SHAPE(rows, m->hidden));
        if (pass == 0)
            fr_arena_commit(o->arena);
    }
}

static void close_encoder(open_model *o)
{
    fr_arena_close(o->arena);
    fr_encoder_close(o->encoder);
    fr_params_close(&o->params);
    free(o->out);
    free(o->cu);
}

/* The first texts of at most `tokens` tokens. */
static fr_tokens first_texts(fr_tokens all, int64_t texts, int64_t tokens)
{
    all.count = all.count < texts ? all.count : texts;
    while (all.offset[all.count] > tokens)
        all.count--;
    return all;
}

static void close_tokens(fr_tokens *tokens)
{
    free(tokens->offset);
    free(tokens->ids);
}

/* ---- embedding --------------------------------------------------------------------------------------------------- */

static void run_embed(void *context)
{
    open_model *o = context;
    bench_ok(fr_encoder_embed(o->encoder, o->out, &o->tokens, NULL, o->batch));
}

static void run_forward(void *context)
{
    open_model *o = context;
    fr_encoder_forward(o->encoder, fr_tensor_rows(o->h, 0, o->tokens.count), o->tokens.ids, o->cu, o->tokens.count,
                       (fr_encoder_randomness){0});
}

/* All texts from ids on the host to embeddings on the host (`embed`), and one batch in the order of the file on the
 * device alone (`forward`). */
void bench_encode(bench *b)
{
    fr_tokens all = read_tokens(b);
    for (int m = 0; m < MODELS; m++) {
        int64_t batch = b->small ? 1024 : b->device->inference_tokens;
        open_model o = {.tokens = all};
        open_encoder(&o, b, &models[m], false, batch, all.count);
        double seconds = bench_median(b, run_embed, &o, 5, 1);
        char name[80];
        snprintf(name, sizeof name, "embed-%s-ours.f32", models[m].name);
        bench_write(b, name, o.out, (size_t)(all.count * models[m].hidden) * sizeof *o.out);
        double N = (double)all.offset[all.count], flops = forward_flops(&models[m], &all);
        bench_line(b, "embed",
                   "\"model\": \"%s\", \"texts\": %ld, \"tokens\": %.0f, \"batch_tokens\": %ld, \"seconds\": %.4e, "
                   "\"tokens_per_s\": %.0f, \"tflops\": %.2f",
                   models[m].name, (long)all.count, N, (long)batch, seconds, N / seconds, 1e-12 * flops / seconds);
        o.tokens = first_texts(all, all.count, batch < 65536 ? batch : 65536);
        seconds = bench_median(b, run_forward, &o, 7, 1);
        N = (double)o.tokens.offset[o.tokens.count];
        flops = forward_flops(&models[m], &o.tokens);
        bench_line(b, "forward",
                   "\"model\": \"%s\", \"texts\": %ld, \"tokens\": %.0f, \"seconds\": %.4e, \"tokens_per_s\": %.0f, "
                   "\"tflops\": %.2f",
                   models[m].name, (long)o.tokens.count, N, seconds, N / seconds, 1e-12 * flops / seconds);
        close_encoder(&o);
    }
    close_tokens(&all);
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static void run_step(void *context)
{
    open_model *o = context;
    const fr_optimizer rule = {
        .lr = {1e-5, 1e-5}, .beta1 = .9, .beta2 = .999, .epsilon = 1e-8, .clip = 1, .steps = 1000000};
    fr_params_zero_grad(&o->params);
    fr_encoder_forward(o->encoder, fr_tensor_rows(o->h, 0, o->tokens.count), o->tokens.ids, o->cu, o->tokens.count,
                       (fr_encoder_randomness){.p = o->p, .seed = 1, .step = (uint64_t)o->steps});
    fr_encoder_backward(o->encoder, fr_tensor_rows(o->dh, 0, o->tokens.count));
    bench_ok(fr_optimizer_step(&rule, &o->params, o->steps++, NULL));
}

/* The gradient norms of one pass without dropout, for the peers to compare: the loss is sum_ij sin(i + 0.1 j) h_ij. */
static void gradient_norms(bench *b, open_model *o)
{
    const char *const name[] = {"embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight",
                                "encoder.layer.0.intermediate.dense.weight", "encoder.layer.3.output.dense.weight"};
    fr_params_zero_grad(&o->params);
    fr_encoder_forward(o->encoder, fr_tensor_rows(o->h, 0, o->tokens.count), o->tokens.ids, o->cu, o->tokens.count,
                       (fr_encoder_randomness){0});
    fr_encoder_backward(o->encoder, fr_tensor_rows(o->dh, 0, o->tokens.count));
    char text[400] = "";
    size_t at = 0;
    for (int i = 0; i < 4; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s\"%s\": %.6e", i ? ", " : "", name[i],
                               sqrt(fr_sum_squares(fr_params_find(&o->params, name[i])->grad)));
    bench_line(b, "gradient", "\"model\": \"%s\", \"texts\": %ld, \"norm\": %.6e, \"norms\": {%s}", o->model->name,
               (long)o->tokens.count, fr_params_grad_norm(&o->params), text);
}

void bench_train(bench *b)
{
    fr_tokens all = read_tokens(b);
    const int64_t texts[2] = {64, 256};
    for (int m = 0; m < MODELS; m++)
        for (int t = 0; t < 2; t++) {
            open_model o = {.tokens = first_texts(all, b->small ? 4 * (t + 1) : texts[t], 1 << 16)};
            int64_t N = o.tokens.offset[o.tokens.count], C = models[m].hidden;
            open_encoder(&o, b, &models[m], true, N, o.tokens.count);
            float *dh = FR_NEW(float, o.tokens.count *C);
            for (int64_t i = 0; i < o.tokens.count * C; i++)
                dh[i] = (float)sin((double)(i / C) + .1 * (double)(i % C));
            fr_tensor_set(o.dh, dh);
            free(dh);
            gradient_norms(b, &o);
            for (int d = 0; d < 2; d++) {
                o.p = d ? .1 : 0;
                double seconds = bench_median(b, run_step, &o, b->small ? 1 : 9, 1);
                bench_line(b, "train",
                           "\"model\": \"%s\", \"texts\": %ld, \"tokens\": %ld, \"dropout\": %g, \"seconds\": %.4e, "
                           "\"tokens_per_s\": %.0f, \"tflops\": %.2f",
                           models[m].name, (long)o.tokens.count, (long)N, o.p, seconds, (double)N / seconds,
                           3e-12 * forward_flops(&models[m], &o.tokens) / seconds);
            }
            close_encoder(&o);
        }
    close_tokens(&all);
}

/* ---- single prompts ---------------------------------------------------------------------------------------------- */

/* From ids on the host to the embedding on the host. */
void bench_latency(bench *b)
{
    for (int m = 0; m < MODELS; m++) {
        int64_t T = models[m].latency_tokens, offset[2] = {0, T};
        int32_t ids[LONGEST];
        for (int64_t i = 0; i < T; i++)
            ids[i] = (int32_t)(1000 + 37 * i);
        open_model o = {.tokens = {.count = 1, .offset = offset, .ids = ids}};
        open_encoder(&o, b, &models[m], false, b->small ? LONGEST : 8192, 64);
        enum { RUNS = 1000 };
        static double seconds[RUNS];
        int runs = b->small ? 5 : RUNS;
        for (int i = -20; i < runs; i++) {
            if (b->small && i < -2)
                continue;
            double begin = fr_seconds();
            run_embed(&o);
            if (i >= 0)
                seconds[i] = fr_seconds() - begin;
        }
        char name[80];
        snprintf(name, sizeof name, "latency-%s-ours.f32", models[m].name);
        bench_write(b, name, o.out, (size_t)models[m].hidden * sizeof *o.out);
        double p50 = bench_quantile(seconds, runs, .5), p99 = bench_quantile(seconds, runs, .99);
        bench_line(b, "latency", "\"model\": \"%s\", \"tokens\": %ld, \"p50_ms\": %.4f, \"p99_ms\": %.4f",
                   models[m].name, (long)T, 1e3 * p50, 1e3 * p99);
        close_encoder(&o);
    }
}

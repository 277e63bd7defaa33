/* synth.c - fr_synth: rows of text, quality and cost around a plan. Every number is keyed by (seed, use, prompt,
 * model), so that neither threads nor order change anything. */
#include "synth.h"

#include "base/rng.h"
#include "build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 }; /* prompts written in parallel before their text moves to the pool */

typedef struct streams {
    uint64_t duplicate, original, others, task, source, mixture, spread, noise, outcome, observed, guaranteed, length;
} streams;

static streams name_streams(void)
{
    return (streams){
        .duplicate = fr_stream("synth.duplicate", 0, 0),
        .original = fr_stream("synth.original", 0, 0),
        .others = fr_stream("synth.others", 0, 0),
        .task = fr_stream("synth.task", 0, 0),
        .source = fr_stream("synth.source", 0, 0),
        .mixture = fr_stream("synth.mixture", 0, 0),
        .spread = fr_stream("synth.spread", 0, 0),
        .noise = fr_stream("synth.noise", 0, 0),
        .outcome = fr_stream("synth.outcome", 0, 0),
        .observed = fr_stream("synth.observed", 0, 0),
        .guaranteed = fr_stream("synth.guaranteed", 0, 0),
        .length = fr_stream("synth.length", 0, 0),
    };
}

/* The prompt whose text, task and source prompt i has: itself, or for a duplicate an earlier one. */
static int64_t find_origin(const streams *s, uint64_t seed, int64_t i)
{
    while (i > 0 && fr_rng_uniform(seed, s->duplicate, (uint64_t)i) < FR_SYNTH_DUPLICATES)
        i = fr_rng_below(seed, s->original, (uint64_t)i, i);
    return i;
}

static int64_t draw_task(const fr_synth_plan *plan, const streams *s, double others, int64_t origin)
{
    if (fr_rng_uniform(plan->seed, s->others, (uint64_t)origin) < others)
        return -1;
    double u = fr_rng_uniform(plan->seed, s->task, (uint64_t)origin);
    int64_t low = 0, high = plan->T - 1; /* the first task whose running sum exceeds u */
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (plan->cumulative[middle] > u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Index into plan->source_name. With more sources than tasks, task t has the sources t, t + T, t + 2 T, ... of its
 * place. */
static int32_t draw_source(const fr_synth_plan *plan, const streams *s, int64_t task, int64_t origin)
{
    if (task < 0)
        return (int32_t)fr_rng_below(plan->seed, s->source, (uint64_t)origin, plan->sources);
    int64_t first = plan->task[task].source;
    if (plan->sources <= plan->T)
        return (int32_t)first;
    int64_t choices = (plan->sources - first + plan->T - 1) / plan->T;
    return (int32_t)(first + plan->T * fr_rng_below(plan->seed, s->source, (uint64_t)origin, choices));
}

/* Prompts of no task: half chit-chat, half some domain x type x topic of the whole grid. */
static fr_synth_subject draw_subject(const fr_synth_plan *plan, const streams *s, int64_t task, int64_t origin)
{
    if (task >= 0) {
        const fr_synth_task *t = &plan->task[task];
        return (fr_synth_subject){t->domain, t->type, t->topic, t->level};
    }
    uint64_t u = fr_rng_u64(plan->seed, s->mixture, (uint64_t)origin);
    int type = (int)(u >> 8 & 31);
    return (fr_synth_subject){
        .domain = (int)(u & 15), .type = type < FR_SYNTH_TYPES ? type : -1, .topic = (int)(u >> 16 & 3)};
}

/* What row i draws besides its text. */
static double draw_logit(const fr_synth_plan *plan, const streams *s, int64_t task, int64_t origin, int64_t i,
                         int64_t m)
{
    uint64_t cell = (uint64_t)(i * plan->M + m), origin_cell = (uint64_t)(origin * plan->M + m);
    double logit = plan->offset + plan->skill[m];
    if (task >= 0)
        logit += plan->deviation[task * plan->M + m] - plan->difficulty[task];
    else
        logit += plan->specialism * fr_rng_normal(plan->seed, s->mixture, origin_cell);
    logit -= FR_SYNTH_PROMPT_SPREAD * fr_rng_normal(plan->seed, s->spread, (uint64_t)origin);
    return logit + plan->noise * fr_rng_normal(plan->seed, s->noise, cell);
}

/* One score of each prompt is observed for sure; the others with the probability that makes the share right:
 * 1 + (M - 1) p = M (1 - missing), as far as that is possible. */
static void draw_row(fr_dataset *data, const fr_synth_plan *plan, const streams *s, const fr_config *config,
                     int64_t origin, int64_t i)
{
    int64_t M = plan->M, task = data->planted[i];
    double observe = ((double)M * (1 - config->synth.missing) - 1) / (double)(M - 1);
    int64_t sure = fr_rng_below(plan->seed, s->guaranteed, (uint64_t)i, M);
    double prompt_tokens = ceil((double)strlen(data->text[i]) / 4);
    fr_synth_subject subject = draw_subject(plan, s, task, origin);
    double answer = subject.type < 0 ? fr_synth_chat.answer_tokens : fr_synth_types[subject.type].answer_tokens;
    for (int64_t m = 0; m < M; m++) {
        uint64_t cell = (uint64_t)(i * M + m);
        double logit = draw_logit(plan, s, task, origin, i, m), p = 1 / (1 + exp(-logit));
        double quality = plan->graded ? round(100 * p) / 100 : fr_rng_uniform(plan->seed, s->outcome, cell) < p;
        bool observed = m == sure || fr_rng_uniform(plan->seed, s->observed, cell) < observe;
        data->quality[cell] = observed ? (float)quality : NAN;
        double tokens = ceil(answer * plan->verbosity[m] * exp(0.5 * fr_rng_normal(plan->seed, s->length, cell)));
        data->cost[cell] = (float)((prompt_tokens * plan->input_price[m] + tokens * plan->output_price[m]) / 1e6);
    }
}

/* Text of rows [from, to): written in parallel, moved to the pool in order. */
static void write_texts(fr_dataset *data, const fr_synth_plan *plan, const streams *s, fr_buffer *buffers, int64_t from,
                        int64_t to)
{
#pragma omp parallel for schedule(dynamic, 64)
    for (int64_t i = from; i < to; i++) {
        fr_buffer *b = &buffers[i - from];
        int64_t origin = find_origin(s, plan->seed, i);
        fr_synth_subject subject = draw_subject(plan, s, data->planted[i], origin);
        b->bytes = 0;
        fr_synth_prompt(b, subject, plan->seed, origin);
        fr_buffer_add(b, "", 1);
        fr_synth_describe(b, subject, plan->seed, origin, i);
    }
    for (int64_t i = from; i < to; i++) {
        const fr_buffer *b = &buffers[i - from];
        size_t prompt = strlen(b->data);
        data->text[i] = fr_strings_add(fr_dataset_strings(data), b->data, prompt);
        data->description[i] = fr_strings_add(fr_dataset_strings(data), b->data + prompt + 1, b->bytes - prompt - 1);
        char id[32];
        int bytes = snprintf(id, sizeof id, "synth-%06lld", (long long)(i + 1));
        data->id[i] = fr_strings_add(fr_dataset_strings(data), id, (size_t)bytes);
    }
}

static void allocate(fr_dataset *data, const fr_synth_plan *plan, int64_t N)
{
    fr_dataset_allocate(data, N, plan->M);
    data->planted = FR_NEW(int32_t, N);
    for (int64_t m = 0; m < plan->M; m++) {
        data->model[m] = fr_strings_add(fr_dataset_strings(data), plan->model[m], strlen(plan->model[m]));
        data->input_price[m] = plan->input_price[m];
        data->output_price[m] = plan->output_price[m];
    }
}

/* A model that no training prompt observes gets its score on one of them (in tiny or very sparse data). */
static void observe_all_models(fr_dataset *data, const fr_synth_plan *plan, const streams *s)
{
    for (int64_t m = 0; m < data->M; m++) {
        int64_t train = -1, i = 0;
        for (; i < data->N; i++)
            if (data->split[i] == FR_SPLIT_TRAIN) {
                train = train < 0 ? i : train;
                if (!isnan(data->quality[i * data->M + m]))
                    break;
            }
        if (i < data->N || train < 0)
            continue;
        uint64_t cell = (uint64_t)(train * data->M + m);
        double p =
            1 / (1 + exp(-draw_logit(plan, s, data->planted[train], find_origin(s, plan->seed, train), train, m)));
        data->quality[cell] =
            (float)(plan->graded ? round(100 * p) / 100 : fr_rng_uniform(plan->seed, s->outcome, cell) < p);
    }
}

/* Planted task and source of every row. */
static void draw_tasks_and_sources(fr_dataset *data, const fr_synth_plan *plan, const streams *s, double others)
{
    const char **own = FR_NEW(const char *, plan->sources), **source = FR_NEW(const char *, data->N);
    for (int64_t k = 0; k < plan->sources; k++)
        own[k] = fr_strings_add(fr_dataset_strings(data), plan->source_name[k], strlen(plan->source_name[k]));
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < data->N; i++) {
        int64_t origin = find_origin(s, plan->seed, i);
        data->planted[i] = (int32_t)draw_task(plan, s, others, origin);
        source[i] = own[draw_source(plan, s, data->planted[i], origin)];
    }
    fr_dataset_set_sources(data, source);
    free(source);
    free(own);
}

static void write_all_texts(fr_dataset *data, const fr_synth_plan *plan, const streams *s)
{
    fr_buffer *buffers = FR_NEW(fr_buffer, BLOCK);
    for (int64_t from = 0; from < data->N; from += BLOCK)
        write_texts(data, plan, s, buffers, from, from + BLOCK < data->N ? from + BLOCK : data->N);
    for (int64_t b = 0; b < BLOCK; b++)
        fr_buffer_close(&buffers[b]);
    free(buffers);
}

fr_status fr_synth(fr_dataset *data, const fr_config *config)
{
    *data = (fr_dataset){0};
    if (config->synth.prompts < 1)
        return fr_fail(FR_USAGE, "synth.prompts is %lld, want the number of prompts to make",
                       (long long)config->synth.prompts);
    fr_synth_plan plan;
    fr_synth_plan_open(&plan, config);
    const streams s = name_streams();
    allocate(data, &plan, config->synth.prompts);
    draw_tasks_and_sources(data, &plan, &s, config->synth.others);
    write_all_texts(data, &plan, &s);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < data->N; i++)
        draw_row(data, &plan, &s, config, find_origin(&s, plan.seed, i), i);
    fr_make_splits(data, config);
    observe_all_models(data, &plan, &s);
    fr_synth_plan_close(&plan);
    fr_status status = fr_dataset_check(data, "synthetic data");
    if (status != FR_OK) {
        fr_dataset_close(data);
        return status;
    }
    fr_dataset_seal(data);
    return FR_OK;
}

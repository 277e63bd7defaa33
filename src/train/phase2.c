/* phase2.c - quality estimation, phase 2: a head for every candidate of every task, on the frozen trunk's output,
 * which is computed once.
 *
 * Task t is a regression of its own on the training prompts assigned to it:
 *
 *   objective_t = 1/Q_t sum_{i in t, m in C_t observed} (y_im - q_im)^2 + prior/Q_t |w - w_general|^2
 *
 * (Q_t its observed scores, so that the prior counts prompts, as the ridge of phase 1 does)
 * with its own batches, random numbers (keyed by seed and task) and AdamW state, so its course does not depend on the
 * other tasks. What the tasks share is the number of epochs: most have too few dev prompts to choose alone (the
 * standard error of a routed quality over 20 prompts is .1). After every epoch all dev prompts with a task are routed
 * with the heads as they are, and the epoch of the best pooled result is kept for all tasks, 0 epochs (the heads as
 * they start: the general ones) among them. Without such dev prompts all epochs are trained.
 *
 * Tasks are dealt to the ranks. After an epoch every rank gets the dev estimates of all, so that all choose alike; at
 * the end, and for a checkpoint, the heads of all. The same bits on any number of ranks, but for the logged sum of
 * losses. */
#include "estimator_internal.h"

#include "base/memory.h"
#include "base/rng.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "ops/ops.h"
#include "pending.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Training and dev prompts of the tasks, grouped by task, with their h. */
typedef struct grouped {
    int64_t *rows;  /* (first[T]) prompt rows */
    int64_t *first; /* (T + 1) */
    float *h;       /* (first[T], d) */
} grouped;

typedef struct phase2 {
    fr_estimator *e;
    grouped train, dev;
    float *estimate;   /* (dev prompts, M) */
    int64_t *identity; /* (dev prompts) 0, 1, ... */
    int64_t *observed; /* (T) observed training scores of candidates */
    int64_t *order;    /* (prompts of the largest task) */
    int64_t epochs;
    fr_history history; /* entry k: after k epochs */
    int64_t next;       /* task that trains next in the running epoch; on several ranks, the first that does */
    int32_t *owner;     /* (T) rank that trains the task */
    size_t bytes;       /* of all tasks' parameters */
    void *best, *scratch[3];
    const char *checkpoint, *key;
    fr_progress progress;
    fr_pending pending;
    double saved, loss_sum;
} phase2;

static void start_task(fr_estimator *e, fr_task_heads *task, int64_t t, const double *mean)
{
    if (e->training.config->qe.task_head_init == FR_HEAD_INIT_GENERAL) {
        fr_heads_init_from(task->heads, e->general);
        return;
    }
    double *own = FR_NEW(double, task->count);
    for (int64_t k = 0; k < task->count; k++)
        own[k] = mean[task->model[k]];
    fr_heads_init(task->heads,
                  fr_rng_u64((uint64_t)e->training.config->top.seed, fr_stream("task heads", (uint64_t)t, 0), 0), own);
    free(own);
}

static bool mine(const phase2 *p, int64_t t)
{
    return p->owner[t] == fr_comm_rank();
}

/* ---- heads as one block ---- */

/* This rank's tasks into their places. */
static void pack(phase2 *p, fr_part part, void *host)
{
    char *at = host;
    for (int64_t t = 0; t < p->e->T; t++)
        if (p->e->task[t].heads) {
            if (mine(p, t))
                fr_part_get(&p->e->task[t].params, part, at);
            at += fr_part_bytes(&p->e->task[t].params);
        }
}

/* Every rank gets the places of the others' tasks. */
static void put_together(phase2 *p, void *host)
{
    char *at = host;
    for (int64_t t = 0; t < p->e->T; t++)
        if (p->e->task[t].heads) {
            fr_comm_broadcast(at, fr_part_bytes(&p->e->task[t].params), p->owner[t]);
            at += fr_part_bytes(&p->e->task[t].params);
        }
}

static void unpack(phase2 *p, fr_part part, const void *host)
{
    const char *at = host;
    for (int64_t t = 0; t < p->e->T; t++)
        if (p->e->task[t].heads) {
            fr_part_set(&p->e->task[t].params, part, at);
            at += fr_part_bytes(&p->e->task[t].params);
        }
}

/* ---- checkpoint: the root's file, with all ranks' heads ---- */

enum { BLOCKS = 6 };

typedef struct place {
    int64_t entries, next;
    double loss_sum;
} place;

static void blocks_of(phase2 *p, place *at, fr_block block[BLOCKS])
{
    block[0] = (fr_block){"place", at, sizeof *at};
    block[1] = (fr_block){"history", p->history.at, (size_t)(p->epochs + 1) * sizeof *p->history.at};
    block[2] = (fr_block){"value", p->scratch[0], p->bytes};
    block[3] = (fr_block){"m", p->scratch[1], p->bytes};
    block[4] = (fr_block){"v", p->scratch[2], p->bytes};
    block[5] = (fr_block){"best", p->best, p->bytes};
}

static fr_status save(phase2 *p)
{
    if (!p->checkpoint)
        return FR_OK;
    for (int i = 0; i < 3; i++) {
        pack(p, (fr_part)i, p->scratch[i]);
        put_together(p, p->scratch[i]);
    }
    put_together(p, p->best);
    place at = {p->history.count, p->next, p->loss_sum};
    fr_block block[BLOCKS];
    blocks_of(p, &at, block);
    FR_TRY(fr_comm_agree(fr_is_root() ? fr_checkpoint_write(p->checkpoint, p->key, block, BLOCKS) : FR_OK));
    p->saved = fr_seconds();
    return FR_OK;
}

static fr_status resume(phase2 *p)
{
    if (!p->checkpoint)
        return FR_OK;
    bool found = false;
    place at;
    fr_block block[BLOCKS];
    blocks_of(p, &at, block);
    FR_TRY(fr_comm_agree(fr_is_root() ? fr_checkpoint_read(p->checkpoint, p->key, block, BLOCKS, &found) : FR_OK));
    fr_comm_broadcast(&found, sizeof found, 0);
    if (!found)
        return FR_OK;
    for (int i = 0; i < BLOCKS; i++)
        fr_comm_broadcast(block[i].data, block[i].bytes, 0);
    for (int i = 0; i < 3; i++)
        unpack(p, (fr_part)i, p->scratch[i]);
    p->history.count = at.entries;
    p->next = at.next;
    p->loss_sum = fr_is_root() ? at.loss_sum : 0;
    fr_log("task heads: continues at task %lld of epoch %lld (%s)", (long long)at.next + 1, (long long)at.entries,
           p->checkpoint);
    return FR_OK;
}

/* ---- training ---- */

static fr_tensor set_target(phase2 *p, const fr_task_heads *task, const int64_t *places, int64_t count,
                            int64_t *observed)
{
    fr_estimator *e = p->e;
    *observed = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < task->count; k++) {
            float q = e->training.data->quality[p->train.rows[places[i]] * e->M + task->model[k]];
            e->host_y[i * task->count + k] = q;
            *observed += !isnan(q);
        }
    fr_tensor target = fr_estimator_shaped(e->target, count, task->count);
    fr_tensor_set(target, e->host_y);
    return target;
}

/* The gradient of one step of task t on the training prompts at `places` of the group, and its loss. */
static fr_tensor step(phase2 *p, int64_t t, const int64_t *places, int64_t count, int64_t number, fr_tensor loss)
{
    fr_estimator *e = p->e;
    const fr_config *config = e->training.config;
    fr_task_heads *task = &e->task[t];
    int64_t observed;
    fr_tensor x = fr_estimator_input(e, p->train.h, places, count), y = fr_estimator_shaped(e->y, count, task->count),
              dy = fr_estimator_shaped(e->dy, count, task->count);
    fr_tensor target = set_target(p, task, places, count, &observed);
    fr_dropout_key key = {config->qe.dropout, (uint64_t)config->top.seed,
                          fr_stream("task dropout", (uint64_t)t, (uint64_t)number), 0};
    fr_params_zero_grad(&task->params);
    fr_heads_forward(task->heads, y, x, key);
    fr_mse_add(loss, dy, y, target, observed ? 1 / (double)observed : 0);
    fr_heads_backward(task->heads, FR_NONE, dy, x);
    if (config->qe.task_head_prior > 0)
        fr_heads_pull(task->heads, e->general, 2 * config->qe.task_head_prior / (double)p->observed[t]);
    return x;
}

/* Steps of one epoch of one task. */
typedef struct task_epoch {
    int64_t t, epoch, n, steps;
} task_epoch;

static const int64_t *places_of(const phase2 *p, const task_epoch *at, int64_t i, int64_t *count)
{
    int64_t from = fr_fit_first(at->n, at->steps, i), to = fr_fit_first(at->n, at->steps, i + 1);
    *count = to - from;
    return p->order + from;
}

/* Why step i of the epoch went wrong: computed again, since its parameters have not changed since. */
static fr_status bad_step(phase2 *p, const task_epoch *at, int64_t i, double loss, double squares)
{
    int64_t count, number = at->epoch * at->steps + i;
    const int64_t *places = places_of(p, at, i, &count);
    fr_tensor x = step(p, at->t, places, count, number, fr_device_scalar(p->e->params.device));
    if (!isfinite(loss))
        return fr_fail(FR_FAILED, "task heads: task %lld, step %lld: the loss is %g; first bad tensor: %s",
                       (long long)at->t, (long long)number, loss,
                       fr_find_nonfinite(x) >= 0 ? "h (trunk output)" : "y (quality estimates)");
    return fr_fail_within(fr_optimizer_check(&p->e->task[at->t].params, number, squares),
                          "task heads: task %lld, step %lld", (long long)at->t, (long long)number);
}

/* Looks at the pending steps, the last of which is step `last` of the epoch. */
static fr_status settle(phase2 *p, const task_epoch *at, int64_t last)
{
    int64_t steps = fr_pending_read(&p->pending);
    for (int64_t k = 0; k < steps; k++) {
        int64_t i = last - steps + 1 + k, count;
        double loss = p->pending.host_loss[k], squares = p->pending.host_squares[k];
        if (!isfinite(loss) || !isfinite(squares))
            return bad_step(p, at, i, loss, squares);
        places_of(p, at, i, &count);
        p->loss_sum += loss * (double)count;
    }
    return FR_OK;
}

/* Epoch `epoch` (from 0) of task t. */
static fr_status train_task(phase2 *p, int64_t t, int64_t epoch)
{
    fr_estimator *e = p->e;
    const fr_config *config = e->training.config;
    int64_t first = p->train.first[t], n = p->train.first[t + 1] - first;
    if (p->observed[t] == 0)
        return FR_OK;
    task_epoch at = {t, epoch, n, fr_fit_steps(n, e->task[t].most_rows)};
    fr_optimizer optimizer = fr_estimator_optimizer(config, config->qe.task_lr);
    optimizer.decay = 0;
    optimizer.steps = at.steps * p->epochs;
    fr_rng_permutation(p->order, n, (uint64_t)config->top.seed,
                       fr_stream("task batches", (uint64_t)t, (uint64_t)epoch));
    for (int64_t i = 0; i < n; i++)
        p->order[i] += first;
    for (int64_t i = 0; i < at.steps; i++) {
        int64_t count, number = epoch * at.steps + i;
        const int64_t *places = places_of(p, &at, i, &count);
        step(p, t, places, count, number, fr_pending_next(&p->pending));
        fr_pending_launch(&p->pending, &optimizer, &e->task[t].params, number);
        if (fr_pending_full(&p->pending) || i == at.steps - 1)
            FR_TRY(settle(p, &at, i));
    }
    return FR_OK;
}

/* All dev prompts with a task, routed with the heads as they are. */
static void watch(phase2 *p)
{
    fr_estimator *e = p->e;
    int64_t count = p->dev.first[e->T];
    for (int64_t t = 0; t < e->T; t++)
        if (mine(p, t))
            fr_task_heads_apply(e, t, p->estimate, p->dev.h, p->identity + p->dev.first[t],
                                p->dev.first[t + 1] - p->dev.first[t]);
    for (int64_t t = 0; t < e->T; t++)
        fr_comm_broadcast(p->estimate + p->dev.first[t] * e->M,
                          (size_t)((p->dev.first[t + 1] - p->dev.first[t]) * e->M) * sizeof *p->estimate, p->owner[t]);
    fr_comm_sum(&p->loss_sum, 1, FR_F64);
    fr_measure measure = fr_estimator_measure(p->estimate, e->training.data, p->dev.rows, count);
    int64_t prompts = p->train.first[e->T];
    p->history.at[p->history.count++] = measure;
    int64_t best = fr_history_best(&p->history);
    if (best == p->history.count - 1)
        pack(p, FR_PART_VALUE, p->best);
    fr_log_event("epoch", "what=s epoch=d loss=f dev_loss=f dev_routed=f best=d", "task heads", p->history.count - 1,
                 prompts && p->history.count > 1 ? p->loss_sum / (double)prompts : NAN, measure.loss, measure.routed,
                 best);
    p->next = 0;
    p->loss_sum = 0;
}

/* Stops, or saves, where one wants to. Ranks ask together. */
static fr_status pause(phase2 *p)
{
    bool stop = fr_comm_any(fr_interrupt_wanted()),
         due = p->checkpoint && fr_seconds() - p->saved >= p->e->training.config->train.checkpoint_seconds;
    fr_comm_broadcast(&due, sizeof due, 0);
    if (stop || due)
        FR_TRY(save(p));
    return stop ? fr_interrupted() : FR_OK;
}

static void show(phase2 *p, int64_t epoch)
{
    const fr_measure *last = &p->history.at[epoch];
    fr_progress_note(&p->progress, "epoch %lld, dev loss %.4f, quality %.4f", (long long)epoch + 1, last->loss,
                     last->routed);
    fr_progress_add(&p->progress, 1);
}

/* What is left of an epoch of the tasks of this rank. */
static fr_status train_own(phase2 *p, int64_t epoch)
{
    for (int64_t t = p->next; t < p->e->T; t++) {
        fr_comm_at("task heads, task", t);
        if (mine(p, t))
            FR_TRY(train_task(p, t, epoch));
        show(p, epoch); /* the others' tasks with one's own */
    }
    return FR_OK;
}

/* One rank pauses between tasks, several together between epochs. */
static fr_status run_epoch(phase2 *p)
{
    int64_t epoch = p->history.count - 1;
    if (fr_comm_ranks() > 1) {
        FR_TRY(fr_comm_agree(train_own(p, epoch)));
        watch(p);
        return pause(p);
    }
    while (p->next < p->e->T) {
        FR_TRY(train_task(p, p->next++, epoch));
        show(p, epoch);
        FR_TRY(pause(p));
    }
    watch(p);
    return FR_OK;
}

static fr_status run(phase2 *p)
{
    fr_estimator *e = p->e;
    FR_TRY(resume(p));
    if (p->history.count == 0)
        watch(p);
    fr_progress_begin(&p->progress, "task heads", "task epochs", e->T * p->epochs);
    fr_progress_add(&p->progress, (p->history.count - 1) * e->T + p->next);
    fr_status status = FR_OK;
    while (status == FR_OK && p->history.count <= p->epochs &&
           !fr_history_done(&p->history, e->training.config->qe.patience))
        status = run_epoch(p);
    if (status == FR_OK) {
        int64_t best = fr_history_best(&p->history);
        fr_progress_note(&p->progress, "kept %lld of %lld epochs, dev loss %.4f, quality %.4f", (long long)best,
                         (long long)p->history.count - 1, p->history.at[best].loss, p->history.at[best].routed);
        put_together(p, p->best);
        unpack(p, FR_PART_VALUE, p->best);
    }
    fr_progress_end(&p->progress);
    return status;
}

/* Prompts of a split whose task has candidates, by task (counting sort), and their h. */
static fr_status collect(grouped *g, fr_estimator *e, const int32_t *assignment, int split)
{
    const fr_dataset *data = e->training.data;
    g->first = FR_NEW(int64_t, e->T + 1);
    for (int64_t i = 0; i < data->N; i++) {
        FR_CHECK(assignment[i] >= -1 && assignment[i] < e->T, "task %d, want -1 .. %lld", assignment[i],
                 (long long)e->T - 1);
        if (data->split[i] == split && assignment[i] >= 0 && e->task[assignment[i]].count > 0)
            g->first[assignment[i] + 1]++;
    }
    for (int64_t t = 0; t < e->T; t++)
        g->first[t + 1] += g->first[t];
    int64_t count = g->first[e->T], *at = FR_NEW(int64_t, e->T);
    memcpy(at, g->first, (size_t)e->T * sizeof *at);
    g->rows = FR_NEW(int64_t, count);
    for (int64_t i = 0; i < data->N; i++)
        if (data->split[i] == split && assignment[i] >= 0 && e->task[assignment[i]].count > 0)
            g->rows[at[assignment[i]]++] = i;
    free(at);
    int64_t d = e->training.d;
    g->h = FR_NEW(float, count *d);
    if (!e->training.hidden)
        return fr_estimator_hidden(e, g->h, g->rows, count);
    for (int64_t i = 0; i < count; i++)
        memcpy(g->h + i * d, e->training.hidden + g->rows[i] * d, (size_t)d * sizeof(float));
    return FR_OK;
}

/* Also deals the tasks out, by their training prompts times candidates. */
static void count_observed(phase2 *p)
{
    fr_estimator *e = p->e;
    int64_t largest = 0;
    double *work = FR_NEW(double, e->T);
    for (int64_t t = 0; t < e->T; t++) {
        int64_t n = p->train.first[t + 1] - p->train.first[t];
        largest = n > largest ? n : largest;
        work[t] = (double)(n * e->task[t].count);
        for (int64_t i = p->train.first[t]; i < p->train.first[t + 1]; i++)
            for (int64_t k = 0; k < e->task[t].count; k++)
                p->observed[t] += !isnan(e->training.data->quality[p->train.rows[i] * e->M + e->task[t].model[k]]);
    }
    p->order = FR_NEW(int64_t, largest);
    fr_deal(p->owner, work, e->T, fr_comm_ranks());
    free(work);
}

static fr_status prepare(phase2 *p, const int32_t *assignment)
{
    fr_estimator *e = p->e;
    double *mean = fr_training_means(e->training.data);
    for (int64_t t = 0; t < e->T; t++)
        if (e->task[t].heads) {
            start_task(e, &e->task[t], t, mean);
            p->bytes += fr_part_bytes(&e->task[t].params);
        }
    free(mean);
    p->observed = FR_NEW(int64_t, e->T);
    p->owner = FR_NEW(int32_t, e->T);
    p->history.at = FR_NEW(fr_measure, p->epochs + 1);
    p->best = fr_calloc(p->bytes, 1);
    for (int i = 0; i < 3 && p->checkpoint; i++)
        p->scratch[i] = fr_calloc(p->bytes, 1);
    FR_TRY(collect(&p->train, e, assignment, FR_SPLIT_TRAIN));
    FR_TRY(collect(&p->dev, e, assignment, FR_SPLIT_DEV));
    count_observed(p);
    int64_t count = p->dev.first[e->T];
    p->identity = FR_NEW(int64_t, count);
    for (int64_t i = 0; i < count; i++)
        p->identity[i] = i;
    p->estimate = FR_NEW(float, count * e->M);
    return fr_estimator_apply(e, p->estimate, p->dev.h, NULL, count);
}

static void close_group(grouped *g)
{
    free(g->rows);
    free(g->first);
    free(g->h);
}

fr_status fr_estimator_train_tasks(fr_estimator *e, const fr_training *training, const int32_t *assignment,
                                   const uint8_t *candidates, int64_t T, const char *checkpoint, const char *key)
{
    e->training = *training;
    fr_task_heads_open(e, candidates, T, true);
    if (T == 0)
        return FR_OK;
    phase2 p = {.e = e,
                .epochs = training->config->qe.task_epochs,
                .checkpoint = checkpoint,
                .key = key,
                .saved = fr_seconds()};
    p.history.by_routed = training->config->qe.early_stop == FR_STOP_ROUTED;
    fr_pending_open(&p.pending, training->device);
    fr_status status = prepare(&p, assignment);
    if (status == FR_OK)
        status = run(&p);
    if (status == FR_OK) {
        fr_task_heads_settle(e);
        if (fr_is_root())
            fr_checkpoint_remove(checkpoint);
    } else {
        fr_task_heads_close(e);
    }
    close_group(&p.train);
    close_group(&p.dev);
    fr_pending_close(&p.pending);
    free(p.estimate);
    free(p.identity);
    free(p.observed);
    free(p.owner);
    free(p.order);
    free(p.history.at);
    free(p.best);
    for (int i = 0; i < 3; i++)
        free(p.scratch[i]);
    return status;
}

#include "loop.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/rng.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "ops/ops.h"
#include "pending.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t fr_fit_steps(int64_t n, int64_t batch)
{
    return (n + batch - 1) / batch;
}

int64_t fr_fit_first(int64_t n, int64_t steps, int64_t i)
{
    /* i n / steps without overflow */
    return i * (n / steps) + i * (n % steps) / steps;
}

/* ---- what dev said ---- */

enum { SMOOTH = 3 };

double fr_history_smoothed(const fr_history *history, int64_t index)
{
    int64_t from = index >= SMOOTH - 1 ? index - (SMOOTH - 1) : 0;
    double sum = 0;
    for (int64_t i = from; i <= index; i++)
        sum += history->at[i].routed;
    return sum / (double)(index + 1 - from);
}

/* Is entry a better than b? */
static bool better(const fr_history *history, int64_t a, int64_t b)
{
    if (history->by_routed) {
        double ra = fr_history_smoothed(history, a), rb = fr_history_smoothed(history, b);
        if (ra < rb || ra > rb)
            return ra > rb;
    }
    return history->at[a].loss < history->at[b].loss;
}

int64_t fr_history_best(const fr_history *history)
{
    int64_t best = -1;
    for (int64_t i = history->first; i < history->count; i++)
        if (best < 0 || isnan(history->at[i].loss) || better(history, i, best))
            best = i;
    return best;
}

bool fr_history_done(const fr_history *history, int64_t patience)
{
    int64_t best = fr_history_best(history);
    return patience > 0 && best >= 0 && history->count - 1 - best >= patience;
}

/* ---- the loop ---- */

typedef struct loop {
    fr_fit *fit;
    bool shared;             /* by several ranks */
    fr_history history;      /* at: (epochs) */
    int64_t epoch_steps;     /* steps of one epoch */
    int64_t step;            /* done */
    double loss_sum;         /* over the steps done of the running epoch */
    void *best, *scratch[3]; /* value of the best epoch; value, m, v on their way to and from the checkpoint */
    size_t bytes;
    int64_t *order, *batch_rows;
    fr_progress progress;
    fr_pending pending;
    double saved; /* when the last checkpoint was written */
} loop;

enum { BLOCKS = 6 };

typedef struct place {
    int64_t step, epochs; /* done */
    double loss_sum;
} place;

static void blocks_of(loop *l, place *at, fr_block block[BLOCKS])
{
    block[0] = (fr_block){"place", at, sizeof *at};
    block[1] = (fr_block){"history", l->history.at, (size_t)l->fit->epochs * sizeof *l->history.at};
    block[2] = (fr_block){"value", l->scratch[0], l->bytes};
    block[3] = (fr_block){"m", l->scratch[1], l->bytes};
    block[4] = (fr_block){"v", l->scratch[2], l->bytes};
    block[5] = (fr_block){"best", l->best, l->bytes};
}

/* All ranks hold the same: one writes. */
static bool keeps_checkpoint(const loop *l)
{
    return l->fit->checkpoint && (!l->shared || fr_is_root());
}

static fr_status save(loop *l)
{
    if (!keeps_checkpoint(l))
        return FR_OK;
    for (int i = 0; i < 3; i++)
        fr_part_get(l->fit->params, (fr_part)i, l->scratch[i]);
    place at = {l->step, l->history.count, l->loss_sum};
    fr_block block[BLOCKS];
    blocks_of(l, &at, block);
    FR_TRY(fr_checkpoint_write(l->fit->checkpoint, l->fit->key, block, BLOCKS));
    l->saved = fr_seconds();
    return FR_OK;
}

/* Whether all ranks, or none, find this one's answer true: the root says. */
static bool root_says(const loop *l, bool flag)
{
    if (l->shared)
        fr_comm_broadcast(&flag, sizeof flag, 0);
    return flag;
}

static fr_status resume(loop *l)
{
    const char *path = l->fit->checkpoint;
    if (!path || !root_says(l, fr_file_exists(path)))
        return FR_OK;
    bool found;
    place at;
    fr_block block[BLOCKS];
    blocks_of(l, &at, block);
    FR_TRY(fr_checkpoint_read(path, l->fit->key, block, BLOCKS, &found));
    if (!found)
        return fr_fail(FR_FAILED, "%s: rank 0 sees this file, rank %d on %s does not; want a folder that all share",
                       path, fr_comm_rank(), fr_comm_host());
    for (int i = 0; i < 3; i++)
        fr_part_set(l->fit->params, (fr_part)i, l->scratch[i]);
    l->step = at.step;
    l->history.count = at.epochs;
    l->loss_sum = at.loss_sum;
    if (!l->fit->quiet)
        fr_log("%s: continues at step %lld of %lld (%s)", l->fit->what, (long long)l->step,
               (long long)(l->epoch_steps * l->fit->epochs), path);
    return FR_OK;
}

/* The name that the first rank with one has: only it saw the prompts that did it. */
static const char *first_name(const loop *l, char text[120], const char *name)
{
    if (!l->shared)
        return name;
    bool *has = FR_NEW(bool, fr_comm_ranks());
    has[fr_comm_rank()] = name != NULL;
    fr_comm_each(has, sizeof *has);
    int first = 0;
    while (first < fr_comm_ranks() && !has[first])
        first++;
    bool any = first < fr_comm_ranks();
    free(has);
    if (!any)
        return NULL;
    snprintf(text, 120, "%s", name ? name : "");
    fr_comm_broadcast(text, 120, first);
    return text;
}

/* The run stops at the first loss that is no number, and names the first bad tensor: parameters in list order, then
 * activations. */
static fr_status bad_loss(const loop *l, int64_t step, double loss)
{
    char text[120];
    const fr_fit *fit = l->fit;
    const char *name = NULL, *kind = "parameter";
    for (int64_t i = 0; i < fit->params->count && !name; i++)
        if (fr_find_nonfinite(fit->params->item[i].value) >= 0)
            name = fit->params->item[i].name;
    if (!name) {
        kind = "activation";
        name = first_name(l, text, fit->first_bad(fit->model));
    }
    return fr_fail(FR_FAILED,
                   "%s: the loss of step %lld (epoch %lld) is %g; first bad tensor: %s %s; a smaller learning rate or "
                   "train.clip may help",
                   fit->what, (long long)step, (long long)l->history.count + 1, loss, name ? kind : "none,",
                   name ? name : "every one is finite");
}

/* The rows of batch i of the running epoch. */
static const int64_t *batch_of(const loop *l, int64_t i, int64_t *count)
{
    const fr_fit *fit = l->fit;
    int64_t from = fr_fit_first(fit->n, l->epoch_steps, i), to = fr_fit_first(fit->n, l->epoch_steps, i + 1);
    for (int64_t k = from; k < to; k++)
        l->batch_rows[k - from] = fit->rows[l->order[k]];
    *count = to - from;
    return l->batch_rows;
}

/* This rank's part of the gradient and the loss of a step. */
static fr_status add_gradient(loop *l, const int64_t *rows, int64_t count, int64_t step, fr_tensor loss)
{
    fr_params_zero_grad(l->fit->params);
    return l->fit->step(l->fit->model, rows, count, step, loss);
}

/* Of all ranks. The loss joins at once: the optimizer steps only where it is finite, and all must do the same. */
static void sum_gradient(const loop *l, fr_tensor loss)
{
    if (!l->shared)
        return;
    fr_comm_sum_tensor(l->fit->params->grad_block);
    fr_comm_sum_tensor(loss);
}

/* Why step `number` went wrong. Parameters have not changed since; where later steps have overwritten its gradients and
 * activations, it is computed again. */
static fr_status bad_step(loop *l, int64_t number, bool again, double loss, double squares)
{
    fr_fit *fit = l->fit;
    if (again) {
        int64_t count;
        const int64_t *rows = batch_of(l, number - l->history.count * l->epoch_steps, &count);
        fr_tensor unused = fr_device_scalar(fit->params->device);
        FR_TRY(add_gradient(l, rows, count, number, unused));
        sum_gradient(l, unused);
    }
    if (!isfinite(loss))
        return bad_loss(l, number, loss);
    return fr_fail_within(fr_optimizer_check(fit->params, number, squares), "%s: step %lld (epoch %lld)", fit->what,
                          (long long)number, (long long)l->history.count + 1);
}

/* Looks at the steps since the last look. Nothing is saved, shown or measured before. */
static fr_status settle(loop *l)
{
    int64_t count = fr_pending_read(&l->pending);
    for (int64_t k = 0; k < count; k++) {
        double loss = l->pending.host_loss[k], squares = l->pending.host_squares[k];
        if (!isfinite(loss) || !isfinite(squares))
            return bad_step(l, l->step - count + k, k < count - 1, loss, squares);
        l->loss_sum += loss;
    }
    return FR_OK;
}

static fr_status one_step(loop *l, int64_t i)
{
    fr_fit *fit = l->fit;
    int64_t count;
    const int64_t *rows = batch_of(l, i, &count);
    fr_tensor loss = fr_pending_next(&l->pending);
    fr_comm_at(fit->what, l->step);
    FR_TRY(add_gradient(l, rows, count, l->step, loss));
    sum_gradient(l, loss);
    fr_pending_launch(&l->pending, &fit->optimizer, fit->params, l->step);
    l->step++;
    return fr_pending_full(&l->pending) || i == l->epoch_steps - 1 ? settle(l) : FR_OK;
}

static void show(loop *l, int64_t steps)
{
    if (steps == l->pending.count) { /* no loss is known yet */
        fr_progress_add(&l->progress, 1);
        return;
    }
    int64_t epoch = l->history.count;
    char dev[64] = "";
    if (epoch) {
        const fr_measure *last = &l->history.at[epoch - 1];
        snprintf(dev, sizeof dev, ", dev %s %.4f", l->fit->by_routed ? "quality" : "loss",
                 l->fit->by_routed ? last->routed : last->loss);
    }
    fr_progress_note(&l->progress, "epoch %lld, loss %.4f%s", (long long)epoch + 1,
                     l->loss_sum / (double)(steps - l->pending.count), dev);
    fr_progress_add(&l->progress, 1);
}

/* With a checkpoint. Ranks wait for it, as the first to end may take the others with it. */
static fr_status leave(loop *l)
{
    fr_status status = save(l);
    FR_TRY(l->shared ? fr_comm_agree(status) : status);
    return fr_interrupted();
}

/* Whether somebody wants to stop: of ranks, one is enough, and all ask at the same step. */
static bool stop_wanted(const loop *l)
{
    bool wanted = fr_interrupt_wanted();
    return l->shared ? fr_comm_any(wanted) : wanted;
}

/* The steps of the running epoch that are left. */
static fr_status run_epoch(loop *l)
{
    fr_fit *fit = l->fit;
    int64_t epoch = l->history.count, first = l->step - epoch * l->epoch_steps;
    fr_rng_permutation(l->order, fit->n, fit->seed, fr_stream("batches", (uint64_t)epoch, 0));
    if (first == 0)
        l->loss_sum = 0;
    for (int64_t i = first; i < l->epoch_steps; i++) {
        FR_TRY(one_step(l, i));
        if (!fit->quiet)
            show(l, i + 1);
        if (l->shared && l->pending.count > 0)
            continue; /* ranks look at the same steps, whatever each one's clock says */
        if (stop_wanted(l)) {
            FR_TRY(settle(l));
            return leave(l);
        }
        if (keeps_checkpoint(l) && fr_seconds() - l->saved >= fit->checkpoint_seconds) {
            FR_TRY(settle(l));
            FR_TRY(save(l));
        }
    }
    return FR_OK;
}

static fr_status watch(loop *l)
{
    fr_fit *fit = l->fit;
    fr_measure measure = {NAN, NAN};
    fr_status status = fit->watch(fit->model, &measure);
    if (status == FR_INTERRUPTED)
        return leave(l);
    FR_TRY(status);
    l->history.at[l->history.count++] = measure;
    if (fr_history_best(&l->history) == l->history.count - 1)
        fr_part_get(fit->params, FR_PART_VALUE, l->best);
    if (!fit->quiet)
        fr_log_event("epoch", "what=s epoch=d step=d loss=f dev_loss=f dev_routed=f best=d", fit->what,
                     l->history.count, l->step, l->loss_sum / (double)l->epoch_steps, measure.loss, measure.routed,
                     fr_history_best(&l->history) + 1);
    return FR_OK;
}

static fr_status run(loop *l)
{
    fr_fit *fit = l->fit;
    FR_TRY(resume(l));
    if (!fit->quiet) {
        fr_progress_begin(&l->progress, fit->what, "steps", l->epoch_steps * fit->epochs);
        fr_progress_add(&l->progress, l->step);
    }
    fr_status status = FR_OK;
    while (status == FR_OK && l->history.count < fit->epochs && !fr_history_done(&l->history, fit->patience)) {
        status = run_epoch(l);
        if (status == FR_OK)
            status = watch(l);
    }
    int64_t best = fr_history_best(&l->history);
    if (!fit->quiet) {
        if (status == FR_OK)
            fr_progress_note(&l->progress, "kept epoch %lld of %lld, dev loss %.4f", (long long)best + 1,
                             (long long)l->history.count, l->history.at[best].loss);
        fr_progress_end(&l->progress);
    }
    FR_TRY(status);
    if (l->shared) /* unlike processors may have rounded unlike; what follows needs the same bits on all */
        fr_comm_broadcast(l->best, l->bytes, 0);
    fr_part_set(fit->params, FR_PART_VALUE, l->best);
    if (keeps_checkpoint(l))
        fr_checkpoint_remove(fit->checkpoint);
    return FR_OK;
}

fr_status fr_fit_run(fr_fit *fit)
{
    if (fit->n == 0 || fit->epochs == 0)
        return FR_OK;
    loop l = {.fit = fit,
              .shared = fit->shared && fr_comm_ranks() > 1,
              .epoch_steps = fr_fit_steps(fit->n, fit->batch),
              .saved = fr_seconds()};
    fit->optimizer.steps = l.epoch_steps * fit->epochs;
    /* The first epochs have too few before them to be smoothed: a lucky one would win. */
    l.history = (fr_history){.at = FR_NEW(fr_measure, fit->epochs),
                             .by_routed = fit->by_routed,
                             .first = fit->by_routed ? (fit->epochs < SMOOTH ? fit->epochs : SMOOTH) - 1 : 0};
    l.bytes = fr_part_bytes(fit->params);
    l.best = fr_calloc(l.bytes, 1);
    for (int i = 0; i < 3 && fit->checkpoint; i++)
        l.scratch[i] = fr_calloc(l.bytes, 1);
    l.order = FR_NEW(int64_t, fit->n);
    l.batch_rows = FR_NEW(int64_t, fit->batch < fit->n ? fit->batch : fit->n);
    fr_pending_open(&l.pending, fit->params->device);
    fr_status status = run(&l);
    fr_pending_close(&l.pending);
    free(l.history.at);
    free(l.best);
    for (int i = 0; i < 3; i++)
        free(l.scratch[i]);
    free(l.order);
    free(l.batch_rows);
    return status;
}

/* The learning rate's schedule and the AdamW step over a parameter list. */
#include "finerouter/config.h"
#include "ops/ops.h"
#include "params.h"

#include <math.h>

double fr_schedule(int schedule, double lr, double warmup, int64_t step, int64_t steps)
{
    double w = warmup * (double)steps, s = (double)step;
    if (s < w)
        return lr * fmin(1, (s + 1) / w);
    if (schedule == FR_SCHEDULE_CONSTANT)
        return lr;
    if (step >= steps)
        return 0;
    double r = (s - w) / ((double)steps - w);
    return schedule == FR_SCHEDULE_LINEAR ? lr * (1 - r) : lr * 0.5 * (1 + cos(3.14159265358979323846 * r));
}

static fr_status name_bad_gradient(const fr_params *params, int64_t step)
{
    for (int64_t i = 0; i < params->count; i++) {
        const fr_param *param = &params->item[i];
        int64_t at = param->trainable ? fr_find_nonfinite(param->grad) : -1;
        if (at >= 0)
            return fr_fail(FR_FAILED,
                           "step %lld: the gradient of %s is not finite (element %lld); a smaller learning rate helps",
                           (long long)step, param->name, (long long)at);
    }
    return fr_fail(FR_FAILED, "step %lld: the norm of the gradients overflows; a smaller learning rate helps",
                   (long long)step);
}

/* From parameter `first` on: one past the last that shares its settings and lies right behind it in every block. */
static int64_t run_end(const fr_params *params, int64_t first)
{
    const fr_param *a = &params->item[first];
    int64_t end = first + 1;
    while (end < params->count) {
        const fr_param *b = &params->item[end];
        if (!b->trainable || b->decay != a->decay || b->group != a->group || b->at - a->at != b->at_state - a->at_state)
            break;
        end++;
    }
    return end;
}

void fr_optimizer_launch(const fr_optimizer *optimizer, fr_params *params, int64_t step, fr_tensor squares)
{
    if (!params->grad_block.data)
        return;
    fr_sum_squares_add(fr_tensor_rows(squares, squares.shape[0] - 1, 1), params->grad_block);
    fr_clip_factor(params->factor, squares, optimizer->clip);
    fr_adamw_step rule = {.beta1 = optimizer->beta1,
                          .beta2 = optimizer->beta2,
                          .epsilon = optimizer->epsilon,
                          .step = step + 1,
                          .grad_scale = 1,
                          .factor = params->factor};
    for (int64_t first = 0, end; first < params->count; first = end) {
        const fr_param *a = &params->item[first];
        end = first + 1;
        if (!a->trainable)
            continue;
        end = run_end(params, first);
        const fr_param *last = &params->item[end - 1];
        int64_t n = last->at - a->at + fr_tensor_count(&last->value);
        fr_tensor w = {.data = a->value.data, .device = params->device, .dtype = params->device->wide, .rank = 1};
        w.shape[0] = n;
        fr_tensor m = w, v = w, g = w, copy = FR_NONE;
        if (a->real.data != a->value.data) {
            copy = w;
            copy.dtype = a->real.dtype;
            copy.data = a->real.data;
        }
        m.data = a->m.data;
        v.data = a->v.data;
        g.data = a->grad.data;
        rule.lr = fr_schedule(optimizer->schedule, optimizer->lr[a->group], optimizer->warmup, step, optimizer->steps);
        rule.decay = a->decay ? optimizer->decay : 0;
        fr_adamw(w, m, v, copy, g, rule);
    }
}

fr_status fr_optimizer_check(const fr_params *params, int64_t step, double squares)
{
    return isfinite(squares) ? FR_OK : name_bad_gradient(params, step);
}

fr_status fr_optimizer_step(const fr_optimizer *optimizer, fr_params *params, int64_t step, double *norm)
{
    fr_tensor squares = fr_device_scalar(params->device);
    fr_tensor_zero(squares);
    fr_optimizer_launch(optimizer, params, step, squares);
    double sum = fr_scalar_get(squares);
    if (norm)
        *norm = sqrt(sum);
    return fr_optimizer_check(params, step, sum);
}

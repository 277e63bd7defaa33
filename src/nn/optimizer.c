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

void fr_optimizer_launch(const fr_optimizer *optimizer, fr_params *params, int64_t step, fr_tensor squares,
                         fr_tensor losses)
{
    if (!params->grad_block.data)
        return;
    fr_sum_squares_add(fr_tensor_rows(squares, squares.shape[0] - 1, 1), params->grad_block);
    fr_clip_factor(params->factor, squares, losses, optimizer->clip);
    fr_adamw_step rule = {.beta1 = optimizer->beta1,
                          .beta2 = optimizer->beta2,
                          .epsilon = optimizer->epsilon,
                          .step = step + 1,
                          .grad_scale = 1,
                          .factor = params->factor};
    for (int i = 0; i < params->runs; i++) {
        const fr_param_run *run = &params->run[i];
        rule.lr =
            fr_schedule(optimizer->schedule, optimizer->lr[run->group], optimizer->warmup, step, optimizer->steps);
        rule.decay = run->decay ? optimizer->decay : 0;
        bool copied = params->real_block.data != params->value_block.data;
        fr_adamw(fr_tensor_rows(params->value_block, run->at, run->n), fr_tensor_rows(params->m_block, run->at, run->n),
                 fr_tensor_rows(params->v_block, run->at, run->n),
                 copied ? fr_tensor_rows(params->real_block, run->at, run->n) : FR_NONE,
                 fr_tensor_rows(params->grad_block, run->at, run->n), rule);
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
    fr_optimizer_launch(optimizer, params, step, squares, FR_NONE);
    double sum = fr_scalar_get(squares);
    if (norm)
        *norm = sqrt(sum);
    return fr_optimizer_check(params, step, sum);
}

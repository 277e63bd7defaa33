#include "params.h"

#include "base/memory.h"
#include "base/rng.h"
#include "finerouter/config.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void fr_params_create(fr_params *params, fr_device *device)
{
    *params = (fr_params){.device = device};
}

void fr_params_close(fr_params *params)
{
    fr_arena_close(params->values);
    fr_arena_close(params->state);
    free(params->item);
    *params = (fr_params){0};
}

static int64_t round_up(int64_t n)
{
    return (n + FR_PARAM_ALIGN - 1) / FR_PARAM_ALIGN * FR_PARAM_ALIGN;
}

static int64_t add(fr_params *params, const char *name, int rank, const int64_t *shape, bool trainable, bool decay,
                   fr_param_group group, bool joined)
{
    FR_CHECK(!params->values, "parameter %s is declared after fr_params_commit", name);
    FR_CHECK(strlen(name) < sizeof params->item->name, "parameter name %s is too long", name);
    FR_CHECK(!fr_params_find(params, name), "parameter %s is declared twice", name);
    if (params->count == params->capacity) {
        params->capacity = params->capacity ? 2 * params->capacity : 64;
        params->item = fr_realloc(params->item, (size_t)params->capacity * sizeof *params->item);
    }
    fr_param *param = &params->item[params->count];
    *param = (fr_param){.trainable = trainable, .decay = decay, .group = group, .joined = joined};
    memcpy(param->name, name, strlen(name) + 1);
    param->value = (fr_tensor){.device = params->device, .dtype = params->device->wide, .rank = rank};
    for (int i = 0; i < rank; i++)
        param->value.shape[i] = shape[i];
    if (joined) {
        const fr_param *before = param - 1;
        FR_CHECK(params->count && before->trainable == trainable && before->decay == decay && before->group == group,
                 "parameter %s is joined to one of other settings", name);
    } else {
        params->elements = round_up(params->elements);
        params->state_elements = round_up(params->state_elements);
    }
    int64_t n = fr_tensor_count(&param->value);
    params->elements += n;
    if (trainable)
        params->state_elements += n;
    return params->count++;
}

int64_t fr_params_add(fr_params *params, const char *name, int rank, const int64_t *shape, bool trainable, bool decay,
                      fr_param_group group)
{
    return add(params, name, rank, shape, trainable, decay, group, false);
}

int64_t fr_params_add_joined(fr_params *params, const char *name, int rank, const int64_t *shape, bool trainable,
                             bool decay, fr_param_group group)
{
    return add(params, name, rank, shape, trainable, decay, group, true);
}

/* A tensor shaped like `shape` over the elements of `block` from `at` on. */
static fr_tensor place(fr_tensor block, int64_t at, fr_tensor shape)
{
    shape.dtype = block.dtype;
    shape.data = (char *)block.data + (size_t)at * fr_dtype_bytes(block.dtype);
    return shape;
}

/* Places the parameters of these settings, the frozen ones whatever theirs, from `at` on; returns the end. */
static int64_t arrange(fr_params *params, int64_t at, bool trainable, bool decay, fr_param_group group)
{
    int64_t begin = at = round_up(at);
    for (int64_t i = 0; i < params->count; i++) {
        fr_param *param = &params->item[i];
        if (param->trainable != trainable || (trainable && (param->decay != decay || param->group != group)))
            continue;
        param->at = param->joined ? at : round_up(at);
        at = param->at + fr_tensor_count(&param->value);
    }
    if (trainable && at > begin)
        params->run[params->runs++] = (fr_param_run){group, decay, begin, at - begin};
    return at;
}

static void arrange_all(fr_params *params)
{
    int64_t at = 0;
    for (int group = FR_GROUP_HEAD; group <= FR_GROUP_ENCODER; group++) {
        at = arrange(params, at, true, true, (fr_param_group)group);
        at = arrange(params, at, true, false, (fr_param_group)group);
    }
    params->state_elements = at;
    params->elements = arrange(params, at, false, false, FR_GROUP_HEAD);
}

void fr_params_commit(fr_params *params)
{
    fr_dtype real = params->device->real, wide = params->device->wide;
    arrange_all(params);
    params->values = fr_arena_create(params->device);
    params->state = fr_arena_create(params->device);
    for (int pass = 0; pass < 2; pass++) {
        if (params->elements)
            params->value_block = fr_arena_tensor(params->values, wide, FR_SHAPE(params->elements));
        params->real_block = params->value_block;
        if (params->elements && real != wide)
            params->real_block = fr_arena_tensor(params->values, real, FR_SHAPE(params->elements));
        if (params->state_elements) {
            params->factor = fr_arena_tensor(params->state, FR_F64, FR_SHAPE(1));
            params->grad_block = fr_arena_tensor(params->state, wide, FR_SHAPE(params->state_elements));
            params->m_block = fr_arena_tensor(params->state, wide, FR_SHAPE(params->state_elements));
            params->v_block = fr_arena_tensor(params->state, wide, FR_SHAPE(params->state_elements));
        }
        if (pass == 0) {
            fr_arena_commit(params->values);
            fr_arena_commit(params->state);
        }
    }
    if (params->elements) {
        fr_tensor_zero(params->value_block);
        fr_tensor_zero(params->real_block);
    }
    if (params->state_elements) {
        fr_tensor_zero(params->grad_block);
        fr_tensor_zero(params->m_block);
        fr_tensor_zero(params->v_block);
    }
    for (int64_t i = 0; i < params->count; i++) {
        fr_param *param = &params->item[i];
        param->value = place(params->value_block, param->at, param->value);
        param->real = place(params->real_block, param->at, param->value);
        if (param->trainable) {
            param->grad = place(params->grad_block, param->at, param->value);
            param->m = place(params->m_block, param->at, param->value);
            param->v = place(params->v_block, param->at, param->value);
        }
    }
}

fr_param *fr_params_find(fr_params *params, const char *name)
{
    for (int64_t i = 0; i < params->count; i++)
        if (strcmp(params->item[i].name, name) == 0)
            return &params->item[i];
    return NULL;
}

int64_t fr_params_total(const fr_params *params, bool trainable_only)
{
    int64_t total = 0;
    for (int64_t i = 0; i < params->count; i++)
        if (params->item[i].trainable || !trainable_only)
            total += fr_tensor_count(&params->item[i].value);
    return total;
}

void fr_params_refresh(const fr_params *params)
{
    if (params->elements && params->real_block.data != params->value_block.data)
        fr_cast(params->real_block, params->value_block);
}

void fr_params_zero_grad(fr_params *params)
{
    if (params->grad_block.data)
        fr_tensor_zero(params->grad_block);
}

double fr_params_grad_norm(const fr_params *params)
{
    return params->grad_block.data ? sqrt(fr_sum_squares(params->grad_block)) : 0;
}

void fr_param_init_normal(fr_param *param, double deviation, uint64_t seed)
{
    int64_t n = fr_tensor_count(&param->value);
    uint64_t stream = fr_stream(param->name, 0, 0);
    double *host = FR_NEW(double, n);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        host[i] = deviation * fr_rng_normal(seed, stream, (uint64_t)i);
    fr_tensor_set_f64(param->value, host);
    free(host);
}

void fr_param_init_constant(fr_param *param, double value)
{
    int64_t n = fr_tensor_count(&param->value);
    double *host = FR_NEW(double, n);
    for (int64_t i = 0; i < n; i++)
        host[i] = value;
    fr_tensor_set_f64(param->value, host);
    free(host);
}

void fr_params_get(const fr_params *params, float *host, bool trainable_only)
{
    for (int64_t i = 0; i < params->count; i++) {
        const fr_param *param = &params->item[i];
        if (trainable_only && !param->trainable)
            continue;
        fr_tensor_get(param->value, host);
        host += fr_tensor_count(&param->value);
    }
}

void fr_params_set(fr_params *params, const float *host, bool trainable_only)
{
    for (int64_t i = 0; i < params->count; i++) {
        fr_param *param = &params->item[i];
        if (trainable_only && !param->trainable)
            continue;
        fr_tensor_set(param->value, host);
        host += fr_tensor_count(&param->value);
    }
    fr_params_refresh(params);
}

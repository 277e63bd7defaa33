/* op_cases.h - every operation that has a backward, in one form: inputs, outputs, gradients. The first output is the
 * one that is differentiated. test_ops_gradients.c holds them against central differences, test_kernels_variants.c
 * holds every instruction set against ref, simt/test_simt_ops.c every CUDA kernel. */
#ifndef FR_TESTS_OP_CASES_H
#define FR_TESTS_OP_CASES_H

#include "test.h"

#include "base/rng.h"
#include "finerouter/config.h"
#include "ops/ops.h"

enum { OPERANDS = 5, SEQUENCES = 3 };

typedef struct operand {
    bool there, param; /* param: its gradient is added (+=), and of the wide type */
    bool wide;         /* of the device's wide type, else of its real type */
    int rank;
    int64_t shape[4];
} operand;

typedef struct op_run op_run;

typedef struct op_case {
    const char *name;
    void (*shapes)(operand *in, operand *out, int64_t rows, int64_t width);
    void (*forward)(op_run *run);
    void (*backward)(op_run *run);
    bool loss; /* the first output is a loss: its gradient is 1 */
    bool wide; /* it works on the wide type alone */
} op_case;

struct op_run {
    const op_case *op;
    fr_device *device;
    void *memory[5 * OPERANDS]; /* of each tensor its own, without room behind it */
    int memories;
    int64_t rows, width;
    operand in_spec[OPERANDS], out_spec[OPERANDS];
    fr_tensor in[OPERANDS], din[OPERANDS], out[OPERANDS], dout;
    fr_tensor cu, ids, label, pos_weight, target;
};

static inline operand operand_of(bool param, bool wide, int rank, const int64_t *shape)
{
    operand spec = {.there = true, .param = param, .wide = wide, .rank = rank};
    memcpy(spec.shape, shape, (size_t)rank * sizeof(int64_t));
    return spec;
}
#define ACTIVATION(...) operand_of(false, false, FR_SHAPE(__VA_ARGS__))
#define STATISTIC(...) operand_of(false, true, FR_SHAPE(__VA_ARGS__))
#define PARAMETER(...) operand_of(true, false, FR_SHAPE(__VA_ARGS__))

static const fr_dropout_key CASE_KEY = {.p = 0.3, .seed = 11, .stream = 22, .first = 5};

/* y = x w^T + b */
static void linear_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = ACTIVATION(rows, width);
    in[1] = PARAMETER(width + 2, width);
    in[2] = PARAMETER(width + 2);
    out[0] = ACTIVATION(rows, width + 2);
}
static void linear_forward(op_run *r)
{
    fr_linear_forward(r->out[0], r->in[0], r->in[1], r->in[2]);
}
static void linear_backward(op_run *r)
{
    fr_linear_backward(r->din[0], r->din[1], r->din[2], r->dout, r->in[0], r->in[1]);
}

static void plain_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = ACTIVATION(rows, width);
    out[0] = ACTIVATION(rows, width);
}
static void gelu_forward(op_run *r)
{
    fr_gelu_forward(r->out[0], r->in[0]);
}
static void gelu_backward(op_run *r)
{
    fr_gelu_backward(r->din[0], r->dout, r->in[0]);
}
static void relu_forward(op_run *r)
{
    fr_activate_forward(r->out[0], r->in[0], FR_RELU);
}
static void relu_backward(op_run *r)
{
    fr_activate_backward(r->din[0], r->dout, r->in[0], FR_RELU);
}
static void softplus_forward(op_run *r)
{
    fr_activate_forward(r->out[0], r->in[0], FR_SOFTPLUS);
}
static void softplus_backward(op_run *r)
{
    fr_activate_backward(r->din[0], r->dout, r->in[0], FR_SOFTPLUS);
}
static void dropout_forward(op_run *r)
{
    fr_dropout(r->out[0], r->in[0], CASE_KEY);
}
static void dropout_backward(op_run *r)
{
    fr_dropout(r->din[0], r->dout, CASE_KEY);
}

static void layernorm_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = ACTIVATION(rows, width);
    in[1] = ACTIVATION(rows, width);
    in[2] = PARAMETER(width);
    in[3] = PARAMETER(width);
    out[0] = ACTIVATION(rows, width);
    out[1] = ACTIVATION(rows, width);
    out[2] = STATISTIC(rows);
    out[3] = STATISTIC(rows);
}
static void layernorm_forward(op_run *r)
{
    fr_layernorm_forward(r->out[0], r->out[1], r->out[2], r->out[3], r->in[0], r->in[1], r->in[2], r->in[3], 1e-2);
}
static void layernorm_backward(op_run *r)
{
    fr_layernorm_backward(r->din[0], r->din[2], r->din[3], r->dout, r->out[1], r->out[2], r->out[3], r->in[2]);
    fr_tensor_copy(r->din[1], r->din[0]);
}

static void embedding_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = PARAMETER(7, width);
    in[1] = PARAMETER(rows, width);
    in[2] = PARAMETER(2, width);
    out[0] = ACTIVATION(rows, width);
}
static void embedding_forward(op_run *r)
{
    fr_embedding_forward(r->out[0], r->in[0], r->in[1], r->in[2], r->ids, r->cu);
}
static void embedding_backward(op_run *r)
{
    fr_embedding_backward(r->din[0], r->din[1], r->din[2], r->dout, r->ids, r->cu);
}

static void attention_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = ACTIVATION(rows, 3, 2, width);
    out[0] = ACTIVATION(rows, 2, width);
    out[1] = STATISTIC(rows, 2);
}
static void attention_forward(op_run *r)
{
    fr_attention_forward(r->out[0], r->out[1], r->in[0], r->cu, 0, 0.4, (fr_dropout_key){0});
}
static void attention_backward(op_run *r)
{
    fr_attention_backward(r->din[0], r->dout, r->out[0], r->out[1], r->in[0], r->cu, 0, 0.4, (fr_dropout_key){0});
}
static void attention_dropout_forward(op_run *r)
{
    fr_attention_forward(r->out[0], r->out[1], r->in[0], r->cu, 0, 0.4, CASE_KEY);
}
static void attention_dropout_backward(op_run *r)
{
    fr_attention_backward(r->din[0], r->dout, r->out[0], r->out[1], r->in[0], r->cu, 0, 0.4, CASE_KEY);
}

static void pool_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = ACTIVATION(rows, width);
    out[0] = ACTIVATION(SEQUENCES, width);
}
static void pool_wide_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = ACTIVATION(rows, width);
    out[0] = STATISTIC(SEQUENCES, width);
}
static void pool_mean_forward(op_run *r)
{
    fr_pool_forward(r->out[0], r->in[0], r->cu, false);
}
static void pool_mean_backward(op_run *r)
{
    fr_pool_backward(r->din[0], r->dout, r->cu, false);
}
static void pool_cls_forward(op_run *r)
{
    fr_pool_forward(r->out[0], r->in[0], r->cu, true);
}
static void pool_cls_backward(op_run *r)
{
    fr_pool_backward(r->din[0], r->dout, r->cu, true);
}

static void l2norm_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    plain_shapes(in, out, rows, width);
    out[1] = ACTIVATION(rows);
}
static void l2norm_forward(op_run *r)
{
    fr_l2norm_forward(r->out[0], r->out[1], r->in[0]);
}
static void l2norm_backward(op_run *r)
{
    fr_l2norm_backward(r->din[0], r->dout, r->out[0], r->out[1]);
}

static void scale_bias_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    plain_shapes(in, out, rows, width);
    in[1] = PARAMETER(1);
    in[2] = PARAMETER(width);
}
static void scale_bias_forward(op_run *r)
{
    fr_scale_bias_forward(r->out[0], r->in[0], r->in[1], r->in[2]);
}
static void scale_bias_backward(op_run *r)
{
    fr_scale_bias_backward(r->din[0], r->din[1], r->din[2], r->dout, r->in[0], r->in[1]);
}

static void loss_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = ACTIVATION(rows, width);
    out[0] = ACTIVATION(1);
}
static void bce_forward(op_run *r)
{
    double loss = fr_bce(FR_NONE, r->in[0], r->label, r->pos_weight, 0.25);
    fr_tensor_set_f64(r->out[0], &loss);
}
static void bce_backward(op_run *r)
{
    fr_bce(r->din[0], r->in[0], r->label, r->pos_weight, 0.25);
}
static void mse_forward(op_run *r)
{
    double loss = fr_mse(FR_NONE, r->in[0], r->target, 0.25);
    fr_tensor_set_f64(r->out[0], &loss);
}
static void mse_backward(op_run *r)
{
    fr_mse(r->din[0], r->in[0], r->target, 0.25);
}

/* models = rows */
static void head_bias_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = PARAMETER(rows, width);
    in[1] = PARAMETER(rows, 3, width);
    in[2] = PARAMETER(rows, 3);
    out[0] = ACTIVATION(rows, 3);
}
static void head_bias_forward(op_run *r)
{
    fr_head_bias_forward(r->out[0], r->in[0], r->in[1], r->in[2]);
}
static void head_bias_backward(op_run *r)
{
    fr_head_bias_backward(r->din[0], r->din[1], r->din[2], r->dout, r->in[0], r->in[1]);
}

static void head_out_shapes(operand *in, operand *out, int64_t rows, int64_t width)
{
    in[0] = ACTIVATION(rows, 3, width);
    in[1] = PARAMETER(3, width);
    in[2] = PARAMETER(3);
    out[0] = ACTIVATION(rows, 3);
}
static void head_out_forward(op_run *r)
{
    fr_head_out_forward(r->out[0], r->in[0], r->in[1], r->in[2]);
}
static void head_out_backward(op_run *r)
{
    fr_head_out_backward(r->din[0], r->din[1], r->din[2], r->dout, r->in[0], r->in[1]);
}

#define CASE(op, shape, wide)                                                                                          \
    {                                                                                                                  \
#op, shape##_shapes, op##_forward, op##_backward, false, wide                                                  \
    }
static const op_case op_cases[] = {
    CASE(linear, linear, false),
    CASE(gelu, plain, false),
    CASE(relu, plain, true),
    CASE(softplus, plain, true),
    CASE(dropout, plain, false),
    CASE(layernorm, layernorm, false),
    CASE(embedding, embedding, false),
    CASE(attention, attention, false),
    CASE(attention_dropout, attention, false),
    CASE(pool_mean, pool, false),
    CASE(pool_cls, pool, false),
    {"pool_mean to wide", pool_wide_shapes, pool_mean_forward, pool_mean_backward, false, false},
    {"pool_cls to wide", pool_wide_shapes, pool_cls_forward, pool_cls_backward, false, false},
    CASE(l2norm, l2norm, true),
    CASE(scale_bias, scale_bias, true),
    {"bce", loss_shapes, bce_forward, bce_backward, true, true},
    {"mse", loss_shapes, mse_forward, mse_backward, true, true},
    CASE(head_bias, head_bias, true),
    CASE(head_out, head_out, true),
};
enum { OP_CASES = sizeof op_cases / sizeof op_cases[0] };

static inline fr_tensor op_run_tensor(op_run *r, fr_dtype dtype, int rank, const int64_t *shape)
{
    fr_tensor tensor = {.device = r->device, .dtype = dtype, .rank = rank};
    memcpy(tensor.shape, shape, (size_t)rank * sizeof(int64_t));
    tensor.data = r->device->allocate(r->device, fr_tensor_bytes(&tensor));
    r->memory[r->memories++] = tensor.data;
    return tensor;
}

static inline void op_run_layout(op_run *r)
{
    fr_dtype wide = r->device->wide, real = r->op->wide ? wide : r->device->real;
    for (int i = 0; i < OPERANDS; i++) {
        operand *in = &r->in_spec[i], *out = &r->out_spec[i];
        if (in->there) {
            r->in[i] = op_run_tensor(r, in->wide ? wide : real, in->rank, in->shape);
            r->din[i] = op_run_tensor(r, in->wide || in->param ? wide : real, in->rank, in->shape);
        }
        if (out->there)
            r->out[i] = op_run_tensor(r, out->wide ? wide : real, out->rank, out->shape);
    }
    r->dout = op_run_tensor(r, r->out[0].dtype, r->out_spec[0].rank, r->out_spec[0].shape);
    r->cu = op_run_tensor(r, FR_I32, FR_SHAPE(SEQUENCES + 1));
    r->ids = op_run_tensor(r, FR_I32, FR_SHAPE(r->rows));
    r->label = op_run_tensor(r, FR_I32, FR_SHAPE(r->rows));
    r->pos_weight = op_run_tensor(r, FR_F32, FR_SHAPE(r->width));
    r->target = op_run_tensor(r, FR_F32, FR_SHAPE(r->rows, r->width));
}

/* Fills with normal numbers that f32 holds exactly. */
static inline void fill_normal(fr_tensor tensor, uint64_t stream)
{
    int64_t n = fr_tensor_count(&tensor);
    float *x = malloc((size_t)n * sizeof(float) + 1);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)fr_rng_normal(1, stream, (uint64_t)i);
    fr_tensor_set(tensor, x);
    free(x);
}

static inline void fill_value(fr_tensor tensor, double value)
{
    int64_t n = fr_tensor_count(&tensor);
    double *x = malloc((size_t)n * sizeof(double) + 1);
    for (int64_t i = 0; i < n; i++)
        x[i] = value;
    fr_tensor_set_f64(tensor, x);
    free(x);
}

static inline double *tensor_values(fr_tensor tensor) /* malloc'd */
{
    double *x = malloc((size_t)fr_tensor_count(&tensor) * sizeof(double) + 1);
    fr_tensor_get_f64(tensor, x);
    return x;
}

/* Outputs and activation gradients start as NaN, parameter gradients as 1: what is not written, or is set where it
 * should be added, shows. */
static inline void op_run_poison(op_run *r)
{
    for (int i = 0; i < OPERANDS; i++) {
        if (r->in_spec[i].there)
            fill_value(r->din[i], r->in_spec[i].param ? 1 : NAN);
        if (r->out_spec[i].there)
            fill_value(r->out[i], NAN);
    }
}

static inline void op_run_open(op_run *r, const op_case *op, fr_device *device, int64_t rows, int64_t width)
{
    *r = (op_run){.op = op, .device = device, .rows = rows, .width = width};
    op->shapes(r->in_spec, r->out_spec, rows, width);
    op_run_layout(r);
    for (int i = 0; i < OPERANDS; i++)
        if (r->in_spec[i].there)
            fill_normal(r->in[i], 100 + (uint64_t)i);
    fill_normal(r->dout, 200);
    if (op->loss)
        fill_value(r->dout, 1);
    int32_t *numbers = malloc((size_t)rows * sizeof(int32_t)),
            cu[] = {0, (int32_t)(rows / 3), (int32_t)(rows / 3), (int32_t)rows};
    fr_tensor_set_raw(r->cu, cu); /* the middle sequence is empty */
    for (int64_t i = 0; i < rows; i++)
        numbers[i] = (int32_t)(i * 5 % 7);
    fr_tensor_set_raw(r->ids, numbers);
    for (int64_t i = 0; i < rows; i++)
        numbers[i] = (int32_t)(i % (width + 1)) - 1;
    fr_tensor_set_raw(r->label, numbers);
    free(numbers);
    float *x = malloc((size_t)(rows * width) * sizeof(float));
    for (int64_t i = 0; i < rows * width; i++)
        x[i] = i % 5 == 3 ? NAN : (float)fr_rng_normal(2, 3, (uint64_t)i);
    fr_tensor_set_raw(r->target, x);
    for (int64_t i = 0; i < width; i++)
        x[i] = 0.5f + (float)(i % 4);
    fr_tensor_set_raw(r->pos_weight, x);
    free(x);
    op_run_poison(r);
}

static inline void op_run_close(op_run *r)
{
    for (int i = 0; i < r->memories; i++)
        r->device->release(r->device, r->memory[i]);
}

#endif

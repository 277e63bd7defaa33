/* gradients.h - what the tests of the model's parts share: devices, parameters, central differences, comparisons. */
#ifndef FR_TEST_GRADIENTS_H
#define FR_TEST_GRADIENTS_H

#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "finerouter/config.h"
#include "nn/params.h"
#include "ops/ops.h"

#include <float.h>

/* The reference on one thread: thousands of tiny passes would mostly wait for each other on a busy machine. */
static inline fr_device *test_device(int kind)
{
    fr_device *device;
    assert_ok(fr_device_open(&device, kind, kind == FR_DEVICE_REF ? 1 : 2));
    return device;
}

/* malloc'd */
static inline double *test_values(fr_tensor tensor)
{
    double *host = FR_NEW(double, fr_tensor_count(&tensor) + 1);
    fr_tensor_get_f64(tensor, host);
    return host;
}

static inline void test_fill(fr_tensor tensor, double value)
{
    int64_t n = fr_tensor_count(&tensor);
    double *host = FR_NEW(double, n + 1);
    for (int64_t i = 0; i < n; i++)
        host[i] = value;
    fr_tensor_set_f64(tensor, host);
    free(host);
}

/* N(0, deviation) */
static inline void test_fill_normal(fr_tensor tensor, double deviation, uint64_t stream)
{
    int64_t n = fr_tensor_count(&tensor);
    double *host = FR_NEW(double, n + 1);
    for (int64_t i = 0; i < n; i++)
        host[i] = deviation * fr_rng_normal(7, stream, (uint64_t)i);
    fr_tensor_set_f64(tensor, host);
    free(host);
}

/* |got - want| <= tolerance * largest |want| (at least `floor`), everywhere. */
static inline void assert_all_close(const char *what, const double *got, const double *want, int64_t n,
                                    double tolerance, double floor)
{
    double scale = floor;
    for (int64_t i = 0; i < n; i++)
        if (fabs(want[i]) > scale)
            scale = fabs(want[i]);
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * scale))
            fail_msg("%s[%ld] = %.17g, want %.17g within %g", what, (long)i, got[i], want[i], tolerance * scale);
}

/* Poison: what is computed must not depend on what lay in the memory it goes to. Gradients of parameters are added to,
 * so they start at 1. */
static inline void test_poison_gradients(fr_params *params)
{
    for (int64_t i = 0; i < params->count; i++)
        if (params->item[i].trainable)
            test_fill(params->item[i].grad, 1);
}

static inline double test_difference(fr_tensor one, double (*loss)(void *), void *context)
{
    const double h = 1e-6;
    double value, shifted;
    fr_tensor_get_f64(one, &value);
    shifted = value + h;
    fr_tensor_set_f64(one, &shifted);
    double above = loss(context);
    shifted = value - h;
    fr_tensor_set_f64(one, &shifted);
    double below = loss(context);
    fr_tensor_set_f64(one, &value);
    return (above - below) / (2 * h);
}

/* gradient (of `tensor`, started at `start`) against central differences of loss; every `stride`-th element. */
static inline void assert_gradient(const char *name, fr_tensor tensor, fr_tensor gradient, double start,
                                   double (*loss)(void *), void *context, int64_t stride)
{
    int64_t n = fr_tensor_count(&tensor);
    double *got = test_values(gradient);
    tensor = fr_tensor_view(tensor, FR_SHAPE(n));
    for (int64_t i = 0; i < n; i += stride) {
        double want = test_difference(fr_tensor_rows(tensor, i, 1), loss, context);
        if (!(fabs(got[i] - start - want) <= 3e-8 * fmax(1, fabs(want))))
            fail_msg("gradient of %s[%ld] = %.12g, differences say %.12g", name, (long)i, got[i] - start, want);
    }
    free(got);
}

/* All trainable parameters; their gradients started at 1 (test_poison_gradients). */
static inline void assert_gradients(fr_params *params, double (*loss)(void *), void *context, int64_t stride)
{
    for (int64_t i = 0; i < params->count; i++)
        if (params->item[i].trainable)
            assert_gradient(params->item[i].name, params->item[i].value, params->item[i].grad, 1, loss, context,
                            stride);
}

/* sum of weight * tensor: a scalar loss whose upstream gradient is `weight`. */
static inline double test_dot(fr_tensor tensor, fr_tensor weight)
{
    double *a = test_values(tensor), *b = test_values(weight), sum = 0;
    for (int64_t i = 0; i < fr_tensor_count(&tensor); i++)
        sum += a[i] * b[i];
    free(a);
    free(b);
    return sum;
}

#endif

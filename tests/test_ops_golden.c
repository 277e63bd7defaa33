/* Operations against PyTorch's values (tests/golden/make_ops.py), on ref within 1e-12 and on the cpu within f32's
 * reach. */
#include "op_cases.h"

#include "golden/ops.h"

#define LENGTH(array) ((int64_t)(sizeof(array) / sizeof((array)[0])))

typedef struct devices {
    fr_device *device[2];
    double tolerance[2]; /* relative to the largest value */
} devices;

/* A real tensor of its own: an arena with one tensor. */
typedef struct value {
    fr_arena *arena;
    fr_tensor t;
} value;

static value value_of(fr_device *device, fr_dtype dtype, int rank, const int64_t *shape)
{
    value v = {.arena = fr_arena_create(device)};
    fr_arena_tensor(v.arena, dtype, rank, shape);
    fr_arena_commit(v.arena);
    v.t = fr_arena_tensor(v.arena, dtype, rank, shape);
    return v;
}

/* With contents, or filled with one number (poison). */
static value given(fr_device *device, const double *x, int rank, const int64_t *shape)
{
    value v = value_of(device, device->real, rank, shape);
    fr_tensor_set_f64(v.t, x);
    return v;
}

static value filled(fr_device *device, double x, int rank, const int64_t *shape)
{
    value v = value_of(device, device->real, rank, shape);
    fill_value(v.t, x);
    return v;
}

static value raw(fr_device *device, const void *x, fr_dtype dtype, int rank, const int64_t *shape)
{
    value v = value_of(device, dtype, rank, shape);
    fr_tensor_set_raw(v.t, x);
    return v;
}

/* v holds want plus an offset; closes v. */
static void expect(value v, const char *name, const double *want, int64_t n, double offset, double tolerance)
{
    double *got = tensor_values(v.t), largest = 1;
    assert_int_equal(fr_tensor_count(&v.t), n);
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - offset - want[i]) <= tolerance * largest))
            fail_msg("%s[%ld] is %.17g, want %.17g", name, (long)i, got[i] - offset, want[i]);
    free(got);
    fr_arena_close(v.arena);
}
#define EXPECT(v, want, offset) expect(v, #v, want, LENGTH(want), offset, all->tolerance[i])
#define DONE(v) fr_arena_close((v).arena)

static void test_gelu(void **state)
{
    devices *all = *state;
    for (int i = 0; i < 2; i++) {
        fr_device *d = all->device[i];
        value x = given(d, gelu_x, FR_SHAPE(4, 5)), dy = given(d, gelu_dy, FR_SHAPE(4, 5));
        value y = filled(d, NAN, FR_SHAPE(4, 5)), dx = filled(d, NAN, FR_SHAPE(4, 5));
        fr_gelu_forward(y.t, x.t);
        fr_gelu_backward(dx.t, dy.t, x.t);
        EXPECT(y, gelu_y, 0);
        EXPECT(dx, gelu_dx, 0);
        DONE(x);
        DONE(dy);
    }
}

static void test_activate(void **state)
{
    devices *all = *state;
    const double *const want_y[] = {[FR_RELU] = relu_y, [FR_SOFTPLUS] = softplus_y};
    const double *const want_dx[] = {[FR_RELU] = relu_dx, [FR_SOFTPLUS] = softplus_dx};
    for (int i = 0; i < 2; i++)
        for (int kind = FR_RELU; kind <= FR_SOFTPLUS; kind++) {
            fr_device *d = all->device[i];
            value x = given(d, activate_x, FR_SHAPE(4, 5)), dy = given(d, activate_dy, FR_SHAPE(4, 5));
            value y = filled(d, NAN, FR_SHAPE(4, 5));
            fr_activate_forward(y.t, x.t, kind);
            fr_activate_backward(dy.t, dy.t, x.t, kind);
            double *got_y = tensor_values(y.t), *got_dx = tensor_values(dy.t);
            for (int j = 0; j < 20; j++) { /* relative: what is left of e^-80 is no rounding error of 1 */
                assert_close(got_y[j], want_y[kind][j], all->tolerance[i] * fabs(want_y[kind][j]));
                assert_close(got_dx[j], want_dx[kind][j], all->tolerance[i] * fabs(want_dx[kind][j]));
            }
            free(got_y);
            free(got_dx);
            DONE(x);
            DONE(y);
            DONE(dy);
        }
}

static void test_layernorm(void **state)
{
    devices *all = *state;
    for (int i = 0; i < 2; i++) {
        fr_device *d = all->device[i];
        value x = given(d, ln_x, FR_SHAPE(3, 7)), r = given(d, ln_r, FR_SHAPE(3, 7)),
              dy = given(d, ln_dy, FR_SHAPE(3, 7));
        value w = given(d, ln_w, FR_SHAPE(7)), b = given(d, ln_b, FR_SHAPE(7));
        value y = filled(d, NAN, FR_SHAPE(3, 7)), s = filled(d, NAN, FR_SHAPE(3, 7)),
              ds = filled(d, NAN, FR_SHAPE(3, 7));
        value mean = filled(d, NAN, FR_SHAPE(3)), rstd = filled(d, NAN, FR_SHAPE(3));
        value dw = filled(d, 1, FR_SHAPE(7)), db = filled(d, 1, FR_SHAPE(7));
        fr_layernorm_forward(y.t, s.t, mean.t, rstd.t, x.t, r.t, w.t, b.t, 1e-5);
        fr_layernorm_backward(ds.t, dw.t, db.t, dy.t, s.t, mean.t, rstd.t, w.t);
        EXPECT(y, ln_y, 0);
        EXPECT(ds, ln_ds, 0);
        EXPECT(dw, ln_dw, 1);
        EXPECT(db, ln_db, 1);
        fr_layernorm_forward(x.t, s.t, mean.t, rstd.t, s.t, FR_NONE, w.t, b.t, 1e-5); /* s = x + r already: in place */
        EXPECT(x, ln_y, 0);
        value rest[] = {r, dy, w, b, s, mean, rstd};
        for (size_t j = 0; j < sizeof rest / sizeof rest[0]; j++)
            DONE(rest[j]);
    }
}

static void test_attention(void **state)
{
    devices *all = *state;
    static const int32_t starts[] = {0, 3, 8};
    for (int i = 0; i < 2; i++) {
        fr_device *d = all->device[i];
        value qkv = given(d, att_qkv, FR_SHAPE(8, 3, 2, 4)), dout = given(d, att_dout, FR_SHAPE(8, 2, 4));
        value cu = raw(d, starts, FR_I32, FR_SHAPE(3));
        value out = filled(d, NAN, FR_SHAPE(8, 2, 4)), lse = filled(d, NAN, FR_SHAPE(8, 2));
        value dqkv = filled(d, NAN, FR_SHAPE(8, 3, 2, 4));
        fr_attention_forward(out.t, lse.t, qkv.t, cu.t, 0, 0.7, (fr_dropout_key){0});
        fr_attention_backward(dqkv.t, dout.t, out.t, lse.t, qkv.t, cu.t, 0, 0.7, (fr_dropout_key){0});
        EXPECT(out, att_out, 0);
        EXPECT(lse, att_lse, 0);
        EXPECT(dqkv, att_dqkv, 0);
        DONE(qkv);
        DONE(dout);
        DONE(cu);
    }
}

static void test_bce(void **state)
{
    devices *all = *state;
    for (int i = 0; i < 2; i++) {
        fr_device *d = all->device[i];
        value logits = given(d, bce_logits, FR_SHAPE(5, 3)), dlogits = filled(d, NAN, FR_SHAPE(5, 3));
        value label = raw(d, bce_label, FR_I32, FR_SHAPE(5)), weight = raw(d, bce_weight, FR_F32, FR_SHAPE(3));
        double loss = fr_bce(dlogits.t, logits.t, label.t, weight.t, 1.0 / 15);
        assert_close(loss, bce_loss[0], all->tolerance[i] * bce_loss[0]);
        assert_true(fr_bce(FR_NONE, logits.t, label.t, weight.t, 1.0 / 15) == loss);
        EXPECT(dlogits, bce_dlogits, 0);
        DONE(logits);
        DONE(label);
        DONE(weight);
    }
}

static void test_mse(void **state)
{
    devices *all = *state;
    for (int i = 0; i < 2; i++) {
        fr_device *d = all->device[i];
        value y = given(d, mse_y, FR_SHAPE(4, 3)), dy = filled(d, NAN, FR_SHAPE(4, 3));
        value target = raw(d, mse_target, FR_F32, FR_SHAPE(4, 3));
        double loss = fr_mse(dy.t, y.t, target.t, 0.1); /* ten entries have a target */
        assert_close(loss, mse_loss[0], all->tolerance[i] * mse_loss[0]);
        assert_true(fr_mse(FR_NONE, y.t, target.t, 0.1) == loss);
        EXPECT(dy, mse_dy, 0);
        DONE(y);
        DONE(target);
    }
}

static void test_adamw(void **state)
{
    devices *all = *state;
    for (int i = 0; i < 2; i++) {
        fr_device *d = all->device[i];
        value w = given(d, adamw_w0, FR_SHAPE(6)), m = filled(d, 0, FR_SHAPE(6)), v = filled(d, 0, FR_SHAPE(6));
        for (int step = 0; step < 3; step++) {
            double half[6]; /* the gradient comes at twice its size with grad_scale 1/2, as clipping would have it */
            for (int j = 0; j < 6; j++)
                half[j] = 2 * adamw_g[6 * step + j];
            value g = given(d, half, FR_SHAPE(6));
            fr_adamw(w.t, m.t, v.t, FR_NONE, g.t, (fr_adamw_step){0.01, 0.8, 0.95, 1e-6, 0.1, step + 1, 0.5, FR_NONE});
            double *got = tensor_values(w.t);
            for (int j = 0; j < 6; j++)
                assert_close(got[j], adamw_w[6 * step + j], all->tolerance[i] * 4);
            free(got);
            DONE(g);
        }
        DONE(w);
        DONE(m);
        DONE(v);
    }
}

static int setup(void **state)
{
    static devices all = {.tolerance = {1e-12, 1e-6}};
    if (fr_device_open(&all.device[0], FR_DEVICE_REF, 0) || fr_device_open(&all.device[1], FR_DEVICE_CPU, 0))
        return 1;
    *state = &all;
    return 0;
}

static int teardown(void **state)
{
    devices *all = *state;
    fr_device_close(all->device[0]);
    fr_device_close(all->device[1]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gelu),      cmocka_unit_test(test_activate), cmocka_unit_test(test_layernorm),
        cmocka_unit_test(test_attention), cmocka_unit_test(test_bce),      cmocka_unit_test(test_mse),
        cmocka_unit_test(test_adamw),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

#include "gradients.h"

#include "nn/heads.h"

enum { B = 5, M = 3, D = 7, U = 4, POOL = 6 };

typedef struct model {
    fr_params params;
    fr_heads *heads;
    fr_arena *arena;
    fr_tensor h, dh, y, upstream;
    fr_dropout_key key;
    int64_t u;
} model;

static void open_model(model *m, fr_device *device, int64_t hidden, const int64_t *which, bool train_u)
{
    const fr_heads_shape shape = {M, D, U, hidden};
    *m = (model){0};
    fr_params_create(&m->params, device);
    m->u = fr_params_add(&m->params, "u", 2, (int64_t[]){POOL, U}, train_u, true, FR_GROUP_HEAD);
    m->heads = fr_heads_create(&shape, &m->params, "general.", m->u, which, train_u, true, B + 3);
    fr_params_commit(&m->params);
    fr_heads_commit(m->heads);
    m->arena = fr_arena_create(device);
    for (int pass = 0; pass < 2; pass++) {
        m->h = fr_arena_tensor(m->arena, device->real, FR_SHAPE(B, D));
        m->dh = fr_arena_tensor(m->arena, device->real, FR_SHAPE(B, D));
        m->y = fr_arena_tensor(m->arena, device->real, FR_SHAPE(B, M));
        m->upstream = fr_arena_tensor(m->arena, device->real, FR_SHAPE(B, M));
        if (pass == 0)
            fr_arena_commit(m->arena);
    }
    test_fill_normal(m->h, 1, 100);
    test_fill_normal(m->upstream, 1, 101);
}

static void close_model(model *m)
{
    fr_heads_close(m->heads);
    fr_params_close(&m->params);
    fr_arena_close(m->arena);
}

/* NaN through everything, then real values. */
static void poison(model *m)
{
    for (int64_t i = 0; i < m->params.count; i++)
        test_fill(m->params.item[i].value, NAN);
    fr_heads_forward(m->heads, m->y, m->h, m->key);
    fr_heads_backward(m->heads, m->dh, m->y, m->h);
    for (int64_t i = 0; i < m->params.count; i++)
        test_fill_normal(m->params.item[i].value, 0.7, (uint64_t)i);
    test_poison_gradients(&m->params);
}

static double loss(void *context)
{
    model *m = context;
    fr_heads_forward(m->heads, m->y, m->h, m->key);
    return test_dot(m->y, m->upstream);
}

static double gelu(double x)
{
    return x * 0.5 * (1 + erf(x / sqrt(2)));
}

/* The definition: an MLP on the concatenation [h; u], one model at a time. */
static double by_hand(const model *m, int64_t hidden, int64_t i, int64_t head, int64_t row_of_u)
{
    int64_t H = hidden ? hidden : 1;
    double *p[6], *h = test_values(m->h), y = 0;
    for (int64_t j = 0; j < m->params.count; j++)
        p[j] = test_values(m->params.item[j].value);
    for (int64_t k = 0; k < H; k++) {
        double z = p[3][head * H + k];
        for (int64_t j = 0; j < D; j++)
            z += p[1][(head * H + k) * D + j] * h[i * D + j];
        for (int64_t j = 0; j < U; j++)
            z += p[2][(head * H + k) * U + j] * p[0][row_of_u * U + j];
        y += hidden ? p[4][head * H + k] * gelu(z) : z;
    }
    if (hidden)
        y += p[5][head];
    for (int64_t j = 0; j < m->params.count; j++)
        free(p[j]);
    free(h);
    return y;
}

static void test_values_and_gradients(void **state)
{
    (void)state;
    const int64_t which[M] = {5, 0, 3};
    fr_device *device = test_device(FR_DEVICE_REF);
    for (int variant = 0; variant < 8; variant++) {
        int64_t hidden = variant & 1 ? 9 : 0;
        model m;
        open_model(&m, device, hidden, variant & 2 ? which : NULL, true);
        m.key = (fr_dropout_key){.p = variant & 4 ? 0.4 : 0, .seed = 3, .stream = 8, .first = 50};
        poison(&m);
        double value = loss(&m);
        if (m.key.p == 0) {
            double *y = test_values(m.y);
            for (int64_t i = 0; i < B; i++)
                for (int64_t head = 0; head < M; head++)
                    assert_close(y[i * M + head], by_hand(&m, hidden, i, head, variant & 2 ? which[head] : head),
                                 1e-12);
            free(y);
        }
        fr_heads_backward(m.heads, m.dh, m.upstream, m.h);
        assert_gradients(&m.params, loss, &m, 1);
        assert_gradient("h", m.h, m.dh, 0, loss, &m, 1);
        assert_close(loss(&m), value, 0);
        fr_heads_backward(m.heads, FR_NONE, m.upstream, m.h); /* dh not wanted */
        close_model(&m);
    }
    fr_device_close(device);
}

/* u frozen: its gradient is not touched (it has none), the others are as before. f32 beside f64. */
static void test_backends(void **state)
{
    (void)state;
    fr_device *device[2] = {test_device(FR_DEVICE_REF), test_device(FR_DEVICE_CPU)};
    for (int64_t hidden = 0; hidden < 10; hidden += 9) {
        model m[2];
        for (int i = 0; i < 2; i++) {
            open_model(&m[i], device[i], hidden, NULL, false);
            m[i].key.p = 0.2;
            poison(&m[i]);
            loss(&m[i]);
            fr_heads_backward(m[i].heads, m[i].dh, m[i].upstream, m[i].h);
        }
        for (int64_t i = 0; i <= m[0].params.count; i++) {
            bool last = i == m[0].params.count;
            fr_tensor a = last ? m[0].dh : m[0].params.item[i].grad, b = last ? m[1].dh : m[1].params.item[i].grad;
            if (!a.data)
                continue;
            double *want = test_values(a), *got = test_values(b);
            assert_all_close(last ? "dh" : m[0].params.item[i].name, got, want, fr_tensor_count(&a), 64 * FLT_EPSILON,
                             1);
            free(want);
            free(got);
        }
        close_model(&m[0]);
        close_model(&m[1]);
    }
    fr_device_close(device[0]);
    fr_device_close(device[1]);
}

static void test_init(void **state)
{
    (void)state;
    const double mean[M] = {0.1, 0.5, 0.9};
    fr_device *device = test_device(FR_DEVICE_REF);
    for (int64_t hidden = 0; hidden < 300; hidden += 256) {
        model m;
        open_model(&m, device, hidden, NULL, true);
        fr_heads_init(m.heads, 1, mean);
        test_fill(m.params.item[m.u].value, 0);
        test_fill(m.h, 0);
        loss(&m); /* with nothing coming in, each head says the mean */
        double *y = test_values(m.y), *w = test_values(fr_params_find(&m.params, "general.w1")->value), squares = 0;
        int64_t n = M * (hidden ? hidden : 1) * D;
        for (int64_t i = 0; i < M; i++)
            assert_close(y[i], mean[i], 1e-12);
        for (int64_t i = 0; i < n; i++)
            squares += w[i] * w[i];
        assert_close(squares / (double)n, 1.0 / (D + U), hidden ? 0.005 : 0.1);
        free(y);
        free(w);
        fr_heads_init(m.heads, 1, NULL);
        loss(&m);
        y = test_values(m.y);
        assert_close(y[2], 0, 0);
        free(y);
        close_model(&m);
    }
    fr_device_close(device);
}

/* Task heads that start from general ones answer as those do for the same models; then the pull is zero, and moves back
 * what was moved. */
static void test_init_from_and_pull(void **state)
{
    (void)state;
    const int64_t which[M] = {1, 5, 0}, general_rows[M] = {0, 1, 5};
    const int column[M] = {1, 2, 0};
    fr_device *device = test_device(FR_DEVICE_REF);
    for (int64_t hidden = 0; hidden < 10; hidden += 9) {
        model general, task;
        open_model(&general, device, hidden, general_rows, true);
        open_model(&task, device, hidden, which, true);
        poison(&general);
        poison(&task);
        fr_tensor_copy(task.params.item[task.u].value, general.params.item[general.u].value);
        fr_heads_init_from(task.heads, general.heads);
        loss(&general);
        loss(&task);
        double *a = test_values(general.y), *b = test_values(task.y);
        for (int64_t i = 0; i < B; i++)
            for (int m = 0; m < M; m++)
                assert_close(b[i * M + m], a[i * M + column[m]], 0);
        free(a);
        free(b);

        assert_close(fr_heads_penalty(task.heads, general.heads, 3), 0, 0);
        int64_t weights = 0;
        for (int64_t i = 1; i < task.params.count; i++) { /* one is added to everything but u */
            double *w = test_values(task.params.item[i].value);
            int64_t n = fr_tensor_count(&task.params.item[i].value);
            for (int64_t j = 0; j < n; j++)
                w[j] += 1;
            fr_tensor_set_f64(task.params.item[i].value, w);
            weights += task.params.item[i].decay ? n : 0;
            free(w);
        }
        assert_close(fr_heads_penalty(task.heads, general.heads, 3), 1.5 * (double)weights, 1e-9);
        fr_heads_pull(task.heads, general.heads, 3);
        double squares = 0;
        for (int64_t i = 1; i < task.params.count; i++) {
            const fr_param *p = &task.params.item[i];
            double *g = test_values(p->grad), *w = test_values(p->value);
            for (int64_t j = 0; j < fr_tensor_count(&p->value); j++) {
                assert_close(g[j], p->decay ? 4 : 1, 1e-12);
                squares += p->decay ? w[j] * w[j] : 0;
            }
            free(g);
            free(w);
        }
        assert_close(fr_heads_penalty(task.heads, NULL, 2), squares, 1e-9);
        test_poison_gradients(&task.params);
        fr_heads_pull(task.heads, NULL, 2);
        double *g = test_values(task.params.item[1].grad), *w = test_values(task.params.item[1].value);
        assert_close(g[4], 1 + 2 * w[4], 1e-12);
        free(g);
        free(w);
        close_model(&general);
        close_model(&task);
    }
    fr_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values_and_gradients), cmocka_unit_test(test_backends),
                                       cmocka_unit_test(test_init), cmocka_unit_test(test_init_from_and_pull)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

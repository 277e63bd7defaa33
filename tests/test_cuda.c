/* The GPU: every operation, attention by length, nearest neighbours, rank-biased overlap, embedding and training on
 * cuda and cuda-bf16, against ref and cpu. Skipped where there is no GPU. FINEROUTER_CUDA_QUICK=1: small sizes only,
 * for compute-sanitizer. */
#include "device_cases.h"
#include "tiny_training.h"
#include "train_data.h"

#include "finerouter/log.h"

static fr_device *ref, *cpu, *gpu[2]; /* cuda, cuda-bf16; NULL: none */
static bool quick;

/* The GPUs are tried once; without one every test is skipped, but a GPU that does not open is a failure. */
static int setup(void **state)
{
    (void)state;
    quick = getenv("FINEROUTER_CUDA_QUICK") != NULL;
    if (fr_device_open(&ref, FR_DEVICE_REF, 0) || fr_device_open(&cpu, FR_DEVICE_CPU, 0))
        return 1;
    for (int i = 0; i < 2; i++)
        if (fr_device_open(&gpu[i], i ? FR_DEVICE_CUDA_BF16 : FR_DEVICE_CUDA, 0)) {
            print_message("%s\n", fr_error_text());
            bool none = strstr(fr_error_text(), "built without CUDA") || strstr(fr_error_text(), "no GPU");
            return none && i == 0 ? 0 : 1;
        }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        if (gpu[i])
            fr_device_close(gpu[i]);
    fr_device_close(cpu);
    fr_device_close(ref);
    return 0;
}

#define NEED_GPU()                                                                                                     \
    do {                                                                                                               \
        (void)state;                                                                                                   \
        if (!gpu[0])                                                                                                   \
            skip();                                                                                                    \
    } while (0)

static void test_operations(void **state)
{
    NEED_GPU();
    static const int64_t sizes[] = {1, 31, 32, 33};
    int count = quick ? 2 : 4;
    for (int i = 0; i < 2; i++)
        for (int c = 0; c < OP_CASES; c++)
            for (int r = 0; r < count; r++)
                for (int w = 0; w < count; w++)
                    device_check_case(gpu[i], ref, &op_cases[c], sizes[r], sizes[w]);
}

/* Several blocks; the widths of MiniLM and BERT-base, and an odd one. (Attention's width is that of a head.) */
static void test_large_operations(void **state)
{
    NEED_GPU();
    static const int64_t widths[] = {67, 384, 768, 1536};
    for (int i = 0; i < 2; i++)
        for (int c = 0; c < OP_CASES; c++) {
            if (strncmp(op_cases[c].name, "attention", 9) == 0) {
                device_check_case(gpu[i], ref, &op_cases[c], quick ? 130 : 517, 64);
                device_check_case(gpu[i], ref, &op_cases[c], quick ? 130 : 517, 67);
                continue;
            }
            for (int w = 0; w < (quick ? 1 : 4); w++)
                device_check_case(gpu[i], ref, &op_cases[c], quick ? 65 : 517, widths[w]);
        }
}

static void test_operations_repeat(void **state)
{
    NEED_GPU();
    for (int i = 0; i < 2; i++)
        for (int c = 0; c < OP_CASES; c++) {
            device_check_repeats(gpu[i], &op_cases[c], 517, 64);
            device_check_repeats(gpu[i], &op_cases[c], 130, 33);
        }
}

/* Around every tile's edge; each length alone, then many of them in one batch (rising, with a single token between). */
static void test_attention_lengths(void **state)
{
    NEED_GPU();
    static const int64_t length[] = {1,  2,  7,  15,  16,  17,  31,  32,  33,  47,  48,  63,  64,
                                     65, 96, 97, 127, 128, 129, 160, 191, 192, 193, 255, 256, 257};
    enum { LENGTHS = sizeof length / sizeof *length };
    static const int64_t widths[] = {32, 64, 16, 128, 40};
    for (int i = 0; i < 2; i++)
        for (int w = 0; w < (quick ? 2 : 5); w++)
            for (int dropout = 0; dropout < 2; dropout++) {
                double p = dropout ? .2 : 0;
                for (int l = 0; l < LENGTHS; l += quick ? 6 : 1)
                    device_check_attention(gpu[i], ref, &length[l], 1, 3, widths[w], p);
                device_check_attention(gpu[i], ref, length, quick ? 12 : LENGTHS, 2, widths[w], p);
            }
}

static void test_attention_long(void **state)
{
    NEED_GPU();
    static const int64_t lengths[][3] = {{511, 1, 512}, {3, 513, 1025}, {1, 64, 2048}};
    for (int i = 0; i < 2 && !quick; i++)
        for (int l = 0; l < 3; l++)
            for (int w = 32; w <= 64; w *= 2)
                device_check_attention(gpu[i], ref, lengths[l], 3, 1, w, l == 1 ? .1 : 0);
    static const int64_t longest[] = {4096};
    if (!quick)
        device_check_attention(gpu[1], ref, longest, 1, 1, 64, 0);
}

/* A batch of many sequences is what the launch geometry is made for. */
static void test_attention_many(void **state)
{
    NEED_GPU();
    enum { COUNT = 700 };
    int64_t length[COUNT];
    for (int b = 0; b < COUNT; b++)
        length[b] = 1 + fr_rng_below(2, 2, (uint64_t)b, quick ? 3 : 90);
    for (int i = 0; i < 2; i++)
        device_check_attention(gpu[i], ref, length, quick ? 40 : COUNT, 12, i ? 32 : 64, .1);
}

static void test_knn(void **state)
{
    NEED_GPU();
    for (int i = 0; i < 2; i++) {
        check_knn(gpu[i], 1, 1, 1, 1, false);
        check_knn(gpu[i], 1, 1, 3, 2, true);
        check_knn(gpu[i], 31, 31, 7, 40, true);
        check_knn(gpu[i], 5, 200, 33, 1, false);
        check_knn(gpu[i], 130, quick ? 300 : 2500, 19, 20, false);
        check_knn(gpu[i], 257, quick ? 300 : 1300, 64, 20, false);
        if (!quick) {
            check_knn(gpu[i], 1300, 1300, 384, 20, true);
            check_knn(gpu[i], 700, 5000, 768, 160, false);
            check_knn(gpu[i], 33, 20000, 384, 1, false);
        }
    }
}

/* Identical rows: every similarity ties, so the smallest indices come, in order. */
static void test_knn_ties(void **state)
{
    NEED_GPU();
    enum { N = 3000, D = 32, K = 5 };
    int64_t n = quick ? 200 : N;
    static float rows[N * D], similarity[N * K];
    static int32_t index[N * K], skip_row[N];
    for (int i = 0; i < N * D; i++)
        rows[i] = 0.5f;
    for (int i = 0; i < N; i++)
        skip_row[i] = i;
    for (int g = 0; g < 2; g++) {
        assert_true(fr_knn(gpu[g], index, similarity, rows, rows, n, n, D, K, skip_row, NULL, NULL));
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < K; j++)
                assert_int_equal(index[i * K + j], j + (i <= j));
    }
}

/* Clusters whose members differ by less than bf16 can tell: the re-ranking and the certificate must hold. */
static void test_knn_close(void **state)
{
    NEED_GPU();
    enum { N = 2000, D = 64, K = 10 };
    int64_t n = quick ? 300 : N;
    static float rows[N * D], similarity[N * K];
    static int32_t index[N * K];
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < D; j++) {
            rows[i * D + j] = (float)(fr_rng_normal(1, 0, (uint64_t)(i % 7 * D + j)) +
                                      1e-3 * fr_rng_normal(1, 1, (uint64_t)(i * D + j)));
            sum += (double)rows[i * D + j] * rows[i * D + j];
        }
        for (int j = 0; j < D; j++)
            rows[i * D + j] *= (float)(1 / sqrt(sum));
    }
    for (int g = 0; g < 2; g++) {
        assert_true(fr_knn(gpu[g], index, similarity, rows, rows, n, n, D, K, NULL, NULL, NULL));
        for (int64_t i = 0; i < n; i++)
            check_row(index + i * K, similarity + i * K, rows + i * D, rows, n, D, K, -1);
    }
}

static void test_rbo(void **state)
{
    NEED_GPU();
    static const int64_t models[] = {1, 2, 3, 8, 11, 16, 17, 33};
    for (int i = 0; i < 2; i++)
        for (int m = 0; m < (quick ? 5 : 8); m++)
            for (int64_t levels = 0; levels <= 4; levels += 2) {
                device_check_rbo(gpu[i], models[m], levels, 0, 3);
                device_check_rbo(gpu[i], models[m], levels, 0, 301);
                device_check_rbo(gpu[i], models[m], levels, .2, 67);
            }
}

/* ---- whole models ----------------------------------------------------------------------------------------------- */

/* Random weights of MiniLM's shape, texts of 1 to 256 tokens: f32 as the cpu, bf16 by the angle between embeddings. */
static void embed(float *out, fr_device *device, const fr_tokens *tokens, int64_t layers, int64_t longest)
{
    fr_encoder_shape shape = {1000, longest, 2, layers, 384, 12, 1536, 1e-12, longest, false, true, true};
    fr_params params;
    fr_params_create(&params, device);
    fr_encoder *encoder = fr_encoder_create(&shape, &params, "", 0, 2048, 64);
    fr_params_commit(&params);
    fr_encoder_commit(encoder);
    fr_encoder_init(encoder, 5);
    assert_ok(fr_encoder_embed(encoder, out, tokens, NULL, 2048));
    fr_encoder_close(encoder);
    fr_params_close(&params);
}

static void test_embedding(void **state)
{
    NEED_GPU();
    enum { TEXTS = 24, C = 384 };
    int64_t longest = quick ? 20 : 256, layers = quick ? 1 : 6;
    int64_t offset[TEXTS + 1] = {0};
    for (int i = 0; i < TEXTS; i++)
        offset[i + 1] = offset[i] + (i == 0 ? longest : 1 + fr_rng_below(1, 1, (uint64_t)i, longest));
    fr_tokens tokens = {.count = TEXTS, .offset = offset, .ids = FR_NEW(int32_t, offset[TEXTS])};
    for (int64_t i = 0; i < offset[TEXTS]; i++)
        tokens.ids[i] = (int32_t)fr_rng_below(1, 2, (uint64_t)i, 1000);
    static float want[TEXTS * C], got[TEXTS * C], again[TEXTS * C];
    embed(want, cpu, &tokens, layers, longest);
    for (int g = 0; g < 2; g++) {
        embed(got, gpu[g], &tokens, layers, longest);
        embed(again, gpu[g], &tokens, layers, longest);
        assert_memory_equal(got, again, sizeof got);
        for (int i = 0; i < TEXTS; i++) {
            double cosine = inner(got + (int64_t)i * C, want + (int64_t)i * C, C);
            if (!(cosine >= (g ? .9995 : 1 - 2e-6)))
                fail_msg("%s: cosine of text %d with the cpu's is %.9g", gpu[g]->description, i, cosine);
        }
        for (int i = 0; i < TEXTS * C && g == 0; i++)
            assert_close(got[i], want[i], 1e-5);
    }
    free(tokens.ids);
}

static void test_tiny_training(void **state)
{
    NEED_GPU();
    for (int64_t width = 32; width <= (quick ? 32 : 64); width *= 2) {
        double want[TINY_STEPS], loss[2][TINY_STEPS];
        int64_t count;
        free(tiny_train(want, &count, cpu, width));
        for (int g = 0; g < 2; g++) {
            float *first = tiny_train(loss[0], &count, gpu[g], width),
                  *second = tiny_train(loss[1], &count, gpu[g], width);
            tiny_compare(gpu[g]->description, loss[0], want, g ? .05 : 1e-4);
            assert_memory_equal(loss[0], loss[1], sizeof loss[0]);
            assert_memory_equal(first, second, (size_t)count * sizeof *first);
            free(first);
            free(second);
        }
    }
}

enum { PROMPTS = 600, MODELS = 6, TASKS = 4, WIDTH = 32 };

typedef struct trained {
    float logits[PROMPTS * TASKS], general[PROMPTS * MODELS], tasks[PROMPTS * MODELS];
} trained;

/* Classifier, phase 1 and phase 2 on cached embeddings: the library's own training, with early stopping off. */
static void train_frozen(trained *out, int device)
{
    planted p;
    planted_open(&p, PROMPTS, MODELS, TASKS, WIDTH, .8, device);
    plant_linear(&p, .8, .1);
    fr_config *c = &p.config;
    c->classifier.epochs = c->qe.epochs = c->qe.task_epochs = 3;
    c->classifier.patience = c->qe.patience = 0;
    uint8_t candidates[TASKS * MODELS];
    for (int i = 0; i < TASKS * MODELS; i++)
        candidates[i] = i % 3 != 1;
    fr_classifier *classifier;
    fr_estimator *estimator;
    float *h = FR_NEW(float, PROMPTS *WIDTH);
    assert_ok(fr_classifier_train(&classifier, &p.training, p.label, p.role, TASKS, p.centre, false, NULL, NULL, true));
    assert_ok(fr_classifier_logits(classifier, out->logits, NULL, PROMPTS));
    assert_ok(fr_estimator_train(&estimator, &p.training, NULL, NULL));
    assert_ok(fr_estimator_hidden(estimator, h, NULL, PROMPTS));
    assert_ok(fr_estimator_apply(estimator, out->general, h, NULL, PROMPTS));
    assert_ok(fr_estimator_train_tasks(estimator, &p.training, p.label, candidates, TASKS, NULL, NULL));
    assert_ok(fr_estimator_apply(estimator, out->tasks, h, p.label, PROMPTS));
    fr_classifier_close(classifier);
    fr_estimator_close(estimator);
    free(h);
    planted_close(&p);
}

static void compare_all(const char *what, const float *got, const float *want, int64_t n, double tolerance)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance))
            fail_msg("%s %ld is %.6g, the cpu has %.6g", what, (long)i, (double)got[i], (double)want[i]);
}

static void test_frozen_training(void **state)
{
    NEED_GPU();
    static trained want, got, again;
    train_frozen(&want, FR_DEVICE_CPU);
    for (int g = 0; g < (quick ? 1 : 2); g++) {
        train_frozen(&got, g ? FR_DEVICE_CUDA_BF16 : FR_DEVICE_CUDA);
        train_frozen(&again, g ? FR_DEVICE_CUDA_BF16 : FR_DEVICE_CUDA);
        assert_memory_equal(&got, &again, sizeof got);
        compare_all("logit", got.logits, want.logits, PROMPTS * TASKS, .02);
        compare_all("general estimate", got.general, want.general, PROMPTS * MODELS, 5e-3);
        compare_all("task estimate", got.tasks, want.tasks, PROMPTS * MODELS, 5e-3);
    }
}

int main(int argc, char **argv)
{
    fr_log_level(0);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_large_operations),
        cmocka_unit_test(test_operations_repeat),
        cmocka_unit_test(test_attention_lengths),
        cmocka_unit_test(test_attention_long),
        cmocka_unit_test(test_attention_many),
        cmocka_unit_test(test_knn),
        cmocka_unit_test(test_knn_ties),
        cmocka_unit_test(test_knn_close),
        cmocka_unit_test(test_rbo),
        cmocka_unit_test(test_embedding),
        cmocka_unit_test(test_tiny_training),
        cmocka_unit_test(test_frozen_training),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

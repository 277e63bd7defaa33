/* The model of costs against values worked out by hand, and against the program's own layout of memory. */
#include "test.h"

#include "base/files.h"
#include "base/memory.h"
#include "nn/encoder_internal.h"
#include "plan/plan.h"

#include <unistd.h>

static fr_config config;
static fr_rates rates;
static const fr_plan_sizes open_sizes = {NAN, NAN, NAN, NAN, NAN};

static void set(const char *assignment)
{
    assert_ok(fr_config_set(&config, assignment));
}

static int setup(void **state)
{
    (void)state;
    fr_config_defaults(&config);
    set("threads=1");
    set("synth.prompts=1000");
    set("synth.models=2");
    set("encoder.init=random");
    set("encoder.layers=2");
    set("encoder.hidden=8");
    set("encoder.heads=2");
    set("encoder.intermediate=16");
    set("encoder.vocabulary=100");
    set("encoder.max_tokens=32");
    set("qe.llm_dim=4");
    set("discover.resolution=1");
    set("discover.k=20");
    assert_ok(fr_rates_read(&rates, FR_SOURCE_DIR "/configs/devices.yaml", "cpu"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fr_rates_close(&rates);
    fr_config_close(&config);
    return 0;
}

static fr_workload workload(void)
{
    fr_workload work;
    fr_assumptions assumptions = {0};
    fr_plan_sizes given = open_sizes;
    given.tasks = 3;
    given.tokens = 10;
    given.description_tokens = 5;
    assert_ok(fr_workload_of(&work, &assumptions, &config, &given));
    fr_assumptions_close(&assumptions);
    return work;
}

static void test_by_hand(void **state)
{
    (void)state;
    /* 2 layers: 2 (4 128^2 + 2 128 512) = 393216 and 4 48 128 = 24576 each */
    fr_encoder_shape shape = {.layers = 2, .hidden = 128, .heads = 4, .intermediate = 512};
    assert_close(fr_plan_encoder_flops(&shape, 48), 835584, 0);
    fr_workload work = workload();
    assert_close(work.training, 800, 0);
    assert_close(work.dev, 100, 0);
    /* 1000 prompts and descriptions, 8 values of 4 bytes */
    assert_close(fr_plan_embedding_bytes(&work), 64000, 0);
    /* projection 64, W 64, e 24, b 3, s 1 */
    assert_close(fr_plan_classifier_params(&work, true), 156, 0);
    /* projection 64, u 2 x 4, linear heads 2 (8 + 4 + 1) */
    assert_close(fr_plan_phase1_params(&work), 98, 0);
    assert_close(fr_plan_task_params(&work), 26, 0);
    set("qe.hidden=3"); /* 13 x 3 + 3 + 1 = 43 a head */
    assert_close(fr_plan_phase1_params(&work), 64 + 8 + 86, 0);
    set("encoder.projection=false");
    assert_close(fr_plan_classifier_params(&work, true), 92, 0);
}

static void test_communication(void **state)
{
    (void)state;
    rates.value[FR_RATE_link_bandwidth] = 100;
    rates.value[FR_RATE_link_latency] = 0.5;
    rates.value[FR_RATE_net_bandwidth] = 50;
    rates.value[FR_RATE_net_latency] = 2;
    rates.value[FR_RATE_mpi_bandwidth] = 200;
    double sent;
    /* 4 ranks: 2 3/4 1000 = 1500 bytes; 15 s and 6 messages */
    assert_close(fr_plan_allreduce(&sent, 1000, (fr_ranks){4, 1}, &rates), 18, 1e-12);
    assert_close(sent, 1500, 0);
    assert_close(fr_plan_allreduce(&sent, 1000, (fr_ranks){4, 2}, &rates), 42, 1e-12);
    assert_close(fr_plan_gather(&sent, 1000, (fr_ranks){4, 1}, &rates), 3.75 + 1.5, 1e-12);
    assert_close(sent, 750, 0);
    assert_close(fr_plan_gather(&sent, 1000, (fr_ranks){4, 2}, &rates), 15 + 6, 1e-12);
    assert_close(fr_plan_allreduce(&sent, 1000, (fr_ranks){1, 1}, &rates), 0, 0);
    assert_close(sent, 0, 0);
}

static void test_stages_by_hand(void **state)
{
    (void)state;
    fr_workload work = workload();
    fr_plan plan;
    fr_plan_make(&plan, &work, &rates, (fr_ranks){1, 1});
    /* half of 800^2, and 200 x 800, of 2 x 8 operations */
    assert_close(plan.stage[FR_PLAN_NEIGHBOURS].flops, 480000 * 16, 0);
    /* 1000 x 10 tokens and 810 x 5: 2 (2 (4 64 + 2 8 16) + 4 tokens 8) */
    assert_close(plan.stage[FR_PLAN_EMBED].flops, 10000 * 2 * (1024 + 320) + 4050 * 2 * (1024 + 160), 1e-3);
    /* edges x models: .66 x 800 x 20 x 2 */
    assert_close(plan.stage[FR_PLAN_RBO].flops, 21120, 1e-6);
    /* 40 epochs: 3 forwards of 800 prompts and one of 100, 2 (64 + 2 8) each; 13 steps of 12 x 98 */
    assert_close(plan.stage[FR_PLAN_PHASE1].flops,
                 40 * (2500.0 * 2 * (64 + 16)) + 40 * 13 * 12 * 98 + 1000 * 2 * (64 + 16), 1e-3);
    /* 40 x 13 steps on 4 ranks send 1.5 x 4 x 98 bytes each; at the end 1000 (8 + 2) values, too */
    fr_plan_make(&plan, &work, &rates, (fr_ranks){4, 2});
    assert_close(plan.stage[FR_PLAN_PHASE1].comm_bytes, 40 * 13 * 1.5 * 392 + 1.5 * 40000, 1e-6);
    /* 5 folds on 4 ranks are two rounds, on 5 one */
    fr_plan five;
    fr_plan_make(&five, &work, &rates, (fr_ranks){5, 3});
    double four = plan.stage[FR_PLAN_STAGE1].seconds - plan.stage[FR_PLAN_STAGE1].comm_seconds;
    assert_close(five.stage[FR_PLAN_STAGE1].seconds - five.stage[FR_PLAN_STAGE1].comm_seconds, four / 2, 1e-12);
}

/* The plan's memory of the encoder is what the encoder takes. */
static void test_memory(void **state)
{
    (void)state;
    fr_workload work = workload();
    fr_plan plan;
    fr_plan_make(&plan, &work, &rates, (fr_ranks){1, 1});
    fr_device *device;
    assert_ok(fr_device_open(&device, FR_DEVICE_CPU, 1));
    int64_t tokens = fr_encoder_batch_tokens(&config, device, &work.shape, false);
    fr_params params;
    fr_params_create(&params, device);
    fr_encoder *encoder = fr_encoder_create(&work.shape, &params, "", 0, tokens, tokens / 2);
    fr_params_commit(&params);
    fr_encoder_commit(encoder);
    double taken = (double)fr_arena_bytes(encoder->arena) + (double)params.elements * 4 + 8 * (double)tokens;
    assert_close(plan.stage[FR_PLAN_EMBED].device_bytes, taken, 0);
    fr_encoder_close(encoder);
    fr_params_close(&params);
    fr_device_close(device);
    /* Every rank holds the embeddings, however many there are. */
    fr_plan eight;
    fr_plan_make(&eight, &work, &rates, (fr_ranks){8, 4});
    assert_close(eight.total.host_bytes, plan.total.host_bytes, 0);
    assert_true(plan.total.host_bytes > fr_plan_embedding_bytes(&work));
}

static void test_alone_nothing_is_sent(void **state)
{
    (void)state;
    set("discover.resolution=auto");
    set("eval.routers=all");
    fr_workload work = workload();
    fr_plan plan;
    fr_plan_make(&plan, &work, &rates, (fr_ranks){1, 1});
    for (int s = 0; s < FR_PLAN_STAGES; s++) {
        assert_close(plan.stage[s].comm_bytes, 0, 0);
        assert_close(plan.stage[s].comm_seconds, 0, 0);
        assert_true(plan.stage[s].seconds > 0);
    }
}

static void test_monotone(void **state)
{
    (void)state;
    static const char *const devices[] = {"cpu", "a100", "h100", "h200"};
    fr_workload work = workload();
    for (int i = 0; i < 4; i++) {
        fr_rates own;
        assert_ok(fr_rates_read(&own, FR_SOURCE_DIR "/configs/devices.yaml", devices[i]));
        fr_plan before = {0};
        for (double prompts = 1000; prompts < 1e9; prompts *= 10) {
            fr_workload scaled = fr_workload_scaled(&work, prompts, &open_sizes);
            fr_plan plan, more;
            fr_plan_make(&plan, &scaled, &own, (fr_ranks){2, 1});
            fr_plan_make(&more, &scaled, &own, (fr_ranks){16, 8});
            for (int s = 0; s < FR_PLAN_STAGES; s++) {
                assert_true(plan.stage[s].seconds > before.stage[s].seconds);
                assert_true(plan.stage[s].host_bytes > before.stage[s].host_bytes);
                assert_true(plan.stage[s].comm_bytes <= more.stage[s].comm_bytes);
            }
            assert_true(plan.total.disk_bytes > before.total.disk_bytes);
            assert_true(more.stage[FR_PLAN_NEIGHBOURS].flops == plan.stage[FR_PLAN_NEIGHBOURS].flops);
            if (prompts >= 1e7)
                assert_true(more.stage[FR_PLAN_NEIGHBOURS].seconds < plan.stage[FR_PLAN_NEIGHBOURS].seconds);
            before = plan;
        }
        fr_rates_close(&own);
    }
}

static double efficiency(const fr_workload *work, fr_plan_stage stage, int64_t ranks)
{
    fr_plan one, many;
    fr_plan_make(&one, work, &rates, (fr_ranks){1, 1});
    fr_plan_make(&many, work, &rates, (fr_ranks){ranks, fr_plan_nodes(&rates, ranks)});
    return one.stage[stage].seconds / ((double)ranks * many.stage[stage].seconds);
}

static void test_limits(void **state)
{
    (void)state;
    fr_workload work = workload(), large = fr_workload_scaled(&work, 1e6, &open_sizes);
    int64_t limit = fr_plan_limit(&large, &rates, FR_PLAN_NEIGHBOURS, 1 << 20);
    assert_true(limit > 10);
    assert_true(efficiency(&large, FR_PLAN_NEIGHBOURS, limit) < 0.5);
    assert_true(efficiency(&large, FR_PLAN_NEIGHBOURS, limit - 1) >= 0.5);
    assert_int_equal(fr_plan_limit(&large, &rates, FR_PLAN_LEIDEN, 1 << 20), 2);
    assert_int_equal(fr_plan_limit(&large, &rates, FR_PLAN_NEIGHBOURS, 4), 0);
    /* At the end of a node's memory its processes fill it. */
    fr_ranks two = {2, 1};
    double most = fr_plan_most_prompts(&work, &rates, &open_sizes, two, false);
    fr_workload full = fr_workload_scaled(&work, most, &open_sizes);
    fr_plan plan;
    fr_plan_make(&plan, &full, &rates, two);
    assert_close(2 * plan.total.host_bytes / rates.value[FR_RATE_host_memory], 1, 1e-3);
}

/* ---- the table ---- */

static void assert_table_fails(const char *from, const char *to, const char *device, const char *part)
{
    char *text, *path = fr_format("devices-%d.yaml", getpid());
    assert_ok(fr_file_read(&text, NULL, FR_SOURCE_DIR "/configs/devices.yaml", 0));
    char *at = strstr(text, from);
    assert_non_null(at);
    fr_buffer changed = {0};
    fr_buffer_add(&changed, text, (size_t)(at - text));
    fr_buffer_addf(&changed, "%s%s", to, at + strlen(from));
    assert_ok(fr_file_write(path, changed.data, changed.bytes));
    fr_rates read;
    assert_fails(fr_rates_read(&read, path, device), FR_USAGE, part);
    remove(path);
    fr_buffer_close(&changed);
    free(text);
    free(path);
}

static void test_table(void **state)
{
    (void)state;
    fr_rates read;
    assert_fails(fr_rates_read(&read, FR_SOURCE_DIR "/configs/devices.yaml", "h20"), FR_USAGE,
                 "there is no device h20; did you mean h200? The table has cpu, h200, h100, a100");
    assert_table_fails("  leiden:", "  leidem:", "cpu", "unknown key leidem; did you mean leiden?");
    assert_table_fails("  gemm: {value: 8.0e+10", "  gemm: {value: -8.0e+10", "cpu",
                       "gemm: the value is -8.0e+10, want a number above 0");
    assert_table_fails("  gemm: {value: 8.0e+10", "  gemm: {value: fast", "cpu", "gemm: the value is fast");
    assert_table_fails("  gemm: {value: 8.0e+10, ", "  gemm: {", "cpu", "gemm: want {value: NUMBER");
    assert_table_fails("  host: cpu", "  host: cpus", "h200", "there is no device cpus; did you mean cpu?");
    /* A GPU takes only what its host does. */
    assert_table_fails("\nh200:\n  host: cpu\n", "\nh200:\n  host: cpu\nother:\n", "h200",
                       "h200 has no gemm, want one");
    assert_ok(fr_rates_read(&read, FR_SOURCE_DIR "/configs/devices.yaml", "h200"));
    assert_true(read.gpu);
    assert_close(read.value[FR_RATE_leiden], rates.value[FR_RATE_leiden], 0);
    assert_true(fr_rate_measured(&read, FR_RATE_gemm));
    assert_false(fr_rate_measured(&read, FR_RATE_gemm_f32));
    fr_rates_close(&read);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_by_hand),  TEST(test_communication), TEST(test_stages_by_hand),        TEST(test_memory),
        TEST(test_monotone), TEST(test_limits),        TEST(test_alone_nothing_is_sent), TEST(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

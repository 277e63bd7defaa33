/* What several ranks share out is the same bits as one rank computes: embeddings, neighbours, the graph, Leiden,
 * k-means, folds, task heads, the bootstrap. Ranks are this program started again by mpirun; every rank writes what it
 * got, one file a case, and the files are compared with those of a process of its own. */
#include "train_data.h"

#include "base/files.h"
#include "comm/comm.h"
#include "discover/kmeans.h"
#include "finerouter/discover.h"
#include "finerouter/eval.h"
#include "finerouter/log.h"
#include "nn/encoder.h"
#include "ops/ops.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_RANKS = 4, NONE = 99 };
static const char *folder, *program;

/* ---- cases ---- */

/* Texts of words 0 .. 49 and of 1 .. 40 tokens; every fifth is the one before. */
static void texts(fr_tokens *tokens, int64_t count)
{
    *tokens = (fr_tokens){.count = count, .offset = FR_NEW(int64_t, count + 1), .ids = FR_NEW(int32_t, 40 * count)};
    for (int64_t i = 0; i < count; i++) {
        uint64_t text = (uint64_t)(i % 5 == 4 ? i - 1 : i);
        int64_t length = 1 + fr_rng_below(3, text, 0, 40), at = tokens->offset[i];
        for (int64_t j = 0; j < length; j++)
            tokens->ids[at + j] = (int32_t)fr_rng_below(4, text, (uint64_t)j, 50);
        tokens->offset[i + 1] = at + length;
    }
}

static void embed_on(fr_buffer *out, int kind)
{
    static const int64_t counts[] = {0, 1, 2, 3, 97};
    fr_device *device;
    assert_ok(fr_device_open(&device, kind, 1));
    fr_encoder_shape shape = {.vocabulary = 50,
                              .positions = 40,
                              .types = 2,
                              .layers = 2,
                              .hidden = 64,
                              .heads = 2,
                              .intermediate = 128,
                              .layernorm_epsilon = 1e-12,
                              .max_tokens = 40,
                              .normalize = true};
    fr_params params;
    fr_params_create(&params, device);
    fr_encoder *encoder = fr_encoder_create(&shape, &params, "", 0, 128, 16);
    fr_params_commit(&params);
    fr_encoder_commit(encoder);
    fr_encoder_init(encoder, 3);
    for (int i = 0; i < 5; i++) {
        fr_tokens tokens;
        texts(&tokens, counts[i]);
        float *h = FR_NEW(float, counts[i] * shape.hidden);
        memset(h, 1, (size_t)(counts[i] * shape.hidden) * sizeof *h);
        assert_ok(fr_encoder_embed(encoder, h, &tokens, NULL, 100));
        fr_buffer_add(out, (const char *)h, (size_t)(counts[i] * shape.hidden) * sizeof *h);
        free(h);
        fr_tokens_close(&tokens);
    }
    fr_encoder_close(encoder);
    fr_params_close(&params);
    fr_device_close(device);
}

static void embed(fr_buffer *out)
{
    embed_on(out, FR_DEVICE_CPU);
    embed_on(out, FR_DEVICE_REF);
}

/* Rows of a few small integers, so that many scores are the same; or spread evenly. */
static float *rows_of(int64_t n, int64_t d, bool integers)
{
    float *x = FR_NEW(float, n *d);
    for (int64_t i = 0; i < n * d; i++)
        x[i] = integers ? (float)(fr_rng_below(5, 0, (uint64_t)i, 5) - 2) : (float)fr_rng_normal(6, 0, (uint64_t)i);
    return x;
}

static bool go_on(void *context, int64_t rows)
{
    (void)context;
    (void)rows;
    return true;
}

static void search(fr_buffer *out, fr_device *device, int64_t nq, int64_t nc, int64_t d, int64_t k, bool mirrored,
                   bool integers)
{
    float *x = rows_of(nq > nc ? nq : nc, d, integers), *copy = rows_of(nc, d, integers);
    int32_t *index = FR_NEW(int32_t, nq * k), *skip = FR_NEW(int32_t, nq);
    float *similarity = FR_NEW(float, nq *k);
    for (int64_t i = 0; i < nq; i++)
        skip[i] = i % 7 == 6 ? -1 : (int32_t)i;
    assert_true(fr_knn_shared(device, index, similarity, x, mirrored ? x : copy, nq, nc, d, k, skip, go_on, NULL));
    fr_buffer_add(out, (const char *)index, (size_t)(nq * k) * sizeof *index);
    fr_buffer_add(out, (const char *)similarity, (size_t)(nq * k) * sizeof *similarity);
    free(x);
    free(copy);
    free(index);
    free(skip);
    free(similarity);
}

/* Few and many queries go different ways; more queries than the corpus they begin with; more neighbours than rows. */
static void neighbours(fr_buffer *out)
{
    static const struct {
        int64_t nq, nc, d, k;
    } size[] = {{1, 1, 3, 2},      {2, 2, 3, 1},     {3, 50, 8, 4},    {0, 5, 3, 1},       {130, 130, 19, 5},
                {700, 700, 9, 20}, {900, 400, 8, 7}, {131, 900, 8, 7}, {200, 200, 5, 250}, {1100, 1100, 6, 3}};
    static const int kinds[] = {FR_DEVICE_CPU, FR_DEVICE_REF};
    for (int kind = 0; kind < 2; kind++) {
        fr_device *device;
        assert_ok(fr_device_open(&device, kinds[kind], kind == 0 ? 1 + fr_comm_rank() % 2 : 1));
        for (size_t i = 0; i < sizeof size / sizeof *size; i++)
            for (int way = 0; way < 4; way++)
                search(out, device, size[i].nq, size[i].nc, size[i].d, size[i].k, way % 2, way / 2);
        fr_device_close(device);
    }
}

static void add_tasks(fr_buffer *out, const fr_tasks *tasks)
{
    for (int64_t r = 0; r < tasks->rounds; r++) {
        const fr_graph *graph = &tasks->graph[r];
        fr_buffer_add(out, (const char *)graph->edges, (size_t)(2 * graph->E) * sizeof *graph->edges);
        fr_buffer_add(out, (const char *)graph->cosine, (size_t)graph->E * sizeof *graph->cosine);
        fr_buffer_add(out, (const char *)graph->rbo, (size_t)graph->E * sizeof *graph->rbo);
        fr_buffer_add(out, (const char *)graph->weight, (size_t)graph->E * sizeof *graph->weight);
    }
    fr_buffer_add(out, (const char *)tasks->membership, (size_t)(tasks->rounds * tasks->N) * sizeof(int32_t));
    fr_buffer_add(out, (const char *)tasks->vote, (size_t)tasks->N * sizeof *tasks->vote);
    fr_buffer_add(out, (const char *)&tasks->modularity, sizeof tasks->modularity);
}

static void set(planted *p, const char *setting)
{
    assert_ok(fr_config_set(&p->config, setting));
}

/* Quality of the later prompts, or of all, in two or three grades: rank-biased overlap has ways of its own for lists
 * without ties, of two grades, and for any. */
static void grade(planted *p, int64_t first, float grades)
{
    for (int64_t x = first * p->data.M; x < p->data.N * p->data.M; x++)
        p->data.quality[x] = roundf(fminf(fmaxf(p->data.quality[x], 0), 1) * grades) / grades;
}

static void discovery(fr_buffer *out)
{
    static const int64_t counts[] = {3, 10, 400, 400, 400, 400}, graded[] = {3, 10, 400, 0, 350, 0};
    for (int i = 0; i < 6; i++) {
        planted p;
        planted_open(&p, counts[i], 5, 4, 16, .4, FR_DEVICE_CPU);
        plant_linear(&p, 1, .2);
        grade(&p, graded[i], i == 5 ? 2 : 1);
        set(&p, "discover.min_task_size=2");
        for (int64_t n = 0; n < counts[i]; n++)
            p.data.description[n] = p.data.text[n];
        for (int way = 0; way < 2; way++) {
            fr_discovery *found;
            fr_tasks tasks;
            set(&p, way ? "discover.rbo_ties=b" : "discover.rbo_ties=a");
            assert_ok(fr_discovery_create(&found, &p.data, p.embedding, p.d, &p.config, p.device));
            assert_ok(fr_discovery_partition(found, way ? 1 : .2, &tasks));
            add_tasks(out, &tasks);
            fr_tasks_close(&tasks);
            fr_discovery_close(found);
        }
        planted_close(&p);
    }
}

static void clustering(fr_buffer *out)
{
    enum { N = 500, D = 8 };
    float *x = rows_of(N, D, false), centre[30 * D];
    int32_t member[N];
    double squares;
    static const int64_t restarts[] = {1, 2, 3, 10};
    for (int i = 0; i < 4; i++)
        for (int64_t k = 1; k <= 30; k += 29)
            for (int64_t n = 20; n <= N; n += N - 20) {
                assert_ok(fr_kmeans(member, centre, &squares, x, n, D, k, restarts[i], 40, 5));
                fr_buffer_add(out, (const char *)member, (size_t)n * sizeof *member);
                fr_buffer_add(out, (const char *)centre, (size_t)(k * D) * sizeof *centre);
                fr_buffer_add(out, (const char *)&squares, sizeof squares);
            }
    free(x);
}

static void folds(fr_buffer *out)
{
    planted p;
    planted_open(&p, 200, 2, 3, 8, .5, FR_DEVICE_CPU);
    set(&p, "classifier.epochs=3");
    for (int way = 0; way < 2; way++) {
        float *logits = FR_NEW(float, 200 * 3);
        set(&p, way ? "stage1.folds=2" : "stage1.folds=5");
        assert_ok(fr_classifier_out_of_fold(logits, &p.training, p.label, 3, p.centre, true));
        fr_buffer_add(out, (const char *)logits, 200 * 3 * sizeof *logits);
        free(logits);
    }
    planted_close(&p);
}

static void routers(fr_buffer *out)
{
    planted p;
    planted_open(&p, 300, 4, 5, 8, .5, FR_DEVICE_CPU);
    plant_linear(&p, 1, .2);
    set(&p, "avengers.k=2, 5, 500");
    fr_clusterings *kept = NULL;
    fr_eval_input input = {.config = &p.config,
                           .data = &p.data,
                           .device = p.device,
                           .embedding = p.embedding,
                           .d = p.d,
                           .training = &p.training};
    fr_scores scores[6] = {0};
    for (int i = 0; i < 4; i++) { /* the clusterings of its own, then shared: made by one, used by the other */
        input.clusterings = i < 2 ? NULL : &kept;
        assert_ok(fr_baseline_find(i % 2 ? "avengers_pro" : "avengers")->score(&scores[i], &input));
        assert_memory_equal(scores[i].score, scores[i % 2].score, 300 * 4 * sizeof(float));
    }
    assert_ok(fr_baseline_find("knn")->score(&scores[4], &input));
    assert_ok(fr_baseline_find("best_single")->score(&scores[5], &input));
    fr_result result[6];
    for (int i = 0; i < 6; i++) {
        fr_buffer_add(out, (const char *)scores[i].score, 300 * 4 * sizeof(float));
        fr_evaluate(&result[i], &scores[i], &p.data, &p.config, FR_SPLIT_TEST);
    }
    for (int64_t resamples = 1; resamples <= 101; resamples += 100) {
        fr_bootstrap(result, 6, 0, &p.data, resamples, 7);
        for (int i = 0; i < 6; i++)
            fr_buffer_add(out, (const char *)&result[i].vs_full, 4 * sizeof(double));
    }
    for (int i = 0; i < 6; i++) {
        fr_scores_close(&scores[i]);
        fr_result_close(&result[i]);
    }
    fr_clusterings_close(kept);
    planted_close(&p);
}

typedef struct shard_case {
    const char *name;
    void (*run)(fr_buffer *out);
} shard_case;
static const shard_case cases[] = {{"embed", embed},           {"neighbours", neighbours}, {"discovery", discovery},
                                   {"clustering", clustering}, {"folds", folds},           {"routers", routers}};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- a rank ---- */

static fr_status write_case(const char *run, const shard_case *one)
{
    fr_buffer out = {0};
    one->run(&out);
    char *path = fr_format("%s/%s.%s.%d", folder, run, one->name, fr_comm_rank());
    fr_status status = fr_file_write(path, out.data ? out.data : "", out.bytes);
    free(path);
    fr_buffer_close(&out);
    return status;
}

/* test_shards --rank FOLDER RUN */
static int rank(char **argv)
{
    fr_log_level(0);
    fr_interrupt_install();
    fr_status status = fr_comm_start();
    if (status == FR_USAGE)
        return NONE;
    folder = argv[2];
    for (int i = 0; i < CASES && status == FR_OK; i++)
        status = write_case(argv[3], &cases[i]);
    return fr_comm_end(status);
}

/* ---- the parent ---- */

/* ranks 0: without mpirun. Returns the exit code. */
static int on(int ranks, const char *run)
{
    extern char **environ;
    char number[16];
    snprintf(number, sizeof number, "%d", ranks);
    const char *argv[] = {"mpirun", "--oversubscribe", "-n", number, program, "--rank", folder, run, NULL};
    const char **from = ranks ? argv : argv + 4;
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, from[0], NULL, NULL, (char *const *)from, environ) != 0)
        return NONE;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void same_bits(void **state)
{
    (void)state;
    assert_int_equal(on(0, "alone"), 0);
    for (int ranks = 1; ranks <= MOST_RANKS; ranks++) {
        char run[8];
        snprintf(run, sizeof run, "on%d", ranks);
        int code = on(ranks, run);
        if (code == NONE)
            skip();
        assert_int_equal(code, 0);
        for (int c = 0; c < CASES; c++) {
            char *want, *path = fr_format("%s/alone.%s.0", folder, cases[c].name);
            size_t bytes, size;
            assert_ok(fr_file_read(&want, &bytes, path, 0));
            free(path);
            assert_true(bytes > 1000);
            for (int r = 0; r < ranks; r++) {
                char *got;
                path = fr_format("%s/%s.%s.%d", folder, run, cases[c].name, r);
                assert_ok(fr_file_read(&got, &size, path, 0));
                if (size != bytes || memcmp(got, want, bytes) != 0)
                    fail_msg("%s: rank %d of %d has something else than one alone", cases[c].name, r, ranks);
                free(got);
                free(path);
            }
            free(want);
        }
    }
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc > 1 && strcmp(argv[1], "--rank") == 0)
        return rank(argv);
    const char *settings[] = {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                              "OMPI_MCA_rmaps_base_oversubscribe"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        setenv(settings[i], "1", 0);
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0); /* more ranks than cores */
    folder = test_folder();
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What several ranks share out is the same bits as one rank computes: embeddings, neighbours, the graph, Leiden,
 * k-means, folds, task heads, the bootstrap. Ranks are this program started again by mpirun; every rank writes what it
 * got, one file a case, and the files are compared with those of a process of its own. */
#include "mpirun.h"
#include "train_data.h"

#include "base/files.h"
#include "comm/comm.h"
#include "discover/discover_internal.h"
#include "discover/kmeans.h"
#include "finerouter/eval.h"
#include "finerouter/log.h"
#include "nn/encoder.h"
#include "ops/ops.h"

#include <signal.h>
#include <unistd.h>

enum { MOST_RANKS = 4 };
static const char *folder, *program;
static const char key[] = "0123456789abcdef0123456789abcdef";

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
        fr_buffer_add(out, h, (size_t)(counts[i] * shape.hidden) * sizeof *h);
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
    fr_buffer_add(out, index, (size_t)(nq * k) * sizeof *index);
    fr_buffer_add(out, similarity, (size_t)(nq * k) * sizeof *similarity);
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
        fr_buffer_add(out, graph->edges, (size_t)(2 * graph->E) * sizeof *graph->edges);
        fr_buffer_add(out, graph->cosine, (size_t)graph->E * sizeof *graph->cosine);
        fr_buffer_add(out, graph->rbo, (size_t)graph->E * sizeof *graph->rbo);
        fr_buffer_add(out, graph->weight, (size_t)graph->E * sizeof *graph->weight);
    }
    fr_buffer_add(out, tasks->membership, (size_t)(tasks->rounds * tasks->N) * sizeof(int32_t));
    fr_buffer_add(out, tasks->vote, (size_t)tasks->N * sizeof *tasks->vote);
    fr_buffer_add(out, &tasks->modularity, sizeof tasks->modularity);
}

static void set(planted *p, const char *setting)
{
    assert_ok(fr_config_set(&p->config, setting));
}

/* Rank-biased overlap goes ways of its own, which round in their own manner, where no list of all has ties, and where
 * all are of two grades and the edges many. The early edges, one rank's, join nodes of the first cluster alone; a
 * rank's edges are too few for what all are enough for. */
static void overlap(fr_buffer *out, int64_t M, bool early_ties)
{
    enum { N = 400, D = 8 };
    fr_config config;
    fr_device *device;
    fr_config_defaults(&config);
    assert_ok(fr_device_open(&device, FR_DEVICE_CPU, 1));
    float *x = rows_of(N, D, false);
    int16_t *top = FR_NEW(int16_t, N * M), *bottom = FR_NEW(int16_t, N * M);
    double *score = FR_NEW(double, M);
    for (int64_t i = 0; i < N; i++) {
        x[i * D] += i < N / 2 ? 30 : -30;
        unit(x + i * D, D);
        for (int64_t m = 0; m < M; m++)
            score[m] = i < N / 2 && !early_ties ? fr_rng_normal(7, (uint64_t)i, (uint64_t)m)
                                                : (double)fr_rng_below(7, (uint64_t)i, (uint64_t)m, 2);
        fr_rank_scores(top + i * M, bottom + i * M, score, NULL, M, false);
    }
    fr_graph graph;
    assert_ok(fr_graph_build(&graph, x, top, bottom, N, D, M, &config, device, NULL));
    fr_buffer_add(out, graph.rbo, (size_t)graph.E * sizeof *graph.rbo);
    fr_graph_close(&graph);
    free(x);
    free(top);
    free(bottom);
    free(score);
    fr_config_close(&config);
    fr_device_close(device);
}

static void discovery(fr_buffer *out)
{
    overlap(out, 30, false);
    overlap(out, 15, true);
    static const int64_t counts[] = {3, 10, 400};
    for (int i = 0; i < 3; i++) {
        planted p;
        planted_open(&p, counts[i], 5, 4, 16, .4, FR_DEVICE_CPU);
        plant_linear(&p, 1, .2);
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
                fr_buffer_add(out, member, (size_t)n * sizeof *member);
                fr_buffer_add(out, centre, (size_t)(k * D) * sizeof *centre);
                fr_buffer_add(out, &squares, sizeof squares);
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
        fr_buffer_add(out, logits, 200 * 3 * sizeof *logits);
        free(logits);
    }
    planted_close(&p);
}

/* Task heads over an estimator that every rank has trained by itself: sums of gradients are another test's. Four tasks
 * of unequal size and candidates, one without any, on the cpu or on ref. `stop`: the last rank wants to stop. */
static fr_status train_tasks(fr_buffer *out, int kind, const char *checkpoint, bool stop)
{
    enum { N = 240, M = 4, T = 5 };
    static const uint8_t candidates[T * M] = {1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1};
    planted p;
    planted_open(&p, N, M, 4, 8, .5, kind);
    plant_linear(&p, 1, .2);
    static const char *const settings[] = {
        "qe.epochs=2",  "qe.task_epochs=12",    "qe.patience=3", "qe.hidden=6",
        "qe.batch=16",  "qe.task_head_prior=0", "qe.dropout=.1", "train.checkpoint_seconds=0",
        "qe.task_lr=.1"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        set(&p, settings[i]);
    int32_t assignment[N];
    for (int64_t i = 0; i < N; i++)
        assignment[i] = (int32_t)(i % 7 == 6 ? -1 : i % 20 < 8 ? 0 : i % T);
    fr_estimator *e;
    fr_comm_apart(true);
    assert_ok(fr_estimator_train(&e, &p.training, NULL, NULL));
    fr_comm_apart(false);
    if (stop && fr_comm_rank() == fr_comm_ranks() - 1)
        raise(SIGTERM);
    fr_status status = fr_estimator_train_tasks(e, &p.training, assignment, candidates, T, checkpoint, key);
    if (status == FR_OK) {
        float h[N * 8], *estimate = FR_NEW(float, N *M);
        assert_ok(fr_estimator_hidden(e, h, NULL, N));
        assert_ok(fr_estimator_apply(e, estimate, h, assignment, N));
        fr_buffer_add(out, estimate, N * M * sizeof *estimate);
        free(estimate);
    }
    fr_estimator_close(e);
    planted_close(&p);
    return status;
}

static void heads(fr_buffer *out)
{
    assert_ok(train_tasks(out, FR_DEVICE_CPU, NULL, false));
    assert_ok(train_tasks(out, FR_DEVICE_REF, NULL, false));
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
        fr_buffer_add(out, scores[i].score, 300 * 4 * sizeof(float));
        fr_evaluate(&result[i], &scores[i], &p.data, &p.config, FR_SPLIT_TEST);
    }
    for (int64_t resamples = 1; resamples <= 101; resamples += 100) {
        fr_bootstrap(result, 6, 0, &p.data, resamples, 7);
        for (int i = 0; i < 6; i++)
            fr_buffer_add(out, &result[i].vs_full, 4 * sizeof(double));
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
                                   {"clustering", clustering}, {"heads", heads},           {"folds", folds},
                                   {"routers", routers}};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- a rank ---- */

static fr_status write_out(const char *run, const char *name, fr_buffer out)
{
    char *path = fr_format("%s/%s.%s.%d", folder, run, name, fr_comm_rank());
    fr_status status = fr_file_write(path, out.data ? out.data : "", out.bytes);
    free(path);
    fr_buffer_close(&out);
    return status;
}

static fr_status all_cases(const char *run)
{
    fr_status status = FR_OK;
    for (int i = 0; i < CASES && status == FR_OK; i++) {
        fr_buffer out = {0};
        cases[i].run(&out);
        status = write_out(run, cases[i].name, out);
    }
    return status;
}

/* The last rank wants to stop while heads train; then nothing goes on on any rank. */
static fr_status stop_all(const char *checkpoint)
{
    enum { N = 200, D = 64 };
    fr_buffer out = {0};
    assert_int_equal(train_tasks(&out, FR_DEVICE_CPU, checkpoint, true), FR_INTERRUPTED);
    float *x = rows_of(N, D, false), centre[2 * D];
    int32_t member[N];
    assert_int_equal(fr_kmeans(member, centre, NULL, x, N, D, 2, 5, 10, 1), FR_INTERRUPTED);
    free(x);
    planted p;
    planted_open(&p, N, 3, 4, 16, .4, FR_DEVICE_CPU);
    plant_linear(&p, 1, .2);
    fr_discovery *found;
    assert_int_equal(fr_discovery_create(&found, &p.data, p.embedding, p.d, &p.config, p.device), FR_INTERRUPTED);
    float *logits = FR_NEW(float, N * 4);
    assert_int_equal(fr_classifier_out_of_fold(logits, &p.training, p.label, 4, p.centre, true), FR_INTERRUPTED);
    free(logits);
    planted_close(&p);
    return FR_OK;
}

/* test_shards --rank FOLDER RUN [stop | resume CHECKPOINT] */
static int rank(int argc, char **argv)
{
    fr_log_level(0);
    fr_interrupt_install();
    fr_status status = fr_comm_start();
    if (status == FR_USAGE)
        return NO_RANKS;
    folder = argv[2];
    fr_buffer out = {0};
    if (argc == 4)
        status = all_cases(argv[3]);
    else if (strcmp(argv[4], "stop") == 0)
        status = stop_all(argv[5]);
    else if ((status = train_tasks(&out, FR_DEVICE_CPU, argv[5], false)) == FR_OK)
        status = write_out(argv[3], "heads", out);
    return fr_comm_end(status);
}

/* ---- the parent ---- */

static int on(int ranks, const char *run, const char *what, const char *checkpoint)
{
    pid_t pid = ranks_start(ranks, program, (const char *const[]){"--rank", folder, run, what, checkpoint, NULL});
    return pid < 0 ? NO_RANKS : ranks_end(pid);
}

static char *result(const char *run, const char *name, int of, size_t *bytes)
{
    char *text, *path = fr_format("%s/%s.%s.%d", folder, run, name, of);
    assert_ok(fr_file_read(&text, bytes, path, 0));
    free(path);
    return text;
}

/* What every rank of a run got is what a process alone gets; heads after a checkpoint are the first of its bytes. */
static void compare(const char *run, const char *name, int ranks, bool whole)
{
    size_t bytes, size;
    char *want = result("alone", name, 0, &bytes);
    assert_true(bytes > 1000);
    for (int r = 0; r < ranks; r++) {
        char *got = result(run, name, r, &size);
        if ((whole ? size != bytes : size == 0) || memcmp(got, want, size) != 0)
            fail_msg("%s: rank %d of %d (%s) has something else than one alone", name, r, ranks, run);
        free(got);
    }
    free(want);
}

static void same_bits(void **state)
{
    (void)state;
    for (int ranks = 1; ranks <= MOST_RANKS; ranks++) {
        char run[8];
        snprintf(run, sizeof run, "on%d", ranks);
        int code = on(ranks, run, NULL, NULL);
        if (code == NO_RANKS)
            skip();
        assert_int_equal(code, 0);
        for (int c = 0; c < CASES; c++)
            compare(run, cases[c].name, ranks, true);
    }
}

/* One rank stops within an epoch, several at its end; another number goes on. */
static void stopped_and_resumed(void **state)
{
    (void)state;
    static const int ways[][2] = {{0, 3}, {3, 0}, {2, 4}};
    for (int i = 0; i < 3; i++) {
        char *checkpoint = fr_format("%s/checkpoint%d", folder, i), run[16];
        snprintf(run, sizeof run, "resumed%d", i);
        int code = on(ways[i][0], run, "stop", checkpoint);
        if (code == NO_RANKS)
            skip();
        assert_int_equal(code, 0);
        assert_true(fr_file_exists(checkpoint));
        code = on(ways[i][1], run, "resume", checkpoint);
        if (code == NO_RANKS)
            skip();
        assert_int_equal(code, 0);
        assert_false(fr_file_exists(checkpoint));
        compare(run, "heads", ways[i][1] ? ways[i][1] : 1, false);
        free(checkpoint);
    }
}

static int alone(void **state)
{
    (void)state;
    return on(0, "alone", NULL, NULL);
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc > 1 && strcmp(argv[1], "--rank") == 0)
        return rank(argc, argv);
    const char *settings[] = {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                              "OMPI_MCA_rmaps_base_oversubscribe"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        setenv(settings[i], "1", 0);
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0); /* more ranks than cores */
    folder = test_folder();
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits), cmocka_unit_test(stopped_and_resumed)};
    return cmocka_run_group_tests(tests, alone, NULL);
}

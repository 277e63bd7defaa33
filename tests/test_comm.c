/* Shares, and what ranks do together: the test starts itself again under mpirun, with the name of a scenario. */
#include "comm/comm.h"
#include "comm/transport.h"
#include "finerouter/log.h"
#include "test.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *binary;

/* ---- shares ---- */

static void test_shares_are_equal(void **state)
{
    (void)state;
    int64_t first[5];
    fr_shares(first, NULL, 10, 4); /* middles at 2.5, 5, 7.5 */
    const int64_t want[5] = {0, 2, 5, 7, 10};
    assert_memory_equal(first, want, sizeof want);
    fr_shares(first, NULL, 2, 4);
    assert_int_equal(first[0], 0);
    assert_int_equal(first[4], 2);
    for (int p = 0; p < 4; p++)
        assert_in_range(first[p + 1] - first[p], 0, 1);
    fr_shares(first, NULL, 0, 4);
    for (int p = 0; p <= 4; p++)
        assert_int_equal(first[p], 0);
    fr_shares(first, NULL, 7, 1);
    assert_int_equal(first[1], 7);
}

static void test_shares_have_equal_weight(void **state)
{
    (void)state;
    const double weight[6] = {1, 1, 1, 1, 4, 4}; /* 12 in 3 parts: 4, 4, 4 */
    int64_t first[4];
    fr_shares(first, weight, 6, 3);
    const int64_t want[4] = {0, 4, 5, 6};
    assert_memory_equal(first, want, sizeof want);
    const double heavy[3] = {0, 9, 0}; /* one item more than a share: the parts beside it are empty */
    fr_shares(first, heavy, 3, 3);
    assert_int_equal(first[0], 0);
    assert_int_equal(first[3], 3);
    assert_true(first[1] <= first[2]);
}

static void test_deal_takes_the_heaviest_first(void **state)
{
    (void)state;
    const double weight[6] = {2, 5, 3, 3, 1, 2};
    int32_t owner[6];
    fr_deal(owner, weight, 6, 2);
    /* order 5(1) 3(2) 3(3) 2(0) 2(5) 1(4); loads: 5|0, 5|3, 5|6, 7|6, 7|8, 8|8 */
    const int32_t want[6] = {0, 0, 1, 1, 0, 1};
    assert_memory_equal(owner, want, sizeof want);
}

/* ---- one rank ---- */

static void test_alone(void **state)
{
    (void)state;
    assert_int_equal(fr_comm_ranks(), 1);
    assert_true(fr_is_root());
    double x[2] = {1, 2};
    const int64_t first[2] = {0, 2};
    fr_comm_sum(x, 2, FR_F64);
    fr_comm_gather(x, first, sizeof *x);
    fr_comm_broadcast(x, sizeof x, 0);
    fr_comm_barrier();
    assert_true(x[0] == 1 && x[1] == 2);
    assert_true(fr_comm_spent().seconds == 0);
    assert_ok(fr_comm_agree(FR_OK));
    assert_int_equal(fr_comm_agree(FR_USAGE), FR_USAGE);
    assert_true(fr_comm_any(true) && !fr_comm_any(false));
    assert_ok(fr_comm_same("config", "a"));
    assert_in_range(fr_comm_cores(), 1, 100000);
    assert_true(fr_comm_host()[0]);
}

static void test_second_term_does_not_kill(void **state)
{
    (void)state;
    fr_interrupt_install();
    assert_false(fr_interrupt_wanted());
    raise(SIGUSR1);
    assert_true(fr_interrupt_wanted());
    raise(SIGTERM);
    raise(SIGTERM);
    raise(SIGUSR1);
    raise(SIGINT); /* the first Ctrl-C */
    pid_t child = fork();
    if (child == 0) {
        raise(SIGINT);
        _exit(0);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGINT);
}

/* ---- several: the scenarios, run by each rank ---- */

#define WANT(condition, ...) FR_CHECK(condition, __VA_ARGS__)

static void all_sums(int rank, int ranks)
{
    float f[3];
    double d[3];
    int32_t i[3];
    int64_t l[3];
    for (int k = 0; k < 3; k++) {
        f[k] = (float)(rank + k);
        d[k] = rank + 0.5 * k;
        i[k] = rank * 10 + k;
        l[k] = (int64_t)rank << 40;
    }
    fr_comm_sum(f, 3, FR_F32);
    fr_comm_sum(d, 3, FR_F64);
    fr_comm_sum(i, 3, FR_I32);
    fr_comm_sum(l, 3, FR_I64);
    int all = ranks * (ranks - 1) / 2;
    for (int k = 0; k < 3; k++) {
        WANT(f[k] == (float)(all + ranks * k), "f32 %g", (double)f[k]);
        WANT(d[k] == all + 0.5 * k * ranks, "f64 %g", d[k]);
        WANT(i[k] == all * 10 + k * ranks, "i32 %d", i[k]);
        WANT(l[k] == (int64_t)all << 40, "i64 %lld", (long long)l[k]);
    }
}

/* One item of each, and a result of which each makes a part: its bits, also those of -0 and NaN. */
static void each_and_unite(int rank, int ranks)
{
    int16_t item[16] = {0};
    item[rank] = (int16_t)(rank + 7);
    fr_comm_each(item, sizeof *item);
    float own[32] = {0};
    static const float kinds[] = {-0.0f, NAN, 1.5f};
    own[2 * rank] = kinds[rank % 3];
    own[2 * rank + 1] = (float)rank;
    fr_comm_unite(own, sizeof own);
    for (int r = 0; r < ranks; r++) {
        WANT(item[r] == r + 7, "item of rank %d is %d", r, item[r]);
        WANT(memcmp(&own[2 * r], &kinds[r % 3], sizeof *own) == 0 && own[2 * r + 1] == (float)r, "part of rank %d", r);
    }
    WANT(own[2 * ranks] == 0, "nobody's part is %g", (double)own[2 * ranks]);
}

/* Sums in pieces, the tensor's form, and the same bits on all ranks. */
static void many_sums(int rank, int ranks)
{
    enum { N = 1003 };
    float f[N], mine[N];
    for (int k = 0; k < N; k++)
        f[k] = mine[k] = (float)sin(k + 100.0 * rank);
    fr_comm_sum(f, N, FR_F32);
    fr_device *device;
    WANT(fr_device_open(&device, 1, 1) == FR_OK, "%s", fr_error_text());
    fr_tensor t = {mine, device, FR_F32, 1, {N}};
    fr_comm_sum_tensor(t);
    WANT(memcmp(f, mine, sizeof f) == 0, "the sum of a tensor differs");
    fr_device_close(device);
    double want = 0;
    for (int r = 0; r < ranks; r++)
        want += sin(N - 1 + 100.0 * r);
    WANT(fabs(f[N - 1] - want) < 1e-6, "%g, want %g", (double)f[N - 1], want);
    fr_comm_broadcast(mine, sizeof mine, 1);
    WANT(memcmp(f, mine, sizeof f) == 0, "ranks have other bits");
}

static void gathers(int rank)
{
    enum { ROW = 24 };
    const int64_t firsts[3][4] = {{0, 2, 2, 7}, {0, 0, 0, 5}, {0, 300, 301, 301}}; /* with empty parts */
    for (int c = 0; c < 3; c++) {
        const int64_t *first = firsts[c];
        unsigned char rows[301 * ROW];
        memset(rows, 0xee, sizeof rows);
        for (int64_t i = first[rank]; i < first[rank + 1]; i++)
            memset(rows + i * ROW, (int)(i % 251), ROW);
        fr_comm_gather(rows, first, ROW);
        for (int64_t i = 0; i < 301 * ROW; i++)
            WANT(rows[i] == (i / ROW < first[3] ? i / ROW % 251 : 0xee), "case %d byte %lld is %d", c, (long long)i,
                 rows[i]);
    }
}

/* Rank r sends 5 + 100 r bytes: all of them other sizes, the last one nothing. */
static void rings(int rank, int ranks)
{
    unsigned char out[512], in[512];
    int before = (rank + ranks - 1) % ranks;
    size_t bytes = rank == ranks - 1 ? 0 : 5 + 100 * (size_t)rank;
    size_t received = before == ranks - 1 ? 0 : 5 + 100 * (size_t)before;
    memset(out, rank + 1, sizeof out);
    memset(in, 0, sizeof in);
    fr_comm_ring(in, received, out, bytes);
    for (size_t i = 0; i < sizeof in; i++)
        WANT(in[i] == (i < received ? before + 1 : 0), "byte %zu is %d", i, in[i]);
}

static void agreements(int rank)
{
    WANT(fr_comm_agree(FR_OK) == FR_OK, "agree on nothing");
    WANT(fr_comm_any(rank == 1) && !fr_comm_any(false), "any");
    fr_status status = fr_comm_agree(rank == 1 ? fr_fail(FR_USAGE, "mine") : FR_OK);
    WANT(status == (rank == 1 ? FR_USAGE : FR_FAILED), "status %d", (int)status);
    WANT(strstr(fr_error_text(), rank == 1 ? "mine" : "1 of 3 ranks failed"), "text %s", fr_error_text());
    status = fr_comm_agree(rank == 2 ? fr_interrupted() : rank == 1 ? fr_fail(FR_FAILED, "mine") : FR_OK);
    WANT(status == (rank == 1 ? FR_FAILED : FR_INTERRUPTED), "status %d", (int)status);
    WANT(fr_comm_same("config", "a: 1\nb: 2\n") == FR_OK, "same");
    status = fr_comm_same("config", rank == 2 ? "a: 1\nb: 3\nc: 4\n" : "a: 1\nb: 2\n");
    WANT(status == (rank == 2 ? FR_USAGE : FR_OK), "same status %d", (int)status);
    char want[400];
    snprintf(want, sizeof want, "rank 2 on %s has another config than rank 0: \"b: 3\", want \"b: 2\"", fr_comm_host());
    WANT(rank != 2 || strcmp(fr_error_text(), want) == 0, "text %s", fr_error_text());
}

static fr_status collectives(int rank, int ranks)
{
    const int64_t pieces[3] = {1 << 28, 7, 1};
    for (int p = 0; p < 3; p++) {
        fr_transport_most = pieces[p];
        all_sums(rank, ranks);
    each_and_unite(rank, ranks);
        many_sums(rank, ranks);
        gathers(rank);
        rings(rank, ranks);
    }
    agreements(rank);
    fr_comm_barrier();
    fr_comm_cost cost = fr_comm_spent();
    WANT(cost.seconds > 0 && cost.bytes > 1003 * 4, "%g s, %lld bytes", cost.seconds, (long long)cost.bytes);
    return FR_OK;
}

/* One rank does `act` after a beat has told where it is; the others wait for it for ever. */
static fr_status one(int rank, int which, int signal_number)
{
    fr_comm_at("quality estimator", 57);
    if (rank == which) {
        usleep(1200000);
        raise(signal_number);
        usleep(300000000);
    }
    fr_comm_barrier();
    return FR_OK;
}

static fr_status fails(int rank)
{
    fr_comm_at("quality estimator", 57);
    if (rank == 2)
        return fr_fail(FR_FAILED, "x.h5: cannot be read");
    fr_comm_barrier();
    return FR_OK;
}

/* All stop at the same step, as training does. */
static fr_status stops_together(int rank)
{
    for (int step = 0; step < 1000; step++) {
        fr_comm_at("classifier", step);
        if (rank == 1 && step == 10)
            raise(SIGUSR1);
        if (fr_comm_any(fr_interrupt_wanted()))
            return fr_interrupted();
        usleep(10000);
    }
    return fr_fail(FR_FAILED, "nobody stopped");
}

/* Each looks for itself, and none finds the others where it left them. */
static fr_status stops_apart(int rank)
{
    for (int step = 0; step < 1000; step++) {
        if (rank == 1 && step == 10)
            raise(SIGUSR1);
        if (fr_interrupt_wanted())
            return fr_interrupted();
        usleep(10000);
        fr_comm_barrier();
    }
    return fr_fail(FR_FAILED, "nobody stopped");
}

/* A GPU for fake_nccl.c: the host's memory, which says that it is another's. */
static fr_status tensors(int rank, int ranks, bool shared)
{
    fr_device *device;
    FR_TRY(fr_device_open(&device, 1, 1));
    fr_queue *queue = device->queue;
    device->queue = (fr_queue *)&device; /* what is not NULL is a GPU's */
    device->stream = &device;
    snprintf(device->gpu, sizeof device->gpu, "GPU-%d", shared ? rank % 2 : rank);
    float data[3] = {1, 2, 3};
    fr_tensor t = {data, device, FR_F32, 1, {3}};
    fr_comm_at("quality estimator", 57);
    fr_comm_sum_tensor(t);
    float factor = (float)ranks * (getenv("FINEROUTER_NCCL") ? 1 : 2);
    for (int k = 0; k < 3; k++)
        WANT(data[k] == factor * (float)(k + 1), "sum %g", (double)data[k]);
    if (getenv("FAKE_NCCL_BROKEN"))
        usleep(20000000); /* waits for the GPU */
    double loss = 0.25; /* must not go through the host: a training sums one every step */
    fr_comm_sum_tensor((fr_tensor){&loss, device, FR_F64, 1, {1}});
    WANT(loss == 0.25 * (double)factor, "f64 sum %g", loss);
    device->queue = queue;
    fr_device_close(device);
    return FR_OK;
}

static fr_status scenario(const char *name)
{
    int rank = fr_comm_rank(), ranks = fr_comm_ranks();
    if (strcmp(name, "collectives") == 0)
        return collectives(rank, ranks);
    if (strcmp(name, "killed") == 0)
        return one(rank, 2, SIGKILL);
    if (strcmp(name, "root killed") == 0)
        return one(rank, 0, SIGKILL);
    if (strcmp(name, "frozen") == 0)
        return one(rank, 1, SIGSTOP);
    if (strcmp(name, "root frozen") == 0)
        return one(rank, 0, SIGSTOP);
    if (strcmp(name, "fails") == 0)
        return fails(rank);
    if (strcmp(name, "all fail") == 0)
        return fr_fail(FR_USAGE, "a.yaml:3: unknown key");
    if (strcmp(name, "agreed") == 0) {
        fr_status status = fr_comm_agree(rank == 1 ? fr_fail(FR_FAILED, "disk full") : FR_OK);
        return fr_fail_within(status, "stage embed");
    }
    if (strcmp(name, "stops together") == 0)
        return stops_together(rank);
    if (strcmp(name, "stops apart") == 0)
        return stops_apart(rank);
    if (strcmp(name, "gpus") == 0 || strcmp(name, "one gpu") == 0)
        return tensors(rank, ranks, name[0] == 'o');
    if (strcmp(name, "done early") == 0 && rank != 1)
        fr_comm_barrier();
    if (strcmp(name, "slow") == 0) {
        fr_comm_at("graph", -1);
        usleep(rank == 1 ? 5500000 : 0);
        fr_comm_barrier();
    }
    return FR_OK;
}

static int child(const char *name)
{
    fr_interrupt_install();
    fr_status status = fr_comm_start();
    if (status == FR_OK)
        status = scenario(name);
    return fr_comm_end(status);
}

/* ---- several: starting them ---- */

typedef struct job {
    const char *name, *variables;
    int code;       /* of mpirun; -1: any but 0 */
    char line[700]; /* begins our only line of output; "": there is none */
    FILE *pipe;
} job;

static char output[65536];

/* How often the output has this. */
static int count(const char *part)
{
    int n = 0;
    for (const char *at = output; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

/* Open MPI leaks. */
static void launch(job *j)
{
    char command[4600];
    snprintf(command, sizeof command,
             "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 "
             "OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1 OMP_NUM_THREADS=1 "
             "FINEROUTER_LOST_AFTER=4 ASAN_OPTIONS=\"$ASAN_OPTIONS:detect_leaks=0\" %s timeout -s KILL 60 mpirun -n 3 "
             "'%s' '%s' 2>&1",
             j->variables, binary, j->name);
    j->pipe = popen(command, "r");
    assert_non_null(j->pipe);
}

static void check(job *j)
{
    size_t used = fread(output, 1, sizeof output - 1, j->pipe);
    output[used] = '\0';
    int how = pclose(j->pipe), code = WIFEXITED(how) ? WEXITSTATUS(how) : 255;
    if (strstr(output, "has no MPI"))
        skip();
    if (j->code < 0 ? code == 0 : code != j->code)
        fail_msg("%s: exit %d, want %d: %s", j->name, code, j->code, output);
    if (count("finerouter:") + count("warning:") != (j->line[0] ? 1 : 0) || !strstr(output, j->line))
        fail_msg("%s: want one line with \"%s\": %s", j->name, j->line, output);
}

/* Several at once, since they mostly wait. */
static void run_jobs(job *jobs, int n)
{
    if (system("command -v mpirun >/dev/null 2>&1") != 0)
        skip();
    double began = fr_seconds();
    for (int i = 0; i < n; i++)
        launch(&jobs[i]);
    for (int i = 0; i < n; i++)
        check(&jobs[i]);
    assert_true(fr_seconds() - began < 30);
}

static void expect(const char *name, const char *variables, int code, const char *line)
{
    job j = {.name = name, .variables = variables, .code = code};
    snprintf(j.line, sizeof j.line, "%s", line);
    run_jobs(&j, 1);
}

static void test_collectives(void **state)
{
    (void)state;
    expect("collectives", "", 0, "");
}

static void test_loss(void **state)
{
    (void)state;
    job jobs[4] = {{"killed", "", -1, "", NULL},
                   {"root killed", "", -1, "", NULL},
                   {"frozen", "", 1, "", NULL},
                   {"root frozen", "", 1, "", NULL}};
    const int rank[4] = {2, 0, 1, 0};
    for (int i = 0; i < 4; i++)
        snprintf(jobs[i].line, sizeof jobs[i].line,
                 "finerouter: rank %d on %s %s at step 57 of quality estimator; the "
                 "same command continues from the last checkpoint\n",
                 rank[i], fr_comm_host(),
                 i < 2 ? "was lost (killed, or its node went down)"
                       : "has not answered for 4 s (stopped, or its node or network is down), last");
    run_jobs(jobs, 4);
}

static void test_failure(void **state)
{
    (void)state;
    job jobs[5] = {{"fails", "", 1, "", NULL},
                   {"all fail", "", 2, "finerouter: a.yaml:3: unknown key\n", NULL},
                   {"agreed", "", 1, "", NULL},
                   {"done early", "", 1, "finerouter: internal error: some ranks were done after", NULL},
                   {"collectives", "FINEROUTER_LOST_AFTER=soon", -1,
                    "finerouter: FINEROUTER_LOST_AFTER: \"soon\", want seconds from 2 to 1000000\n", NULL}};
    snprintf(jobs[0].line, sizeof jobs[0].line, "finerouter: rank 2 on %s: x.h5: cannot be read\n", fr_comm_host());
    snprintf(jobs[2].line, sizeof jobs[2].line, "finerouter: rank 1 on %s: stage embed: disk full\n", fr_comm_host());
    run_jobs(jobs, 5);
}

static void test_stop(void **state)
{
    (void)state;
    const char *line = "finerouter: stopped as asked; the same command continues where it stood\n";
    expect("stops together", "", 3, line);
    expect("stops apart", "", 3, line);
}

static void test_slow_rank_is_named(void **state)
{
    (void)state;
    char line[700];
    snprintf(line, sizeof line, "warning: rank 1 on %s has been in graph for ", fr_comm_host());
    expect("slow", "FINEROUTER_STUCK_AFTER=2", 0, line); /* and computing for longer than lost_after is no loss */
}

static void test_nccl(void **state)
{
    (void)state;
    const char *library = "LD_LIBRARY_PATH=" FR_FAKE_NCCL;
    job jobs[4] = {{"gpus", library, 0, "", NULL},
                   {"gpus", "LD_LIBRARY_PATH=" FR_FAKE_NCCL " FAKE_NCCL_BROKEN=1", 1, "", NULL},
                   {"one gpu", library, 1, "", NULL},
                   {"gpus", "FINEROUTER_NCCL=off", 0, "", NULL}};
    snprintf(
        jobs[1].line, sizeof jobs[1].line,
        "finerouter: rank 1 on %s: NCCL: remote process exited or there was a network error, at step 57 of quality "
        "estimator\n",
        fr_comm_host());
    snprintf(jobs[2].line, sizeof jobs[2].line,
             "finerouter: ranks 0 and 2 share GPU-0 on %s; want at most one rank a GPU", fr_comm_host());
    run_jobs(jobs, 4);
    assert_non_null(strstr(output, "summed through the host and MPI, which is slow: FINEROUTER_NCCL is off\n"));
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return child(argv[1]);
    binary = realpath(argv[0], NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_are_equal),
        cmocka_unit_test(test_shares_have_equal_weight),
        cmocka_unit_test(test_deal_takes_the_heaviest_first),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_second_term_does_not_kill),
        cmocka_unit_test(test_collectives),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_slow_rank_is_named),
        cmocka_unit_test(test_nccl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

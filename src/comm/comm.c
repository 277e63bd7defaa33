#include "comm.h"

#include "base/memory.h"
#include "finerouter/log.h"
#include "gpu_sum.h"
#include "transport.h"
#include "watch.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t fr_transport_most = 1 << 28;
static const fr_transport alone = {.ranks = 1, .local_ranks = 1};
static fr_transport joined; /* while this rank works apart */
static fr_transport at = {.ranks = 1, .local_ranks = 1};
static fr_comm_cost spent;
static char host[256];
static char echo[64];     /* what fr_comm_agree said of the failures of others */
static bool others_speak; /* this rank failed as all do, before it could talk to the others */

int fr_comm_rank(void)
{
    return at.rank;
}

int fr_comm_ranks(void)
{
    return at.ranks;
}

bool fr_is_root(void)
{
    return at.rank == 0;
}

/* The others are there also while this rank works apart. */
static const fr_transport *all(void)
{
    return joined.ranks > 0 ? &joined : &at;
}

int fr_comm_local_rank(void)
{
    return all()->local_rank;
}

int fr_comm_local_ranks(void)
{
    return all()->local_ranks;
}

const char *fr_comm_host(void)
{
    if (!host[0] && gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "unknown host");
    return host;
}

int fr_comm_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int bound = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)online;
    if (bound < online) /* the launcher's choice, or a container's */
        return bound < 1 ? 1 : bound;
    int share = bound / all()->local_ranks;
    return share < 1 ? 1 : share;
}

/* ---- start and end ---- */

static int number_in(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

/* How many tasks the launcher says that it has started; 0: no launcher. */
static int launched_as(void)
{
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (number_in(sizes[i]) > 0)
            return number_in(sizes[i]);
    return getenv("PMIX_RANK") ? 1 : 0;
}

/* Which of them this process is. */
static int launched_rank(void)
{
    static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "PMIX_RANK"};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        if (getenv(ranks[i]))
            return number_in(ranks[i]);
    return 0;
}

static fr_status join(int launched)
{
#ifdef FR_WITH_MPI
    FR_TRY(fr_mpi_start(&at));
    if (at.ranks < launched)
        return fr_fail(FR_USAGE,
                       "%d tasks were launched, but MPI sees %d: the launcher has no plugin for this MPI; want srun "
                       "--mpi=pmix, or mpirun",
                       launched, at.ranks);
    return FR_OK;
#else
    return fr_fail(FR_USAGE,
                   "launched as %d ranks, but this build has no MPI; install libopenmpi-dev and build again, or run it "
                   "without mpirun or srun",
                   launched);
#endif
}

fr_status fr_comm_start(void)
{
    int launched = launched_as();
    if (launched <= 1)
        return FR_OK;
    others_speak = launched_rank() != 0;
    FR_TRY(join(launched));
    others_speak = false;
    fr_device_among(at.local_rank, at.local_ranks);
    if (!fr_is_root())
        fr_log_mute();
    FR_TRY(fr_comm_agree(fr_comm_same("version", FR_VERSION)));
    return fr_watch_start(at.rank, at.ranks, fr_comm_host());
}

/* Without a watch (one rank, or the start failed) a rank prints its own reason. */
int fr_comm_end(fr_status status)
{
    int code = (int)status;
    bool is_echo = echo[0] && strstr(fr_error_text(), echo);
    if (fr_watch_on())
        code = fr_watch_end(status, fr_error_text(), is_echo);
    else if (status != FR_OK && fr_error_text()[0] && !is_echo && !others_speak)
        fprintf(stderr, "finerouter: %s\n", fr_error_text());
    fr_nccl_close();
    if (all()->end)
        all()->end();
    return code;
}

/* ---- putting together ---- */

#define TIMED(call, size)                                                                                              \
    do {                                                                                                               \
        if (at.ranks == 1)                                                                                             \
            return;                                                                                                    \
        double began = fr_seconds();                                                                                   \
        fr_watch_enter();                                                                                              \
        call;                                                                                                          \
        fr_watch_leave();                                                                                              \
        fr_transport_count(fr_seconds() - began, (size_t)(size));                                                      \
    } while (0)

void fr_comm_barrier(void)
{
    TIMED(at.barrier(), 0);
}

void fr_comm_broadcast(void *data, size_t bytes, int from)
{
    TIMED(at.broadcast(data, bytes, from), bytes);
}

void fr_comm_sum(void *data, int64_t count, fr_dtype dtype)
{
    TIMED(at.sum(data, count, dtype), (size_t)count * fr_dtype_bytes(dtype));
}

void fr_comm_gather(void *rows, const int64_t *first, size_t bytes)
{
    TIMED(at.gather(rows, first, bytes), (size_t)(first[at.rank + 1] - first[at.rank]) * bytes);
}

void fr_comm_each(void *items, size_t bytes)
{
    int64_t *first = FR_NEW(int64_t, at.ranks + 1);
    for (int r = 0; r <= at.ranks; r++)
        first[r] = r;
    fr_comm_gather(items, first, bytes);
    free(first);
}

void fr_comm_unite(void *data, size_t bytes)
{
    FR_CHECK(bytes % 4 == 0, "%zu bytes, want whole words", bytes);
    fr_comm_sum(data, (int64_t)(bytes / 4), FR_I32);
}

void fr_comm_ring(void *received, size_t received_bytes, const void *sent, size_t bytes)
{
    TIMED(at.ring(received, received_bytes, sent, bytes), bytes);
}

void fr_comm_apart(bool apart)
{
    FR_CHECK(apart != (joined.ranks > 0), "a rank that works apart %s", apart ? "already" : "has not begun to");
    if (apart)
        joined = at;
    at = apart ? alone : joined;
    if (!apart)
        joined = (fr_transport){0};
}

void fr_transport_count(double seconds, size_t bytes)
{
    spent.seconds += seconds;
    spent.bytes += (int64_t)bytes;
}

fr_comm_cost fr_comm_spent(void)
{
    return spent;
}

/* ---- agreeing ---- */

fr_status fr_comm_agree(fr_status status)
{
    int64_t count[2] = {status == FR_INTERRUPTED, status != FR_OK && status != FR_INTERRUPTED};
    fr_comm_sum(count, 2, FR_I64);
    if (status != FR_OK || (count[0] == 0 && count[1] == 0))
        return status;
    if (count[0] > 0)
        return fr_interrupted();
    snprintf(echo, sizeof echo, "%lld of %d ranks failed", (long long)count[1], at.ranks);
    return fr_fail(FR_FAILED, "%s", echo);
}

bool fr_comm_any(bool flag)
{
    int64_t count = flag;
    fr_comm_sum(&count, 1, FR_I64);
    return count > 0;
}

/* The first line of two texts that is not the same, of each, without its end. */
static void first_difference(const char **mine, int *mine_bytes, const char **root, int *root_bytes)
{
    for (;;) {
        const char *mine_end = strchrnul(*mine, '\n'), *root_end = strchrnul(*root, '\n');
        *mine_bytes = (int)(mine_end - *mine);
        *root_bytes = (int)(root_end - *root);
        if (*mine_bytes != *root_bytes || memcmp(*mine, *root, (size_t)*mine_bytes) != 0 || !*mine_end || !*root_end)
            return;
        *mine = mine_end + 1;
        *root = root_end + 1;
    }
}

fr_status fr_comm_same(const char *what, const char *text)
{
    if (at.ranks == 1)
        return FR_OK;
    int64_t bytes = (int64_t)strlen(text) + 1;
    fr_comm_broadcast(&bytes, sizeof bytes, 0);
    char *root = fr_alloc((size_t)bytes);
    memcpy(root, text, fr_is_root() ? (size_t)bytes : 0);
    fr_comm_broadcast(root, (size_t)bytes, 0);
    fr_status status = FR_OK;
    if (strcmp(text, root) != 0) {
        const char *mine = text, *theirs = root;
        int mine_bytes, their_bytes;
        first_difference(&mine, &mine_bytes, &theirs, &their_bytes);
        status = fr_fail(FR_USAGE, "rank %d on %s has another %s than rank 0: \"%.*s\", want \"%.*s\"", at.rank,
                         fr_comm_host(), what, mine_bytes, mine, their_bytes, theirs);
    }
    free(root);
    return status;
}

/* ---- sharing out ---- */

void fr_shares(int64_t *first, const double *weight, int64_t n, int64_t parts)
{
    double all = 0, sum = 0;
    for (int64_t i = 0; i < n; i++)
        all += weight ? weight[i] : 1;
    int64_t p = 0;
    first[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        double w = weight ? weight[i] : 1;
        /* Item i opens the next part where its middle lies beyond the part's end. */
        while (p + 1 < parts && sum + w / 2 >= all * (double)(p + 1) / (double)parts)
            first[++p] = i;
        sum += w;
    }
    while (p < parts)
        first[++p] = n;
}

typedef struct item {
    double weight;
    int64_t index;
} item;

static int heaviest_first(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->weight < y->weight || x->weight > y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

void fr_deal(int32_t *owner, const double *weight, int64_t n, int64_t parts)
{
    item *order = FR_NEW(item, n);
    double *load = FR_NEW(double, parts);
    for (int64_t i = 0; i < n; i++)
        order[i] = (item){weight[i], i};
    qsort(order, (size_t)n, sizeof *order, heaviest_first);
    for (int64_t i = 0; i < n; i++) {
        int64_t least = 0;
        for (int64_t p = 1; p < parts; p++)
            least = load[p] < load[least] ? p : least;
        owner[order[i].index] = (int32_t)least;
        load[least] += order[i].weight;
    }
    free(order);
    free(load);
}

/* ---- where a rank is ---- */

void fr_comm_at(const char *what, int64_t step)
{
    fr_watch_at(what, step);
}

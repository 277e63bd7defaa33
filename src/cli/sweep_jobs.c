#include "sweep_jobs.h"

#include "base/files.h"
#include "base/memory.h"
#include "finerouter/log.h"
#include "run_folder.h"
#include "sweep_group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define PARENT "FINEROUTER_SWEEP_PARENT"

/* A sweep that is killed would leave its jobs at work; they are asked to stop instead, as by Ctrl-C. */
void fr_sweep_follow_parent(void)
{
    const char *parent = getenv(PARENT);
    if (!parent || atoi(parent) != getppid())
        return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (atoi(parent) != getppid()) /* ended between the two */
        raise(SIGTERM);
}

/* ---- what is finished ---- */

/* Results that the folder holds, whatever their number: points keep theirs when the sweep file changes around them. */
typedef struct shelf {
    fr_sweep_result *result;
    int64_t *number;
    int64_t count;
} shelf;

static shelf shelf_open(const char *folder)
{
    shelf s = {0};
    char *points = fr_path_join(folder, "points");
    DIR *list = opendir(points);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        char *end;
        int64_t number = strtoll(entry->d_name, &end, 10);
        fr_sweep_result result;
        if (end == entry->d_name || strcmp(end, ".json") != 0)
            continue;
        fr_sweep_result_read(&result, folder, number);
        if (!result.done || result.error) {
            fr_sweep_result_close(&result);
            continue;
        }
        s.result = fr_realloc(s.result, (size_t)(s.count + 1) * sizeof *s.result);
        s.number = fr_realloc(s.number, (size_t)(s.count + 1) * sizeof *s.number);
        s.number[s.count] = number;
        s.result[s.count++] = result;
    }
    if (list)
        closedir(list);
    free(points);
    return s;
}

static void shelf_close(shelf *s)
{
    free(s->result); /* none of them has an error text */
    free(s->number);
}

typedef struct sweep_run {
    fr_sweep *sweep;
    const char *folder;
    char *plan;
    fr_sweep_result *result; /* (points) */
    int64_t open;            /* points that are not finished */
    fr_progress progress;
} sweep_run;

/* A finished point is taken from the shelf, and put under its number of today; the stale file of one that is not
 * finished is removed. */
static fr_status find_point(sweep_run *r, const shelf *s, int64_t p, const char *hash)
{
    int64_t found = -1;
    for (int64_t i = 0; i < s->count; i++)
        if (strcmp(s->result[i].hash, hash) == 0 && (found < 0 || s->number[i] == p))
            found = i;
    if (found >= 0) {
        r->result[p] = s->result[found];
        return s->number[found] == p ? FR_OK : fr_sweep_result_write(r->folder, r->sweep, p, &r->result[p]);
    }
    char *path = fr_sweep_point_path(r->folder, p);
    unlink(path);
    free(path);
    r->open++;
    return FR_OK;
}

/* Marks finished points, under their numbers of today, and removes what is stale. */
static fr_status find_finished(sweep_run *r)
{
    shelf s = shelf_open(r->folder);
    fr_sweep_inputs inputs = {0};
    fr_status status = FR_OK;
    for (int64_t p = 0; p < r->sweep->points && status == FR_OK; p++) {
        char hash[FR_HASH_CHARS];
        fr_config config;
        fr_sweep_config(&config, r->sweep, p);
        fr_sweep_point_hash(hash, &config, fr_sweep_inputs_of(&inputs, &config), fr_sweep_threads(&config));
        fr_config_close(&config);
        status = find_point(r, &s, p, hash);
    }
    free(inputs.files);
    shelf_close(&s);
    return status;
}

/* ---- jobs ---- */

typedef struct job {
    pid_t child; /* 0: none */
    int64_t group;
} job;

typedef enum group_state { NO_GROUP, WAITING, RUNNING, ENDED } group_state;

static fr_status start(job *j, const sweep_run *r, int64_t group)
{
    char only[24], *log = fr_format("%s/logs/%05lld.log", r->folder, (long long)group);
    snprintf(only, sizeof only, "%lld", (long long)group);
    char *arguments[] = {(char *)"finerouter", (char *)"sweep",  r->plan, (char *)"--out",
                         (char *)r->folder,    (char *)"--only", only,    NULL};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int error = posix_spawn(&j->child, "/proc/self/exe", &files, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    j->group = group;
    fr_log_event("job", "group=d log=s", group, log);
    fr_status status = FR_OK;
    if (error) {
        j->child = 0;
        status = fr_fail(FR_FAILED, "%s: a job cannot be started: %s", log, strerror(error));
    }
    free(log);
    return status;
}

static void count_point(sweep_run *r)
{
    int64_t best = fr_sweep_choose(r->result, r->sweep->points);
    if (best >= 0)
        fr_progress_note(&r->progress, "best dev %.4f (point %lld)", r->result[best].dev_quality, (long long)best);
    fr_progress_add(&r->progress, 1);
}

/* Takes what the job has written so far. */
static void look(sweep_run *r, int64_t group)
{
    for (int64_t p = group; p < r->sweep->points; p++)
        if (r->sweep->group[p] == group && !r->result[p].done) {
            fr_sweep_result_read(&r->result[p], r->folder, p);
            if (r->result[p].done)
                count_point(r);
        }
}

/* What a job left: its points' files; a point without one gets how the job ended as its error. */
static fr_status finish(sweep_run *r, int64_t group, int state)
{
    look(r, group);
    const char *how = WIFSIGNALED(state) ? "was ended by signal" : "ended with code";
    int number = WIFSIGNALED(state) ? WTERMSIG(state) : WEXITSTATUS(state);
    for (int64_t p = group; p < r->sweep->points; p++) {
        if (r->sweep->group[p] != group || r->result[p].done)
            continue;
        r->result[p] = (fr_sweep_result){
            .done = true, .error = fr_format("its job %s %d; see logs/%05lld.log", how, number, (long long)group)};
        memset(r->result[p].hash, '0', sizeof r->result[p].hash - 1);
        FR_TRY(fr_sweep_result_write(r->folder, r->sweep, p, &r->result[p]));
        count_point(r);
    }
    return FR_OK;
}

/* The first group that waits; -1: none does. */
static int64_t next_group(const sweep_run *r, const group_state *state)
{
    for (int64_t g = 0; g < r->sweep->points; g++)
        if (state[g] == WAITING)
            return g;
    return -1;
}

/* Fills free places, then looks which jobs have ended. Returns how many are at work. */
static fr_status turn(sweep_run *r, group_state *state, job *jobs, int64_t count, bool stopping, int64_t *working)
{
    *working = 0;
    for (int64_t j = 0; j < count; j++) {
        int how;
        if (jobs[j].child && waitpid(jobs[j].child, &how, WNOHANG) == jobs[j].child) {
            jobs[j].child = 0;
            state[jobs[j].group] = ENDED;
            if (!stopping)
                FR_TRY(finish(r, jobs[j].group, how));
        }
        int64_t next = jobs[j].child || stopping ? -1 : next_group(r, state);
        if (next >= 0) {
            FR_TRY(start(&jobs[j], r, next));
            state[next] = RUNNING;
        }
        *working += jobs[j].child != 0;
    }
    fr_progress_add(&r->progress, 0);
    return FR_OK;
}

static void stop_jobs(const job *jobs, int64_t count)
{
    for (int64_t j = 0; j < count; j++)
        if (jobs[j].child)
            kill(jobs[j].child, SIGTERM);
}

static fr_status run_jobs(sweep_run *r, int64_t count)
{
    static const struct timespec pause = {.tv_nsec = 20000000};
    group_state *state = FR_NEW(group_state, r->sweep->points);
    job *jobs = FR_NEW(job, count);
    for (int64_t p = 0; p < r->sweep->points; p++)
        if (!r->result[p].done)
            state[r->sweep->group[p]] = WAITING;
    char parent[24];
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    setenv(PARENT, parent, 1);
    fr_progress_begin(&r->progress, "sweep", "points", r->open);
    fr_status status = FR_OK;
    bool stopping = false;
    double looked = fr_seconds();
    for (int64_t working = 1; working > 0;) {
        if (fr_seconds() - looked > 1) {
            for (int64_t j = 0; j < count; j++)
                if (jobs[j].child)
                    look(r, jobs[j].group);
            looked = fr_seconds();
        }
        fr_status now = turn(r, state, jobs, count, stopping, &working);
        if (now == FR_OK && fr_interrupt_wanted() && !stopping)
            now = fr_interrupted();
        if (now != FR_OK && !stopping) {
            status = now;
            stopping = true;
            stop_jobs(jobs, count);
            working = 1;
        }
        if (working > 0)
            nanosleep(&pause, NULL);
    }
    unsetenv(PARENT);
    fr_progress_end(&r->progress);
    free(jobs);
    free(state);
    return status;
}

/* ---- the whole ---- */

static fr_status summary(const fr_sweep *sweep, const char *folder, const fr_sweep_result *result)
{
    int64_t failed = 0, first = -1;
    for (int64_t p = sweep->points - 1; p >= 0; p--)
        if (result[p].error) {
            failed++;
            first = p;
        }
    if (!failed)
        return FR_OK;
    return fr_fail(FR_FAILED, "%s: %lld of %lld points failed, the first is point %lld: %s", folder, (long long)failed,
                   (long long)sweep->points, (long long)first, result[first].error);
}

fr_status fr_sweep_publish(const char *folder, const fr_sweep *sweep, const fr_sweep_result *result,
                           const fr_sweep_facts *facts)
{
    FR_TRY(fr_sweep_write(folder, sweep, result, facts));
    fr_sweep_figures(folder, sweep, result);
    char *table = fr_sweep_table(sweep, result);
    printf("%s", table);
    fflush(stdout);
    free(table);
    return summary(sweep, folder, result);
}

static fr_status in_folder(sweep_run *r, int64_t jobs)
{
    double began = fr_seconds();
    char *points = fr_path_join(r->folder, "points"), *logs = fr_path_join(r->folder, "logs");
    fr_status status = fr_make_folders(points);
    if (status == FR_OK)
        status = fr_make_folders(logs);
    free(points);
    free(logs);
    FR_TRY(status);
    FR_TRY(fr_sweep_write_plan(r->sweep, r->folder, &r->plan));
    FR_TRY(find_finished(r));
    if (r->open < r->sweep->points)
        fr_log("%lld of %lld points are finished already", (long long)(r->sweep->points - r->open),
               (long long)r->sweep->points);
    if (r->open > 0)
        FR_TRY(run_jobs(r, jobs));
    fr_sweep_facts facts = {
        .jobs = jobs, .threads = fr_sweep_threads(&r->sweep->base), .seconds = fr_seconds() - began};
    return fr_sweep_publish(r->folder, r->sweep, r->result, &facts);
}

fr_status fr_sweep_set_cache(fr_sweep *sweep, const char *folder)
{
    if (sweep->base.top.cache[0])
        return FR_OK;
    char *set = fr_format("cache=%s/.cache", folder);
    fr_status status = fr_config_set(&sweep->base, set);
    free(set);
    return status;
}

static void share_threads(fr_sweep *sweep, int64_t jobs)
{
    int64_t threads = fr_sweep_threads(&sweep->base);
    if (jobs > 1)
        sweep->base.top.threads = threads > jobs ? threads / jobs : 1;
}

fr_status fr_sweep_run(fr_sweep *sweep, const char *folder, int64_t jobs)
{
    FR_TRY(fr_sweep_set_cache(sweep, folder));
    share_threads(sweep, jobs);
    fr_device *device;
    FR_TRY(fr_device_open(&device, sweep->base.top.device, (int)sweep->base.top.threads));
    int lock;
    fr_status status = fr_run_folder_open(&lock, &sweep->base, folder, sweep->base.top.cache, device);
    if (status == FR_OK)
        fr_log("%s: %lld points in %s, %s", sweep->name, (long long)sweep->points, folder, device->description);
    fr_device_close(device);
    FR_TRY(status);
    sweep_run r = {.sweep = sweep, .folder = folder, .result = FR_NEW(fr_sweep_result, sweep->points)};
    status = in_folder(&r, jobs);
    fr_run_folder_close(lock);
    for (int64_t p = 0; p < sweep->points; p++)
        fr_sweep_result_close(&r.result[p]);
    free(r.result);
    free(r.plan);
    return status;
}

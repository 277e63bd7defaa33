/* tasks.h5: written and read as finerouter/discover.h lays it out. A reader trusts nothing. */
#include "discover_internal.h"

#include "io/h5.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const format = "finerouter-tasks", *const name_embedding = "/tasks/name_embedding",
                         *const stage1_task = "/stage1_task";
enum { VERSION = 1, MOST_ROUNDS = 1000 };

void fr_tasks_close(fr_tasks *tasks)
{
    for (int64_t r = 0; r < tasks->rounds && tasks->graph; r++)
        fr_graph_close(&tasks->graph[r]);
    for (int64_t t = 0; t < tasks->T && tasks->name; t++)
        free(tasks->name[t]);
    void *owned[] = {tasks->graph,
                     tasks->membership,
                     tasks->vote,
                     tasks->name,
                     tasks->name_embedding,
                     tasks->size,
                     tasks->centre,
                     tasks->nearest,
                     tasks->name_row,
                     tasks->fused_order,
                     tasks->candidates,
                     tasks->coverage,
                     tasks->cohesion_inside,
                     tasks->cohesion_outside,
                     tasks->mean,
                     tasks->median,
                     tasks->stage1,
                     tasks->stage1_task};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    *tasks = (fr_tasks){0};
}

/* Every array of the file but graphs and names: one table for writing and reading. */
typedef struct field {
    const char *name;
    fr_h5_type type;

    void **data;
    int rank;
    int64_t shape[2];
} field;

enum { FIELDS = 13 };

static void list_fields(field f[FIELDS], fr_tasks *t)
{
    const field all[FIELDS] = {
        {"/membership", FR_H5_I32, (void **)&t->membership, 2, {t->rounds, t->N}},
        {"/tasks/vote", FR_H5_I32, (void **)&t->vote, 1, {t->N, 1}},
        {"/tasks/size", FR_H5_I64, (void **)&t->size, 1, {t->T, 1}},
        {"/tasks/centre", FR_H5_F32, (void **)&t->centre, 2, {t->T, t->d}},
        {"/tasks/nearest", FR_H5_I64, (void **)&t->nearest, 2, {t->T, 3}},
        {"/tasks/fused_order", FR_H5_I32, (void **)&t->fused_order, 2, {t->T, t->M}},
        {"/tasks/candidates", FR_H5_U8, (void **)&t->candidates, 2, {t->T, t->M}},
        {"/tasks/coverage", FR_H5_F32, (void **)&t->coverage, 1, {t->T, 1}},
        {"/tasks/cohesion_inside", FR_H5_F32, (void **)&t->cohesion_inside, 1, {t->T, 1}},
        {"/tasks/cohesion_outside", FR_H5_F32, (void **)&t->cohesion_outside, 1, {t->T, 1}},
        {"/tasks/mean", FR_H5_F32, (void **)&t->mean, 2, {t->T, t->M}},
        {"/tasks/median", FR_H5_F32, (void **)&t->median, 2, {t->T, t->M}},
        {"/stage1", FR_H5_F32, (void **)&t->stage1, 2, {t->T + 1, t->M}},
    };
    memcpy(f, all, sizeof all);
}

/* Names of the datasets of a round's graph; malloc'd. */
static char *graph_name(int64_t round, const char *what)
{
    return fr_format("/graph/%lld/%s", (long long)(round + 1), what);
}

static fr_status write_graph(fr_h5 *file, int64_t round, const fr_graph *graph)
{
    static const char *const what[] = {"nodes", "edges", "cosine", "rbo", "weight"};
    const void *const data[] = {&graph->nodes, graph->edges, graph->cosine, graph->rbo, graph->weight};
    const fr_h5_type type[] = {FR_H5_I64, FR_H5_I32, FR_H5_F32, FR_H5_F32, FR_H5_F32};
    const int rank[] = {0, 2, 1, 1, 1};
    fr_status status = FR_OK;
    for (int i = 0; i < 5 && status == FR_OK; i++) {
        char *name = graph_name(round, what[i]);
        status = fr_h5_write(file, name, type[i], rank[i], (const int64_t[]){graph->E, 2}, data[i]);
        free(name);
    }
    return status;
}

static fr_status write_all(fr_h5 *file, const fr_tasks *tasks)
{
    fr_tasks view = *tasks;
    field f[FIELDS];
    list_fields(f, &view);
    const char *const attribute[] = {"N", "M", "T", "d", "rounds"};
    const int64_t value[] = {tasks->N, tasks->M, tasks->T, tasks->d, tasks->rounds};
    for (int i = 0; i < 5; i++)
        FR_TRY(fr_h5_set_integer(file, attribute[i], value[i]));
    FR_TRY(fr_h5_set_number(file, "resolution", tasks->resolution));
    FR_TRY(fr_h5_set_number(file, "modularity", tasks->modularity));
    for (int64_t r = 0; r < tasks->rounds; r++)
        FR_TRY(write_graph(file, r, &tasks->graph[r]));
    FR_TRY(fr_h5_write_texts(file, "/tasks/name", tasks->T, (const char *const *)tasks->name));
    for (int i = 0; i < FIELDS; i++)
        FR_TRY(fr_h5_write(file, f[i].name, f[i].type, f[i].rank, f[i].shape, *f[i].data));
    if (tasks->name_embedding)
        FR_TRY(fr_h5_write(file, name_embedding, FR_H5_F32, 2, (const int64_t[]){tasks->T, tasks->d},
                           tasks->name_embedding));
    if (tasks->stage1_task)
        FR_TRY(fr_h5_write(file, stage1_task, FR_H5_I32, 1, &tasks->N, tasks->stage1_task));
    return FR_OK;
}

fr_status fr_tasks_write(const fr_tasks *tasks, const char *path)
{
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, path, format, VERSION));
    fr_status status = write_all(file, tasks);
    if (status == FR_OK)
        return fr_h5_commit(file);
    fr_h5_close(file);
    return status;
}

static fr_status read_attribute(fr_h5 *file, const char *name, int64_t low, int64_t high, int64_t *value)
{
    FR_TRY(fr_h5_get_integer(file, name, value));
    if (*value < low || *value > high)
        return fr_fail(FR_FAILED, "%s: attribute %s is %lld, want %lld to %lld", fr_h5_path(file), name,
                       (long long)*value, (long long)low, (long long)high);
    return FR_OK;
}

/* All of count values lie in low .. high. */
static fr_status check_range(fr_h5 *file, const char *name, const int32_t *value, int64_t count, int64_t low,
                             int64_t high)
{
    for (int64_t i = 0; i < count; i++)
        if (value[i] < low || value[i] > high)
            return fr_fail(FR_FAILED, "%s: %s: value %lld is %d, want %lld to %lld", fr_h5_path(file), name,
                           (long long)i, value[i], (long long)low, (long long)high);
    return FR_OK;
}

static fr_status read_named(fr_h5 *file, int64_t round, const char *what, fr_h5_type type, int rank, int64_t *shape,
                            void **data)
{
    char *name = graph_name(round, what);
    fr_status status = fr_h5_read_new(file, name, type, rank, shape, data);
    free(name);
    return status;
}

static fr_status read_graph(fr_h5 *file, int64_t round, fr_graph *graph, int64_t ends)
{
    int64_t shape[2] = {0}, E[3] = {0}, *nodes = NULL;
    FR_TRY(read_named(file, round, "nodes", FR_H5_I64, 0, shape, (void **)&nodes));
    graph->nodes = *nodes;
    free(nodes);
    FR_TRY(read_named(file, round, "edges", FR_H5_I32, 2, shape, (void **)&graph->edges));
    FR_TRY(read_named(file, round, "cosine", FR_H5_F32, 1, &E[0], (void **)&graph->cosine));
    FR_TRY(read_named(file, round, "rbo", FR_H5_F32, 1, &E[1], (void **)&graph->rbo));
    FR_TRY(read_named(file, round, "weight", FR_H5_F32, 1, &E[2], (void **)&graph->weight));
    if (shape[1] != 2 || E[0] != shape[0] || E[1] != shape[0] || E[2] != shape[0])
        return fr_fail(FR_FAILED,
                       "%s: /graph/%lld: edges (%lld, %lld), cosine (%lld), rbo (%lld), weight (%lld), want (E, 2) and "
                       "three times (E)",
                       fr_h5_path(file), (long long)round + 1, (long long)shape[0], (long long)shape[1],
                       (long long)E[0], (long long)E[1], (long long)E[2]);
    graph->E = shape[0];
    if (graph->nodes < 0 || graph->nodes > ends)
        return fr_fail(FR_FAILED, "%s: /graph/%lld/nodes is %lld, want 0 to %lld", fr_h5_path(file),
                       (long long)round + 1, (long long)graph->nodes, (long long)ends);
    char *name = graph_name(round, "edges");
    fr_status status = check_range(file, name, graph->edges, 2 * graph->E, 0, (round == 0 ? ends : graph->nodes) - 1);
    free(name);
    return status;
}

/* Sizes, orders and rows must be what the rest of the file says. */
static fr_status check_tasks(fr_h5 *file, const fr_tasks *tasks)
{
    const char *path = fr_h5_path(file);
    const int32_t *label = tasks->membership + (tasks->rounds - 1) * tasks->N;
    int64_t T = tasks->T, M = tasks->M;
    FR_TRY(check_range(file, "/membership", tasks->membership, tasks->rounds * tasks->N, -1, tasks->N - 1));
    FR_TRY(check_range(file, "/membership (last row)", label, tasks->N, -1, T - 1));
    FR_TRY(check_range(file, "/tasks/vote", tasks->vote, tasks->N, -1, T - 1));
    FR_TRY(check_range(file, "/tasks/fused_order", tasks->fused_order, T * M, 0, M - 1));
    fr_groups groups = fr_groups_create(label, tasks->N, T);
    int64_t wrong = -1;
    for (int64_t t = T; t-- > 0;)
        if (tasks->size[t] != groups.start[t + 1] - groups.start[t] || tasks->size[t] == 0)
            wrong = t;
    fr_groups_close(&groups);
    if (wrong >= 0)
        return fr_fail(FR_FAILED, "%s: /tasks/size: task %lld has %lld prompts, but /membership says otherwise", path,
                       (long long)wrong, (long long)tasks->size[wrong]);
    uint8_t *seen = FR_NEW(uint8_t, T * M);
    for (int64_t x = 0; x < T * M; x++)
        seen[x / M * M + tasks->fused_order[x]] = 1;
    for (int64_t x = T * M; x-- > 0;)
        wrong = seen[x] ? wrong : x;
    free(seen);
    if (wrong >= 0)
        return fr_fail(FR_FAILED, "%s: /tasks/fused_order: task %lld lacks model %lld, want every model once", path,
                       (long long)(wrong / M), (long long)(wrong % M));
    for (int64_t x = 0; x < T * M; x++)
        if (tasks->candidates[x] > 1)
            return fr_fail(FR_FAILED, "%s: /tasks/candidates: value %lld is %d, want 0 or 1", path, (long long)x,
                           tasks->candidates[x]);
    for (int64_t x = 0; x < 3 * T; x++)
        if (tasks->nearest[x] < (x % 3 ? -1 : 0) || tasks->nearest[x] >= tasks->N)
            return fr_fail(FR_FAILED, "%s: /tasks/nearest: value %lld is %lld, want a row below %lld", path,
                           (long long)x, (long long)tasks->nearest[x], (long long)tasks->N);
    for (int64_t x = 0; x < (T + 1) * M; x++)
        if (!isfinite(tasks->stage1[x]))
            return fr_fail(FR_FAILED, "%s: /stage1: value %lld is not finite", path, (long long)x);
    return FR_OK;
}

static fr_status read_all(fr_h5 *file, fr_tasks *tasks)
{
    int64_t rounds, T, count;
    FR_TRY(read_attribute(file, "N", 1, INT32_MAX, &tasks->N));
    FR_TRY(read_attribute(file, "M", 1, INT16_MAX, &tasks->M));
    FR_TRY(read_attribute(file, "d", 1, INT32_MAX, &tasks->d));
    FR_TRY(read_attribute(file, "T", 0, tasks->N, &T));
    FR_TRY(read_attribute(file, "rounds", 1, MOST_ROUNDS, &rounds));
    FR_TRY(fr_h5_get_number(file, "resolution", &tasks->resolution));
    FR_TRY(fr_h5_get_number(file, "modularity", &tasks->modularity));
    tasks->graph = FR_NEW(fr_graph, rounds);
    for (tasks->rounds = 0; tasks->rounds < rounds;) {
        int64_t round = tasks->rounds++; /* what is half read is there to be freed */
        FR_TRY(read_graph(file, round, &tasks->graph[round], tasks->N));
    }
    FR_TRY(fr_h5_read_texts(file, "/tasks/name", &count, &tasks->name));
    tasks->T = count;
    if (count != T)
        return fr_fail(FR_FAILED, "%s: /tasks/name: %lld names, want %lld", fr_h5_path(file), (long long)count,
                       (long long)T);
    field f[FIELDS];
    list_fields(f, tasks);
    for (int i = 0; i < FIELDS; i++) {
        int64_t shape[2] = {1, 1};
        FR_TRY(fr_h5_read_new(file, f[i].name, f[i].type, f[i].rank, shape, f[i].data));
        if (shape[0] != f[i].shape[0] || shape[1] != f[i].shape[1])
            return fr_fail(FR_FAILED, "%s: %s: is %lld x %lld, want %lld x %lld", fr_h5_path(file), f[i].name,
                           (long long)shape[0], (long long)shape[1], (long long)f[i].shape[0],
                           (long long)f[i].shape[1]);
    }
    if (fr_h5_has(file, name_embedding)) {
        tasks->name_embedding = FR_NEW(float, T * tasks->d);
        FR_TRY(fr_h5_read(file, name_embedding, FR_H5_F32, 2, (const int64_t[]){T, tasks->d}, tasks->name_embedding));
    }
    FR_TRY(check_tasks(file, tasks));
    if (fr_h5_has(file, stage1_task)) { /* not in files from before stage 1 */
        tasks->stage1_task = FR_NEW(int32_t, tasks->N);
        FR_TRY(fr_h5_read(file, stage1_task, FR_H5_I32, 1, &tasks->N, tasks->stage1_task));
        FR_TRY(check_range(file, stage1_task, tasks->stage1_task, tasks->N, -1, tasks->T - 1));
    }
    tasks->name_row = FR_NEW(int64_t, T);
    for (int64_t t = 0; t < T; t++)
        tasks->name_row[t] = tasks->nearest[3 * t];
    return FR_OK;
}

fr_status fr_tasks_read(fr_tasks *tasks, const char *path)
{
    fr_h5 *file;
    *tasks = (fr_tasks){0};
    FR_TRY(fr_h5_open(&file, path, format, VERSION));
    fr_status status = read_all(file, tasks);
    fr_h5_close(file);
    if (status != FR_OK)
        fr_tasks_close(tasks);
    return status;
}

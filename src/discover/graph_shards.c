#include "graph_shards.h"

#include "base/files.h"
#include "base/hash.h"
#include "circulate.h"
#include "comm/comm.h"
#include "data/ranges.h"
#include "edge_weights.h"
#include "finerouter/log.h"
#include "io/h5.h"
#include "split_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const format = "finerouter-graph";
enum { VERSION = 1, MOST_SHARDS = 100000 };

/* Keys that cosine and RBO depend on; weights are made when the shards are read. */
static char *settings_of(const fr_config *config)
{
    static const char *const text[] = {"description", "prompt"}, *const ties[] = {"tied", "cost", "mean-quality"},
                             *const rbo_ties[] = {"a", "b"};
    return fr_format("discover.text: %s\ndiscover.ties: %s\ndiscover.k: %lld\ndiscover.rbo_p: %.17g\n"
                     "discover.rbo_ties: %s",
                     text[config->discover.text], ties[config->discover.ties], (long long)config->discover.k,
                     config->discover.rbo_p, rbo_ties[config->discover.rbo_ties]);
}

static char *shard_path(const char *folder, int64_t shard, int64_t shards)
{
    return fr_format("%s/graph-%02lld-of-%02lld.h5", folder, (long long)shard, (long long)shards);
}

static void hash_rows(char hex[FR_HASH_CHARS], const float *embedding, int64_t rows, int64_t d)
{
    fr_hash *hash = fr_hash_create();
    fr_hash_add(hash, embedding, (size_t)(rows * d) * sizeof *embedding);
    fr_hash_end(hash, hex);
}

/* ---- making them ---- */

/* What a rank brings along. */
typedef struct part {
    const fr_config *config;
    const char *folder;
    char *settings;
    fr_ranges ranges;
    int64_t *first;           /* (ranks + 1) */
    int64_t count, *row;      /* own nodes and their prompts */
    char hash[FR_HASH_CHARS]; /* of their embeddings */
    fr_graph graph;
} part;

static void part_close(part *p)
{
    fr_graph_close(&p->graph);
    fr_ranges_close(&p->ranges);
    free(p->settings);
    free(p->first);
    free(p->row);
}

/* The root verifies the file; the others wait for it. */
static fr_status open_data(part *p, const char *key)
{
    const char *path = p->config->data.file;
    int text = p->config->discover.text;
    fr_status status = fr_is_root() ? fr_ranges_open(&p->ranges, path, text, key, false) : FR_OK;
    FR_TRY(fr_comm_agree(status));
    if (!fr_is_root())
        status = fr_ranges_open(&p->ranges, path, text, key, true);
    FR_TRY(fr_comm_agree(status));
    FR_TRY(fr_comm_same("data set (hash)", p->ranges.hash));
    int ranks = fr_comm_ranks(), rank = fr_comm_rank();
    p->first = FR_NEW(int64_t, ranks + 1);
    for (int r = 0; r <= ranks; r++)
        p->first[r] = p->ranges.training * r / ranks;
    p->count = p->first[rank + 1] - p->first[rank];
    p->row = FR_NEW(int64_t, p->count);
    return fr_comm_agree(fr_ranges_training(&p->ranges, p->row, p->first[rank], p->count));
}

static fr_status find_edges(part *p, struct fr_device *device)
{
    int64_t d = p->ranges.d;
    float *embedding = FR_NEW(float, p->count *d);
    fr_status status = fr_comm_agree(fr_ranges_embedding(&p->ranges, embedding, p->row, p->count));
    if (status == FR_OK) {
        hash_rows(p->hash, embedding, p->count, d);
        status = fr_split_edges(&p->graph, p->first, &embedding, d, p->config, device, "neighbours");
    }
    free(embedding);
    return status;
}

/* Sums run over the rows in their order, hence from rank to rank. */
static void add_tie_breaks(fr_tie_breaks *breaks, const fr_dataset *own, const fr_config *config)
{
    if (config->discover.ties == FR_TIES_TIED)
        return;
    for (int r = 0; r < fr_comm_ranks(); r++) {
        if (r == fr_comm_rank())
            fr_tie_breaks_add(breaks, own, config);
        fr_comm_broadcast(breaks->sum, (size_t)own->M * sizeof *breaks->sum, r);
        fr_comm_broadcast(breaks->count, (size_t)own->M * sizeof *breaks->count, r);
    }
}

/* Preference lists (own nodes, M) out of the file. */
static fr_status read_lists(part *p, int16_t *top, int16_t *bottom)
{
    int64_t M = p->ranges.M;
    fr_dataset own = {.N = p->count, .M = M, .split = FR_NEW(int8_t, p->count), .quality = FR_NEW(float, p->count *M)};
    fr_status status = fr_ranges_quality(&p->ranges, own.quality, p->row, p->count);
    if (p->config->discover.ties == FR_TIES_COST) {
        own.cost = FR_NEW(float, p->count *M);
        if (status == FR_OK)
            status = fr_ranges_cost(&p->ranges, own.cost, p->row, p->count);
    }
    status = fr_comm_agree(status);
    if (status == FR_OK) {
        fr_tie_breaks breaks = fr_tie_breaks_create(M);
        add_tie_breaks(&breaks, &own, p->config);
        fr_preference_ranks_by(top, bottom, &own, &breaks, p->config);
        fr_tie_breaks_close(&breaks);
    }
    free(own.split);
    free(own.quality);
    free(own.cost);
    return status;
}

static fr_status weigh(part *p, struct fr_device *device)
{
    int64_t M = p->ranges.M;
    int16_t *top = FR_NEW(int16_t, p->count * M), *bottom = FR_NEW(int16_t, p->count * M);
    fr_status status = read_lists(p, top, bottom);
    if (status == FR_OK)
        status = fr_split_weights(&p->graph, p->first, top, bottom, M, p->config, device);
    free(bottom);
    free(top);
    return status;
}

static fr_status write_attributes(fr_h5 *file, const part *p)
{
    FR_TRY(fr_h5_set_text(file, "data_hash", p->ranges.hash));
    FR_TRY(fr_h5_set_text(file, "settings", p->settings));
    FR_TRY(fr_h5_set_text(file, "embeddings", p->ranges.key));
    FR_TRY(fr_h5_set_integer(file, "nodes", p->graph.nodes));
    return fr_h5_set_integer(file, "shards", fr_comm_ranks());
}

static fr_status fill_shard(fr_h5 *file, const part *p)
{
    const fr_graph *graph = &p->graph;
    const int64_t ends[2] = {graph->E, 2};
    FR_TRY(write_attributes(file, p));
    FR_TRY(fr_h5_set_text(file, "embedding_hash", p->hash));
    FR_TRY(fr_h5_write(file, "/row", FR_H5_I64, 1, &p->count, p->row));
    FR_TRY(fr_h5_write(file, "/edges", FR_H5_I32, 2, ends, graph->edges));
    FR_TRY(fr_h5_write(file, "/cosine", FR_H5_F32, 1, ends, graph->cosine));
    FR_TRY(fr_h5_write(file, "/rbo", FR_H5_F32, 1, ends, graph->rbo));
    return fr_h5_write(file, "/weight", FR_H5_F32, 1, ends, graph->weight);
}

static fr_status fill_index(fr_h5 *file, const part *p, const int64_t *edges)
{
    const int64_t shards = fr_comm_ranks(), ends = shards + 1;
    FR_TRY(write_attributes(file, p));
    FR_TRY(fr_h5_write(file, "/first", FR_H5_I64, 1, &ends, p->first));
    return fr_h5_write(file, "/edges", FR_H5_I64, 1, &shards, edges);
}

/* edges NULL: the shard, else the index. */
static fr_status write_file(const char *path, const part *p, const int64_t *edges)
{
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, path, format, VERSION));
    fr_status status = edges ? fill_index(file, p, edges) : fill_shard(file, p);
    if (status == FR_OK)
        return fr_h5_commit(file);
    fr_h5_close(file);
    return status;
}

/* The index last: with it, all shards are there. */
static fr_status write_shards(const part *p, int64_t *all)
{
    int ranks = fr_comm_ranks();
    char *path = shard_path(p->folder, fr_comm_rank(), ranks), *index = fr_path_join(p->folder, "index.h5");
    fr_status status = fr_comm_agree(write_file(path, p, NULL));
    if (status == FR_OK) {
        int64_t *edges = FR_NEW(int64_t, ranks);
        fr_gather_numbers(edges, p->graph.E);
        *all = 0;
        for (int r = 0; r < ranks; r++)
            *all += edges[r];
        status = fr_comm_agree(fr_is_root() ? write_file(index, p, edges) : FR_OK);
        free(edges);
    }
    free(index);
    free(path);
    return status;
}

fr_status fr_graph_shards_make(fr_shards_summary *summary, const char *folder, const fr_config *config, const char *key,
                               struct fr_device *device)
{
    part p = {.config = config, .folder = folder, .settings = settings_of(config)};
    fr_status status;
    FR_TRY_GOTO(open_data(&p, key), done);
    FR_TRY_GOTO(find_edges(&p, device), done);
    FR_TRY_GOTO(weigh(&p, device), done);
    FR_TRY_GOTO(write_shards(&p, &summary->edges), done);
    summary->nodes = p.ranges.training;
    summary->d = p.ranges.d;
done:
    part_close(&p);
    return status;
}

/* ---- reading them ---- */

/* Two texts of settings, line by line: the first that differs. */
static fr_status compare_settings(const char *path, const char *found, const char *want)
{
    while (*found && *want) {
        int mine = (int)strcspn(found, "\n"), theirs = (int)strcspn(want, "\n");
        if (mine != theirs || memcmp(found, want, (size_t)mine) != 0)
            return fr_fail(FR_FAILED, "%s: made with %.*s, want %.*s; make it again: `finerouter graph`", path, mine,
                           found, theirs, want);
        found += mine + (found[mine] == '\n');
        want += theirs + (want[theirs] == '\n');
    }
    return FR_OK;
}

static fr_status check_text(fr_h5 *file, const char *attribute, const char *what, const char *want)
{
    char *found;
    FR_TRY(fr_h5_get_text(file, attribute, &found));
    fr_status status = FR_OK;
    if (strcmp(found, want) != 0)
        status = fr_fail(FR_FAILED, "%s: made from other %s (hash %.60s, want %s); make it again: `finerouter graph`",
                         fr_h5_path(file), what, found, want);
    free(found);
    return status;
}

static fr_status check_integer(fr_h5 *file, const char *attribute, int64_t low, int64_t high, int64_t *found)
{
    FR_TRY(fr_h5_get_integer(file, attribute, found));
    if (*found < low || *found > high)
        return fr_fail(FR_FAILED, "%s: attribute %s is %lld, want %lld to %lld", fr_h5_path(file), attribute,
                       (long long)*found, (long long)low, (long long)high);
    return FR_OK;
}

/* Opens a file of the folder and checks that it belongs to data and config. */
static fr_status open_checked(fr_h5 **file, const char *path, const fr_dataset *data, int64_t n,
                              const fr_config *config, int64_t low, int64_t high, int64_t *shards)
{
    FR_TRY(fr_h5_open(file, path, format, VERSION));
    char *want = settings_of(config), *found = NULL;
    int64_t nodes;
    fr_status status;
    FR_TRY_GOTO(check_text(*file, "data_hash", "data", data->hash), done);
    FR_TRY_GOTO(fr_h5_get_text(*file, "settings", &found), done);
    FR_TRY_GOTO(compare_settings(path, found, want), done);
    FR_TRY_GOTO(check_integer(*file, "nodes", n, n, &nodes), done);
    FR_TRY_GOTO(check_integer(*file, "shards", low, high, shards), done);
done:
    free(found);
    free(want);
    if (status != FR_OK) {
        fr_h5_close(*file);
        *file = NULL;
    }
    return status;
}

typedef struct shards {
    int64_t count, *first, *edges; /* (count + 1), (count) */
} shards;

static fr_status read_counts(shards *s, fr_h5 *file, int64_t n)
{
    const int64_t ends = s->count + 1;
    s->first = FR_NEW(int64_t, ends);
    s->edges = FR_NEW(int64_t, s->count);
    FR_TRY(fr_h5_read(file, "/first", FR_H5_I64, 1, &ends, s->first));
    FR_TRY(fr_h5_read(file, "/edges", FR_H5_I64, 1, &s->count, s->edges));
    for (int64_t i = 0; i < s->count; i++)
        if (s->first[i] < 0 || s->first[i] > s->first[i + 1] || s->edges[i] < 0 || s->edges[i] > INT32_MAX)
            return fr_fail(FR_FAILED, "%s: shard %lld has nodes %lld to %lld and %lld edges: damaged", fr_h5_path(file),
                           (long long)i, (long long)s->first[i], (long long)s->first[i + 1], (long long)s->edges[i]);
    if (s->first[0] != 0 || s->first[s->count] != n)
        return fr_fail(FR_FAILED, "%s: shards hold nodes %lld to %lld, want 0 to %lld", fr_h5_path(file),
                       (long long)s->first[0], (long long)s->first[s->count], (long long)n);
    return FR_OK;
}

/* Sorted, smaller ends the shard's own, finite numbers. */
static fr_status check_edges(fr_h5 *file, const fr_graph *graph, int64_t at, int64_t count, int64_t low, int64_t high)
{
    const int32_t *e = graph->edges + 2 * at;
    for (int64_t i = 0; i < count; i++) {
        bool after = i == 0 || e[2 * i] > e[2 * i - 2] || (e[2 * i] == e[2 * i - 2] && e[2 * i + 1] > e[2 * i - 1]);
        bool inside = e[2 * i] >= low && e[2 * i] < high && e[2 * i + 1] > e[2 * i] && e[2 * i + 1] < graph->nodes;
        if (!after || !inside || !isfinite(graph->cosine[at + i]) || !isfinite(graph->rbo[at + i]))
            return fr_fail(FR_FAILED, "%s: edge %lld is %d to %d, cosine %g, RBO %g: damaged", fr_h5_path(file),
                           (long long)i, e[2 * i], e[2 * i + 1], (double)graph->cosine[at + i],
                           (double)graph->rbo[at + i]);
    }
    return FR_OK;
}

/* Shard i into graph, from edge `at` on. */
static fr_status read_shard(fr_graph *graph, int64_t at, fr_h5 *file, const shards *s, int64_t i,
                            const float *embedding, int64_t d)
{
    const int64_t shape[2] = {s->edges[i], 2};
    char hash[FR_HASH_CHARS];
    hash_rows(hash, embedding + s->first[i] * d, s->first[i + 1] - s->first[i], d);
    FR_TRY(check_text(file, "embedding_hash", "embeddings", hash));
    FR_TRY(fr_h5_read(file, "/edges", FR_H5_I32, 2, shape, graph->edges + 2 * at));
    FR_TRY(fr_h5_read(file, "/cosine", FR_H5_F32, 1, shape, graph->cosine + at));
    FR_TRY(fr_h5_read(file, "/rbo", FR_H5_F32, 1, shape, graph->rbo + at));
    return check_edges(file, graph, at, shape[0], s->first[i], s->first[i + 1]);
}

static fr_status read_shards(fr_graph *graph, const shards *s, const fr_dataset *data, const float *embedding,
                             int64_t d, const fr_config *config)
{
    for (int64_t i = 0; i < s->count; i++)
        graph->E += s->edges[i];
    graph->edges = FR_NEW(int32_t, 2 * graph->E);
    graph->cosine = FR_NEW(float, graph->E);
    graph->rbo = FR_NEW(float, graph->E);
    graph->weight = FR_NEW(float, graph->E);
    int64_t at = 0;
    for (int64_t i = 0; i < s->count; i++) {
        char *path = shard_path(config->discover.graph, i, s->count);
        fr_h5 *file = NULL;
        int64_t count;
        fr_status status = open_checked(&file, path, data, graph->nodes, config, s->count, s->count, &count);
        if (status == FR_OK)
            status = read_shard(graph, at, file, s, i, embedding, d);
        fr_h5_close(file);
        free(path);
        FR_TRY(status);
        at += s->edges[i];
    }
    return FR_OK;
}

fr_status fr_graph_shards_read(fr_graph *graph, const fr_dataset *data, const float *embedding, int64_t n, int64_t d,
                               const fr_config *config)
{
    *graph = (fr_graph){.nodes = n};
    char *path = fr_path_join(config->discover.graph, "index.h5");
    fr_h5 *file = NULL;
    shards s = {0};
    fr_status status;
    FR_TRY_GOTO(open_checked(&file, path, data, n, config, 1, MOST_SHARDS, &s.count), done);
    FR_TRY_GOTO(read_counts(&s, file, n), done);
    FR_TRY_GOTO(read_shards(graph, &s, data, embedding, d, config), done);
    fr_edge_spans spans = fr_edge_spans_of(graph, config->discover.tau);
    fr_edges_weigh(graph, &spans, config->discover.tau, config->discover.weight);
    fr_log("%s: %lld nodes and %lld edges out of %lld shards", config->discover.graph, (long long)n,
           (long long)graph->E, (long long)s.count);
done:
    fr_h5_close(file);
    free(s.first);
    free(s.edges);
    free(path);
    if (status != FR_OK)
        fr_graph_close(graph);
    return status;
}

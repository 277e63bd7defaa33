/* splits.c - seeded splits and folds.
 *
 * The unit is a group: all prompts with the same text. A group belongs to the source of its first prompt, so that texts
 * which stand in several sources stay together too. Within a source the groups are put into a random order that depends
 * on the seed and the source's name alone.
 *
 * Choosing a share: source s should give round(C_s) - round(C_{s-1}) prompts, C_s = share * prompts of the sources up
 * to s. So every source is within one prompt of its share and the whole is exact, also with many tiny sources. Groups
 * are taken in order while they fit into what is still wanted. A source of three groups or more gives at least one
 * group.
 *
 * Folds: groups go, in order, to the fold which has the fewest prompts of this source so far; among equals to the one
 * with the fewest prompts of all sources so far, then to the first. */
#include "finerouter/dataset.h"

#include "base/rng.h"
#include "build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct groups {
    int64_t count;
    int64_t *of;    /* (N) group of a prompt */
    int64_t *size;  /* (count) prompts */
    int64_t *order; /* (count) groups sorted by source, in random order within it */
    int64_t *begin; /* (sources + 1) ranges of order */
    int8_t *split;  /* (count) */
} groups;

static void groups_close(groups *g)
{
    free(g->of);
    free(g->size);
    free(g->order);
    free(g->begin);
    free(g->split);
}

/* Random order of the groups within every source; use, a and b name the random stream. */
static void shuffle(groups *g, const fr_dataset *data, uint64_t seed, const char *use, int64_t a, int64_t b)
{
    int64_t *permutation = FR_NEW(int64_t, g->count), *copy = FR_NEW(int64_t, g->count);
    for (int64_t s = 0; s < data->sources; s++) {
        int64_t *order = g->order + g->begin[s], count = g->begin[s + 1] - g->begin[s];
        char *name = fr_format("%s/%s", use, data->source_name[s]);
        fr_rng_permutation(permutation, count, seed, fr_stream(name, (uint64_t)a, (uint64_t)b));
        free(name);
        if (count)
            memcpy(copy, order, (size_t)count * sizeof *copy);
        for (int64_t i = 0; i < count; i++)
            order[i] = copy[permutation[i]];
    }
    free(permutation);
    free(copy);
}

/* Groups by first appearance within their source. */
static groups groups_make(const fr_dataset *data)
{
    groups g = {.of = FR_NEW(int64_t, data->N)};
    g.count = fr_dataset_text_groups(g.of, data);
    g.size = FR_NEW(int64_t, g.count);
    g.order = FR_NEW(int64_t, g.count);
    g.begin = FR_NEW(int64_t, data->sources + 2);
    g.split = FR_NEW(int8_t, g.count);
    int32_t *source = FR_NEW(int32_t, g.count);
    for (int64_t i = 0; i < data->N; i++)
        if (!g.size[g.of[i]]++)
            source[g.of[i]] = data->source[i];
    /* Counting sort by source; begin is shifted by two while counting and by one while placing. */
    for (int64_t j = 0; j < g.count; j++)
        g.begin[source[j] + 2]++;
    for (int64_t s = 2; s < data->sources + 2; s++)
        g.begin[s] += g.begin[s - 1];
    for (int64_t j = 0; j < g.count; j++)
        g.order[g.begin[source[j] + 1]++] = j;
    free(source);
    return g;
}

/* Marks groups of one source that are still in train as `split`, about `want` prompts of them; leaves at least `leave`
 * groups in train. */
static void take(groups *g, int64_t source, int split, int64_t want, bool one_at_least, int64_t leave)
{
    int64_t free_groups = 0, taken = 0, smallest = -1;
    for (int64_t i = g->begin[source]; i < g->begin[source + 1]; i++)
        free_groups += g->split[g->order[i]] == FR_SPLIT_TRAIN;
    for (int64_t i = g->begin[source]; i < g->begin[source + 1] && free_groups > leave; i++) {
        int64_t j = g->order[i];
        if (g->split[j] != FR_SPLIT_TRAIN)
            continue;
        if (smallest < 0 || g->size[j] < g->size[smallest])
            smallest = j;
        if (taken + g->size[j] <= want) {
            g->split[j] = (int8_t)split;
            taken += g->size[j];
            free_groups--;
        }
    }
    if (!taken && one_at_least && smallest >= 0)
        g->split[smallest] = (int8_t)split;
}

/* Takes `share` of the prompts of every source that are still in train. */
static void take_share(groups *g, int64_t sources, int split, double share, const int64_t *prompts, bool dev_follows)
{
    int64_t before = 0, total = 0;
    for (int64_t s = 0; s < sources; s++) {
        total += prompts[s];
        int64_t upto = (int64_t)floor(share * (double)total + 0.5), count = g->begin[s + 1] - g->begin[s];
        bool enough = count >= 3 && share > 0;
        take(g, s, split, upto - before, enough, count < 2 ? 0 : enough && dev_follows ? 2 : 1);
        before = upto;
    }
}

static int64_t *count_prompts(const groups *g, int64_t sources)
{
    int64_t *prompts = FR_NEW(int64_t, sources);
    for (int64_t s = 0; s < sources; s++)
        for (int64_t i = g->begin[s]; i < g->begin[s + 1]; i++)
            if (g->split[g->order[i]] == FR_SPLIT_TRAIN)
                prompts[s] += g->size[g->order[i]];
    return prompts;
}

static void write_splits(fr_dataset *data, const groups *g)
{
    for (int64_t i = 0; i < data->N; i++)
        data->split[i] = g->split[g->of[i]];
}

void fr_make_splits(fr_dataset *data, const fr_config *config)
{
    groups g = groups_make(data);
    shuffle(&g, data, (uint64_t)config->top.seed, "splits", 0, 0);
    int64_t *prompts = count_prompts(&g, data->sources);
    take_share(&g, data->sources, FR_SPLIT_TEST, config->data.test_share, prompts, config->data.dev_share > 0);
    take_share(&g, data->sources, FR_SPLIT_DEV, config->data.dev_share, prompts, false);
    write_splits(data, &g);
    free(prompts);
    groups_close(&g);
}

static void assign_folds(groups *g, int64_t sources, int64_t fold, int64_t folds)
{
    int64_t *total = FR_NEW(int64_t, folds), *here = FR_NEW(int64_t, folds);
    for (int64_t s = 0; s < sources; s++) {
        memset(here, 0, (size_t)folds * sizeof *here);
        for (int64_t i = g->begin[s]; i < g->begin[s + 1]; i++) {
            int64_t j = g->order[i], best = 0;
            for (int64_t f = 1; f < folds; f++)
                if (here[f] < here[best] || (here[f] == here[best] && total[f] < total[best]))
                    best = f;
            here[best] += g->size[j];
            total[best] += g->size[j];
            g->split[j] = best == fold ? FR_SPLIT_TEST : FR_SPLIT_TRAIN;
        }
    }
    free(total);
    free(here);
}

void fr_make_fold(fr_dataset *data, int64_t fold, int64_t folds, uint64_t seed)
{
    FR_CHECK(folds >= 2 && fold >= 0 && fold < folds, "fold %lld of %lld", (long long)fold, (long long)folds);
    groups g = groups_make(data);
    shuffle(&g, data, seed, "folds", folds, 0);
    assign_folds(&g, data->sources, fold, folds);
    shuffle(&g, data, seed, "fold-dev", folds, fold);
    int64_t *prompts = count_prompts(&g, data->sources);
    take_share(&g, data->sources, FR_SPLIT_DEV, 0.1, prompts, false);
    write_splits(data, &g);
    free(prompts);
    groups_close(&g);
    fr_dataset_seal(data);
}

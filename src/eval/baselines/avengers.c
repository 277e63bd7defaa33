/* Avengers (Zhang et al. 2025) and Avengers-Pro: training prompts are clustered, each cluster ranks the models, and a
 * prompt asks the clusters nearest to it. Embeddings have unit length; the number of clusters is chosen on dev.
 *
 *   value[c,m]    = mean quality of m over the cluster's prompts
 *   Pro:            w quality_n[c,m] + (1 - w) (1 - cost_n[c,m]), both min-max normalised over the models
 *   rank[c,m]     = 0 for the highest value, then 1, ...
 *   score[i,m]    = sum_c p[i,c] / (rank[c,m] + 1),   p = softmax_c(-beta (1 - cos(x_i, c))) over the nearest clusters
 *
 * A model that was observed on no prompt of a cluster has its training means there. Equal values are ranked by training
 * mean, then by cost, then in model order. */
#include "eval/internal.h"

#include "base/memory.h"
#include "discover/kmeans.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ITERATIONS = 100 };

/* For every k of the grid: into which cluster each training prompt went, and the centres. Both routers use the same. */
struct fr_clusterings {
    int64_t count;
    int32_t **member; /* (count)(n) */
    float **centre;   /* (count)(k, d), k at most n */
};

typedef struct clusters {
    const fr_eval_input *input;
    bool pro;
    float *x;            /* (N, d) unit rows */
    int64_t *row, n;     /* (n) training prompts */
    float *training;     /* (n, d) their rows of x */
    double *mean, *cost; /* (M) over all training prompts */
    bool priced;         /* some model's cost is known */
} clusters;

static clusters clusters_open(const fr_eval_input *input, bool pro)
{
    const fr_dataset *data = input->data;
    int64_t d = input->d;
    clusters c = {.input = input, .pro = pro, .x = FR_NEW(float, data->N *d)};
    c.n = fr_split_rows(&c.row, data, FR_SPLIT_TRAIN);
    c.training = FR_NEW(float, c.n *d);
    c.mean = FR_NEW(double, data->M);
    c.cost = FR_NEW(double, data->M);
    fr_unit_rows(c.x, input->embedding, data->N, d);
    for (int64_t i = 0; i < c.n; i++)
        for (int64_t j = 0; j < d; j++)
            c.training[i * d + j] = c.x[c.row[i] * d + j];
    fr_train_means(c.mean, data, -1);
    fr_expected_cost(c.cost, data);
    for (int64_t m = 0; m < data->M; m++)
        c.priced = c.priced || !isnan(c.cost[m]);
    return c;
}

static void clusters_close(clusters *c)
{
    free(c->x);
    free(c->row);
    free(c->training);
    free(c->mean);
    free(c->cost);
}

static int64_t clusters_of(const clusters *c, int64_t g)
{
    int64_t k = llround(c->input->config->avengers.k.value[g]);
    return k < c->n ? k : c->n;
}

void fr_clusterings_close(fr_clusterings *all)
{
    if (!all)
        return;
    for (int64_t g = 0; g < all->count; g++) {
        free(all->member[g]);
        free(all->centre[g]);
    }
    free(all->member);
    free(all->centre);
    free(all);
}

static fr_status clusterings_make(fr_clusterings **made, const clusters *c)
{
    const fr_config *config = c->input->config;
    int64_t d = c->input->d;
    fr_clusterings *all = FR_NEW(fr_clusterings, 1);
    fr_status status = FR_OK;
    all->count = config->avengers.k.count;
    all->member = FR_NEW(int32_t *, all->count);
    all->centre = FR_NEW(float *, all->count);
    for (int64_t g = 0; g < all->count && status == FR_OK; g++) {
        int64_t k = clusters_of(c, g);
        all->member[g] = FR_NEW(int32_t, c->n);
        all->centre[g] = FR_NEW(float, k *d);
        status = fr_kmeans(all->member[g], all->centre[g], NULL, c->training, c->n, d, k, config->avengers.restarts,
                           ITERATIONS, (uint64_t)config->top.seed);
    }
    if (status == FR_OK)
        *made = all;
    else
        fr_clusterings_close(all);
    return status;
}

/* value (k, M): means over the members of each cluster, `otherwise` (M) where there is nothing to average. */
static void cluster_means(double *value, const clusters *c, const float *observed, const int32_t *member, int64_t k,
                          const double *otherwise)
{
    int64_t M = c->input->data->M, *count = FR_NEW(int64_t, k * M);
    for (int64_t x = 0; x < k * M; x++)
        value[x] = 0;
    for (int64_t i = 0; i < c->n; i++)
        for (int64_t m = 0; m < M; m++) {
            float v = observed[c->row[i] * M + m];
            if (!isnan(v))
                value[member[i] * M + m] += v, count[member[i] * M + m]++;
        }
    for (int64_t x = 0; x < k * M; x++)
        value[x] = count[x] ? value[x] / (double)count[x] : otherwise[x % M];
    free(count);
}

/* To 0..1 over the values that are there; 0 where they are all equal. */
static void normalise(double *value, int64_t M)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t m = 0; m < M; m++)
        if (!isnan(value[m]))
            low = fmin(low, value[m]), high = fmax(high, value[m]);
    for (int64_t m = 0; m < M; m++)
        value[m] = isnan(value[m]) ? NAN : high > low ? (value[m] - low) / (high - low) : 0;
}

/* Quality and cost into one value. A model of unknown cost counts as the dearest. */
static void weigh_cost(double *value, double *cost, int64_t M, double share)
{
    normalise(value, M);
    normalise(cost, M);
    for (int64_t m = 0; m < M; m++)
        value[m] = share * value[m] + (1 - share) * (1 - (isnan(cost[m]) ? 1 : cost[m]));
}

static bool before(const clusters *c, const double *value, int64_t a, int64_t b)
{
    if (value[a] != value[b])
        return value[a] > value[b];
    if (c->mean[a] != c->mean[b])
        return c->mean[a] > c->mean[b];
    if (c->cost[a] < c->cost[b] || c->cost[b] < c->cost[a])
        return c->cost[a] < c->cost[b];
    return a < b;
}

/* rank (k, M) */
static void rank_models(int32_t *rank, const clusters *c, const int32_t *member, int64_t k)
{
    const fr_dataset *data = c->input->data;
    int64_t M = data->M;
    double *value = FR_NEW(double, k *M), *cost = FR_NEW(double, k *M);
    cluster_means(value, c, data->quality, member, k, c->mean);
    if (c->pro && c->priced) {
        cluster_means(cost, c, data->cost, member, k, c->cost);
        for (int64_t j = 0; j < k; j++)
            weigh_cost(value + j * M, cost + j * M, M, c->input->config->avengers.pro_quality);
    }
    for (int64_t j = 0; j < k; j++)
        for (int64_t m = 0; m < M; m++)
            for (int64_t other = 0; other < M; other++)
                rank[j * M + m] += other != m && before(c, value + j * M, other, m);
    free(value);
    free(cost);
}

/* Scores of every prompt by the clusters of grid point g. */
static void score_by(fr_scores *scores, const clusters *c, const fr_clusterings *all, int64_t g)
{
    const fr_config *config = c->input->config;
    int64_t N = scores->N, M = scores->M, k = clusters_of(c, g),
            nearest = c->pro ? config->avengers.pro_nearest : config->avengers.nearest;
    nearest = nearest < k ? nearest : k;
    int32_t *rank = FR_NEW(int32_t, k * M), *index = FR_NEW(int32_t, N * nearest);
    float *cosine = FR_NEW(float, N *nearest);
    rank_models(rank, c, all->member[g], k);
    fr_nearest_centres(index, cosine, c->x, N, all->centre[g], k, c->input->d, nearest);
    for (int64_t i = 0; i < N; i++) {
        double total = 0, most = cosine[i * nearest];
        for (int64_t l = 0; l < nearest; l++)
            total += exp(config->avengers.beta * (cosine[i * nearest + l] - most));
        for (int64_t m = 0; m < M; m++) {
            double sum = 0;
            for (int64_t l = 0; l < nearest; l++)
                sum += exp(config->avengers.beta * (cosine[i * nearest + l] - most)) / total /
                       (rank[index[i * nearest + l] * M + m] + 1);
            scores->score[i * M + m] = (float)sum;
        }
    }
    free(rank);
    free(index);
    free(cosine);
}

/* The grid point that routes dev best. */
static void choose(fr_scores *scores, const clusters *c, const fr_clusterings *all, const char *name)
{
    const fr_dataset *data = c->input->data;
    fr_scores *tried = FR_NEW(fr_scores, all->count);
    double *quality = FR_NEW(double, all->count);
    for (int64_t g = 0; g < all->count; g++) {
        fr_scores_begin(&tried[g], name, data);
        score_by(&tried[g], c, all, g);
        quality[g] = fr_routed_quality(tried[g].score, NULL, data, c->cost, FR_SPLIT_DEV);
    }
    int64_t best = fr_choose_smoothed(quality, all->count);
    *scores = tried[best];
    tried[best] = (fr_scores){0};
    snprintf(scores->setting, sizeof scores->setting, "k = %lld%s", llround(c->input->config->avengers.k.value[best]),
             c->pro && !c->priced ? ", by quality alone: no cost is known" : "");
    for (int64_t g = 0; g < all->count; g++)
        fr_scores_close(&tried[g]);
    free(tried);
    free(quality);
}

static fr_status route_by_clusters(fr_scores *scores, const fr_eval_input *input, const char *name, bool pro)
{
    FR_CHECK(input->embedding, "%s needs the prompt embeddings", name);
    if (input->config->avengers.k.count == 0)
        return fr_fail(FR_USAGE, "avengers.k: is empty, want at least one number of clusters");
    clusters c = clusters_open(input, pro);
    fr_clusterings *own = NULL, **all = input->clusterings ? input->clusterings : &own;
    fr_status status = *all ? FR_OK : clusterings_make(all, &c);
    if (status == FR_OK)
        choose(scores, &c, *all, name);
    fr_clusterings_close(own);
    clusters_close(&c);
    return status;
}

fr_status fr_baseline_avengers(fr_scores *scores, const fr_eval_input *input)
{
    return route_by_clusters(scores, input, "avengers", false);
}

fr_status fr_baseline_avengers_pro(fr_scores *scores, const fr_eval_input *input)
{
    return route_by_clusters(scores, input, "avengers_pro", true);
}

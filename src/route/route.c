/* The routing formulas; see finerouter/route.h. */
#include "finerouter/route.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Least and greatest score that is not NaN; false if there is none. */
static bool range(float *low, float *high, const float *score, int64_t M)
{
    *low = INFINITY, *high = -INFINITY;
    for (int64_t m = 0; m < M; m++) {
        if (score[m] < *low)
            *low = score[m];
        if (score[m] > *high)
            *high = score[m];
    }
    return *low <= *high;
}

/* norm(x)_m = (x_m - min x) / (max x - min x) */
void fr_minmax(float *out, const float *in, int64_t M)
{
    float low, high;
    bool some = range(&low, &high, in, M);
    for (int64_t m = 0; m < M; m++) {
        if (isnan(in[m]))
            out[m] = NAN;
        else
            out[m] = some && high > low ? (float)(((double)in[m] - low) / ((double)high - low)) : 0;
    }
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

void fr_assign(int32_t *assignment, float *probability, const float *logits, int64_t n, int64_t T, double theta)
{
    for (int64_t i = 0; i < n; i++) {
        const float *logit = logits + i * T;
        int64_t best = 0;
        for (int64_t t = 1; t < T; t++)
            if (logit[t] > logit[best])
                best = t;
        double p = T > 0 ? sigmoid(logit[best]) : NAN;
        assignment[i] = p >= theta ? (int32_t)best : -1;
        if (probability)
            probability[i] = (float)p;
    }
}

/* weight (T + 1) = softmax([logit, log(theta / (1 - theta))] / temperature). The exponents are taken relative to the
 * largest; an infinite log odds of Others is theta 0 or 1. */
static void soft_weights(double *weight, const float *logit, int64_t T, double theta, double temperature)
{
    double others = log(theta) - log1p(-theta);
    if (T == 0 || others == INFINITY) {
        for (int64_t t = 0; t <= T; t++)
            weight[t] = t == T;
        return;
    }
    double top = others, sum = 0;
    for (int64_t t = 0; t < T; t++)
        top = logit[t] > top ? logit[t] : top;
    for (int64_t t = 0; t <= T; t++) {
        weight[t] = exp(((t < T ? logit[t] : others) - top) / temperature);
        sum += weight[t];
    }
    for (int64_t t = 0; t <= T; t++)
        weight[t] /= sum;
}

void fr_stage1_scores(float *s1, const float *stage1, const float *logits, const int32_t *assignment, int64_t n,
                      int64_t T, int64_t M, int mode, double theta, double temperature)
{
    if (mode == FR_HARD) {
        for (int64_t i = 0; i < n; i++) {
            FR_CHECK(assignment[i] >= -1 && assignment[i] < T, "prompt %lld has task %d, want -1 to %lld", (long long)i,
                     assignment[i], (long long)T - 1);
            int64_t t = assignment[i] >= 0 ? assignment[i] : T;
            memcpy(s1 + i * M, stage1 + t * M, (size_t)M * sizeof *s1);
        }
        return;
    }
    double *weight = FR_NEW(double, T + 1), *sum = FR_NEW(double, M);
    for (int64_t i = 0; i < n; i++) {
        soft_weights(weight, logits + i * T, T, theta, temperature);
        memset(sum, 0, (size_t)M * sizeof *sum);
        for (int64_t t = 0; t <= T; t++)
            for (int64_t m = 0; m < M; m++)
                sum[m] += weight[t] * stage1[t * M + m];
        for (int64_t m = 0; m < M; m++)
            s1[i * M + m] = (float)sum[m];
    }
    free(weight);
    free(sum);
}

void fr_mix(float *score, const float *s1, const float *s2, int64_t n, int64_t M, double alpha)
{
    float *norm1 = FR_NEW(float, M), *norm2 = FR_NEW(float, M);
    for (int64_t i = 0; i < n; i++) {
        fr_minmax(norm1, s1 + i * M, M);
        fr_minmax(norm2, s2 + i * M, M);
        for (int64_t m = 0; m < M; m++)
            score[i * M + m] = (float)(alpha * norm2[m] + (1 - alpha) * norm1[m]);
    }
    free(norm1);
    free(norm2);
}

typedef struct order {
    const float *score, *s2;
    const double *cost;
} order;

/* < 0 when a is the greater number; NaN is below all. */
static int greater_first(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a < b) - (a > b);
}

/* < 0 when a is cheaper; NaN is dearest. */
static int cheaper_first(const order *o, int32_t a, int32_t b)
{
    return greater_first(-o->cost[a], -o->cost[b]);
}

/* < 0 when model a stands before model b; never 0 for a != b. */
static int better_first(const order *o, int32_t a, int32_t b)
{
    int by = greater_first(o->score[a], o->score[b]);
    if (by == 0 && o->s2)
        by = greater_first(o->s2[a], o->s2[b]);
    if (by == 0)
        by = cheaper_first(o, a, b);
    return by ? by : (a > b) - (a < b);
}

static int compare(const void *a, const void *b, void *context)
{
    return better_first(context, *(const int32_t *)a, *(const int32_t *)b);
}

void fr_rank(int32_t *ranking, const float *score, const float *s2, const double *cost, int64_t M)
{
    order o = {score, s2, cost};
    for (int64_t m = 0; m < M; m++)
        ranking[m] = (int32_t)m;
    qsort_r(ranking, (size_t)M, sizeof *ranking, compare, &o);
}

int32_t fr_choose(const float *score, const float *s2, const double *cost, int64_t M, double tolerance)
{
    order o = {score, s2, cost};
    float low, high;
    int32_t best = 0;
    for (int32_t m = 1; m < M; m++)
        if (better_first(&o, m, best) < 0)
            best = m;
    if (tolerance <= 0 || !range(&low, &high, score, M))
        return best;

    /* Compared as floats, since the scores are: with scores 1, .9, 0 the second is inside a tolerance of .1. */
    float least = tolerance >= 1 ? low : (float)(high - tolerance * ((double)high - low));
    for (int32_t m = 0; m < M; m++) {
        if (!(score[m] >= least))
            continue;
        int by = cheaper_first(&o, m, best);
        if (by < 0 || (by == 0 && better_first(&o, m, best) < 0))
            best = m;
    }
    return best;
}

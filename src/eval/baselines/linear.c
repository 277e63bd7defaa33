/* Ridge regression of each model's quality on the prompt's embedding x (unit length) and a constant that is not
 * penalised, over the training prompts where the model was observed; the penalty is chosen on dev.
 *
 *   min_{w,b} sum_i (q_i - w x_i - b)^2 + lambda |w|^2
 *   (X^T X - n m m^T + lambda I) w = X^T q - n m mean(q),   b = mean(q) - w m,   m the mean of x
 *
 * Everything in f64. Models that were observed on the same prompts share the matrix on the left. */
#include "eval/internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRIP = 8 }; /* rows of the matrix that are summed together */

typedef struct ridge {
    const fr_dataset *data;
    int64_t d;
    const float *x;       /* (N, d) unit rows */
    int64_t *row, n;      /* (n) training prompts where the model was observed */
    double *mean;         /* (d) of x over them */
    double *gram, *lower; /* (d, d) centred X^T X, its lower triangle; the Cholesky factor of it and lambda */
} ridge;

/* Training prompts where model m was observed; true if they are those of the model before. */
static bool take_rows(ridge *r, int64_t m)
{
    bool same = m > 0;
    int64_t n = 0;
    for (int64_t i = 0; i < r->data->N; i++) {
        if (r->data->split[i] != FR_SPLIT_TRAIN || isnan(r->data->quality[i * r->data->M + m]))
            continue;
        same = same && n < r->n && r->row[n] == i;
        r->row[n++] = i;
    }
    same = same && n == r->n;
    r->n = n;
    return same;
}

static void sum_gram(ridge *r)
{
    int64_t d = r->d;
    memset(r->mean, 0, (size_t)d * sizeof *r->mean);
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t j = 0; j < d; j++)
            r->mean[j] += r->x[r->row[i] * d + j];
    for (int64_t j = 0; j < d; j++)
        r->mean[j] /= (double)(r->n ? r->n : 1);
#pragma omp parallel for schedule(dynamic)
    for (int64_t first = 0; first < d; first += STRIP) {
        int64_t last = first + STRIP < d ? first + STRIP : d;
        for (int64_t j = first; j < last; j++)
            for (int64_t l = 0; l <= j; l++)
                r->gram[j * d + l] = -(double)r->n * r->mean[j] * r->mean[l];
        for (int64_t i = 0; i < r->n; i++) {
            const float *x = r->x + r->row[i] * d;
            for (int64_t j = first; j < last; j++) {
                double factor = x[j], *row = r->gram + j * d;
                for (int64_t l = 0; l <= j; l++)
                    row[l] += factor * x[l];
            }
        }
    }
}

/* gram + lambda I = L L^T, column by column. A direction that those before it explain (lambda 0) gets a zero on the
 * diagonal and no weight. */
static void factor(ridge *r, double lambda)
{
    int64_t d = r->d;
    double most = 0;
    for (int64_t j = 0; j < d; j++)
        most = fmax(most, r->gram[j * d + j] + lambda);
    memcpy(r->lower, r->gram, (size_t)(d * d) * sizeof *r->lower);
    for (int64_t j = 0; j < d; j++) {
        double *row = r->lower + j * d, pivot = row[j] + lambda;
        for (int64_t l = 0; l < j; l++)
            pivot -= row[l] * row[l];
        row[j] = pivot > 1e-12 * most ? sqrt(pivot) : 0;
#pragma omp parallel for schedule(static) if (d - j > 256)
        for (int64_t i = j + 1; i < d; i++) {
            double *below = r->lower + i * d, sum = below[j];
            for (int64_t l = 0; l < j; l++)
                sum -= below[l] * row[l];
            below[j] = row[j] > 0 ? sum / row[j] : 0;
        }
    }
}

/* w (d + 1): the weights of model m, the constant last. */
static void solve(const ridge *r, double *w, int64_t m)
{
    int64_t d = r->d, M = r->data->M;
    double mean = 0;
    for (int64_t i = 0; i < r->n; i++)
        mean += r->data->quality[r->row[i] * M + m];
    mean /= (double)(r->n ? r->n : 1);
    memset(w, 0, (size_t)(d + 1) * sizeof *w);
    for (int64_t i = 0; i < r->n; i++) {
        double q = r->data->quality[r->row[i] * M + m] - mean;
        for (int64_t j = 0; j < d; j++)
            w[j] += q * r->x[r->row[i] * d + j];
    }
    for (int64_t j = 0; j < d; j++) { /* L z = X^T (q - mean); x need not be centred, since q is */
        for (int64_t l = 0; l < j; l++)
            w[j] -= r->lower[j * d + l] * w[l];
        w[j] = r->lower[j * d + j] > 0 ? w[j] / r->lower[j * d + j] : 0;
    }
    for (int64_t j = d; j-- > 0;) { /* L^T w = z */
        for (int64_t l = j + 1; l < d; l++)
            w[j] -= r->lower[l * d + j] * w[l];
        w[j] = r->lower[j * d + j] > 0 ? w[j] / r->lower[j * d + j] : 0;
    }
    w[d] = mean;
    for (int64_t j = 0; j < d; j++)
        w[d] -= w[j] * r->mean[j];
}

/* w (grid, M, d + 1) */
static double *fit(const fr_eval_input *input, const float *x, const fr_reals *grid)
{
    const fr_dataset *data = input->data;
    int64_t d = input->d, M = data->M, shared = 0;
    ridge r = {.data = data,
               .d = d,
               .x = x,
               .row = FR_NEW(int64_t, data->N),
               .mean = FR_NEW(double, d),
               .gram = FR_NEW(double, d *d),
               .lower = FR_NEW(double, d *d)};
    double *w = FR_NEW(double, grid->count *M *(d + 1));
    for (int64_t m = 0; m < M; m += shared) {
        take_rows(&r, m);
        sum_gram(&r);
        for (shared = 1; m + shared < M && take_rows(&r, m + shared); shared++)
            ;
        take_rows(&r, m); /* the first model that differs has left its rows */
        for (int64_t g = 0; g < grid->count; g++) {
            factor(&r, grid->value[g]);
#pragma omp parallel for schedule(static)
            for (int64_t s = m; s < m + shared; s++)
                solve(&r, w + (g * M + s) * (d + 1), s);
        }
    }
    free(r.row);
    free(r.mean);
    free(r.gram);
    free(r.lower);
    return w;
}

/* score = w x + b; w (M, d + 1) */
static void predict(fr_scores *scores, const double *w, const float *x, int64_t d)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < scores->N; i++)
        for (int64_t m = 0; m < scores->M; m++) {
            const double *weight = w + m * (d + 1);
            double sum = weight[d];
            for (int64_t j = 0; j < d; j++)
                sum += weight[j] * x[i * d + j];
            scores->score[i * scores->M + m] = (float)sum;
        }
}

fr_status fr_baseline_linear(fr_scores *scores, const fr_eval_input *input)
{
    const fr_dataset *data = input->data;
    const fr_reals *grid = &input->config->linear.ridge;
    FR_CHECK(input->embedding, "linear needs the prompt embeddings");
    if (grid->count == 0)
        return fr_fail(FR_USAGE, "linear.ridge: is empty, want at least one penalty");
    int64_t d = input->d, block = data->M * (d + 1);
    float *x = FR_NEW(float, data->N *d);
    double *cost = FR_NEW(double, data->M), *quality = FR_NEW(double, grid->count);
    fr_expected_cost(cost, data);
    fr_unit_rows(x, input->embedding, data->N, d);
    double *w = fit(input, x, grid);
    fr_scores_begin(scores, "linear", data);
    for (int64_t g = 0; g < grid->count; g++) {
        predict(scores, w + g * block, x, d);
        quality[g] = fr_routed_quality(scores->score, NULL, data, cost, FR_SPLIT_DEV);
    }
    int64_t best = fr_choose_smoothed(quality, grid->count);
    predict(scores, w + best * block, x, d);
    snprintf(scores->setting, sizeof scores->setting, "ridge = %g", grid->value[best]);
    free(x);
    free(cost);
    free(quality);
    free(w);
    return FR_OK;
}

/* RouteLLM's metrics of routing between a strong and a weak model. */
#include "finerouter/metrics.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

typedef struct pair_prompt {
    double margin, gain; /* gain: strong - weak */
    int64_t row;
} pair_prompt;

/* Descending margin; by row, so that sums are the same in every run. */
static int compare_margins(const void *a, const void *b)
{
    const pair_prompt *p = a, *q = b;
    if (p->margin != q->margin)
        return p->margin > q->margin ? -1 : 1;
    return (p->row > q->row) - (p->row < q->row);
}

/* quality(j / 20) = mean weak + (sum of the gains of the first j n / 20 prompts) / n, a group of equal margins being
 * taken in equal parts of its gain. */
static void walk(double *quality, const pair_prompt *prompt, int64_t n, double weak)
{
    double taken = 0;
    int64_t start = 0, j = 0;
    while (start < n) {
        double gain = 0;
        int64_t end = start;
        for (; end < n && prompt[end].margin == prompt[start].margin; end++)
            gain += prompt[end].gain;
        double mean = gain / (double)(end - start);
        for (; j < FR_PAIR_POINTS && j * n <= end * (FR_PAIR_POINTS - 1); j++) {
            double strong = (double)j * (double)n / (FR_PAIR_POINTS - 1);
            quality[j] = weak + (taken + (strong - (double)start) * mean) / (double)n;
        }
        taken += gain;
        start = end;
    }
}

void fr_pair_curve(double share[FR_PAIR_POINTS], double quality[FR_PAIR_POINTS], const float *margin,
                   const float *strong, const float *weak, int64_t n)
{
    pair_prompt *prompt = FR_NEW(pair_prompt, n);
    int64_t known = 0;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(margin[i]) && !isnan(strong[i]) && !isnan(weak[i])) {
            prompt[known++] = (pair_prompt){margin[i], (double)strong[i] - weak[i], i};
            sum += weak[i];
        }
    if (known > 0)
        qsort(prompt, (size_t)known, sizeof *prompt, compare_margins);
    for (int j = 0; j < FR_PAIR_POINTS; j++) {
        share[j] = (double)j / (FR_PAIR_POINTS - 1);
        quality[j] = NAN;
    }
    if (known > 0)
        walk(quality, prompt, known, sum / (double)known);
    free(prompt);
}

double fr_metric_pgr(double quality, double weak, double strong)
{
    return strong > weak ? (quality - weak) / (strong - weak) : NAN;
}

double fr_metric_cpt(const double *share, const double *quality, int64_t count, double p, double weak, double strong)
{
    double target = weak + p * (strong - weak);
    if (!(strong > weak))
        return NAN;
    for (int64_t j = 0; j < count; j++) {
        if (!(quality[j] >= target))
            continue;
        if (j == 0 || isnan(quality[j - 1]))
            return share[j];
        return share[j - 1] + (share[j] - share[j - 1]) * (target - quality[j - 1]) / (quality[j] - quality[j - 1]);
    }
    return NAN;
}

double fr_metric_apgr(const double *share, const double *quality, int64_t count, double weak, double strong)
{
    double area = 0;
    for (int64_t j = 1; j < count; j++)
        area += (share[j] - share[j - 1]) * (quality[j] + quality[j - 1]) / 2;
    double width = count > 1 ? share[count - 1] - share[0] : 0;
    return width > 0 ? fr_metric_pgr(area / width, weak, strong) : NAN;
}

/* How far estimates and labels can be believed: calibration, the classifier's F1, the spread of quality over tasks. */
#include "finerouter/metrics.h"

#include "base/memory.h"
#include "finerouter/status.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

void fr_calibration_add(fr_calibration *calibration, double estimate, double quality)
{
    if (isnan(estimate) || isnan(quality))
        return;
    /* Estimates are f32: to that precision .7f is .7, and belongs to the bin that starts there. */
    float at = (float)((estimate - calibration->low) / (calibration->high - calibration->low) * FR_CALIBRATION_BINS);
    int bin = at >= FR_CALIBRATION_BINS ? FR_CALIBRATION_BINS - 1 : at >= 0 ? (int)at : 0;
    calibration->bin[bin].entries++;
    calibration->bin[bin].estimate += estimate;
    calibration->bin[bin].quality += quality;
}

void fr_calibration_merge(fr_calibration *into, const fr_calibration *other)
{
    FR_CHECK(into->low == other->low && into->high == other->high, "bins over %g..%g and %g..%g", into->low, into->high,
             other->low, other->high);
    for (int b = 0; b < FR_CALIBRATION_BINS; b++) {
        into->bin[b].entries += other->bin[b].entries;
        into->bin[b].estimate += other->bin[b].estimate;
        into->bin[b].quality += other->bin[b].quality;
    }
}

double fr_metric_ece(const fr_calibration *calibration)
{
    double sum = 0, entries = 0;
    for (int b = 0; b < FR_CALIBRATION_BINS; b++) {
        /* n_b |sum estimate / n_b - sum quality / n_b| */
        sum += fabs(calibration->bin[b].estimate - calibration->bin[b].quality);
        entries += (double)calibration->bin[b].entries;
    }
    return entries > 0 ? sum / entries : NAN;
}

void fr_label_counts_add(fr_label_counts *counts, const int32_t *said, const int32_t *truth, int64_t n, int64_t T)
{
    int64_t *hits = FR_NEW(int64_t, T), *labels = FR_NEW(int64_t, T); /* labels: TP + FP + TP + FN */
    for (int64_t i = 0; i < n; i++) {
        bool right = said[i] == truth[i];
        counts->prompts++;
        counts->right += right;
        counts->assigned += said[i] >= 0;
        counts->members += truth[i] >= 0;
        counts->right_members += right && truth[i] >= 0;
        if (said[i] >= 0)
            labels[said[i]]++;
        if (truth[i] >= 0) {
            labels[truth[i]]++;
            hits[truth[i]] += right;
        }
    }
    for (int64_t t = 0; t < T; t++)
        if (labels[t] > 0) {
            counts->tasks++;
            counts->f1 += 2 * (double)hits[t] / (double)labels[t];
        }
    free(hits);
    free(labels);
}

void fr_label_counts_merge(fr_label_counts *into, const fr_label_counts *other)
{
    into->prompts += other->prompts;
    into->right += other->right;
    into->assigned += other->assigned;
    into->members += other->members;
    into->right_members += other->right_members;
    into->tasks += other->tasks;
    into->f1 += other->f1;
}

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

fr_classifier_metrics fr_metric_classifier(const fr_label_counts *c)
{
    return (fr_classifier_metrics){.micro_f1 = share(2 * c->right_members, c->assigned + c->members),
                                   .macro_f1 = c->tasks > 0 ? c->f1 / (double)c->tasks : NAN,
                                   .accuracy = share(c->right, c->prompts),
                                   .accuracy_without_others = share(c->right_members, c->members),
                                   .coverage = share(c->assigned, c->prompts)};
}

/* Mean of model m in every task and over all; returns the observed prompts. */
static int64_t task_means(double *mean, int64_t *size, double *overall, const float *quality, const int32_t *task,
                          int64_t N, int64_t M, int64_t T, int64_t m)
{
    int64_t n = 0;
    *overall = 0;
    for (int64_t t = 0; t < T; t++)
        mean[t] = 0, size[t] = 0;
    for (int64_t i = 0; i < N; i++)
        if (task[i] >= 0 && !isnan(quality[i * M + m])) {
            mean[task[i]] += quality[i * M + m];
            size[task[i]]++;
            *overall += quality[i * M + m];
            n++;
        }
    for (int64_t t = 0; t < T; t++)
        mean[t] /= size[t] ? (double)size[t] : 1;
    *overall /= n ? (double)n : 1;
    return n;
}

fr_task_variance fr_metric_task_variance(const float *quality, const int32_t *task, int64_t N, int64_t M, int64_t T)
{
    double *mean = FR_NEW(double, T), overall;
    int64_t *size = FR_NEW(int64_t, T), models = 0;
    fr_task_variance sum = {0};
    for (int64_t m = 0; m < M; m++) {
        int64_t n = task_means(mean, size, &overall, quality, task, N, M, T, m);
        double within = 0, between = 0;
        for (int64_t i = 0; i < N; i++)
            if (task[i] >= 0 && !isnan(quality[i * M + m])) {
                double d = quality[i * M + m] - mean[task[i]];
                within += d * d;
            }
        for (int64_t t = 0; t < T; t++)
            between += (double)size[t] * (mean[t] - overall) * (mean[t] - overall);
        if (n > 0) {
            sum.within += within / (double)n;
            sum.between += between / (double)n;
            models++;
        }
    }
    free(mean);
    free(size);
    if (models == 0)
        return (fr_task_variance){NAN, NAN};
    return (fr_task_variance){sum.within / (double)models, sum.between / (double)models};
}

/* out_of_fold.c - task logits of training prompts from classifiers that were trained without them: a classifier knows
 * the labels it was trained on, and would make stage-1 scores look better than they are on prompts it has not seen.
 * Folds are dealt to the ranks in turn, each a training of its own. */
#include "base/memory.h"
#include "base/rng.h"
#include "comm/comm.h"
#include "data/build.h"
#include "finerouter/log.h"
#include "finerouter/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void fr_deal_folds(int64_t *fold, const fr_dataset *data, bool dev, int64_t folds, uint64_t seed)
{
    int64_t *group = FR_NEW(int64_t, data->N), *order = FR_NEW(int64_t, data->N);
    int64_t groups = fr_dataset_text_groups(group, data), used = 0;
    int last = dev ? FR_SPLIT_DEV : FR_SPLIT_TRAIN;
    /* Only groups with such rows take a place in the deal. */
    int64_t *number = FR_NEW(int64_t, groups);
    for (int64_t i = 0; i < data->N; i++)
        if (data->split[i] <= last && number[group[i]] == 0)
            number[group[i]] = ++used;
    fr_rng_permutation(order, used, seed, fr_stream("out of fold", (uint64_t)folds, dev));
    for (int64_t i = 0; i < data->N; i++)
        fold[i] = data->split[i] <= last ? order[number[group[i]] - 1] % folds : -1;
    free(group);
    free(order);
    free(number);
}

/* Trains without fold f and fills in its rows. */
static fr_status one_fold(float *logits, const fr_training *training, const int32_t *label, int64_t T,
                          const float *start, const int64_t *fold, int64_t f)
{
    int64_t N = training->data->N, count = 0;
    uint8_t *role = FR_NEW(uint8_t, N);
    int64_t *left_out = FR_NEW(int64_t, N);
    for (int64_t i = 0; i < N; i++) {
        role[i] = fold[i] >= 0 && fold[i] != f ? 0 : training->data->split[i] == FR_SPLIT_DEV ? 1 : 2;
        if (fold[i] == f)
            left_out[count++] = i;
    }
    fr_status status = FR_OK;
    fr_classifier *classifier = NULL;
    float *out = FR_NEW(float, count *T);
    if (count > 0) {
        FR_TRY_GOTO(fr_classifier_train(&classifier, training, label, role, T, start, true, NULL, NULL, true), end);
        FR_TRY_GOTO(fr_classifier_logits(classifier, out, left_out, count), end);
        for (int64_t i = 0; i < count; i++)
            memcpy(logits + left_out[i] * T, out + i * T, (size_t)T * sizeof *out);
    }
end:
    fr_classifier_close(classifier);
    free(role);
    free(left_out);
    free(out);
    return status;
}

fr_status fr_classifier_out_of_fold(float *logits, const fr_training *training, const int32_t *label, int64_t T,
                                    const float *start, bool quiet)
{
    int64_t N = training->data->N, folds = training->config->stage1.folds;
    int ranks = fr_comm_ranks(), rank = fr_comm_rank();
    if (T == 0)
        return FR_OK;
    memset(logits, 0, (size_t)(N * T) * sizeof *logits);
    int64_t *fold = FR_NEW(int64_t, N);
    fr_deal_folds(fold, training->data, false, folds, (uint64_t)training->config->top.seed);
    fr_progress progress;
    if (!quiet)
        fr_progress_begin(&progress, "out-of-fold classifiers", "folds", folds);
    fr_status status = FR_OK;
    fr_comm_apart(true);
    for (int64_t f = 0; f < folds && status == FR_OK; f++) {
        fr_comm_at("out-of-fold classifier", f);
        if (f % ranks == rank)
            status = one_fold(logits, training, label, T, start, fold, f);
        if (!quiet) /* the others' folds with one's own */
            fr_progress_add(&progress, status == FR_OK);
    }
    fr_comm_apart(false);
    status = fr_comm_agree(status);
    fr_comm_unite(logits, (size_t)(N * T) * sizeof *logits);
    for (int64_t i = 0; i < N * T; i++)
        logits[i] = fold[i / T] < 0 ? NAN : logits[i];
    if (!quiet)
        fr_progress_end(&progress);
    free(fold);
    return status;
}

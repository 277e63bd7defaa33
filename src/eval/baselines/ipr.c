/* The monolithic quality estimator (phase 1: encoder, LLM embeddings, general heads) with the cost rule. */
#include "eval/internal.h"

#include <string.h>

fr_status fr_baseline_ipr(fr_scores *scores, const fr_eval_input *input)
{
    FR_CHECK(input->general, "ipr needs the estimates of phase 1");
    fr_scores_begin(scores, "ipr", input->data);
    memcpy(scores->score, input->general, (size_t)(scores->N * scores->M) * sizeof *scores->score);
    return FR_OK;
}

/* A model at random, in expectation: no dice are thrown. */
#include "eval/internal.h"

fr_status fr_baseline_random(fr_scores *scores, const fr_eval_input *input)
{
    *scores = (fr_scores){.name = "random", .N = input->data->N, .M = input->data->M, .expectation = true};
    return FR_OK;
}

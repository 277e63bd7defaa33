/* The table of baselines. */
#include "eval/internal.h"

#include <string.h>

static const fr_baseline table[] = {
    {"best_single", "always the model that is best on the training prompts", fr_baseline_best_single, 0, false},
    {"cheapest", "always the model of lowest expected cost", fr_baseline_cheapest, 0, false},
    {"random", "a model at random, in expectation", fr_baseline_random, 0, false},
    {"oracle", "upper bound: the best model of each prompt, cheapest among equals", fr_baseline_oracle, 0, false},
    {"dataset_oracle", "upper bound: the best model of each prompt's source", fr_baseline_dataset_oracle, 0, false},
    {"knn", "mean quality over the k nearest training prompts", fr_baseline_knn, 0, false},
    {"linear", "a ridge regression a model on the prompt's embedding", fr_baseline_linear, 1, false},
    {"mlp", "classifier of the best model, a small network on the prompt embedding", fr_baseline_mlp, 1, false},
    {"routellm_mf", "matrix factorisation of preferences between two models (RouteLLM)", fr_baseline_routellm_mf, 1,
     false},
    {"embedllm_mf", "matrix factorisation of right and wrong answers (EmbedLLM)", fr_baseline_embedllm_mf, 1, false},
    {"routerdc", "contrastive embeddings of prompts and LLMs (RouterDC)", fr_baseline_routerdc, 1, false},
    {"graphrouter", "edges of a graph of prompts and LLMs, predicted (GraphRouter)", fr_baseline_graphrouter, 1, false},
    {"avengers", "models ranked by the clusters nearest to the prompt", fr_baseline_avengers, 1, true},
    {"avengers_pro", "the same by quality and cheapness", fr_baseline_avengers_pro, 1, true},
    {"mirt", "item response theory with several abilities a model", fr_baseline_mirt, 2, false},
    {"ipr", "one quality estimator for all prompts (phase 1 alone)", fr_baseline_ipr, 0, false},
};

int64_t fr_baseline_count(void)
{
    return sizeof table / sizeof *table;
}

const fr_baseline *fr_baseline_at(int64_t index)
{
    FR_CHECK(index >= 0 && index < fr_baseline_count(), "baseline %lld of %lld", (long long)index,
             (long long)fr_baseline_count());
    return &table[index];
}

const fr_baseline *fr_baseline_find(const char *name)
{
    for (int64_t b = 0; b < fr_baseline_count(); b++)
        if (!strcmp(table[b].name, name))
            return &table[b];
    return NULL;
}

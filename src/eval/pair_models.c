/* Which two models are the strong and the weak one. */
#include "eval/internal.h"

#include "base/memory.h"
#include "data/names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static fr_status find(int32_t *model, const char *key, const char *name, const fr_dataset *data)
{
    *model = -1;
    if (!name || !name[0])
        return FR_OK;
    for (int64_t m = 0; m < data->M; m++)
        if (strcmp(data->model[m], name) == 0) {
            *model = (int32_t)m;
            return FR_OK;
        }
    fr_names names = {0};
    for (int64_t m = 0; m < data->M; m++)
        fr_names_add(&names, data->model[m]);
    fr_status status = fr_fail(FR_USAGE, "%s is %s, which is no model of the data; did you mean %s?", key, name,
                               fr_names_nearest(&names, name));
    fr_names_close(&names);
    return status;
}

/* The cheapest but `except`, of equally cheap ones the worst; where no cost of theirs is known the worst. */
static int32_t weakest(const double *mean, const double *cost, int64_t M, int64_t except)
{
    int64_t weak = -1;
    for (int64_t m = 0; m < M; m++) {
        if (m == except)
            continue;
        bool cheaper = weak >= 0 && (cost[m] < cost[weak] || (isnan(cost[weak]) && !isnan(cost[m])));
        bool equal = weak >= 0 && (cost[m] == cost[weak] || (isnan(cost[m]) && isnan(cost[weak])));
        if (weak < 0 || cheaper || (equal && mean[m] < mean[weak]))
            weak = m;
    }
    return (int32_t)weak;
}

fr_status fr_pair_find(int32_t *strong, int32_t *weak, const fr_dataset *data, const fr_config *config)
{
    FR_CHECK(data->M >= 2, "%lld models make no pair", (long long)data->M);
    FR_TRY(find(strong, "eval.strong", config->eval.strong, data));
    FR_TRY(find(weak, "eval.weak", config->eval.weak, data));
    if (*strong >= 0 && *strong == *weak)
        return fr_fail(FR_USAGE, "eval.strong and eval.weak are both %s, want two models", data->model[*strong]);
    double *mean = FR_NEW(double, data->M), *cost = FR_NEW(double, data->M);
    fr_train_means(mean, data, -1);
    fr_expected_cost(cost, data);
    if (*strong < 0)
        *strong = (int32_t)fr_best_model(mean, cost, data->M, *weak);
    if (*weak < 0)
        *weak = weakest(mean, cost, data->M, *strong);
    free(mean);
    free(cost);
    return FR_OK;
}

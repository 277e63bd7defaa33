#include "finerouter/dataset.h"

#include "base/memory.h"
#include "io/utf8.h"
#include "names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const split_names[FR_SPLITS] = {"train", "dev", "test"};

static fr_status check_text(const char *name, const char *kind, int64_t i, const char *text)
{
    int64_t bad = fr_utf8_invalid(text, strlen(text));
    if (bad >= 0)
        return fr_fail(FR_FAILED, "%s: %s of prompt %lld: invalid UTF-8 at byte %lld", name, kind, (long long)i + 1,
                       (long long)bad + 1);
    return FR_OK;
}

static fr_status check_prompts(const fr_dataset *data, const char *name)
{
    char shown[FR_EXCERPT];
    fr_names ids = {0};
    fr_status status = FR_OK;
    for (int64_t i = 0; i < data->N && status == FR_OK; i++) {
        int64_t first = fr_names_add(&ids, data->id[i]);
        FR_TRY_GOTO(check_text(name, "id", i, data->id[i]), done);
        FR_TRY_GOTO(check_text(name, "text", i, data->text[i]), done);
        FR_TRY_GOTO(check_text(name, "description", i, data->description[i]), done);
        if (first != i)
            status = fr_fail(FR_FAILED, "%s: prompts %lld and %lld have the same id \"%s\"", name, (long long)first + 1,
                             (long long)i + 1, fr_utf8_excerpt(shown, data->id[i]));
        else if (!data->id[i][0])
            status = fr_fail(FR_FAILED, "%s: prompt %lld has an empty id", name, (long long)i + 1);
        else if (fr_utf8_blank(data->text[i]))
            status = fr_fail(FR_FAILED, "%s: prompt \"%s\" is empty", name, fr_utf8_excerpt(shown, data->id[i]));
        else if (data->split[i] < 0 || data->split[i] >= FR_SPLITS)
            status = fr_fail(FR_FAILED, "%s: prompt \"%s\" has split %d, want 0 (train), 1 (dev) or 2 (test)", name,
                             fr_utf8_excerpt(shown, data->id[i]), data->split[i]);
        else if (data->planted && data->planted[i] < -1)
            status = fr_fail(FR_FAILED, "%s: prompt \"%s\" has planted task %d, want -1 (none) or more", name,
                             fr_utf8_excerpt(shown, data->id[i]), data->planted[i]);
    }
done:
    fr_names_close(&ids);
    FR_TRY(status);
    for (int64_t s = 0; s < data->sources; s++)
        if (fr_utf8_invalid(data->source_name[s], strlen(data->source_name[s])) >= 0)
            return fr_fail(FR_FAILED, "%s: source \"%s\" is not valid UTF-8", name,
                           fr_utf8_excerpt(shown, data->source_name[s]));
    return FR_OK;
}

static bool bad_price(double price)
{
    return isinf(price) || price < 0;
}

static fr_status check_models(const fr_dataset *data, const char *name)
{
    char shown[FR_EXCERPT];
    fr_names models = {0};
    fr_status status = FR_OK;
    for (int64_t m = 0; m < data->M && status == FR_OK; m++) {
        const char *model = data->model[m];
        if (!model[0] || fr_utf8_invalid(model, strlen(model)) >= 0)
            status = fr_fail(FR_FAILED, "%s: name of model %lld is empty or not valid UTF-8", name, (long long)m + 1);
        else if (fr_names_add(&models, model) != m)
            status = fr_fail(FR_FAILED, "%s: two models have the name \"%s\"", name, fr_utf8_excerpt(shown, model));
        else if (bad_price(data->input_price[m]) || bad_price(data->output_price[m]))
            status =
                fr_fail(FR_FAILED, "%s: model \"%s\" has prices %g and %g, want numbers from 0 up, or NaN (unknown)",
                        name, fr_utf8_excerpt(shown, model), data->input_price[m], data->output_price[m]);
    }
    fr_names_close(&models);
    return status;
}

static fr_status check_row(const fr_dataset *data, const char *name, int64_t i)
{
    char shown[FR_EXCERPT], model[FR_EXCERPT];
    bool observed = false;
    for (int64_t m = 0; m < data->M; m++) {
        float quality = data->quality[i * data->M + m], cost = data->cost[i * data->M + m];
        observed = observed || !isnan(quality);
        if (isinf(quality))
            return fr_fail(FR_FAILED, "%s: prompt \"%s\", model \"%s\": quality is %g, want a finite number or NaN",
                           name, fr_utf8_excerpt(shown, data->id[i]), fr_utf8_excerpt(model, data->model[m]), quality);
        if (isinf(cost) || cost < 0)
            return fr_fail(FR_FAILED, "%s: prompt \"%s\", model \"%s\": cost is %g, want 0 or more, or NaN", name,
                           fr_utf8_excerpt(shown, data->id[i]), fr_utf8_excerpt(model, data->model[m]), cost);
    }
    if (!observed)
        return fr_fail(FR_FAILED, "%s: prompt \"%s\" has no observed quality", name,
                       fr_utf8_excerpt(shown, data->id[i]));
    return FR_OK;
}

static fr_status check_embedding(const fr_dataset *data, const char *name)
{
    char shown[FR_EXCERPT];
    int64_t d = data->embedding_width;
    FR_CHECK(!data->embedding == !d, "embeddings of width %lld", (long long)d);
    for (int64_t i = 0; d && i < data->N; i++) {
        const float *row = data->embedding + i * d;
        bool zero = true;
        for (int64_t c = 0; c < d; c++) {
            if (!isfinite(row[c]))
                return fr_fail(FR_FAILED, "%s: prompt \"%s\": its embedding is %g at column %lld, want finite numbers",
                               name, fr_utf8_excerpt(shown, data->id[i]), row[c], (long long)c);
            zero = zero && row[c] == 0;
        }
        if (zero)
            return fr_fail(FR_FAILED, "%s: prompt \"%s\": its embedding is all zero, which has no direction", name,
                           fr_utf8_excerpt(shown, data->id[i]));
    }
    return FR_OK;
}

/* Every model needs observations to learn from. */
static fr_status check_observed(const fr_dataset *data, const char *name)
{
    int64_t *train = FR_NEW(int64_t, data->M), *all = FR_NEW(int64_t, data->M);
    for (int64_t i = 0; i < data->N; i++)
        for (int64_t m = 0; m < data->M; m++) {
            int seen = !isnan(data->quality[i * data->M + m]);
            all[m] += seen;
            train[m] += seen && data->split[i] == FR_SPLIT_TRAIN;
        }
    char shown[FR_EXCERPT];
    fr_status status = FR_OK;
    for (int64_t m = 0; m < data->M && status == FR_OK; m++)
        if (!all[m])
            status = fr_fail(FR_FAILED, "%s: model \"%s\" has no observed quality at all", name,
                             fr_utf8_excerpt(shown, data->model[m]));
        else if (!train[m])
            status = fr_fail(FR_FAILED, "%s: model \"%s\" has no observed quality in train (%lld in dev and test)",
                             name, fr_utf8_excerpt(shown, data->model[m]), (long long)all[m]);
    free(train);
    free(all);
    return status;
}

fr_status fr_dataset_check(const fr_dataset *data, const char *name)
{
    if (data->N < 1)
        return fr_fail(FR_FAILED, "%s: has no prompts", name);
    if (data->M < 2)
        return fr_fail(FR_FAILED, "%s: has %lld model%s, want at least 2 to route between", name, (long long)data->M,
                       data->M == 1 ? "" : "s");
    FR_TRY(check_models(data, name));
    FR_TRY(check_prompts(data, name));
    for (int64_t i = 0; i < data->N; i++)
        FR_TRY(check_row(data, name, i));
    FR_TRY(check_embedding(data, name));
    int64_t counts[FR_SPLITS] = {0};
    for (int64_t i = 0; i < data->N; i++)
        counts[data->split[i]]++;
    for (int s = 0; s < FR_SPLITS; s++)
        if (!counts[s])
            return fr_fail(FR_FAILED, "%s: the %s split is empty (train %lld, dev %lld, test %lld prompts)", name,
                           split_names[s], (long long)counts[0], (long long)counts[1], (long long)counts[2]);
    return check_observed(data, name);
}

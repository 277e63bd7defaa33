#include "baseline_scores.h"
#include "variants.h"

#include "base/memory.h"
#include "finerouter/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Routers made of the run's own products, and the stages that leave these; ipr among the baselines is one too. */
typedef struct product_router {
    const char *name;
    const char *const stages[8];
} product_router;

static const product_router product_routers[] = {
    {"ipr", {"phase1"}},
    {"stage1", {"discover", "names", "classifier", "stage1"}},
    {"stage2", {"discover", "names", "classifier", "phase1", "phase2"}},
    {"full", {"discover", "names", "classifier", "stage1", "phase1", "out of fold", "phase2"}},
};
enum { PRODUCTS = sizeof product_routers / sizeof *product_routers };

static const product_router *find_product(const char *name)
{
    for (int i = 0; i < PRODUCTS; i++)
        if (strcmp(product_routers[i].name, name) == 0)
            return &product_routers[i];
    return NULL;
}

static bool is_known(const char *name)
{
    return find_product(name) || fr_baseline_find(name) || fr_variant_find(name);
}

/* ---- which routers ---- */

/* Every router in the order of the reports: baselines, stages alone, ablations, full, full as published. malloc'd. */
static const char **all_names(int64_t *count)
{
    int64_t n = 0, variants = fr_variant_count() - 1;
    const char **name = FR_NEW(const char *, fr_baseline_count() + PRODUCTS + variants + 1);
    for (int64_t b = 0; b < fr_baseline_count(); b++)
        name[n++] = fr_baseline_at(b)->name;
    name[n++] = "stage1";
    name[n++] = "stage2";
    for (int64_t v = 0; v < variants; v++)
        name[n++] = fr_variant_at(v)->name;
    name[n++] = "full";
    name[n++] = fr_variant_at(variants)->name;
    *count = n;
    return name;
}

/* Those of eval.routers; malloc'd. */
static const char **chosen_names(int64_t *count, const fr_config *config)
{
    const fr_words *names = &config->eval.routers;
    if (names->count == 1 && strcmp(names->word[0], "all") == 0)
        return all_names(count);
    const char **name = FR_NEW(const char *, names->count);
    for (int64_t i = 0; i < names->count; i++)
        name[i] = names->word[i];
    *count = names->count;
    return name;
}

static fr_status unknown_router(const char *wrong)
{
    int64_t count;
    const char **name = all_names(&count);
    fr_buffer known = {0};
    for (int64_t i = 0; i < count; i++)
        fr_buffer_addf(&known, "%s, ", name[i]);
    fr_status status = fr_fail(FR_USAGE, "eval.routers: unknown router %s, want all, or some of: %.*s", wrong,
                               (int)(known.bytes - 2), known.data);
    fr_buffer_close(&known);
    free(name);
    return status;
}

fr_status fr_check_routers(const fr_config *config)
{
    const fr_words *names = &config->eval.routers;
    for (int64_t i = 0; i < names->count; i++) {
        if (strcmp(names->word[i], "all") == 0 && names->count > 1)
            return fr_fail(FR_USAGE, "eval.routers: all stands alone, not among %lld names", (long long)names->count);
        for (int64_t j = 0; j < i; j++)
            if (strcmp(names->word[i], names->word[j]) == 0)
                return fr_fail(FR_USAGE, "eval.routers names %s twice", names->word[i]);
        if (strcmp(names->word[i], "all") != 0 && !is_known(names->word[i]))
            return unknown_router(names->word[i]);
    }
    return FR_OK;
}

/* ---- scores ---- */

static fr_status scores_of(fr_scores *scores, double *seconds, bool *reused, const char *name, fr_run *run,
                           const fr_dataset *data, const fr_texts *texts, const fr_products *own,
                           fr_clusterings **clusterings)
{
    const fr_baseline *baseline = fr_baseline_find(name);
    const fr_variant *variant = fr_variant_find(name);
    const product_router *product = find_product(name);
    *reused = false;
    if (variant)
        FR_TRY(fr_variant_scores(scores, seconds, variant, run, data, texts, own));
    else if (baseline)
        FR_TRY(fr_baseline_scores(scores, seconds, reused, baseline, run, data, texts, own->general, clusterings));
    else
        fr_products_scores(scores, name, data, own);
    if (product)
        *seconds = fr_run_spent(run, product->stages);
    *reused = *reused || ((variant || product) && *seconds == 0);
    return FR_OK;
}

static void tell(const fr_scores *scores, double seconds, bool reused, const fr_dataset *data, const double *cost)
{
    double dev = scores->score ? fr_routed_quality(scores->score, scores->tie, data, cost, FR_SPLIT_DEV) : NAN;
    fr_log_event("router", "router=s dev=f seconds=f setting=s", scores->name, dev, seconds, scores->setting);
    if (isnan(dev))
        return;
    fr_buffer line = {0};
    fr_buffer_addf(&line, "%s: quality on dev %.4f", scores->name, dev);
    if (reused)
        fr_buffer_addf(&line, ", reused");
    else if (seconds >= 0.05)
        fr_buffer_addf(&line, ", %.1f s", seconds);
    fr_log("%s%s%s%s", line.data, scores->setting[0] ? " (" : "", scores->setting, scores->setting[0] ? ")" : "");
    fr_buffer_close(&line);
}

fr_status fr_stage_evaluate(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *own,
                            fr_result **results, int64_t *count)
{
    int64_t names = 0;
    const char **name = chosen_names(&names, run->config);
    double began = fr_seconds(), variants = 0, *cost = FR_NEW(double, data->M);
    fr_status status = FR_OK;
    fr_clusterings *clusterings = NULL;
    fr_expected_cost(cost, data);
    *count = 0;
    *results = FR_NEW(fr_result, names);
    const fr_baseline **baseline = FR_NEW(const fr_baseline *, names);
    double *dealt = FR_NEW(double, names);
    for (int64_t i = 0; i < names; i++)
        baseline[i] = fr_baseline_find(name[i]);
    status = fr_baselines_deal(dealt, baseline, names, run, data, texts, own->general);
    for (int64_t i = 0; i < names && status == FR_OK; i++) {
        fr_scores scores = {0};
        double seconds = 0, start = fr_seconds();
        bool reused;
        status = fr_comm_any(fr_interrupt_wanted())
                     ? fr_interrupted()
                     : scores_of(&scores, &seconds, &reused, name[i], run, data, texts, own, &clusterings);
        if (status != FR_OK) {
            fr_scores_close(&scores);
            break;
        }
        if (reused && dealt[i] > 0) {
            reused = false;
            seconds = dealt[i];
        }
        if (fr_variant_find(name[i]))
            variants += fr_seconds() - start;
        fr_evaluate(&(*results)[i], &scores, data, run->config, FR_SPLIT_TEST);
        (*results)[i].seconds = seconds;
        tell(&scores, seconds, reused, data, cost);
        fr_scores_close(&scores);
        *count = i + 1;
    }
    if (status == FR_OK)
        fr_run_seconds(run, "evaluate", fr_seconds() - began - variants);
    fr_clusterings_close(clusterings);
    free(baseline);
    free(dealt);
    free(name);
    free(cost);
    return status;
}

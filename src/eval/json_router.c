/* A router, and what is known of a run's estimates, as JSON objects of metrics.json. */
#include "eval/json_parts.h"

#include <math.h>

static void set(json_t *object, const char *name, double value)
{
    json_object_set_new(object, name, fr_json_number(value));
}

static json_t *curve_json(const fr_result *result)
{
    json_t *curve = json_array();
    for (int64_t p = 0; p < result->points; p++) {
        const fr_curve_point *point = &result->curve[p];
        json_array_append_new(curve,
                              json_pack("{s:o, s:o, s:o}", "tolerance", fr_json_number(point->tolerance), "quality",
                                        fr_json_number(point->quality), "cost", fr_json_number(point->cost)));
    }
    return curve;
}

static json_t *recall_json(const fr_result *result)
{
    json_t *list = json_array();
    for (int64_t c = 0; result->recall && c <= result->M; c++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:o}", "correct", (json_int_t)c, "prompts",
                                              (json_int_t)llround(result->recall[c].prompts), "hit_rate",
                                              fr_json_number(result->recall[c].hit_rate)));
    return list;
}

static json_t *routellm_json(const fr_routellm *pair)
{
    json_t *json = json_object(), *curve = json_array();
    set(json, "cpt20", pair->cpt20);
    set(json, "cpt50", pair->cpt50);
    set(json, "cpt80", pair->cpt80);
    set(json, "apgr", pair->apgr);
    for (int j = 0; j < FR_PAIR_POINTS; j++)
        if (!isnan(pair->quality[j]))
            json_array_append_new(curve, json_pack("{s:o, s:o}", "strong_share", fr_json_number(pair->share[j]),
                                                   "quality", fr_json_number(pair->quality[j])));
    json_object_set_new(json, "curve", curve);
    return json;
}

/* The metric families of others, see finerouter/metrics.h. */
static void set_families(json_t *json, const fr_result *result)
{
    const fr_router_metrics *m = &result->metrics;
    json_object_set_new(json, "recall", recall_json(result));
    json_object_set_new(
        json, "aiq",
        json_pack("{s:o, s:o}", "code", fr_json_number(m->aiq.code), "paper", fr_json_number(m->aiq.paper)));
    json_object_set_new(json, "orbit",
                        json_pack("{s:o, s:o, s:o}", "nauc", fr_json_number(m->orbit.nauc), "peak",
                                  fr_json_number(m->orbit.peak), "qnc", fr_json_number(m->orbit.qnc)));
    set(json, "arqgc", m->arqgc);
    json_t *arena = json_object(), *bench = json_object();
    set(arena, "cost_per_1k", m->arena_usd_per_1k);
    set(arena, "score", m->arena_score);
    set(arena, "opt_sel", m->optimality.sel);
    set(arena, "opt_acc", m->optimality.acc);
    set(arena, "opt_cost", m->optimality.cost);
    set(bench, "gain_random", m->gain_random);
    set(bench, "gain_best_single", m->gain_best_single);
    set(bench, "gap_oracle", m->gap_oracle);
    set(bench, "perf_gain", m->perf_gain);
    set(bench, "cost_save", m->cost_save);
    set(bench, "pareto_dist", m->pareto_dist);
    json_object_set_new(json, "routerarena", arena);
    json_object_set_new(json, "llmrouterbench", bench);
    json_object_set_new(json, "routellm", routellm_json(&m->routellm));
}

json_t *fr_router_json(const fr_result *result, const fr_dataset *data)
{
    json_t *sources = json_object(), *json = json_object();
    for (int64_t s = 0; s < data->sources; s++)
        fr_json_set(sources, data->source_name[s], fr_json_number(result->source_quality[s]));
    json_object_set_new(json, "setting", fr_json_text(result->setting));
    set(json, "quality", result->quality);
    set(json, "quality_std", result->seed_quality_std);
    json_object_set_new(json, "quality_interval",
                        json_pack("{s:o, s:o}", "low", fr_json_number(result->quality_low), "high",
                                  fr_json_number(result->quality_high)));
    set(json, "quality_by_source", result->quality_by_source);
    set(json, "cost", result->cost);
    set(json, "regret", result->regret);
    set(json, "gap_closed", result->gap_closed);
    set(json, "seconds", result->seconds);
    json_object_set_new(json, "scored", json_integer(result->scored));
    json_object_set_new(json, "left_out", json_integer(result->left_out));
    json_object_set_new(json, "vs_full",
                        json_pack("{s:o, s:o, s:o, s:o}", "difference", fr_json_number(result->vs_full), "low",
                                  fr_json_number(result->vs_full_low), "high", fr_json_number(result->vs_full_high),
                                  "p", fr_json_number(result->vs_full_p)));
    json_object_set_new(json, "sources", sources);
    json_object_set_new(json, "curve", curve_json(result));
    set_families(json, result);
    return json;
}

/* Entries of a mean over seeds are what one seed has. */
static json_t *bins_json(const fr_calibration *calibration, double ece, int64_t seeds)
{
    json_t *bins = json_array();
    double width = (calibration->high - calibration->low) / FR_CALIBRATION_BINS;
    for (int b = 0; b < FR_CALIBRATION_BINS; b++) {
        double entries = (double)calibration->bin[b].entries;
        json_array_append_new(bins, json_pack("{s:f, s:f, s:I, s:o, s:o}", "low", calibration->low + width * b, "high",
                                              calibration->low + width * (b + 1), "entries",
                                              (json_int_t)llround(entries / (double)seeds), "estimate",
                                              fr_json_number(calibration->bin[b].estimate / entries), "quality",
                                              fr_json_number(calibration->bin[b].quality / entries)));
    }
    return json_pack("{s:o, s:o}", "ece", fr_json_number(ece), "bins", bins);
}

json_t *fr_calibration_json(const fr_run_trust *trust)
{
    if (!trust)
        return json_null();
    return json_pack("{s:o, s:o}", "stage2", bins_json(&trust->stage2, trust->stage2_ece, trust->seeds), "stage1",
                     bins_json(&trust->stage1, trust->stage1_ece, trust->seeds));
}

json_t *fr_classifier_json(const fr_run_trust *trust)
{
    if (!trust)
        return json_null();
    json_t *json = json_object();
    set(json, "micro_f1", trust->classifier.micro_f1);
    set(json, "macro_f1", trust->classifier.macro_f1);
    set(json, "accuracy", trust->classifier.accuracy);
    set(json, "accuracy_without_others", trust->classifier.accuracy_without_others);
    set(json, "coverage", trust->classifier.coverage);
    return json;
}

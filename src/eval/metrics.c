/* metrics.json, schema 2: what every comparison of runs reads. */
#include "eval/json_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Cross-validated, every prompt of the data was tested. */
static bool tested(const fr_dataset *data, const fr_run_facts *facts, int64_t i)
{
    return facts->folds > 0 || data->split[i] == FR_SPLIT_TEST;
}

static json_t *names(const char *const *name, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++)
        json_array_append_new(list, fr_json_text(name[i]));
    return list;
}

static json_t *data_json(const fr_dataset *data, const fr_run_facts *facts)
{
    int64_t count[FR_SPLITS] = {0};
    for (int64_t i = 0; i < data->N; i++)
        count[data->split[i]]++;
    json_t *prompts =
        json_pack("{s:I, s:I, s:I}", "train", (json_int_t)count[FR_SPLIT_TRAIN], "dev", (json_int_t)count[FR_SPLIT_DEV],
                  "test", (json_int_t)(facts->folds > 0 ? data->N : count[FR_SPLIT_TEST]));
    return json_pack("{s:s, s:I, s:o, s:o, s:o}", "hash", data->hash, "models", (json_int_t)data->M, "model_names",
                     names(data->model, data->M), "sources", names(data->source_name, data->sources), "prompts",
                     prompts);
}

/* Agreement of the discovered tasks with planted ones, over training prompts that both put into a task. */
static void planted_agreement(double *ari, double *nmi, const fr_tasks *tasks, const fr_dataset *data)
{
    int32_t *task = FR_NEW(int32_t, data->N);
    for (int64_t i = 0; i < data->N; i++)
        task[i] = data->split[i] == FR_SPLIT_TRAIN ? tasks->membership[(tasks->rounds - 1) * tasks->N + i] : -1;
    fr_partition_agreement(ari, nmi, task, data->planted, data->N);
    free(task);
}

static double mean_known(const float *value, int64_t count)
{
    double sum = 0, known = 0;
    for (int64_t k = 0; k < count; k++)
        if (!isnan(value[k]))
            sum += value[k], known++;
    return sum / known;
}

/* How large, how tight and how different tasks are. */
static void set_task_quality(json_t *json, const fr_tasks *tasks, const fr_dataset *data)
{
    json_t *sizes = json_array();
    fr_task_variance variance = {NAN, NAN};
    bool some = tasks && tasks->T > 0 && tasks->rounds > 0;
    for (int64_t t = 0; some && t < tasks->T; t++)
        json_array_append_new(sizes, json_integer(tasks->size[t]));
    if (some)
        variance = fr_metric_task_variance(data->quality, tasks->membership + (tasks->rounds - 1) * tasks->N, tasks->N,
                                           tasks->M, tasks->T);
    json_object_set_new(json, "sizes", sizes);
    json_object_set_new(json, "cohesion_inside",
                        fr_json_number(some ? mean_known(tasks->cohesion_inside, tasks->T) : NAN));
    json_object_set_new(json, "cohesion_outside",
                        fr_json_number(some ? mean_known(tasks->cohesion_outside, tasks->T) : NAN));
    json_object_set_new(json, "variance_within", fr_json_number(variance.within));
    json_object_set_new(json, "variance_between", fr_json_number(variance.between));
}

static json_t *tasks_json(const fr_dataset *data, const fr_run_facts *facts)
{
    const fr_tasks *tasks = facts->tasks;
    double ari = NAN, nmi = NAN, candidates = 0, others[2] = {0}, prompts[2] = {0}; /* train, test */
    if (tasks && tasks->rounds > 0 && data->planted)
        planted_agreement(&ari, &nmi, tasks, data);
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] == FR_SPLIT_TRAIN && tasks && tasks->rounds > 0) {
            others[0] += tasks->membership[(tasks->rounds - 1) * tasks->N + i] < 0;
            prompts[0]++;
        }
        if (tested(data, facts, i) && facts->assignment) {
            others[1] += facts->assignment[i] < 0;
            prompts[1]++;
        }
    }
    for (int64_t c = 0; tasks && c < tasks->T * tasks->M; c++)
        candidates += tasks->candidates[c] != 0;
    bool some = tasks && tasks->T > 0;
    double others_test = facts->trust ? 1 - facts->trust->classifier.coverage : others[1] / prompts[1];
    json_t *json = json_object();
    json_object_set_new(json, "count", json_integer(some ? tasks->T : 0));
    json_object_set_new(json, "others_train", fr_json_number(others[0] / prompts[0]));
    json_object_set_new(json, "others_test", fr_json_number(others_test));
    json_object_set_new(json, "mean_candidates", fr_json_number(some ? candidates / (double)tasks->T : NAN));
    json_object_set_new(json, "ari", fr_json_number(ari));
    json_object_set_new(json, "nmi", fr_json_number(nmi));
    json_object_set_new(json, "resolution", fr_json_number(tasks ? tasks->resolution : NAN));
    json_object_set_new(json, "modularity", fr_json_number(tasks ? tasks->modularity : NAN));
    json_object_set_new(json, "rounds", json_integer(tasks ? tasks->rounds : 0));
    json_object_set_new(json, "classifier_accuracy", fr_json_number(facts->classifier_accuracy));
    set_task_quality(json, tasks, data);
    return json;
}

/* Quality and cost of always asking one model, over its observed test prompts. */
static json_t *single_models_json(const fr_dataset *data, const fr_run_facts *facts)
{
    json_t *models = json_object();
    for (int64_t m = 0; m < data->M; m++) {
        double quality = 0, cost = 0, observed = 0, priced = 0;
        for (int64_t i = 0; i < data->N; i++) {
            float q = data->quality[i * data->M + m], c = data->cost[i * data->M + m];
            if (!tested(data, facts, i) || isnan(q))
                continue;
            quality += q, observed++;
            if (!isnan(c))
                cost += c, priced++;
        }
        fr_json_set(models, data->model[m],
                    json_pack("{s:o, s:o}", "quality", fr_json_number(quality / observed), "cost",
                              fr_json_number(cost / priced)));
    }
    return models;
}

/* The two ends of gap_closed. */
static json_t *reference_json(const fr_dataset *data, const fr_run_facts *facts)
{
    int64_t best = fr_best_single(data);
    double single = 0, oracle = 0, singles = 0, oracles = 0;
    for (int64_t i = 0; i < data->N; i++) {
        float q = data->quality[i * data->M + best], o = fr_prompt_oracle(data, i);
        if (!tested(data, facts, i))
            continue;
        if (!isnan(q))
            single += q, singles++;
        if (!isnan(o))
            oracle += o, oracles++;
    }
    return json_pack("{s:o, s:o, s:o}", "best_single", fr_json_text(data->model[best]), "best_single_quality",
                     fr_json_number(single / singles), "oracle_quality", fr_json_number(oracle / oracles));
}

/* The two models of CPT and APGR, over the tested prompts where both were observed. */
static json_t *pair_json(const fr_dataset *data, const fr_run_facts *facts, const fr_result *results, int64_t count)
{
    if (count == 0)
        return json_null();
    double strong = 0, weak = 0, both = 0;
    for (int64_t i = 0; i < data->N; i++) {
        float s = data->quality[i * data->M + results[0].strong], w = data->quality[i * data->M + results[0].weak];
        if (tested(data, facts, i) && !isnan(s) && !isnan(w))
            strong += s, weak += w, both++;
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "strong", fr_json_text(data->model[results[0].strong]), "weak",
                     fr_json_text(data->model[results[0].weak]), "strong_quality", fr_json_number(strong / both),
                     "weak_quality", fr_json_number(weak / both));
}

fr_status fr_metrics_write(const char *path, const fr_result *results, int64_t count, const fr_dataset *data,
                           const fr_run_facts *facts, const fr_config *config)
{
    json_t *root = json_object(), *routers = json_object(), *seconds = json_object();
    for (int64_t r = 0; r < count; r++)
        fr_json_set(routers, results[r].name, fr_router_json(&results[r], data));
    for (int s = 0; s < facts->stages; s++)
        fr_json_set(seconds, facts->stage_name[s], fr_json_number(facts->stage_seconds[s]));
    int64_t best = fr_best_router(results, count);
    json_object_set_new(root, "schema", json_integer(2));
    json_object_set_new(root, "version", fr_json_text(FR_VERSION));
    json_object_set_new(root, "config_hash", fr_json_text(facts->config_hash));
    json_object_set_new(root, "seed", json_integer(config->top.seed));
    json_object_set_new(root, "seeds", json_integer(facts->seeds));
    json_object_set_new(root, "folds", json_integer(facts->folds));
    json_object_set_new(root, "device", fr_json_text(facts->device));
    json_object_set_new(root, "encoder", fr_json_text(facts->encoder));
    json_object_set_new(root, "truncated_prompts", json_integer(facts->truncated));
    json_object_set_new(root, "theta", fr_json_number(facts->theta));
    json_object_set_new(root, "alpha", fr_json_number(facts->alpha));
    json_object_set_new(root, "tolerance", fr_json_number(config->route.tolerance));
    json_object_set_new(root, "data", data_json(data, facts));
    json_object_set_new(root, "tasks", tasks_json(data, facts));
    json_object_set_new(root, "classifier", fr_classifier_json(facts->trust));
    json_object_set_new(root, "calibration", fr_calibration_json(facts->trust));
    json_object_set_new(root, "reference", reference_json(data, facts));
    json_object_set_new(root, "pair", pair_json(data, facts, results, count));
    json_object_set_new(root, "best_router", fr_json_text(best >= 0 ? results[best].name : NULL));
    json_object_set_new(root, "routers", routers);
    json_object_set_new(root, "single_models", single_models_json(data, facts));
    json_object_set_new(root, "seconds", seconds);
    return fr_json_write(path, root);
}

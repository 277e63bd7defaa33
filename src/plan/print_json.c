/* A plan as JSON for scripts: seconds, operations and bytes. */
#include "costs.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *cost_json(const fr_stage_cost *c)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "seconds", c->seconds, "flops", c->flops, "bytes",
                     c->bytes, "comm_bytes", c->comm_bytes, "comm_seconds", c->comm_seconds, "device_bytes",
                     c->device_bytes, "host_bytes", c->host_bytes, "disk_bytes", c->disk_bytes);
}

static json_t *limit_json(const fr_workload *work, const fr_rates *rates, fr_plan_stage stage)
{
    int64_t limit = fr_plan_limit(work, rates, stage, 1 << 20);
    return limit ? json_integer(limit) : json_null();
}

static json_t *plan_json(const fr_plan *plan, const fr_rates *rates)
{
    const fr_workload *w = &plan->work;
    json_t *stages = json_object(), *limits = json_object();
    for (int s = 0; s < FR_PLAN_STAGES; s++) {
        const char *name = fr_plan_stage_name((fr_plan_stage)s);
        json_object_set_new(stages, name, cost_json(&plan->stage[s]));
        json_object_set_new(limits, name, limit_json(w, rates, (fr_plan_stage)s));
    }
    json_object_set_new(limits, "whole", limit_json(w, rates, FR_PLAN_STAGES));
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:f}", "prompts", w->prompts, "training",
                     w->training, "models", w->models, "tasks", w->tasks, "tokens", w->tokens, "description_tokens",
                     w->description_tokens, "stages", stages, "total", cost_json(&plan->total), "half_efficiency_ranks",
                     limits, "embedding_bytes", fr_plan_embedding_bytes(w));
}

void fr_plan_print_json(const fr_plan_report *r)
{
    json_t *plans = json_array(), *assumed = json_array(), *unmeasured = json_object();
    for (int64_t p = 0; p < r->plans; p++)
        json_array_append_new(plans, plan_json(&r->plan[p], r->rates));
    for (int i = 0; i < r->assumptions->lines; i++)
        json_array_append_new(assumed, json_string(r->assumptions->line[i]));
    for (int i = 0; i < FR_RATES; i++)
        if (!fr_rate_measured(r->rates, (fr_rate)i))
            json_object_set_new(unmeasured, fr_rate_name((fr_rate)i), json_string(r->rates->source[i]));
    const fr_plan *first = &r->plan[0];
    double node = fr_plan_most_prompts(&first->work, r->rates, r->given, first->ranks, false),
           device = fr_plan_most_prompts(&first->work, r->rates, r->given, first->ranks, true);
    json_t *root =
        json_pack("{s:s, s:s, s:I, s:I, s:b, s:o, s:f, s:o, s:o, s:o}", "device", r->rates->name, "table", r->table,
                  "ranks", (json_int_t)first->ranks.ranks, "nodes", (json_int_t)first->ranks.nodes, "own", r->own,
                  "plans", plans, "most_prompts_node", node, "most_prompts_device",
                  r->rates->gpu ? json_real(device) : json_null(), "assumed", assumed, "not_measured", unmeasured);
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    printf("%s\n", text);
    free(text);
    json_decref(root);
}

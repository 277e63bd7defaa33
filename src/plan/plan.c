/* All stages together, on any number of ranks. */
#include "plan.h"

#include "costs.h"

#include <math.h>

double fr_plan_partitions(const fr_workload *work)
{
    const fr_config *config = work->config;
    bool tried = config->discover.method == FR_TASKS_LEIDEN && isnan(config->discover.resolution);
    return tried ? (double)config->discover.resolution_grid.count : 1;
}

int64_t fr_plan_nodes(const fr_rates *rates, int64_t ranks)
{
    return (int64_t)ceil((double)ranks / rates->value[FR_RATE_per_node]);
}

/* threads: a CPU rank has the config's, else its part of the node's cores, never more than there are; the host of a GPU
 * likewise. */
bill fr_plan_bill(const fr_workload *work, const fr_rates *rates, fr_ranks ranks)
{
    double wanted = (double)work->config->top.threads, here = ceil((double)ranks.ranks / (double)ranks.nodes),
           share = rates->value[FR_RATE_per_node] * rates->value[FR_RATE_cores] / here;
    if (rates->gpu && share > rates->value[FR_RATE_cores])
        share = rates->value[FR_RATE_cores];
    return (bill){.work = work,
                  .rates = rates,
                  .ranks = ranks,
                  .R = (double)ranks.ranks,
                  .threads = wanted > 0 && wanted < share ? wanted : share};
}

/* Folds and seeds repeat everything behind the embeddings. */
static double passes_of(const fr_config *config)
{
    return (double)(config->eval.seeds * (config->eval.folds > 0 ? config->eval.folds : 1));
}

static void scale(fr_stage_cost *cost, double times)
{
    cost->seconds *= times;
    cost->flops *= times;
    cost->bytes *= times;
    cost->comm_bytes *= times;
    cost->comm_seconds *= times;
}

static void add(fr_stage_cost *total, const fr_stage_cost *cost)
{
    total->seconds += cost->seconds;
    total->flops += cost->flops;
    total->bytes += cost->bytes;
    total->comm_bytes += cost->comm_bytes;
    total->comm_seconds += cost->comm_seconds;
    total->disk_bytes += cost->disk_bytes;
    total->device_bytes = fmax(total->device_bytes, cost->device_bytes);
    total->host_bytes = fmax(total->host_bytes, cost->host_bytes);
}

/* Out-of-fold choices: folds pipelines on all but one fold each, dealt out to the ranks; counted with the score, which
 * they are for. */
static void add_choices(fr_stage_cost *cost, const bill *b)
{
    const fr_config *config = b->work->config;
    bool open = isnan(config->classifier.theta) || isnan(config->route.alpha);
    if (config->route.choose_by != FR_CHOOSE_OUT_OF_FOLD || config->encoder.train != FR_TRAIN_FROZEN || !open)
        return;
    double folds = (double)config->route.choose_folds, rounds = ceil(folds / b->R);
    bill alone = fr_plan_bill(b->work, b->rates, (fr_ranks){1, 1});
    alone.threads = b->threads;
    for (fr_plan_stage stage = FR_PLAN_NEIGHBOURS; stage <= FR_PLAN_PHASE2; stage++) {
        fr_stage_cost one;
        fr_plan_stage_cost(&alone, stage, &one);
        scale(&one, 1 - 1 / folds);
        cost->seconds += rounds * one.seconds;
        cost->flops += folds * one.flops;
        cost->bytes += folds * one.bytes;
    }
}

static void cost_of(const bill *b, fr_plan_stage stage, fr_stage_cost *cost)
{
    fr_plan_stage_cost(b, stage, cost);
    if (stage == FR_PLAN_SCORE)
        add_choices(cost, b);
    if (stage >= FR_PLAN_NEIGHBOURS)
        scale(cost, passes_of(b->work->config));
}

void fr_plan_make(fr_plan *plan, const fr_workload *work, const fr_rates *rates, fr_ranks ranks)
{
    *plan = (fr_plan){.work = *work, .ranks = ranks};
    bill b = fr_plan_bill(work, rates, ranks);
    for (int s = 0; s < FR_PLAN_STAGES; s++)
        cost_of(&b, (fr_plan_stage)s, &plan->stage[s]);
    fr_plan_memory(plan, rates);
    for (int s = 0; s < FR_PLAN_STAGES; s++)
        add(&plan->total, &plan->stage[s]);
}

static double seconds_on(const fr_workload *work, const fr_rates *rates, fr_plan_stage stage, int64_t ranks)
{
    double sum = 0;
    bill b = fr_plan_bill(work, rates, (fr_ranks){ranks, fr_plan_nodes(rates, ranks)});
    b.threads = fr_plan_bill(work, rates, (fr_ranks){1, 1}).threads; /* the same cores for each, however many */
    if (!rates->gpu)
        b.threads = work->config->top.threads > 0 ? b.threads : 1;
    for (int s = 0; s < FR_PLAN_STAGES; s++) {
        fr_stage_cost cost;
        if (stage != FR_PLAN_STAGES && s != (int)stage)
            continue;
        cost_of(&b, (fr_plan_stage)s, &cost);
        sum += cost.seconds;
    }
    return sum;
}

int64_t fr_plan_limit(const fr_workload *work, const fr_rates *rates, fr_plan_stage stage, int64_t most)
{
    double one = seconds_on(work, rates, stage, 1);
    int64_t high = 2;
    while (high <= most && (double)high * seconds_on(work, rates, stage, high) <= 2 * one)
        high *= 2;
    if (high > most)
        return 0;
    int64_t low = high / 2; /* enough; high: too many */
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if ((double)middle * seconds_on(work, rates, stage, middle) > 2 * one)
            high = middle;
        else
            low = middle;
    }
    return high;
}

double fr_plan_most_prompts(const fr_workload *work, const fr_rates *rates, const fr_plan_sizes *given, fr_ranks ranks,
                            bool device)
{
    double here = ceil((double)ranks.ranks / (double)ranks.nodes), low = 0, high = 1e12;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        fr_plan plan = {.work = fr_workload_scaled(work, middle, given), .ranks = ranks};
        fr_plan_memory(&plan, rates);
        double most = 0;
        for (int s = 0; s < FR_PLAN_STAGES; s++)
            most = fmax(most, device ? plan.stage[s].device_bytes : here * plan.stage[s].host_bytes);
        if (most > rates->value[device ? FR_RATE_memory : FR_RATE_host_memory])
            high = middle;
        else
            low = middle;
    }
    return low;
}

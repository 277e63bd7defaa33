/* synth_plan.c - what a synthetic data set draws once: tasks, sources, models, prices, skills. */
#include "synth.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double normal(const fr_synth_plan *plan, const char *use, int64_t a, int64_t b)
{
    return fr_rng_normal(plan->seed, fr_stream(use, (uint64_t)a, 0), (uint64_t)b);
}

static double uniform(const fr_synth_plan *plan, const char *use, int64_t index)
{
    return fr_rng_uniform(plan->seed, fr_stream(use, 0, 0), (uint64_t)index);
}

static double task_share(const fr_synth_plan *plan, int64_t t)
{
    return plan->cumulative[t] - (t ? plan->cumulative[t - 1] : 0);
}

/* Tasks fill a grid of domains x types about twice their number, so that most share their domain and their type with
 * others. An eighth of them are siblings of an earlier one: same domain and type, another topic (another level where
 * the topics are used up), hard to tell apart. */
static void draw_tasks(fr_synth_plan *plan)
{
    int64_t T = plan->T, pairs = T - T / 8;
    if (pairs > FR_SYNTH_DOMAINS * FR_SYNTH_TYPES)
        pairs = FR_SYNTH_DOMAINS * FR_SYNTH_TYPES;
    int64_t side = (int64_t)ceil(sqrt(2.0 * (double)pairs));
    if (side > FR_SYNTH_DOMAINS)
        side = FR_SYNTH_DOMAINS;
    int64_t domain[FR_SYNTH_DOMAINS], type[FR_SYNTH_TYPES], cell[FR_SYNTH_DOMAINS * FR_SYNTH_TYPES];
    fr_rng_permutation(domain, FR_SYNTH_DOMAINS, plan->seed, fr_stream("synth.domains", 0, 0));
    fr_rng_permutation(type, FR_SYNTH_TYPES, plan->seed, fr_stream("synth.types", 0, 0));
    fr_rng_permutation(cell, side * side, plan->seed, fr_stream("synth.cells", 0, 0));
    for (int64_t t = 0; t < T; t++) {
        int64_t pair = t % pairs, round = t / pairs;
        int64_t topic = fr_rng_below(plan->seed, fr_stream("synth.topic", 0, 0), (uint64_t)pair, FR_SYNTH_TOPICS);
        plan->task[t] = (fr_synth_task){
            .domain = (int)domain[cell[pair] / side],
            .type = (int)type[cell[pair] % side],
            .topic = (int)((topic + round) % FR_SYNTH_TOPICS),
            .level = (int)(round / FR_SYNTH_TOPICS),
        };
    }
}

/* Benchmarks hold tasks of like type; shares are lognormal. */
static void draw_sources_and_shares(fr_synth_plan *plan)
{
    int64_t rank = 0;
    for (int type = 0; type < FR_SYNTH_TYPES; type++)
        for (int64_t t = 0; t < plan->T; t++)
            if (plan->task[t].type == type) {
                plan->task[t].source = (int)(plan->sources <= plan->T ? rank * plan->sources / plan->T : rank);
                rank++;
            }
    double sum = 0;
    for (int64_t t = 0; t < plan->T; t++)
        plan->cumulative[t] = sum += exp(0.4 * normal(plan, "synth.share", 0, t));
    for (int64_t t = 0; t < plan->T; t++)
        plan->cumulative[t] /= sum;
    static const char *const names[] = {"quill",  "lantern", "harbor", "mosaic",  "compass", "ember",
                                        "prism",  "orchard", "anvil",  "beacon",  "cipher",  "delta",
                                        "fathom", "gambit",  "helix",  "juniper", "kestrel", "ledger",
                                        "meadow", "nimbus",  "oasis",  "pivot",   "quarry",  "ridge"};
    int64_t count = (int64_t)(sizeof names / sizeof *names);
    for (int64_t s = 0; s < plan->sources; s++) {
        char *name = s < count ? fr_format("%s-bench", names[s])
                               : fr_format("%s-bench-%lld", names[s % count], (long long)(s / count + 1));
        plan->source_name[s] = fr_strings_add(&plan->strings, name, strlen(name));
        free(name);
    }
}

/* Skills lie evenly, so that no seed draws one model above all others.
 * deviation[t,m] = specialism * (D[domain,m] / 2 + Y[type,m] / 2 + own / sqrt 2), whose variance is specialism^2:
 * related tasks favour related models. */
static void draw_skills(fr_synth_plan *plan)
{
    double mean = 0, square = 0;
    int64_t *place = FR_NEW(int64_t, plan->M);
    fr_rng_permutation(place, plan->M, plan->seed, fr_stream("synth.places", 0, 0));
    for (int64_t m = 0; m < plan->M; m++)
        mean += (plan->skill[m] = (double)place[m] + uniform(plan, "synth.skill", m)) / (double)plan->M;
    free(place);
    for (int64_t m = 0; m < plan->M; m++)
        square += (plan->skill[m] - mean) * (plan->skill[m] - mean) / (double)plan->M;
    for (int64_t m = 0; m < plan->M; m++)
        plan->skill[m] = square > 0 ? (plan->skill[m] - mean) / sqrt(square) : 0;
    for (int64_t t = 0; t < plan->T; t++) {
        const fr_synth_task *task = &plan->task[t];
        plan->difficulty[t] = 0.6 * normal(plan, "synth.difficulty", 0, t);
        for (int64_t m = 0; m < plan->M; m++)
            plan->deviation[t * plan->M + m] =
                plan->specialism *
                (0.5 * normal(plan, "synth.by-domain", task->domain, m) +
                 0.5 * normal(plan, "synth.by-type", task->type, m) + sqrt(0.5) * normal(plan, "synth.by-task", t, m));
    }
    for (int64_t m = 0; m < plan->M; m++) { /* over the whole data set a model is as good as its skill says */
        double whole = 0;
        for (int64_t t = 0; t < plan->T; t++)
            whole += task_share(plan, t) * plan->deviation[t * plan->M + m];
        for (int64_t t = 0; t < plan->T; t++)
            plan->deviation[t * plan->M + m] -= whole;
    }
}

static double round_digits(double x, int digits)
{
    double unit = pow(10, floor(log10(x)) - digits + 1);
    return round(x / unit) * unit;
}

/* Better models cost more, with exceptions; the dearest costs 25 to 50 times the cheapest. A name tells a size that
 * goes with the price. */
static void draw_models(fr_synth_plan *plan)
{
    static const char *const families[] = {"atlas",  "boreal", "cobalt", "drift",  "echo",  "flint", "grove", "hydra",
                                           "iris",   "juno",   "krill",  "lumen",  "maple", "nova",  "onyx",  "pika",
                                           "quasar", "rune",   "sable",  "tundra", "umbra", "vela",  "wren",  "zephyr"};
    int64_t count = (int64_t)(sizeof families / sizeof *families), order[24];
    fr_rng_permutation(order, count, plan->seed, fr_stream("synth.families", 0, 0));
    double *level = FR_NEW(double, plan->M), low = INFINITY, high = -INFINITY;
    for (int64_t m = 0; m < plan->M; m++) {
        level[m] = plan->skill[m] + 0.5 * normal(plan, "synth.price", 0, m);
        low = fmin(low, level[m]);
        high = fmax(high, level[m]);
    }
    double ratio = 25 + 25 * uniform(plan, "synth.price-ratio", 0);
    for (int64_t m = 0; m < plan->M; m++) {
        double x = high > low ? (level[m] - low) / (high - low) : 0;
        plan->output_price[m] = round_digits(0.24 * pow(ratio, x), 3);
        plan->input_price[m] = round_digits(plan->output_price[m] / (3 + 2 * uniform(plan, "synth.input", m)), 3);
        plan->verbosity[m] = exp(0.35 * normal(plan, "synth.verbosity", 0, m));
        double billions = 3 * pow(130, x) * exp(0.15 * normal(plan, "synth.size", 0, m));
        const char *family = families[order[m % count]];
        char *name = m < count ? fr_format("%s-%.0fb", family, billions)
                               : fr_format("%s-%lld-%.0fb", family, (long long)(m / count + 1), billions);
        plan->model[m] = fr_strings_add(&plan->strings, name, strlen(name));
        free(name);
    }
    free(level);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* E sigmoid(mean + sqrt(variance) z), z standard normal: the trapezoid rule on [-6, 6], whose error is far below 1e-6
 * here. */
static double expected_sigmoid(double mean, double variance)
{
    double sum = 0, weights = 0, step = 0.25, deviation = sqrt(variance);
    for (int i = -24; i <= 24; i++) {
        double z = step * i, weight = exp(-z * z / 2);
        weights += weight;
        sum += weight * sigmoid(mean + deviation * z);
    }
    return sum / weights;
}

double fr_synth_expected(const fr_synth_plan *plan, int64_t t, int64_t m)
{
    double variance = FR_SYNTH_PROMPT_SPREAD * FR_SYNTH_PROMPT_SPREAD + plan->noise * plan->noise;
    double mean = plan->offset + plan->skill[m];
    if (t >= 0)
        mean += plan->deviation[t * plan->M + m] - plan->difficulty[t];
    else
        variance += plan->specialism * plan->specialism;
    return expected_sigmoid(mean, variance);
}

/* Expected quality of a model over the planted tasks. */
static double expected_single(const fr_synth_plan *plan, int64_t m)
{
    double sum = 0;
    for (int64_t t = 0; t < plan->T; t++)
        sum += task_share(plan, t) * fr_synth_expected(plan, t, m);
    return sum;
}

static void set_offset(fr_synth_plan *plan)
{
    for (int round = 0; round < 2;
         round++) { /* which model is best hardly depends on the offset; once more settles it */
        int64_t best = 0;
        double best_quality = -1;
        for (int64_t m = 0; m < plan->M; m++) {
            double quality = expected_single(plan, m);
            if (quality > best_quality)
                best_quality = quality, best = m;
        }
        double low = -20, high = 20;
        for (int i = 0; i < 30; i++) {
            plan->offset = (low + high) / 2;
            *(expected_single(plan, best) < FR_SYNTH_BEST_SINGLE ? &low : &high) = plan->offset;
        }
    }
}

void fr_synth_plan_open(fr_synth_plan *plan, const fr_config *config)
{
    int64_t T = config->synth.tasks, M = config->synth.models, S = config->synth.sources;
    *plan = (fr_synth_plan){.T = T,
                            .M = M,
                            .sources = S,
                            .seed = (uint64_t)config->top.seed,
                            .specialism = config->synth.specialism,
                            .noise = config->synth.noise,
                            .graded = config->synth.quality == FR_QUALITY_GRADED};
    plan->task = FR_NEW(fr_synth_task, T);
    plan->cumulative = FR_NEW(double, T);
    plan->difficulty = FR_NEW(double, T);
    plan->skill = FR_NEW(double, M);
    plan->deviation = FR_NEW(double, T *M);
    plan->verbosity = FR_NEW(double, M);
    plan->input_price = FR_NEW(double, M);
    plan->output_price = FR_NEW(double, M);
    plan->model = FR_NEW(const char *, M);
    plan->source_name = FR_NEW(const char *, S);
    draw_tasks(plan);
    draw_sources_and_shares(plan);
    draw_skills(plan);
    draw_models(plan);
    set_offset(plan);
}

void fr_synth_plan_close(fr_synth_plan *plan)
{
    free(plan->task);
    free(plan->cumulative);
    free(plan->difficulty);
    free(plan->skill);
    free(plan->deviation);
    free(plan->verbosity);
    free(plan->input_price);
    free(plan->output_price);
    free(plan->model);
    free(plan->source_name);
    fr_strings_close(&plan->strings);
    *plan = (fr_synth_plan){0};
}

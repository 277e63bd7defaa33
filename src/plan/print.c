/* A plan as tables for people. */
#include "base/memory.h"
#include "costs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_RANKS = 1 << 20 };

typedef struct text {
    char s[24];
} text;

/* 3 significant digits with a prefix: 4.3 G. */
static text metric(double value, const char *unit)
{
    static const char *const prefix[] = {"", "k", "M", "G", "T", "P", "E", "Z"};
    int p = 0;
    text t;
    for (; value >= 999.5 && p < 7; p++)
        value /= 1000;
    snprintf(t.s, sizeof t.s,
             value == 0      ? "%.0f %s%s"
             : value < 9.995 ? "%.2f %s%s"
             : value < 99.95 ? "%.1f %s%s"
                             : "%.0f %s%s",
             value, prefix[p], unit);
    return t;
}

static text duration(double seconds)
{
    text t;
    if (seconds == 0)
        snprintf(t.s, sizeof t.s, "-");
    else if (seconds < 0.9995)
        snprintf(t.s, sizeof t.s, "%.3g ms", seconds * 1000);
    else if (seconds < 120)
        snprintf(t.s, sizeof t.s, "%.3g s", seconds);
    else if (seconds < 7200)
        snprintf(t.s, sizeof t.s, "%.1f min", seconds / 60);
    else if (seconds < 48 * 3600)
        snprintf(t.s, sizeof t.s, "%.1f h", seconds / 3600);
    else
        snprintf(t.s, sizeof t.s, "%.1f days", seconds / 86400);
    return t;
}

static text count(double value)
{
    text t;
    if (value < 1e6)
        snprintf(t.s, sizeof t.s, "%.0f", value);
    else
        t = metric(value, "");
    return t;
}

static text share(double part, double whole)
{
    text t;
    snprintf(t.s, sizeof t.s, part > 0 ? "%.1f%%" : "-", whole > 0 ? 100 * part / whole : 0);
    return t;
}

static void line(const char *name, const fr_stage_cost *c)
{
    printf("  %-11s %10s %11s %10s %10s %10s %7s %10s %10s %10s\n", name, duration(c->seconds).s,
           metric(c->flops, "FLOP").s, metric(c->bytes, "B").s, metric(c->comm_bytes, "B").s,
           duration(c->comm_seconds).s, share(c->comm_seconds, c->seconds).s, metric(c->device_bytes, "B").s,
           metric(c->host_bytes, "B").s, metric(c->disk_bytes, "B").s);
}

/* ---- where it ends ---- */

/* The stage of at least a hundredth of the time that falls below half first, and when the whole does. */
static void limits(const fr_plan_report *r, const fr_plan *plan)
{
    fr_plan one;
    fr_plan_make(&one, &plan->work, r->rates, (fr_ranks){1, 1});
    int64_t first = 0, whole = fr_plan_limit(&plan->work, r->rates, FR_PLAN_STAGES, MOST_RANKS);
    fr_plan_stage slowest = FR_PLAN_STAGES;
    fr_buffer each = {0};
    for (int s = 0; s < FR_PLAN_STAGES; s++) {
        if (one.stage[s].seconds < 0.01 * one.total.seconds)
            continue;
        int64_t limit = fr_plan_limit(&plan->work, r->rates, (fr_plan_stage)s, MOST_RANKS);
        fr_buffer_addf(&each, "%s%s ", each.bytes ? ", " : "", fr_plan_stage_name((fr_plan_stage)s));
        if (limit)
            fr_buffer_addf(&each, "%lld", (long long)limit);
        else
            fr_buffer_addf(&each, "never");
        if (limit > 0 &&
            (first == 0 || limit < first || (limit == first && one.stage[s].seconds > one.stage[slowest].seconds))) {
            first = limit;
            slowest = (fr_plan_stage)s;
        }
    }
    if (first)
        printf("  First to stop scaling: %s, less than half used from %lld ranks on", fr_plan_stage_name(slowest),
               (long long)first);
    else
        printf("  Every stage scales to %d ranks", MOST_RANKS);
    if (whole)
        printf("; the whole run from %lld ranks on", (long long)whole);
    printf(" (stages of 1%% of the time on one rank, and the ranks: %s).\n", each.data ? each.data : "none");
    fr_buffer_close(&each);
}

static void memory_line(const fr_plan_report *r, const fr_plan *plan)
{
    double here = ceil((double)plan->ranks.ranks / (double)plan->ranks.nodes), node = here * plan->total.host_bytes,
           room = r->rates->value[FR_RATE_host_memory], device = r->rates->value[FR_RATE_memory];
    double embeddings = fr_plan_embedding_bytes(&plan->work);
    printf("  A node holds %.0f rank%s: %s of %s%s; prompt and description embeddings in every rank are %s of it "
           "(%.0f%%).",
           here, here == 1 ? "" : "s", metric(node, "B").s, metric(room, "B").s, node > room ? ", TOO MUCH" : "",
           metric(here * embeddings, "B").s, 100 * embeddings / plan->total.host_bytes);
    if (r->rates->gpu)
        printf(" A device: %s of %s%s.", metric(plan->total.device_bytes, "B").s, metric(device, "B").s,
               plan->total.device_bytes > device ? ", TOO MUCH" : "");
    printf("\n");
}

static void one_plan(const fr_plan_report *r, const fr_plan *plan, bool own)
{
    const fr_workload *w = &plan->work;
    printf("%s prompts%s: %s to train on, %s models, %s tasks, %.0f + %.0f tokens a prompt and description\n",
           count(w->prompts).s, own ? " (this config's)" : "", count(w->training).s, count(w->models).s,
           count(w->tasks).s, w->tokens, w->description_tokens);
    printf("  %-11s %10s %11s %10s %10s %10s %7s %10s %10s %10s\n", "stage", "time", "arithmetic", "traffic", "sent",
           "comm.", "share", "device", "host", "files");
    for (int s = 0; s < FR_PLAN_STAGES; s++)
        line(fr_plan_stage_name((fr_plan_stage)s), &plan->stage[s]);
    line("whole", &plan->total);
    limits(r, plan);
    memory_line(r, plan);
    printf("\n");
}

/* ---- the foot ---- */

static void foot(const fr_plan_report *r)
{
    const fr_plan *plan = &r->plan[0];
    fr_workload work = plan->work;
    double most = fr_plan_most_prompts(&work, r->rates, r->given, plan->ranks, false);
    printf("Memory of one node ends at %s prompts with %.0f rank%s on it", count(most).s,
           ceil((double)plan->ranks.ranks / (double)plan->ranks.nodes), plan->ranks.ranks == 1 ? "" : "s");
    if (r->rates->gpu)
        printf("; that of a device at %s", count(fr_plan_most_prompts(&work, r->rates, r->given, plan->ranks, true)).s);
    printf(
        ".\n\ntime: at most, early stopping may end before. arithmetic, traffic: of all ranks together; sent: by one. "
        "comm., share: communication in the time. device, host: peak of one rank%s. files: run folder and cache.\n",
        r->rates->gpu ? "" : ", device within host");
    for (int i = 0; i < r->assumptions->lines; i++)
        printf("Assumed: %s.\n", r->assumptions->line[i]);
    printf("Rates: %s, %s.\n", r->rates->name, r->table);
    bool any = false;
    for (int i = 0; i < FR_RATES; i++)
        if (!fr_rate_measured(r->rates, (fr_rate)i)) {
            printf("%s %s (%s)", any ? "," : "Not measured:", fr_rate_name((fr_rate)i), r->rates->source[i]);
            any = true;
        }
    printf("%s", any ? ".\n" : "");
    if (r->rates->gpu)
        printf("No run on a GPU has been held against this plan.\n");
}

/* Sizes and ranks at which the formulas were held against runs: experiments/006-scaling. */
static void warn(const fr_plan_report *r)
{
    enum { RUN_PROMPTS = 20000, RUN_RANKS = 4 };
    double most = 0;
    for (int64_t p = 0; p < r->plans; p++)
        most = fmax(most, r->plan[p].work.prompts);
    if (most > RUN_PROMPTS || r->plan[0].ranks.ranks > RUN_RANKS)
        printf("Extrapolated: measured runs had %d prompts and at most %d ranks of one machine.\n", RUN_PROMPTS,
               RUN_RANKS);
}

void fr_plan_print(const fr_plan_report *r)
{
    const fr_ranks *ranks = &r->plan[0].ranks;
    printf("%s, %lld rank%s on %lld node%s; nothing is run\n\n", r->rates->name, (long long)ranks->ranks,
           ranks->ranks == 1 ? "" : "s", (long long)ranks->nodes, ranks->nodes == 1 ? "" : "s");
    for (int64_t p = 0; p < r->plans; p++)
        one_plan(r, &r->plan[p], p == 0 && r->own);
    foot(r);
    warn(r);
}

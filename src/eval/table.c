/* The comparison as a table of at most 100 columns. */
#include "eval/internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>

/* A number in a column, "-" where there is none. */
static void cell(fr_buffer *out, int width, const char *format, double value)
{
    char text[32];
    snprintf(text, sizeof text, format, value);
    fr_buffer_addf(out, "%*s", width, isnan(value) ? "-" : text);
}

static void line(fr_buffer *out, const fr_result *r, bool best)
{
    fr_buffer_addf(out, "%s %-16.16s", best ? ">" : " ", r->name);
    cell(out, 8, "%.4f", r->quality);
    cell(out, 10, "%.4f", r->quality_by_source);
    cell(out, 9, "%.4g", 1000 * r->cost);
    cell(out, 8, "%.4f", r->regret);
    cell(out, 8, "%.1f%%", 100 * r->gap_closed);
    if (isnan(r->vs_full))
        fr_buffer_addf(out, "  -\n");
    else
        fr_buffer_addf(out, "  %+.4f [%+.4f, %+.4f] p %.2g\n", r->vs_full, r->vs_full_low, r->vs_full_high,
                       r->vs_full_p);
}

char *fr_metrics_table(const fr_result *results, int64_t count, const fr_dataset *data)
{
    fr_buffer out = {0};
    int64_t best = fr_best_router(results, count), most = 0, left = 0;
    fr_buffer_addf(&out, "  %-16s%8s%10s%9s%8s%8s  %s\n", "router", "quality", "by source", "USD/1k", "regret", "gap",
                   "full - router [95% CI]");
    for (int64_t r = 0; r < count; r++) {
        line(&out, &results[r], r == best);
        most = results[r].scored + results[r].left_out > most ? results[r].scored + results[r].left_out : most;
        left = results[r].left_out > left ? results[r].left_out : left;
    }
    fr_buffer_addf(&out, "%lld prompts x %lld models. > best router, oracles aside; ", (long long)most,
                   (long long)data->M);
    fr_buffer_addf(&out, "gap: closed share of best single to oracle.\n");
    if (left > 0)
        fr_buffer_addf(&out, "Prompts whose chosen model was not observed are left out: at most %lld of a router.\n",
                       (long long)left);
    return out.data;
}

char *fr_metrics_peers_table(const fr_result *results, int64_t count, const fr_dataset *data)
{
    fr_buffer out = {0};
    if (count == 0)
        return fr_strdup("");
    fr_buffer_addf(&out, "  %-16s%8s%8s%8s%8s%8s%8s%9s%8s%9s\n", "router", "AIQ", "ARQGC", "nAUC", "QNC", "APGR",
                   "CPT50", "Opt.Sel", "Arena", "1 right");
    for (int64_t r = 0; r < count; r++) {
        const fr_router_metrics *m = &results[r].metrics;
        fr_buffer_addf(&out, "  %-16.16s", results[r].name);
        cell(&out, 8, "%.4f", m->aiq.code);
        cell(&out, 8, "%.4f", m->arqgc);
        cell(&out, 8, "%.4f", m->orbit.nauc);
        cell(&out, 8, "%.3f", m->orbit.qnc);
        cell(&out, 8, "%.4f", m->routellm.apgr);
        cell(&out, 8, "%.3f", m->routellm.cpt50);
        cell(&out, 9, "%.4f", m->optimality.sel);
        cell(&out, 8, "%.4f", m->arena_score);
        cell(&out, 9, "%.4f", results[r].recall ? results[r].recall[1].hit_rate : NAN);
        fr_buffer_addf(&out, "\n");
    }
    fr_buffer_addf(&out, "APGR, CPT50: between %.30s and %.30s. 1 right: hit rate where one model is right.\n",
                   data->model[results[0].strong], data->model[results[0].weak]);
    return out.data;
}

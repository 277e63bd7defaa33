/* The task explorer: how tasks are spread, and a card for each. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <string.h>

static void examples(fr_buffer *page, const json_t *task)
{
    size_t index;
    json_t *example;
    fr_buffer_addf(page, "<h3>Nearest prompts</h3>");
    json_array_foreach(json_object_get(task, "examples"), index, example)
        fr_html_add(page, "<blockquote>%s</blockquote>", fr_report_text(example, "text"));
}

static void mix(fr_buffer *page, const json_t *task)
{
    const char *source;
    json_t *members;
    fr_buffer_addf(page, "<h3>Sources of its prompts</h3><ul class=\"mix\">");
    json_object_foreach(json_object_get(task, "mix"), source, members)
        fr_html_add(page, "<li>%s %d</li>", source, (int64_t)json_integer_value(members));
    fr_buffer_addf(page, "</ul>");
}

static bool is_candidate(const json_t *task, const char *model)
{
    size_t index;
    json_t *candidate;
    json_array_foreach(json_object_get(task, "candidates"), index,
                       candidate) if (json_is_string(candidate) &&
                                      !strcmp(json_string_value(candidate), model)) return true;
    return false;
}

static double of_model(const json_t *task, const char *what, const char *model)
{
    const json_t *value = json_object_get(json_object_get(task, what), model);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* A cell as short as HTML allows: a page may hold ten thousands of them. */
static void short_number(fr_buffer *page, double value)
{
    if (isnan(value))
        fr_buffer_addf(page, "<td>\xE2\x80\x93");
    else
        fr_buffer_addf(page, "<td>%.3f", value);
}

/* Says which models are candidates unless all are. */
static void ranking(fr_buffer *page, const json_t *task)
{
    const json_t *ranked = json_object_get(task, "ranking");
    bool chosen = json_array_size(json_object_get(task, "candidates")) < json_array_size(ranked);
    size_t index;
    json_t *model;
    fr_buffer_addf(page,
                   "<h3>Fused ranking</h3><div class=\"wide fit\"><table class=\"ranking\"><thead><tr><th>Rank</th>"
                   "<th>Model</th>%s<th>Mean quality</th><th>Median</th></tr></thead><tbody>",
                   chosen ? "<th>Candidate</th>" : "");
    json_array_foreach(ranked, index, model)
    {
        const char *name = json_is_string(model) ? json_string_value(model) : "";
        bool candidate = chosen && is_candidate(task, name);
        fr_html_add(page, candidate ? "<tr class=best><td>%d<td>%s" : "<tr><td>%d<td>%s", (int64_t)index + 1, name);
        if (chosen)
            fr_buffer_addf(page, candidate ? "<td>yes" : "<td>");
        short_number(page, of_model(task, "mean", name));
        short_number(page, of_model(task, "median", name));
    }
    fr_buffer_addf(page, "</tbody></table></div>");
}

static void card(fr_buffer *page, const json_t *task)
{
    static const char *const keys[] = {"id", "size", "coverage", "cohesion_inside", "cohesion_outside"};
    fr_buffer_addf(page, "<details");
    for (int k = 0; k < 5; k++) /* what the page's script sorts by */
        if (!isnan(fr_report_number(task, keys[k])))
            fr_buffer_addf(page, " data-%s=\"%.6g\"", keys[k], fr_report_number(task, keys[k]));
    fr_html_add(page, "><summary><b>%d. %s</b>", (int64_t)fr_report_number(task, "id"), fr_report_text(task, "name"));
    size_t candidates = json_array_size(json_object_get(task, "candidates"));
    fr_buffer_addf(page, "<span>%.0f prompts, %zu candidate%s</span></summary><div class=\"task\"><dl>",
                   fr_report_number(task, "size"), candidates, candidates == 1 ? "" : "s");
    fr_html_fact(page, "Coverage", "%.3f of its prompts have a best model among the candidates",
                 fr_report_number(task, "coverage"));
    fr_html_fact(page, "Cohesion", "%.3f mean weight of edges inside", fr_report_number(task, "cohesion_inside"));
    fr_html_fact(page, "", "%.3f mean weight of edges that leave", fr_report_number(task, "cohesion_outside"));
    fr_buffer_addf(page, "</dl>");
    examples(page, task);
    mix(page, task);
    ranking(page, task);
    fr_buffer_addf(page, "</div></details>\n");
}

/* Says what a chart with a single bar would. */
static void same_candidates(fr_buffer *page, const report_run *run)
{
    const json_t *tasks = json_object_get(run->cards, "tasks");
    size_t models = json_array_size(json_object_get(run->cards, "models")), index,
           first = json_array_size(json_object_get(json_array_get(tasks, 0), "candidates"));
    json_t *task;
    json_array_foreach(tasks, index, task) if (json_array_size(json_object_get(task, "candidates")) != first) return;
    if (first == models)
        fr_html_add(page, "<p class=\"soft\">Every task keeps all %d models as candidates.</p>\n", (int64_t)models);
    else
        fr_html_add(page, "<p class=\"soft\">Every task keeps %d of %d models as candidates.</p>\n", (int64_t)first,
                    (int64_t)models);
}

static void facts(fr_buffer *page, const report_run *run)
{
    static const struct {
        const char *name, *format, *path;
    } fact[] = {
        {"Tasks", "%.0f", "tasks/count"},
        {"Resolution", "%.3g", "tasks/resolution"},
        {"Modularity", "%.4f", "tasks/modularity"},
        {"Candidates per task", "%.2f models", "tasks/mean_candidates"},
        {"Training prompts without task", "%.4f of all", "tasks/others_train"},
        {"Test prompts without task", "%.4f of all", "tasks/others_test"},
        {"Cohesion inside", "%.4f mean weight of edges inside tasks", "tasks/cohesion_inside"},
        {"Cohesion outside", "%.4f mean weight of edges between tasks", "tasks/cohesion_outside"},
        {"Variance within", "%.4f of quality, mean over models", "tasks/variance_within"},
        {"Variance between", "%.4f of quality, mean over models", "tasks/variance_between"},
        {"Classifier accuracy", "%.4f", "tasks/classifier_accuracy"},
        {"Planted tasks, ARI", "%.4f", "tasks/ari"},
        {"Planted tasks, NMI", "%.4f", "tasks/nmi"},
    };
    fr_buffer_addf(page, "<dl>");
    for (size_t f = 0; f < sizeof fact / sizeof *fact; f++)
        if (!isnan(fr_report_number(run->metrics, fact[f].path)))
            fr_html_fact(page, fact[f].name, fact[f].format, fr_report_number(run->metrics, fact[f].path));
    fr_buffer_addf(page, "</dl>");
}

/* Search and order need the page's script, which shows them. */
static void explorer(fr_buffer *page, const json_t *tasks)
{
    size_t index;
    json_t *task;
    fr_buffer_addf(page,
                   "<div class=\"card tasks\"><div class=\"tools\" hidden><input type=\"search\" placeholder=\"Search "
                   "tasks, prompts, sources, models\" aria-label=\"Search tasks\"><label>Order <select>"
                   "<option value=\"id\">number</option><option value=\"-size\">largest</option>"
                   "<option value=\"size\">smallest</option><option value=\"coverage\">least coverage</option>"
                   "<option value=\"-cohesion_inside\">most cohesion</option>"
                   "<option value=\"cohesion_inside\">least cohesion</option></select></label>"
                   "<output class=\"soft\"></output></div>\n");
    json_array_foreach((json_t *)tasks, index, task) card(page, task);
    fr_buffer_addf(page, "</div>\n");
}

void fr_report_tasks(fr_buffer *page, report_run *run)
{
    const json_t *tasks = run->cards ? json_object_get(run->cards, "tasks") : NULL;
    fr_report_section(page, run, "tasks", "Tasks");
    fr_buffer_addf(page, "<div class=\"pair\">");
    fr_figure_add(page, fr_report_sizes(run), NULL, "Training prompts of each task", NULL);
    fr_figure_add(page, fr_report_candidates(run), NULL, "How many models a task keeps as candidates", NULL);
    fr_figure_add(page, fr_report_cohesion(run), NULL,
                  "Each point is a task. Far above the diagonal its prompts are much closer to each other than to "
                  "those of other tasks.",
                  NULL);
    fr_buffer_addf(page, "<div class=\"card\">");
    facts(page, run);
    if (json_array_size(tasks) > 0)
        same_candidates(page, run);
    else
        fr_buffer_addf(page, "<p class=\"soft\">No task was discovered, or the run kept no cards.</p>\n");
    fr_buffer_addf(page, "</div></div>\n");
    if (json_array_size(tasks) > 0)
        explorer(page, tasks);
}

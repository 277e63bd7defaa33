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

/* Says which models are candidates unless all are. */
static void ranking(fr_buffer *page, const json_t *task)
{
    const json_t *ranked = json_object_get(task, "ranking");
    bool chosen = json_array_size(json_object_get(task, "candidates")) < json_array_size(ranked);
    size_t index;
    json_t *model;
    fr_buffer_addf(page,
                   "<h3>Fused ranking</h3><div class=\"wide fit\"><table><thead><tr><th class=\"n\">Rank</th>"
                   "<th>Model</th>%s<th class=\"n\">Mean quality</th><th class=\"n\">Median</th></tr></thead><tbody>",
                   chosen ? "<th>Candidate</th>" : "");
    json_array_foreach(ranked, index, model)
    {
        const char *name = json_is_string(model) ? json_string_value(model) : "";
        bool candidate = chosen && is_candidate(task, name);
        fr_html_add(page,
                    candidate ? "<tr class=\"best\"><td class=\"n\">%d</td><td>%s</td>"
                              : "<tr><td class=\"n\">%d</td><td>%s</td>",
                    (int64_t)index + 1, name);
        if (chosen)
            fr_buffer_addf(page, "<td>%s</td>", candidate ? "yes" : "");
        fr_html_number(page, "%.3f", of_model(task, "mean", name));
        fr_html_number(page, "%.3f", of_model(task, "median", name));
        fr_buffer_addf(page, "</tr>");
    }
    fr_buffer_addf(page, "</tbody></table></div>");
}

static void card(fr_buffer *page, const json_t *task)
{
    fr_html_add(page, "<details><summary><b>%d. %s</b>", (int64_t)fr_report_number(task, "id"),
                fr_report_text(task, "name"));
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

void fr_report_tasks(fr_buffer *page, const report_run *run)
{
    const json_t *tasks = run->cards ? json_object_get(run->cards, "tasks") : NULL;
    size_t index;
    json_t *task;
    fr_buffer_addf(page, "<h2 id=\"tasks\">Tasks</h2>\n");
    if (json_array_size(tasks) == 0) {
        fr_buffer_addf(page, "<p class=\"card\">No task was discovered, or the run kept no cards.</p>\n");
        return;
    }
    fr_buffer_addf(page, "<div class=\"pair\">");
    fr_figure_add(page, run->drawing ? fr_report_sizes(run) : NULL, NULL, "Training prompts of each task", NULL);
    fr_figure_add(page, run->drawing ? fr_report_candidates(run) : NULL, NULL,
                  "How many models a task keeps as candidates", NULL);
    fr_buffer_addf(page, "<div class=\"card\">");
    fr_report_task_facts(page, run);
    same_candidates(page, run);
    fr_buffer_addf(page, "</div></div>\n<div class=\"card\">");
    json_array_foreach(tasks, index, task) card(page, task);
    fr_buffer_addf(page, "</div>\n");
}

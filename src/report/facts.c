/* Run facts: what is needed to judge and to repeat the run. */
#include "report/html.h"
#include "report/run.h"

#include <math.h>

static void number(fr_buffer *page, const report_run *run, const char *name, const char *format, const char *path)
{
    fr_html_fact(page, name, format, fr_report_number(run->metrics, path));
}

static void text(fr_buffer *page, const report_run *run, const char *name, const char *path)
{
    const char *value = fr_report_text(run->metrics, path);
    fr_html_add(page, "<dt>%s</dt><dd>%s</dd>", name, *value ? value : "\xE2\x80\x93");
}

static void seconds(fr_buffer *page, const report_run *run)
{
    const char *stage;
    json_t *value;
    if (json_object_size(json_object_get(run->metrics, "seconds")) == 0)
        return;
    fr_buffer_addf(page, "<div class=\"card\"><div class=\"wide\"><table><caption>Wall time of the "
                         "stages</caption><thead><tr><th>Stage</th>"
                         "<th class=\"n\">Seconds</th></tr></thead><tbody>\n");
    json_object_foreach(json_object_get(run->metrics, "seconds"), stage, value)
    {
        double took = json_is_number(value) ? json_number_value(value) : NAN;
        fr_html_add(page, "<tr><th>%s</th>", stage);
        if (took == 0)
            fr_buffer_addf(page, "<td class=\"n\">reused</td>");
        else
            fr_html_number(page, "%.2f", took);
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_buffer_addf(page, "</tbody></table></div></div>\n");
}

void fr_report_task_facts(fr_buffer *page, const report_run *run)
{
    fr_buffer_addf(page, "<dl>");
    number(page, run, "Tasks", "%.0f", "tasks/count");
    number(page, run, "Resolution", "%.3g", "tasks/resolution");
    number(page, run, "Modularity", "%.4f", "tasks/modularity");
    number(page, run, "Candidates per task", "%.2f", "tasks/mean_candidates");
    number(page, run, "Training prompts without task", "%.4f", "tasks/others_train");
    number(page, run, "Test prompts without task", "%.4f", "tasks/others_test");
    number(page, run, "Classifier accuracy", "%.4f", "tasks/classifier_accuracy");
    number(page, run, "Planted tasks, ARI", "%.4f", "tasks/ari");
    number(page, run, "Planted tasks, NMI", "%.4f", "tasks/nmi");
    fr_buffer_addf(page, "</dl>");
}

void fr_report_facts(fr_buffer *page, const report_run *run)
{
    fr_buffer_addf(page, "<h2 id=\"run\">Run</h2><div class=\"pair\"><div class=\"card\"><dl>");
    text(page, run, "finerouter", "version");
    text(page, run, "Device", "device");
    text(page, run, "Encoder", "encoder");
    text(page, run, "Data hash", "data/hash");
    text(page, run, "Config hash", "config_hash");
    number(page, run, "Models", "%.0f", "data/models");
    number(page, run, "Training prompts", "%.0f", "data/prompts/train");
    number(page, run, "Dev prompts", "%.0f", "data/prompts/dev");
    number(page, run, "Test prompts", "%.0f", "data/prompts/test");
    number(page, run, "Prompts cut to length", "%.0f", "truncated_prompts");
    number(page, run, "Seed", "%.0f", "seed");
    number(page, run, "Seeds", "%.0f", "seeds");
    number(page, run, "Folds", "%.0f", "folds");
    number(page, run, "Threshold theta", "%.3g", "theta");
    number(page, run, "Mix alpha", "%.3g", "alpha");
    number(page, run, "Tolerance", "%.3g", "tolerance");
    fr_buffer_addf(page, "</dl></div>\n");
    seconds(page, run);
    fr_buffer_addf(page, "</div>\n");
    if (run->config)
        fr_html_add(page,
                    "<div class=\"card\"><details><summary>Configuration</summary><pre>%s</pre></details></div>\n",
                    run->config);
}

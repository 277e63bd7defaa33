/* Quality by source: one row a source, one column a router, those that compete shaded by the distance to their
 * mean: next to oracle or random they would all look the same. */
#include "report/html.h"
#include "report/run.h"

#include <math.h>

typedef struct heat {
    json_t *routers;
    double reach; /* largest distance of such a router from its row's mean: full colour */
} heat;

static double cell(const json_t *router, const char *source)
{
    const json_t *quality = json_object_get(json_object_get(router, "sources"), source);
    return json_is_number(quality) ? json_number_value(quality) : NAN;
}

/* Mean of a row over the routers that compete and have a value, NaN without any. */
static double row_mean(const heat *map, const char *source)
{
    const char *name;
    json_t *router;
    double sum = 0, count = 0;
    json_object_foreach(map->routers, name, router)
    {
        double value = cell(router, source);
        if (!isnan(value) && fr_report_competes(name))
            sum += value, count++;
    }
    return count > 0 ? sum / count : NAN;
}

/* Blue above the row's mean, orange below it, see-through so that it suits light and dark. */
static void shaded_cell(fr_buffer *page, double value, double mean, double reach)
{
    double t = reach > 0 ? (value - mean) / reach : 0;
    if (isnan(value))
        fr_html_number(page, "%.3f", value);
    else
        fr_buffer_addf(page, "<td class=\"n\" style=\"background:rgba(%s,%.2f)\">%.3f</td>",
                       t < 0 ? "230,125,40" : "50,130,220", .6 * fabs(t), value);
}

static void row(fr_buffer *page, const heat *map, const char *source)
{
    const char *name;
    json_t *router;
    double mean = row_mean(map, source);
    fr_html_add(page, "<tr><th>%s</th>", source);
    json_object_foreach(map->routers, name, router)
    {
        if (fr_report_competes(name))
            shaded_cell(page, cell(router, source), mean, map->reach);
        else
            fr_html_number(page, "%.3f", cell(router, source));
    }
    fr_buffer_addf(page, "</tr>\n");
}

/* A name that may be broken after each underscore, so that columns can be narrow. */
static void column_name(fr_buffer *page, const char *name)
{
    fr_buffer escaped = {0};
    fr_html_text(&escaped, name);
    fr_buffer_addf(page, "<th class=\"n\">");
    for (const char *c = escaped.data; c && *c; c++) {
        fr_buffer_add(page, c, 1);
        if (*c == '_')
            fr_buffer_addf(page, "<wbr>");
    }
    fr_buffer_addf(page, "</th>");
    fr_buffer_close(&escaped);
}

void fr_report_sources(fr_buffer *page, const report_run *run)
{
    heat map = {.routers = json_object_get(run->metrics, "routers")};
    const char *name, *source;
    json_t *router, *value,
        *sources = json_object_get(json_object_iter_value(json_object_iter(map.routers)), "sources");
    json_object_foreach(sources, source, value)
    {
        double mean = row_mean(&map, source);
        json_object_foreach(map.routers, name, router)
        {
            if (fr_report_competes(name))
                map.reach = fmax(map.reach, fabs(cell(router, source) - mean)); /* fmax passes over NaN */
        }
    }
    fr_buffer_addf(page, "<h2 id=\"sources\">Quality by source</h2>\n"
                         "<div class=\"card\"><div class=\"wide\"><table class=\"heat\"><thead><tr><th>Source</th>");
    json_object_foreach(map.routers, name, router) column_name(page, name);
    fr_buffer_addf(page, "</tr></thead><tbody>\n");
    json_object_foreach(sources, source, value) row(page, &map, source);
    fr_buffer_addf(page, "</tbody></table></div><p class=\"soft\">Mean quality on the test prompts of each source. "
                         "Blue: above the mean of the shaded cells of the row; orange: below it.</p></div>\n");
}

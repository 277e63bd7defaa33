/* Quality by source: one row a router, one column a source, those that compete shaded by the distance to the best
 * single model. */
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct heat {
    report_router *list;
    size_t count;
    const json_t *best_single; /* that router, NULL where it was not evaluated */
    double reach;              /* largest distance of a router that competes from its column's base: full colour */
} heat;

static double cell(const json_t *router, const char *source)
{
    return fr_report_member(json_object_get(router, "sources"), source);
}

/* What a column is shaded against: the best single model; without it the mean of the routers that compete. */
static double base(const heat *map, const char *source)
{
    double sum = 0, count = 0;
    if (map->best_single)
        return cell(map->best_single, source);
    for (size_t r = 0; r < map->count; r++) {
        double value = cell(map->list[r].json, source);
        if (!isnan(value) && fr_report_competes(map->list[r].name))
            sum += value, count++;
    }
    return count > 0 ? sum / count : NAN;
}

/* Blue above the base, orange below it, see-through so that it suits light and dark. */
static void shaded_cell(fr_buffer *page, double value, double from, double reach)
{
    double t = reach > 0 ? (value - from) / reach : 0;
    if (isnan(value) || isnan(t))
        fr_html_number(page, "%.3f", value);
    else
        fr_buffer_addf(page, "<td class=\"n\" style=\"background:rgba(%s,%.2f)\">%.3f</td>",
                       t < 0 ? "230,125,40" : "50,130,220", .6 * fabs(t), value);
}

static void row(fr_buffer *page, const heat *map, const report_router *router, const json_t *sources)
{
    const char *source;
    json_t *value;
    fr_html_add(page, "<tr><th>%s</th>", router->name);
    json_object_foreach((json_t *)sources, source, value)
    {
        if (fr_report_competes(router->name))
            shaded_cell(page, cell(router->json, source), base(map, source), map->reach);
        else
            fr_html_number(page, "%.3f", cell(router->json, source));
    }
    fr_buffer_addf(page, "</tr>\n");
}

static double widest(const heat *map, const json_t *sources)
{
    const char *source;
    json_t *value;
    double reach = 0;
    json_object_foreach((json_t *)sources, source, value)
    {
        double from = base(map, source);
        for (size_t r = 0; r < map->count; r++)
            if (fr_report_competes(map->list[r].name))
                reach = fmax(reach, fabs(cell(map->list[r].json, source) - from)); /* fmax passes over NaN */
    }
    return reach;
}

void fr_report_sources(fr_buffer *page, report_run *run)
{
    heat map = {0};
    const char *source;
    json_t *value;
    map.count = fr_report_ranking(&map.list, run->metrics);
    const json_t *sources = map.count ? json_object_get(map.list[0].json, "sources") : NULL;
    for (size_t r = 0; r < map.count; r++)
        if (!strcmp(map.list[r].name, "best_single"))
            map.best_single = map.list[r].json;
    if (json_object_size(sources) > 0) {
        map.reach = widest(&map, sources);
        fr_report_section(page, run, "sources", "Quality by source");
        fr_buffer_addf(page,
                       "<div class=\"card\"><div class=\"wide\"><table class=\"heat\"><thead><tr><th>Router</th>");
        json_object_foreach((json_t *)sources, source, value) fr_report_column_name(page, source);
        fr_buffer_addf(page, "</tr></thead><tbody>\n");
        for (size_t r = 0; r < map.count; r++)
            row(page, &map, &map.list[r], sources);
        fr_buffer_addf(page,
                       "</tbody></table></div><p class=\"soft\">Mean quality on the test prompts of each source. "
                       "Blue: above %s; orange: below it.</p></div>\n",
                       map.best_single ? "the best single model" : "the mean of the column's shaded cells");
    }
    free(map.list);
}

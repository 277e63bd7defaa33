/* The order in which routers stand on a page, and the cells that several tables share. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool fr_report_is_bound(const char *router)
{
    return !strcmp(router, "oracle") || !strcmp(router, "dataset_oracle");
}

bool fr_report_competes(const char *router)
{
    return !fr_report_is_bound(router) && strcmp(router, "cheapest") != 0 && strcmp(router, "random") != 0;
}

static int by_quality(const void *a, const void *b)
{
    const report_router *x = a, *y = b;
    if (x->bound != y->bound)
        return x->bound ? 1 : -1;
    if (isnan(x->quality) != isnan(y->quality))
        return isnan(x->quality) ? 1 : -1;
    if (x->quality < y->quality || x->quality > y->quality)
        return x->quality < y->quality ? 1 : -1;
    return x->position < y->position ? -1 : 1;
}

size_t fr_report_ranking(report_router **list, const json_t *metrics)
{
    json_t *routers = json_object_get(metrics, "routers"), *router;
    const char *name;
    size_t count = 0;
    *list = FR_NEW(report_router, json_object_size(routers) + 1);
    json_object_foreach(routers, name, router)
    {
        (*list)[count] = (report_router){name, router, fr_report_number(router, "quality"), fr_report_is_bound(name),
                                         (int64_t)count};
        count++;
    }
    qsort(*list, count, sizeof **list, by_quality);
    return count;
}

void fr_report_section(fr_buffer *page, report_run *run, const char *id, const char *heading)
{
    fr_html_add(page, "<h2 id=\"%s%s\">%s</h2>\n", run->prefix, id, heading);
    fr_html_add(&run->nav, "<a href=\"#%s%s\">%s</a>", run->prefix, id, heading);
}

char *fr_report_draw(const report_run *run, fr_buffer *script, const char *name, const char *title)
{
    if (!run->drawing) {
        fr_buffer_close(script);
        return NULL;
    }
    char *full_name = fr_format("%s%s", run->prefix, name),
         *svg = fr_figure_draw(script, run->beside, full_name, title);
    free(full_name);
    return svg;
}

void fr_report_column_name(fr_buffer *page, const char *name)
{
    fr_buffer escaped = {0};
    fr_html_text(&escaped, name);
    fr_buffer_addf(page, strlen(name) > 16 ? "<th class=\"n long\">" : "<th class=\"n\">");
    for (const char *c = escaped.data; c && *c; c++) {
        fr_buffer_add(page, c, 1);
        if (*c == '_')
            fr_buffer_addf(page, "<wbr>");
    }
    fr_buffer_addf(page, "</th>");
    fr_buffer_close(&escaped);
}

double fr_report_reach(const report_router *list, size_t count)
{
    double reach = 0;
    for (size_t r = 0; r < count; r++)
        if (fr_report_competes(list[r].name)) {
            reach = fmax(reach, fabs(fr_report_number(list[r].json, "vs_full/low"))); /* fmax passes over NaN */
            reach = fmax(reach, fabs(fr_report_number(list[r].json, "vs_full/high")));
        }
    return reach;
}

/* A difference's place on its bar in percent, zero in the middle, kept inside. */
static double bar_place(double difference, double reach)
{
    return 50 + 48 * fmax(-1, fmin(1, difference / reach));
}

void fr_report_difference(fr_buffer *page, const json_t *router, double reach)
{
    double d = fr_report_number(router, "vs_full/difference"), low = fr_report_number(router, "vs_full/low"),
           high = fr_report_number(router, "vs_full/high");
    if (isnan(d)) {
        fr_html_number(page, "%f", d);
        return;
    }
    fr_buffer_addf(page, "<td class=\"n\">%+.4f", d);
    if (!isnan(low) && !isnan(high)) {
        fr_buffer_addf(page, " [%+.4f, %+.4f]", low, high);
        if (reach > 0 && high >= -reach && low <= reach) {
            double left = bar_place(low, reach), right = bar_place(high, reach);
            fr_buffer_addf(page,
                           "<span class=\"interval%s\"><i style=\"left:%.1f%%;width:%.1f%%\"></i>"
                           "<b style=\"left:%.1f%%\"></b></span>",
                           low > 0 || high < 0 ? " clear" : "", left, right - left, bar_place(d, reach));
        }
    }
    fr_buffer_addf(page, "</td>");
}

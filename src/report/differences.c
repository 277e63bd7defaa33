/* In what the configs of several runs differ. */
#include "report/html.h"
#include "report/run.h"

#include <stdlib.h>
#include <string.h>

/* "section.key" and value of a config's lines: sections stand at the margin and end with a colon, their keys are
 * indented. Objects by key; what is no such line is passed over. */
static json_t *read_config(const char *yaml)
{
    json_t *object = json_object();
    char *section = fr_strdup("");
    for (const char *line = yaml; line && *line;) {
        size_t length = strcspn(line, "\n"), indent = strspn(line, " ");
        const char *colon = memchr(line, ':', length), *value = colon ? colon + 1 : NULL;
        const char *end = line + length;
        if (colon && indent < length && line[indent] != '#' && line[indent] != '-') {
            while (value < end && *value == ' ')
                value++;
            char *key = fr_strndup(line + indent, (size_t)(colon - line) - indent),
                 *full = indent && *section ? fr_format("%s.%s", section, key) : fr_strdup(key);
            if (value == end && !indent) {
                free(section);
                section = fr_strdup(key);
            } else
                json_object_set_new(object, full, json_stringn(value, (size_t)(end - value)));
            free(key);
            free(full);
        }
        line = end + (*end == '\n');
    }
    free(section);
    return object;
}

static bool differs(json_t *const *config, const report_run *runs, size_t count, const char *key)
{
    const json_t *first = NULL;
    bool any = false;
    for (size_t r = 0; r < count; r++) {
        if (!runs[r].config)
            continue;
        const json_t *value = json_object_get(config[r], key);
        if (any && !json_equal(value, first) && (value || first))
            return true;
        first = value;
        any = true;
    }
    return false;
}

static void row(fr_buffer *page, json_t *const *config, const report_run *runs, size_t count, const char *key)
{
    fr_html_add(page, "<tr><th>%s</th>", key);
    for (size_t r = 0; r < count; r++) {
        if (!runs[r].config)
            continue;
        const char *value = json_string_value(json_object_get(config[r], key));
        fr_html_add(page, "<td>%s</td>", value ? value : "\xE2\x80\x93");
    }
    fr_buffer_addf(page, "</tr>\n");
}

void fr_report_config_differences(fr_buffer *page, report_run *all, const report_run *runs, size_t count)
{
    json_t **config = FR_NEW(json_t *, count), *done = json_object(), *value;
    const char *key;
    fr_buffer rows = {0};
    for (size_t r = 0; r < count; r++)
        config[r] = read_config(runs[r].config);
    for (size_t r = 0; r < count; r++)
        json_object_foreach(config[r], key, value)
        {
            if (!json_object_get(done, key) && differs(config, runs, count, key))
                row(&rows, config, runs, count, key);
            json_object_set_new(done, key, json_true());
        }
    if (rows.bytes) {
        fr_report_section(page, all, "differences", "In what the configs differ");
        fr_buffer_addf(page, "<div class=\"card\"><div class=\"wide\"><table><thead><tr><th>Key</th>");
        for (size_t r = 0; r < count; r++)
            if (runs[r].config)
                fr_html_add(page, "<th>%s</th>", runs[r].name);
        fr_buffer_addf(page, "</tr></thead><tbody>\n");
        fr_buffer_add(page, rows.data, rows.bytes);
        fr_buffer_addf(page, "</tbody></table></div></div>\n");
    }
    for (size_t r = 0; r < count; r++)
        json_decref(config[r]);
    json_decref(done);
    fr_buffer_close(&rows);
    free(config);
}

/* import_table.c - our own layout: JSON Lines (import_jsonl.c) or long CSV (import_csv.c), by the file's ending. */
#include "long.h"

/* What we cannot do without, so that other keys and columns do not make it another layout. */
static bool matches(const fr_look *look)
{
    if (look->folder)
        return false;
    return (fr_look_key(look, "id") && fr_look_key(look, "prompt") && fr_look_key(look, "quality")) ||
           (fr_look_column(look, "prompt_id") && fr_look_column(look, "prompt") && fr_look_column(look, "model") &&
            fr_look_column(look, "quality"));
}

static fr_status read_table(fr_table *table)
{
    const char *path = table->whole;
    bool csv = fr_ends_with(path, ".csv") || fr_ends_with(path, ".csv.gz");
    if (table->config->data.map.count) {
        if (csv)
            return fr_fail(FR_USAGE, "%s: data.map goes with JSON Lines, not with CSV", path);
        return fr_import_mapped(table);
    }
    if (csv)
        return fr_import_csv(table, path, &fr_long_own);
    if (fr_ends_with(path, ".jsonl") || fr_ends_with(path, ".jsonl.gz"))
        return fr_import_jsonl(table);
    return fr_fail(FR_FAILED, "%s: is no table by its name, want one that ends in .jsonl, .jsonl.gz, .csv or .csv.gz",
                   path);
}

const fr_importer fr_importer_table = {.name = "table",
                                       .what = "our own JSON Lines or CSV",
                                       .matches = matches,
                                       .read = read_table,
                                       .repeats = FR_REPEAT_FAILS};

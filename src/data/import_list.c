/* import_list.c - the importers, and how data.format: auto finds the one whose layout a file has. A new importer is its
 * file and its line here (and its name among the choices of data.format in options.def). */
#include "long.h"

#include "base/files.h"
#include "io/lines.h"
#include "io/tree.h"

#include <stdlib.h>
#include <string.h>

#define IMPORTERS(X)                                                                                                   \
    X(table)                                                                                                           \
    X(routerbench)                                                                                                     \
    X(embedllm)                                                                                                        \
    X(routereval)                                                                                                      \
    X(routerarena)                                                                                                     \
    X(llmrouterbench)                                                                                                  \
    X(llmrouter)                                                                                                       \
    X(routerdc)

#define DECLARE(name) extern const fr_importer fr_importer_##name;
#define ENTRY(name) &fr_importer_##name,
IMPORTERS(DECLARE)
const fr_importer *const fr_importers[] = {IMPORTERS(ENTRY) NULL};

enum { HEAD = 1 << 16 };

bool fr_ends_with(const char *path, const char *end)
{
    size_t a = strlen(path), b = strlen(end);
    return a > b && strcmp(path + a - b, end) == 0;
}

static const char *ending_of(const char *path)
{
    static const char *const endings[] = {".csv", ".jsonl", ".json", ".npz"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char packed[16] = "";
        strcat(strcat(packed, endings[i]), ".gz");
        if (fr_ends_with(path, endings[i]) || fr_ends_with(path, packed))
            return endings[i];
    }
    return NULL;
}

bool fr_look_column(const fr_look *look, const char *name)
{
    size_t length = strlen(name), line = strcspn(look->head, "\r\n");
    if (strcmp(look->ending, ".csv") != 0)
        return false;
    for (const char *at = look->head, *end = look->head + line; at < end;) {
        size_t field = strcspn(at, ",\r\n");
        bool quoted = field >= 2 && at[0] == '"' && at[field - 1] == '"';
        if (field - 2 * quoted == length && strncmp(at + quoted, name, length) == 0)
            return true;
        at += field + 1;
    }
    return false;
}

bool fr_look_key(const fr_look *look, const char *key)
{
    size_t length = strlen(key);
    if (strcmp(look->ending, ".jsonl") != 0 && strcmp(look->ending, ".json") != 0)
        return false;
    for (const char *at = strchr(look->head, '"'); at; at = strchr(at, '"')) {
        const char *begin = ++at;
        while (*at && *at != '"')
            at += *at == '\\' && at[1] ? 2 : 1;
        if (!*at)
            return false;
        bool same = (size_t)(at - begin) == length && strncmp(begin, key, length) == 0;
        at++;
        at += strspn(at, " \t\r\n");
        if (same && *at == ':')
            return true;
    }
    return false;
}

/* The first HEAD bytes of a file, decoded. */
static fr_status read_head(fr_buffer *head, const char *path)
{
    fr_lines *lines;
    FR_TRY(fr_lines_open(&lines, path));
    fr_status status = FR_OK;
    while (status == FR_OK && head->bytes < HEAD) {
        char *text;
        size_t bytes;
        status = fr_lines_next(lines, &text, &bytes);
        if (status != FR_OK || !text)
            break;
        fr_buffer_add(head, text, strnlen(text, bytes < HEAD ? bytes : HEAD));
        fr_buffer_add(head, "\n", 1);
    }
    fr_lines_close(lines);
    return status;
}

static fr_status ask(const fr_importer **importer, const fr_look *look)
{
    for (const fr_importer *const *i = fr_importers; *i; i++)
        if ((*i)->matches(look)) {
            *importer = *i;
            return FR_OK;
        }
    if (look->folder)
        return fr_fail(FR_FAILED, "%s: no known layout in this folder; data.format can name one", look->path);
    if (strcmp(look->ending, ".json") == 0)
        return fr_fail(FR_FAILED, "%s: its content has no layout that is known; data.format can name one", look->path);
    *importer = &fr_importer_table; /* whose errors say what is missing */
    return FR_OK;
}

fr_status fr_importer_see(const fr_importer **importer, const char *path)
{
    *importer = NULL;
    fr_look look = {.path = path, .folder = fr_is_folder(path), .head = ""};
    const char *first = path;
    fr_tree tree = {0};
    if (look.folder) {
        FR_TRY(fr_tree_open(&tree, path));
        first = NULL;
        for (int64_t i = 0; i < tree.count && !first; i++)
            first = ending_of(tree.path[i]) ? tree.path[i] : NULL;
    }
    look.ending = first ? ending_of(first) : NULL;
    fr_buffer head = {0};
    fr_status status = FR_OK;
    if (!look.ending)
        status = fr_fail(
            FR_FAILED,
            look.folder
                ? "%s: is a folder without a file that ends in .jsonl, .json, .csv or .npz"
                : "%s: unknown kind of table, want a name that ends in .jsonl, .jsonl.gz, .csv or .csv.gz, or one "
                  "of the public layouts (data.format) in .json or .npz",
            path);
    else if (strcmp(look.ending, ".npz") != 0)
        status = read_head(&head, first);
    if (head.data)
        look.head = head.data;
    if (status == FR_OK)
        status = ask(importer, &look);
    fr_buffer_close(&head);
    fr_tree_close(&tree);
    return status;
}

bool fr_json_file(const char *path)
{
    return fr_ends_with(path, ".json") || fr_ends_with(path, ".json.gz") || fr_ends_with(path, ".jsonl") ||
           fr_ends_with(path, ".jsonl.gz");
}

const char *fr_split_by_name(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    const char *val = strstr(name, "val");
    if (strstr(name, "train"))
        return "train";
    if (strstr(name, "test"))
        return "test";
    return (val && (val == name || val[-1] != 'e')) || strstr(name, "dev") ? "dev" : "";
}

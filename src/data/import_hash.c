/* import_hash.c - what an import depends on: the table's files, and files beside it that some layouts read. */
#include "finerouter/dataset.h"

#include "base/files.h"
#include "base/hash.h"
#include "io/tree.h"

#include <stdlib.h>
#include <string.h>

static bool is_beside(const char *path)
{
    const char *name = fr_path_base(path);
    return strcmp(name, "question_order.csv") == 0 || strcmp(name, "model_order.csv") == 0 ||
           (strstr(name, "query") && strstr(name, ".jsonl"));
}

static fr_status add_files(fr_hash *hash, const char *path, bool beside)
{
    fr_tree files;
    char hex[FR_HASH_CHARS];
    FR_TRY(beside ? fr_tree_list(&files, path) : fr_tree_open(&files, path));
    fr_status status = FR_OK;
    for (int64_t i = 0; i < files.count && status == FR_OK; i++) {
        if (beside && !is_beside(files.path[i]))
            continue;
        status = fr_hash_file(hex, files.path[i]);
        fr_hash_add_text(hash, files.path[i] + strlen(path)); /* names, so that a folder may move */
        fr_hash_add_text(hash, hex);
    }
    fr_tree_close(&files);
    return status;
}

fr_status fr_import_hash(char hex[33], const char *path)
{
    fr_hash *hash = fr_hash_create();
    fr_status status = add_files(hash, path, false);
    if (status == FR_OK && !fr_is_folder(path)) {
        char *folder = fr_path_folder(path);
        status = add_files(hash, folder, true);
        free(folder);
    }
    fr_hash_end(hash, hex);
    return status;
}

#include "tree.h"

#include "base/files.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 16 };

typedef struct builder {
    fr_tree *tree;
    int64_t room;
    bool flat; /* folders below are passed over */
} builder;

static void add(builder *b, char *path)
{
    fr_tree *tree = b->tree;
    if (tree->count == b->room) {
        b->room = b->room ? 2 * b->room : 64;
        tree->path = fr_realloc(tree->path, (size_t)b->room * sizeof *tree->path);
    }
    tree->path[tree->count++] = path;
}

static fr_status walk(builder *b, const char *path, int depth)
{
    if (!fr_is_folder(path)) {
        add(b, fr_strdup(path));
        return FR_OK;
    }
    if (b->flat && depth > 0)
        return FR_OK;
    if (depth > DEEPEST)
        return fr_fail(FR_FAILED, "%s: lies more than %d folders deep", path, DEEPEST);
    DIR *folder = opendir(path);
    if (!folder)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", path, strerror(errno));
    fr_status status = FR_OK;
    for (const struct dirent *entry; status == FR_OK && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        char *inside = fr_path_join(path, entry->d_name);
        status = walk(b, inside, depth + 1);
        free(inside);
    }
    closedir(folder);
    return status;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static fr_status open_tree(fr_tree *tree, const char *path, bool flat)
{
    *tree = (fr_tree){0};
    builder b = {.tree = tree, .flat = flat};
    fr_status status = walk(&b, path, 0);
    if (status == FR_OK && tree->count)
        qsort(tree->path, (size_t)tree->count, sizeof *tree->path, by_bytes);
    if (status != FR_OK)
        fr_tree_close(tree);
    return status;
}

fr_status fr_tree_open(fr_tree *tree, const char *path)
{
    return open_tree(tree, path, false);
}

fr_status fr_tree_list(fr_tree *tree, const char *folder)
{
    return open_tree(tree, folder, true);
}

void fr_tree_close(fr_tree *tree)
{
    for (int64_t i = 0; i < tree->count; i++)
        free(tree->path[i]);
    free(tree->path);
    *tree = (fr_tree){0};
}

/* tree.h - the files below a folder. */
#ifndef FR_IO_TREE_H
#define FR_IO_TREE_H

#include "finerouter/status.h"

#include <stdint.h>

typedef struct fr_tree {
    char **path; /* (count) the folder's path and what is below it, sorted by bytes */
    int64_t count;
} fr_tree;

/* All files below a folder, at most 16 levels deep; names that begin with a dot are passed over. A path that is a file
 * gives itself. */
FR_NODISCARD fr_status fr_tree_open(fr_tree *tree, const char *path);

/* The files of a folder itself. */
FR_NODISCARD fr_status fr_tree_list(fr_tree *tree, const char *folder);
void fr_tree_close(fr_tree *tree);

#endif

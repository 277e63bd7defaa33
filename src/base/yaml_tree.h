/* yaml_tree.h - a YAML file as a tree that knows its lines, for files that are no config. */
#ifndef FR_BASE_YAML_TREE_H
#define FR_BASE_YAML_TREE_H

#include "finerouter/status.h"

#include <stdint.h>

typedef enum fr_yaml_kind { FR_YAML_NONE, FR_YAML_TEXT, FR_YAML_LIST, FR_YAML_MAP } fr_yaml_kind;

typedef struct fr_yaml {
    fr_yaml_kind kind; /* NONE: an empty file */
    int64_t line;
    char *key;  /* of an item of a mapping, unique there; else NULL */
    char *text; /* FR_YAML_TEXT */
    int64_t count;
    struct fr_yaml *item; /* (count) of a list or mapping, in the file's order */
} fr_yaml;

/* FR_USAGE with file and line: syntax, a key given twice, anchors, more than one document, files over 1 MiB. */
FR_NODISCARD fr_status fr_yaml_read(fr_yaml *root, const char *path);
void fr_yaml_close(fr_yaml *root); /* accepts an all-zero struct */

#endif

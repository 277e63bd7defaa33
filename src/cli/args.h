/* args.h - commands and their flags: one table a command, from which parsing, --help and completion come. */
#ifndef FR_CLI_ARGS_H
#define FR_CLI_ARGS_H

#include "finerouter/config.h"
#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct fr_flag {
    const char *name;     /* "--out" */
    const char *argument; /* "DIR"; NULL for a switch */
    const char *help;
} fr_flag;

typedef struct fr_args {
    int count; /* positional arguments */
    const char **positional;
    int flags; /* flags in order of appearance */
    const fr_flag **flag;
    const char **value;
} fr_args;

typedef struct fr_command {
    const char *name;
    const char *arguments; /* "CONFIG" */
    int least, most;       /* positional arguments */
    const char *summary;   /* one line */
    const char *help;      /* paragraphs */
    bool keys;             /* --help ends with the configuration keys */
    const fr_flag *flag;   /* ends with a NULL name */
    fr_status (*run)(const fr_args *args);
    bool ranks; /* runs as several ranks under mpirun or srun */
} fr_command;

/* The commands, ending with a NULL name. */
extern const fr_command fr_commands[];

FR_NODISCARD fr_status fr_args_parse(fr_args *args, const fr_command *command, int argc, char **argv);
void fr_args_close(fr_args *args);
const char *fr_args_value(const fr_args *args,
                          const char *flag); /* the last one given, NULL if none; "" for a switch */
bool fr_args_has(const fr_args *args, const char *flag);
FR_NODISCARD fr_status fr_args_number(const fr_args *args, const char *flag, double low, double high,
                                      double *value); /* untouched when not given */

/* Flags every command with a config knows: --set, --out, --quiet, --verbose. Reads CONFIG (positional 0 if
 * `from_file`), applies --set, settles the run's name and *out (malloc'd). */
#define FR_CONFIG_FLAGS                                                                                                \
    {"--out", "DIR", "run folder; default runs/<name of the config>"},                                                 \
        {"--set", "KEY=VALUE", "overrides a key of the config, e.g. --set discover.k=30; may be repeated"},            \
        {"--quiet", NULL, "errors and warnings only"},                                                                 \
    {                                                                                                                  \
        "--verbose", NULL, "more detail"                                                                               \
    }
FR_NODISCARD fr_status fr_args_config(fr_config *config, char **out, const fr_args *args, bool from_file);
void fr_args_log_level(const fr_args *args);

void fr_print_usage(void);
void fr_print_command_help(const fr_command *command);
void fr_print_keys(void);
void fr_print_completion(void); /* bash */
const fr_command *fr_command_find(const char *name);

#endif

#include "commands.h"

#include <string.h>

fr_status fr_cmd_help(const fr_args *args)
{
    const char *topic = args->count ? args->positional[0] : NULL;
    if (!topic) {
        fr_print_usage();
    } else if (strcmp(topic, "keys") == 0) {
        fr_print_keys();
    } else if (strcmp(topic, "completion") == 0) {
        fr_print_completion();
    } else {
        const fr_command *command = fr_command_find(topic);
        if (!command)
            return fr_fail(FR_USAGE, "help: unknown topic %s, want a command, keys or completion", topic);
        fr_print_command_help(command);
    }
    return FR_OK;
}

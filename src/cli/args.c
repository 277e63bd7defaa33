#include "args.h"

#include "base/files.h"
#include "base/memory.h"
#include "finerouter/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const fr_flag *find_flag(const fr_command *command, const char *name, size_t length)
{
    for (const fr_flag *flag = command->flag; flag->name; flag++)
        if (strlen(flag->name) == length && strncmp(flag->name, name, length) == 0)
            return flag;
    return NULL;
}

static fr_status parse_flag(fr_args *args, const fr_command *command, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const fr_flag *flag = find_flag(command, word, length);
    if (!flag)
        return fr_fail(FR_USAGE, "%s: unknown flag %.*s; see finerouter %s --help", command->name, (int)length, word,
                       command->name);
    const char *value = "";
    if (!flag->argument && equals)
        return fr_fail(FR_USAGE, "%s: %s takes no value", command->name, flag->name);
    if (flag->argument && equals) {
        value = equals + 1;
    } else if (flag->argument) {
        if (*at + 1 >= argc)
            return fr_fail(FR_USAGE, "%s: %s wants %s", command->name, flag->name, flag->argument);
        value = argv[++*at];
    }
    args->flag[args->flags] = flag;
    args->value[args->flags++] = value;
    return FR_OK;
}

fr_status fr_args_parse(fr_args *args, const fr_command *command, int argc, char **argv)
{
    *args = (fr_args){.positional = FR_NEW(const char *, argc + 1),
                      .flag = FR_NEW(const fr_flag *, argc + 1),
                      .value = FR_NEW(const char *, argc + 1)};
    bool only_positional = false;
    for (int i = 0; i < argc; i++) {
        if (!only_positional && strcmp(argv[i], "--") == 0)
            only_positional = true;
        else if (!only_positional && argv[i][0] == '-' && argv[i][1] == '-')
            FR_TRY(parse_flag(args, command, argc, argv, &i));
        else
            args->positional[args->count++] = argv[i];
    }
    if (args->count < command->least)
        return fr_fail(FR_USAGE, "%s: want %s; see finerouter %s --help", command->name, command->arguments,
                       command->name);
    if (args->count > command->most)
        return fr_fail(FR_USAGE, "%s: \"%s\" is one argument too many; see finerouter %s --help", command->name,
                       args->positional[command->most], command->name);
    return FR_OK;
}

void fr_args_close(fr_args *args)
{
    free(args->positional);
    free(args->flag);
    free(args->value);
    *args = (fr_args){0};
}

const char *fr_args_value(const fr_args *args, const char *flag)
{
    for (int i = args->flags - 1; i >= 0; i--)
        if (strcmp(args->flag[i]->name, flag) == 0)
            return args->value[i];
    return NULL;
}

bool fr_args_has(const fr_args *args, const char *flag)
{
    return fr_args_value(args, flag) != NULL;
}

fr_status fr_args_number(const fr_args *args, const char *flag, double low, double high, double *value)
{
    const char *text = fr_args_value(args, flag);
    if (!text)
        return FR_OK;
    char *end;
    double number = strtod(text, &end);
    if (!*text || *end || !(number >= low && number <= high))
        return fr_fail(FR_USAGE, "%s is \"%s\", want a number from %g to %g", flag, text, low, high);
    *value = number;
    return FR_OK;
}

void fr_args_log_level(const fr_args *args)
{
    fr_log_level(fr_args_has(args, "--quiet") ? 0 : fr_args_has(args, "--verbose") ? 2 : 1);
}

fr_status fr_args_config(fr_config *config, char **out, const fr_args *args, bool from_file)
{
    fr_args_log_level(args);
    fr_config_defaults(config);
    if (from_file)
        FR_TRY(fr_config_read(config, args->positional[0]));
    for (int i = 0; i < args->flags; i++)
        if (strcmp(args->flag[i]->name, "--set") == 0)
            FR_TRY(fr_config_set(config, args->value[i]));
    const char *routers = fr_args_value(args, "--routers");
    if (routers) {
        char *assignment = fr_format("eval.routers=%s", routers);
        fr_status status = fr_config_set(config, assignment);
        free(assignment);
        FR_TRY(status);
    }
    if (from_file && !config->top.name[0]) {
        char *stem = fr_path_stem(args->positional[0]), *assignment = fr_format("name=%s", stem);
        fr_status status = fr_config_set(config, assignment);
        free(stem);
        free(assignment);
        FR_TRY(status);
    }
    const char *folder = fr_args_value(args, "--out");
    if (out) {
        *out = folder ? fr_strdup(folder) : fr_format("runs/%s", config->top.name);
        size_t length = strlen(*out);
        while (length > 1 && (*out)[length - 1] == '/')
            (*out)[--length] = 0;
    }
    return FR_OK;
}

const fr_command *fr_command_find(const char *name)
{
    for (const fr_command *command = fr_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

#include "args.h"

#include <stdio.h>
#include <string.h>

void fr_print_usage(void)
{
    printf("finerouter %s - learns which LLM of a pool should answer a prompt\n\nusage: finerouter COMMAND [ARGUMENTS] "
           "[FLAGS]\n\n",
           FR_VERSION);
    for (const fr_command *command = fr_commands; command->name; command++)
        printf("  %-10s %s\n", command->name, command->summary);
    printf("\nfinerouter COMMAND --help tells more; finerouter help keys lists every configuration key.\n"
           "Exit codes: 0 ok, 1 the work failed, 2 wrong usage or config, 3 stopped by Ctrl-C, SIGTERM or SIGUSR1 (the "
           "same command\ncontinues: a job script queues it again).\n");
}

/* Text folded at spaces to fit a terminal. */
static void print_folded(const char *text, int indent, int width)
{
    int column = 0;
    while (*text) {
        int word = (int)strcspn(text, " ");
        if (column && column + 1 + word > width) {
            printf("\n%*s", indent, "");
            column = 0;
        }
        printf("%s%.*s", column ? " " : "", word, text);
        column += word + (column > 0);
        text += word;
        text += *text == ' ';
    }
    printf("\n");
}

void fr_print_keys(void)
{
    printf("Configuration keys (YAML; a dot is a nesting level):\n");
    char section[32] = "";
    for (int64_t i = 0; i < fr_option_count(); i++) {
        fr_option o = fr_option_at(i);
        size_t length = strcspn(o.key, ".");
        if (o.key[length] == '.' && (strncmp(section, o.key, length) != 0 || section[length])) {
            snprintf(section, sizeof section, "%.*s", (int)length, o.key);
            printf("\n");
        }
        printf("  %-26s %s%s%s%s; default %s\n%29s", o.key, o.type, o.range[0] ? " (" : "", o.range,
               o.range[0] ? ")" : "", o.standard[0] ? o.standard : "empty", "");
        print_folded(o.help, 29, 90);
    }
}

void fr_print_command_help(const fr_command *command)
{
    printf("usage: finerouter %s %s%s[FLAGS]\n\n%s\n", command->name, command->arguments,
           command->arguments[0] ? " " : "", command->help);
    if (command->flag->name)
        printf("\nFlags:\n");
    for (const fr_flag *flag = command->flag; flag->name; flag++) {
        char left[48];
        snprintf(left, sizeof left, "%s%s%s", flag->name, flag->argument ? " " : "",
                 flag->argument ? flag->argument : "");
        printf("  %-20s %s\n", left, flag->help);
    }
    printf("  %-20s %s\n", "--help", "this text");
    if (command->keys) {
        printf("\n");
        fr_print_keys();
    }
}

void fr_print_completion(void)
{
    printf("# bash completion of finerouter: source <(finerouter help completion)\n_finerouter() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} flags=\n"
           "    local keys=\"");
    for (int64_t i = 0; i < fr_option_count(); i++)
        printf("%s= ", fr_option_at(i).key);
    printf("\"\n    if [ \"$previous\" = --set ]; then compopt -o nospace; COMPREPLY=($(compgen -W \"$keys\" -- "
           "\"$word\")); return; fi\n"
           "    if [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W \"");
    for (const fr_command *command = fr_commands; command->name; command++)
        printf("%s ", command->name);
    printf("\" -- \"$word\")); return; fi\n    case ${COMP_WORDS[1]} in\n");
    for (const fr_command *command = fr_commands; command->name; command++) {
        printf("    %s) flags=\"", command->name);
        for (const fr_flag *flag = command->flag; flag->name; flag++)
            printf("%s ", flag->name);
        printf("--help\";;\n");
    }
    printf("    esac\n    case $word in\n    -*) COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"));;\n"
           "    *) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\"));;\n    esac\n}\ncomplete -F "
           "_finerouter finerouter\n");
}

#include "args.h"

#include "comm/comm.h"
#include "finerouter/log.h"

#include <stdio.h>
#include <string.h>

/* What is only printed is printed by one rank. */
static fr_status run(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        if (fr_is_root())
            fr_print_usage();
        return argc < 2 ? FR_USAGE : FR_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        if (fr_is_root())
            printf("finerouter %s\n", FR_VERSION);
        return FR_OK;
    }
    const fr_command *command = fr_command_find(argv[1]);
    if (!command)
        return fr_fail(FR_USAGE, "unknown command %s; finerouter help lists them", argv[1]);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            if (fr_is_root())
                fr_print_command_help(command);
            return FR_OK;
        }
    if (fr_comm_ranks() > 1 && !command->ranks)
        return fr_fail(FR_USAGE, "finerouter %s runs on one rank, and was launched as %d", command->name,
                       fr_comm_ranks());
    fr_args args;
    fr_status status = fr_args_parse(&args, command, argc - 2, argv + 2);
    if (status == FR_OK)
        status = command->run(&args);
    fr_args_close(&args);
    return status;
}

int main(int argc, char **argv)
{
    fr_interrupt_install();
    fr_status status = fr_comm_start();
    if (status == FR_OK)
        status = run(argc, argv);
    return fr_comm_end(status);
}

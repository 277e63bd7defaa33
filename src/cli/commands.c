#include "commands.h"

#include <stddef.h>

#define END_OF_FLAGS                                                                                                   \
    {                                                                                                                  \
        NULL, NULL, NULL                                                                                               \
    }

static const fr_flag stage_flags[] = {FR_CONFIG_FLAGS, END_OF_FLAGS};

static const fr_flag eval_flags[] = {
    {"--routers", "LIST", "routers to evaluate, as a,b,c, or all; the same as --set eval.routers=LIST"},
    FR_CONFIG_FLAGS,
    END_OF_FLAGS,
};

static const fr_flag data_flags[] = {
    {"--out", "FILE", "data file to write (.h5)"},
    {"--models", "FILE",
     "JSON list of {name, input_usd_per_mtok, output_usd_per_mtok}; gives the models' order and prices"},
    {"--set", "KEY=VALUE", "a data.* key or seed, e.g. --set data.test_share=0.2; may be repeated"},
    {"--quiet", NULL, "errors and warnings only"},
    {"--verbose", NULL, "more detail"},
    END_OF_FLAGS,
};

static const fr_flag synth_flags[] = {
    {"--out", "FILE", "data file to write (.h5)"},
    {"--set", "KEY=VALUE", "a synth.* key or seed, e.g. --set synth.prompts=20000; may be repeated"},
    {"--quiet", NULL, "errors and warnings only"},
    {"--verbose", NULL, "more detail"},
    END_OF_FLAGS,
};

static const fr_flag describe_flags[] = {
    {"--out", "FILE", "data file to write (.h5)"},
    {"--set", "KEY=VALUE", "an llm.* key, e.g. --set llm.url=http://localhost:8000/v1/chat/completions"},
    {"--quiet", NULL, "errors and warnings only"},
    {"--verbose", NULL, "more detail"},
    END_OF_FLAGS,
};

static const fr_flag info_flags[] = {{"--json", NULL, "JSON instead of text"}, END_OF_FLAGS};

static const fr_flag route_flags[] = {
    {"--prompt", "TEXT", "one prompt"},
    {"--file", "FILE",
     "prompts, one a line: plain text, or JSON objects with \"prompt\" (and \"id\") in a .jsonl file; - for standard "
     "input"},
    {"--alpha", "NUMBER", "share of stage 2; default: as trained"},
    {"--tolerance", "NUMBER", "cost rule: cheapest model within this share of the score range; default: as configured"},
    {"--encoder", "DIR", "folder of the text encoder when it has moved"},
    {"--name", NULL, "print the chosen model's name alone"},
    END_OF_FLAGS,
};

static const fr_flag report_flags[] = {
    {"--out", "FILE", "page to write; default: <RUN>/report.html for one run, ./report.html for several"},
    {"--title", "TEXT", "title of the page"},
    END_OF_FLAGS,
};
static const fr_flag no_flags[] = {END_OF_FLAGS};

#define STAGE_HELP                                                                                                     \
    " Results are stored under the hash of their inputs and keys and reused; a killed or stopped command continues "   \
    "where it stood."

const fr_command fr_commands[] = {
    {"run", "CONFIG", 1, 1, "every stage of a config: data, embed, discover, train, eval, report",
     "Runs the whole chain of a YAML config into a run folder and prints the routers' table." STAGE_HELP, true,
     eval_flags, fr_cmd_run},
    {"import", "TABLE", 1, 1, "a table of prompts x LLMs x scores (JSON Lines or CSV) into an HDF5 data file",
     "TABLE is .jsonl or .jsonl.gz (one object a prompt: id, prompt, quality {model: score}; optional description, "
     "source, split, cost {model: USD})\n"
     "or .csv or .csv.gz (one line a score: prompt_id, prompt, model, quality; optional cost, description, source, "
     "split).\n"
     "Splits are made where the table has none: 80/10/10 per source, seeded, equal prompts together.",
     false, data_flags, fr_cmd_import},
    {"synth", "", 0, 0, "a synthetic data file with planted tasks and a known oracle",
     "Makes prompts, descriptions, models with skill profiles and prices, scores and costs, by the synth.* keys.",
     false, synth_flags, fr_cmd_synth},
    {"describe", "DATA", 1, 1, "an LLM's one-sentence description for every prompt without one",
     "Asks the endpoint of llm.url and llm.model and writes DATA with the descriptions to --out. The key, where one is "
     "needed, is the\nenvironment variable FINEROUTER_LLM_KEY. Answers are kept in <out>.answers.jsonl as they come: "
     "the same command continues.",
     false, describe_flags, fr_cmd_describe},
    {"info", "DATA", 1, 1, "what a data file holds: counts, models, oracle, best single model, missing scores, ties",
     "DATA is an HDF5 data file.", false, info_flags, fr_cmd_info},
    {"embed", "CONFIG", 1, 1, "stages up to the text embeddings", "Writes <out>/embeddings.h5." STAGE_HELP, false,
     stage_flags, fr_cmd_embed},
    {"discover", "CONFIG", 1, 1, "stages up to the discovered tasks",
     "Writes <out>/tasks.h5 and the task cards (cards.md, cards.json)." STAGE_HELP, false, stage_flags,
     fr_cmd_discover},
    {"train", "CONFIG", 1, 1, "stages up to the trained router",
     "Writes <out>/router.h5, and <out>/encoder when the encoder was trained." STAGE_HELP, false, stage_flags,
     fr_cmd_train},
    {"eval", "CONFIG", 1, 1, "stages up to the evaluation of all routers",
     "Writes <out>/metrics.json and <out>/predictions.jsonl and prints the table." STAGE_HELP, false, eval_flags,
     fr_cmd_eval},
    {"route", "ROUTER", 1, 1, "ranks the models for new prompts by a trained router",
     "ROUTER is a run folder or a router.h5. Prints one JSON object a prompt: the choice, the task with its "
     "probability, both\nstages' scores, the mixed score and the whole ranking.",
     false, route_flags, fr_cmd_route},
    {"report", "RUN [RUN ...]", 1, 64, "one HTML page of a run or a sweep, or of several side by side",
     "Writes a self-contained page from the files of the run folders; with several, a comparison and a tab for each "
     "run.\nIts figures are kept as SVG and PDF under figures/ beside the page.",
     false, report_flags, fr_cmd_report},
    {"help", "[TOPIC]", 0, 1, "this overview; help COMMAND, help keys, help completion",
     "help COMMAND is COMMAND --help; help keys lists every configuration key; help completion prints a bash "
     "completion script.",
     false, no_flags, fr_cmd_help},
    {NULL, NULL, 0, 0, NULL, NULL, false, NULL, NULL},
};

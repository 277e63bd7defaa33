#include "commands.h"

#include <stddef.h>

#define END_OF_FLAGS                                                                                                   \
    {                                                                                                                  \
        NULL, NULL, NULL                                                                                               \
    }

static const fr_flag stage_flags[] = {FR_CONFIG_FLAGS, END_OF_FLAGS};

static const fr_flag graph_flags[] = {
    {"--embeddings", "KEY", "which embeddings, where the data file holds several: their key, or how it begins"},
    FR_CONFIG_FLAGS,
    END_OF_FLAGS,
};

static const fr_flag eval_flags[] = {
    {"--routers", "LIST", "routers to evaluate, as a,b,c, or all; the same as --set eval.routers=LIST"},
    FR_CONFIG_FLAGS,
    END_OF_FLAGS,
};

static const fr_flag data_flags[] = {
    {"--out", "FILE", "data file to write (.h5)"},
    {"--format", "LAYOUT",
     "auto (default), table, routerbench, llmrouterbench, llmrouter, routerdc, embedllm, routereval or routerarena"},
    {"--map", "TARGET=PATH", "where a JSON Lines table of other columns has things; may be repeated (key data.map)"},
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

static const fr_flag export_flags[] = {
    {"--format", "LAYOUT", "routerarena or csv"},
    {"--out", "FILE", "file to write"},
    {"--router", "NAME", "full (default), stage1 or stage2"},
    {"--quiet", NULL, "errors and warnings only"},
    END_OF_FLAGS,
};

static const fr_flag report_flags[] = {
    {"--out", "FILE", "page to write; default: <RUN>/report.html for one run, ./report.html for several"},
    {"--title", "TEXT", "title of the page"},
    END_OF_FLAGS,
};

static const fr_flag sweep_flags[] = {
    {"--out", "DIR", "sweep folder; default sweeps/<name of the sweep>"},
    {"--jobs", "J", "groups of points side by side, each with 1/J of the threads; default 1"},
    {"--set", "KEY=VALUE", "overrides a key of the config that is not swept; may be repeated"},
    {"--only", "N",
     "evaluates point N and those that share its tasks, and nothing else: one element of a job array"},
    {"--list", NULL,
     "runs nothing; prints a line for each element of a job array: the N of --only, its points, their settings"},
    {"--collect", NULL,
     "runs nothing; makes the table of what --only left in the sweep folder and says which points are missing"},
    {"--quiet", NULL, "errors and warnings only"},
    {"--verbose", NULL, "more detail"},
    END_OF_FLAGS,
};

static const fr_flag plan_flags[] = {
    {"--ranks", "R", "ranks of the run; default 1"},
    {"--device", "NAME", "a device of the table: h200, h100, a100 or cpu (a core); default: by the config's device, cpu for auto"},
    {"--nodes", "N", "nodes they are spread over; default: as few as hold them"},
    {"--prompts", "N", "prompts of the data, where an import would have to count them, or to ask for another size"},
    {"--models", "M", "models of the pool, where the config does not say"},
    {"--tasks", "T", "tasks that discovery will find"},
    {"--tokens", "N", "tokens of a mean prompt, after cutting"},
    {"--description-tokens", "N", "tokens of a mean description; 0: there are none"},
    {"--devices", "FILE", "another table of devices than configs/devices.yaml"},
    {"--json", NULL, "JSON instead of text"},
    {"--set", "KEY=VALUE", "overrides a key of the config, e.g. --set discover.k=30; may be repeated"},
    END_OF_FLAGS,
};

static const fr_flag no_flags[] = {END_OF_FLAGS};

#define STAGE_HELP                                                                                                     \
    " Results are stored under the hash of their inputs and keys and reused; a killed or stopped command continues "   \
    "where it stood."

const fr_command fr_commands[] = {
    {"run", "CONFIG", 1, 1, "every stage of a config: data, embed, discover, train, eval, report",
     "Runs the whole chain of a YAML config into a run folder and prints the routers' table." STAGE_HELP, true,
     eval_flags, fr_cmd_run, true},
    {"import", "TABLE", 1, 1, "a table of prompts x LLMs x scores, ours or a public benchmark's, into an HDF5 data file",
     "table: our own layout. .jsonl or .jsonl.gz (one object a prompt: id, prompt, quality {model: score}; optional "
     "description, source, split, cost {model: USD}, embedding)\n"
     "or .csv or .csv.gz (one line a score: prompt_id, prompt, model, quality; optional cost, description, source, "
     "split).\n"
     "JSON Lines with other columns, as on Hugging Face: --map prompt=conversation.0.content --map quality=scores; a path "
     "is dotted,\n"
     "* is every key (quality=results.*.score), [] every item (quality=results.[].score with model=results.[].name), "
     "quality.MODEL=PATH one model.\n"
     "Targets: id (else the line's number), prompt, description, source, split, embedding, model, quality, cost.\n"
     "routerbench: RouterBench's pickle as CSV:\n"
     "  python3 -c \"import pandas, sys; pandas.read_pickle(sys.argv[1]).to_csv(sys.argv[2], index=False)\" "
     "routerbench_0shot.pkl routerbench.csv\n"
     "  its prompts are lists of texts, which are joined by an empty line, each text once\n"
     "llmrouterbench: a folder of result files <dataset>/<split>/<model>/*.json; the newest of several runs counts\n"
     "llmrouter: LLMRouter's routing data, .jsonl or .csv with query, model_name, performance; a file or a folder\n"
     "routerdc: .json or .jsonl of {question, scores} or {query, llm_name_list, perf_list}\n"
     "embedllm: EmbedLLM's CSV, or the folder with train.csv, val.csv, test.csv\n"
     "routereval: a .npz with model, and score and prompt, or train_score, train_prompt, val_score and so on, each with "
     "embed or without; from RouterEval's pickle:\n"
     "  python3 -c \"import pickle, sys, numpy as n; d = pickle.load(open(sys.argv[1], 'rb')); "
     "n.savez_compressed(sys.argv[2], model=n.array(d['model'], str),\n"
     "  **{k: n.array(v, 'f4' if 'embed' in k else str if 'prompt' in k else float) for g in ('data', 'prompt') "
     "for k, v in d[g].items()})\" in.pkl out.npz\n"
     "routerarena: prediction files, or a folder of them or of cached results; a file has one model for each prompt\n"
     "In these, a dev split that is missing comes out of train.\n"
     "Splits are made where the table has none: 80/10/10 per source, seeded, equal prompts together.",
     false, data_flags, fr_cmd_import, false},
    {"synth", "", 0, 0, "a synthetic data file with planted tasks and a known oracle",
     "Makes prompts, descriptions, models with skill profiles and prices, scores and costs, by the synth.* keys.",
     false, synth_flags, fr_cmd_synth, false},
    {"describe", "DATA", 1, 1, "an LLM's one-sentence description for every prompt without one",
     "Asks the endpoint of llm.url and llm.model and writes DATA with the descriptions to --out. The key, where one is "
     "needed, is the\nenvironment variable FINEROUTER_LLM_KEY. Answers are kept in <out>.answers.jsonl as they come: "
     "the same command continues.",
     false, describe_flags, fr_cmd_describe, false},
    {"info", "DATA", 1, 1, "what a data file holds: counts, models, oracle, best single model, missing scores, ties",
     "DATA is an HDF5 data file.", false, info_flags, fr_cmd_info, false},
    {"embed", "CONFIG", 1, 1, "stages up to the text embeddings", "Writes <out>/embeddings.h5." STAGE_HELP, false,
     stage_flags, fr_cmd_embed, true},
    {"graph", "CONFIG", 1, 1, "the preference graph alone, of data that no rank can hold",
     "Reads the data file by ranges, with the embeddings that `finerouter embed` with encoder.store: true has left in it. "
     "Every\nrank holds its share of the training prompts, and writes its shard of the edges into <out>/graph. "
     "discover.graph: <out>/graph\nthen takes the graph from there.",
     true, graph_flags, fr_cmd_graph, true},
    {"discover", "CONFIG", 1, 1, "stages up to the discovered tasks",
     "Writes <out>/tasks.h5 and the task cards (cards.md, cards.json)." STAGE_HELP, false, stage_flags,
     fr_cmd_discover, true},
    {"train", "CONFIG", 1, 1, "stages up to the trained router",
     "Writes <out>/router.h5, and <out>/encoder when the encoder was trained." STAGE_HELP, false, stage_flags,
     fr_cmd_train, true},
    {"eval", "CONFIG", 1, 1, "stages up to the evaluation of all routers",
     "Writes <out>/metrics.json and <out>/predictions.jsonl and prints the table." STAGE_HELP, false, eval_flags,
     fr_cmd_eval, true},
    {"plan", "CONFIG", 1, 1, "what a run would take: time, memory, communication and files, without running it",
     "Prints for every stage time, arithmetic, traffic, communication, peak memory of a rank and files left, for the "
     "config's own data\nand for 279 k, 10 M and 100 M prompts; which stage stops scaling first, and where the memory "
     "of a node ends. Rates of the devices\nstand in configs/devices.yaml, with where each comes from.",
     true, plan_flags, fr_cmd_plan, false},
    {"sweep", "SWEEP", 1, 1, "many settings of one config: every key can vary, dev chooses",
     "SWEEP is a YAML file: config (the config that all points share), optional name and set {key: value}, and one of\n"
     "  grid    {key: [values], ...}             every combination\n"
     "  list    [{key: value, ...}, ...]         these points\n"
     "  random  {points: n, seed: s, keys: {key: {from: a, to: b, scale: linear|log, integer: false|true} or [choices]}}\n"
     "Evaluates the router full at every point and writes <out>/sweep.json, sweep.csv, sweep.h5 and figures. Stages that "
     "points share\nare made once, a finished point is never run again, and the same command continues a killed one.\n"
     "On a cluster, --list, --only and --collect make a job array of it (scripts/slurm/sweep.sbatch).",
     true, sweep_flags, fr_cmd_sweep, false},
    {"route", "ROUTER", 1, 1, "ranks the models for new prompts by a trained router",
     "ROUTER is a run folder or a router.h5. Prints one JSON object a prompt: the choice, the task with its "
     "probability, both\nstages' scores, the mixed score and the whole ranking.",
     false, route_flags, fr_cmd_route, false},
    {"export", "RUN", 1, 1, "a run's predictions as RouterArena's prediction file or as CSV",
     "routerarena: a JSON list with global index, prompt, prediction (the chosen model), cost and accuracy (of the data) "
     "for each prompt of the test split\n"
     "csv: one line for each prompt of dev and test and each model: prompt_id, source, split, model, s1, s2, score, "
     "quality, cost, chosen (0 or 1)",
     false, export_flags, fr_cmd_export, false},
    {"report", "RUN [RUN ...]", 1, 64, "one HTML page of a run or a sweep, or of several side by side",
     "Writes a self-contained page from the files of the run folders; with several, a comparison and a tab for each "
     "run.\nIts figures are kept as SVG and PDF under figures/ beside the page.",
     false, report_flags, fr_cmd_report, false},
    {"help", "[TOPIC]", 0, 1, "this overview; help COMMAND, help keys, help completion",
     "help COMMAND is COMMAND --help; help keys lists every configuration key; help completion prints a bash "
     "completion script.",
     false, no_flags, fr_cmd_help, false},
    {NULL, NULL, 0, 0, NULL, NULL, false, NULL, NULL, false},
};

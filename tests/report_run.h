/* report_run.h - the files of a run, made up: names nobody should trust, and cards of two tasks. */
#ifndef FR_TEST_REPORT_RUN_H
#define FR_TEST_REPORT_RUN_H

#include "base/files.h"
#include "base/memory.h"
#include "eval/json.h"
#include "finerouter/report.h"
#include "test.h"

#define EVIL "<script>alert('x')</script> \"q\" \\ `touch pwned` &amp; \n\xE4\xBD\xA0\xE5\xA5\xBD $(x) %s"

static inline json_t *quality_and_cost(double quality, double cost)
{
    return json_pack("{s:o, s:o}", "quality", fr_json_number(quality), "cost", fr_json_number(cost));
}

static inline void long_name(json_t *object, const char *kind, int number, json_t *value)
{
    char *name = fr_format("%s-with-a-name-of-some-length_and_without_a_blank-%d", kind, number);
    json_object_set_new(object, name, value);
    free(name);
}

static inline json_t *router(double quality, double cost, const char *setting, int extra)
{
    json_t *curve = json_array();
    for (int p = 0; p < 3; p++) {
        json_t *point = quality_and_cost(quality - .05 * p, cost / (p + 1));
        json_object_set_new(point, "tolerance", json_real(.5 * p));
        json_array_append_new(curve, point);
    }
    json_t *json = quality_and_cost(quality, cost);
    json_object_set_new(json, "sources", json_pack("{s:f, s:f, s:n}", "plain", quality, EVIL, quality / 2, "empty"));
    for (int s = 0; s < extra; s++)
        long_name(json_object_get(json, "sources"), "source", s, json_real(quality - .02 * s));
    json_object_set_new(json, "quality_by_source", json_real(.75 * quality));
    json_object_set_new(json, "regret", json_real(.9 - quality));
    json_object_set_new(json, "gap_closed", json_real(.5));
    json_object_set_new(json, "left_out", json_integer(2));
    json_object_set_new(json, "setting", json_string(setting));
    json_object_set_new(json, "quality_interval", json_pack("{s:f, s:f}", "low", quality - .02, "high", quality + .02));
    json_object_set_new(json, "vs_full",
                        json_pack("{s:f, s:f, s:f, s:f}", "difference", .0123, "low", -.001, "high", .03, "p", .04));
    json_object_set_new(json, "curve", curve);
    return json;
}

/* cost: in USD, NaN for none known; extra: further routers, sources and models with long names. */
static inline void write_run(const char *into, double cost, int extra)
{
    json_t *routers = json_object(), *models = json_object();
    json_object_set_new(routers, "best_single", router(.6, 2 * cost, "model", extra));
    json_object_set_new(routers, "oracle", router(.9, 3 * cost, "", extra));
    json_object_set_new(routers, "full", router(.7, cost, "alpha = .4", extra));
    json_object_set_new(routers, EVIL, router(.65, cost, EVIL, extra));
    for (int r = 0; r < extra; r++) {
        long_name(routers, "router", r, router(.6 + .01 * r, cost, "80 tasks, theta = 0.02, alpha = 0.3", extra));
        long_name(models, "model", r, quality_and_cost(.5 + .01 * r, cost));
    }
    json_object_set_new(models, "one", quality_and_cost(.6, 2 * cost));
    json_object_set_new(models, EVIL, quality_and_cost(.5, cost));
    json_t *metrics =
        json_pack("{s:i, s:s, s:s, s:s, s:i, s:o, s:o, s:s}", "schema", 2, "version", "9.8.7", "encoder", EVIL,
                  "device", "cpu", "seed", 7, "routers", routers, "single_models", models, "best_router", "full");
    json_object_set_new(metrics, "data",
                        json_pack("{s:s, s:i, s:{s:i, s:i, s:i}}", "hash", "c0ffee", "models", 2, "prompts", "train",
                                  80, "dev", 10, "test", 10));
    json_object_set_new(
        metrics, "reference",
        json_pack("{s:s, s:f, s:f}", "best_single", EVIL, "best_single_quality", .6, "oracle_quality", .9));
    json_object_set_new(metrics, "seconds", json_pack("{s:f, s:f}", "discover", 1.25, "embed", 0.0));
    json_object_set_new(metrics, "tasks", json_pack("{s:i, s:n}", "count", 2, "ari"));
    char *path = fr_path_join(into, "metrics.json");
    assert_ok(fr_json_write(path, metrics));
    free(path);

    json_t *cards = json_pack("{s:i, s:[s, s], s:[]}", "schema", 1, "models", "one", EVIL, "tasks");
    for (int t = 0; t < 2; t++)
        json_array_append_new(
            json_object_get(cards, "tasks"),
            json_pack("{s:i, s:s, s:i, s:[{s:s, s:s}], s:{s:i}, s:[s, s], s:[s], s:f, s:{s:f, s:n}, s:{s:f}, "
                      "s:f, s:n}",
                      "id", t, "name", EVIL, "size", 40 - t, "examples", "text", EVIL, "source", "plain", "mix", EVIL,
                      30, "ranking", EVIL, "one", "candidates", "one", "coverage", .95, "mean", "one", .5, EVIL,
                      "median", "one", 1.0, "cohesion_inside", .3, "cohesion_outside"));
    json_array_append_new(json_object_get(json_array_get(json_object_get(cards, "tasks"), 1), "candidates"),
                          json_string(EVIL));
    path = fr_path_join(into, "cards.json");
    assert_ok(fr_json_write(path, cards));
    free(path);
    path = fr_path_join(into, "config.yaml");
    assert_ok(fr_file_write(path, "name: \"<script>\"\n", 17));
    free(path);
}

/* A router of schema 2 out of one of schema 1. */
static inline void enrich_router(json_t *json, double quality, double cost)
{
    json_t *recall = json_array(), *curve = json_array();
    for (int c = 0; c < 5; c++)
        json_array_append_new(recall, json_pack("{s:i, s:i, s:o}", "correct", c, "prompts", 3 * c, "hit_rate",
                                                fr_json_number(c ? .2 * c : NAN)));
    for (int p = 0; p < 5; p++)
        json_array_append_new(curve,
                              json_pack("{s:f, s:f}", "strong_share", .25 * p, "quality", quality - .1 + .02 * p));
    json_object_set_new(json, "seconds", json_real(12.5 * quality));
    json_object_set_new(json, "recall", recall);
    json_object_set_new(json, "aiq", json_pack("{s:f, s:f}", "code", quality - .05, "paper", quality - .04));
    json_object_set_new(json, "orbit", json_pack("{s:f, s:f, s:n}", "nauc", quality, "peak", quality, "qnc"));
    json_object_set_new(json, "arqgc", json_real(.5));
    json_object_set_new(json, "routerarena",
                        json_pack("{s:o, s:f, s:f, s:f, s:f}", "cost_per_1k", fr_json_number(1000 * cost), "score",
                                  quality, "opt_sel", .1, "opt_acc", .2, "opt_cost", .3));
    json_object_set_new(json, "llmrouterbench",
                        json_pack("{s:f, s:f, s:f, s:f, s:n, s:f}", "gain_random", .1, "gain_best_single", -.125,
                                  "gap_oracle", .2, "perf_gain", .1, "cost_save", "pareto_dist", .3));
    json_object_set_new(
        json, "routellm",
        json_pack("{s:f, s:f, s:f, s:f, s:o}", "cpt20", .08, "cpt50", .28, "cpt80", .56, "apgr", .675, "curve", curve));
}

static inline json_t *calibration(double ece)
{
    json_t *bins = json_array();
    for (int b = 0; b < 4; b++)
        json_array_append_new(bins, json_pack("{s:f, s:f, s:i, s:o, s:o}", "low", .25 * b, "high", .25 * (b + 1),
                                              "entries", 40 * b, "estimate", fr_json_number(b ? .25 * b + .1 : NAN),
                                              "quality", fr_json_number(b ? .25 * b + .05 : NAN)));
    return json_pack("{s:f, s:o}", "ece", ece, "bins", bins);
}

/* The same run with all that schema 2 has, ablations and cohesion of the tasks. */
static inline void write_rich_run(const char *into, double cost, int extra)
{
    static const char *const more[] = {"knn",    "ipr",          "stage1",       "stage2",         "no_task_heads",
                                       "random", "source_tasks", "kmeans_tasks", "semantic_graph", "rbo_graph"};
    write_run(into, cost, extra);
    char *path = fr_path_join(into, "metrics.json"), *cards_path = fr_path_join(into, "cards.json");
    json_t *metrics = json_load_file(path, 0, NULL), *routers = json_object_get(metrics, "routers"), *value;
    const char *name;
    assert_non_null(metrics);
    for (int r = 0; r < 10; r++) {
        json_object_set_new(routers, more[r], router(.55 + .01 * r, (1 + .1 * r) * cost, "", extra));
        json_object_set_new(json_object_get(routers, more[r]), "vs_full",
                            json_pack("{s:f, s:f, s:f, s:f}", "difference", .0123 * (r - 3), "low",
                                      .0123 * (r - 3) - .02, "high", .0123 * (r - 3) + .02, "p", .04));
    }
    json_object_foreach(routers, name, value)
        enrich_router(value, json_number_value(json_object_get(value, "quality")), cost);
    json_object_set_new(metrics, "schema", json_integer(2));
    json_object_set_new(
        metrics, "pair",
        json_pack("{s:s, s:s, s:f, s:f}", "strong", EVIL, "weak", "one", "strong_quality", .6, "weak_quality", .5));
    json_object_set_new(metrics, "calibration",
                        json_pack("{s:o, s:o}", "stage2", calibration(.0321), "stage1", calibration(.0654)));
    json_object_set_new(metrics, "classifier",
                        json_pack("{s:f, s:f, s:f, s:f, s:f}", "micro_f1", .8123, "macro_f1", .7, "accuracy", .8,
                                  "accuracy_without_others", .85, "coverage", .9));
    json_object_set_new(metrics, "tasks",
                        json_pack("{s:i, s:[i, i], s:f, s:f, s:f, s:f}", "count", 2, "sizes", 40, 39, "cohesion_inside",
                                  .61, "cohesion_outside", .12, "variance_within", .2, "variance_between", .05));
    assert_ok(fr_json_write(path, metrics));
    json_t *cards = json_load_file(cards_path, 0, NULL), *tasks = json_object_get(cards, "tasks");
    for (size_t t = 0; t < json_array_size(tasks); t++)
        json_object_set_new(json_array_get(tasks, t), "cohesion_outside", json_real(.1 + .1 * (double)t));
    assert_ok(fr_json_write(cards_path, cards));
    free(path);
    path = fr_path_join(into, "environment.json");
    assert_ok(fr_json_write(path, json_pack("{s:s, s:i, s:{s:b}}", "system", EVIL, "threads", 3, "more", "x", 1)));
    free(path);
    free(cards_path);
}

/* A grid of 3 x 2 x 2 points, the last failed; dev quality grows with the number of a point up to 10. */
static inline void write_sweep(const char *into)
{
    static const double alphas[] = {0, .25, 1}, ridges[] = {1, 1000};
    json_t *points = json_array();
    for (int p = 0; p < 12; p++) {
        bool failed = p == 11;
        json_array_append_new(points, json_pack("{s:i, s:{s:f, s:f, s:s}, s:o, s:o, s:o, s:o, s:i, s:f, s:n, s:f, s:o}",
                                                "index", p, "values", "route.alpha", alphas[p / 4], "qe.ridge",
                                                ridges[p / 2 % 2], EVIL, p % 2 ? EVIL : "plain", "dev_quality",
                                                fr_json_number(failed ? NAN : .6 + .01 * p), "test_quality",
                                                fr_json_number(failed ? NAN : .59 - .001 * p), "test_quality_by_source",
                                                fr_json_number(failed ? NAN : .5), "test_cost",
                                                fr_json_number(.001 * (p + 1)), "tasks", 12 + p, "alpha", .3, "theta",
                                                "seconds", 2.5, "error", failed ? json_string(EVIL) : json_null()));
    }
    char *path = fr_path_join(into, "sweep.json");
    assert_ok(fr_json_write(path, json_pack("{s:i, s:s, s:s, s:[s, s, s], s:s, s:i, s:i, s:f, s:o, s:i, s:s}", "schema",
                                            1, "name", EVIL, "config", EVIL, "keys", "route.alpha", "qe.ridge", EVIL,
                                            "kind", "grid", "jobs", 2, "threads", 1, "seconds", 30.5, "points", points,
                                            "chosen", 10, "chosen_by", "dev_quality")));
    free(path);
}

static inline char *read_page(const char *path)
{
    char *text;
    size_t bytes;
    assert_ok(fr_file_read(&text, &bytes, path, 0));
    assert_int_equal(strlen(text), bytes);
    return text;
}

static inline char *report(const char *into, const char *title)
{
    char *path = fr_path_join(into, "report.html"), *text;
    assert_ok(fr_report_write(into, title));
    text = read_page(path);
    free(path);
    return text;
}

#endif

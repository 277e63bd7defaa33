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

static inline char *report(const char *into, const char *title)
{
    char *path = fr_path_join(into, "report.html"), *text;
    size_t bytes;
    assert_ok(fr_report_write(into, title));
    assert_ok(fr_file_read(&text, &bytes, path, 0));
    assert_int_equal(strlen(text), bytes);
    free(path);
    return text;
}

#endif

/* Baselines in closed form on the data of eval_data.h: ridge regression, clusters, neighbours by distance. All values
 * worked out by hand. */
#include "device/device.h"
#include "eval/internal.h"
#include "eval_data.h"
#include "test.h"

/* Training prompts at (1, 0), rows 0 and 1, and (0, 1), rows 2 and 3, at odd lengths; dev likewise; test prompts at
 * (1, 0), (0, 1), (.6, .8) and nowhere. */
static const float by_source[20] = {1, 0, 2, 0, 0, 3, 0, 1, .5f, 0, 0, 7, 4, 0, 0, 1, 3, 4, 0, 0};
/* Training prompts that take turns. */
static const float in_turns[20] = {1, 0, 0, 2, 3, 0, 0, 1, 1, 0, 0, 1, 4, 0, 0, 1, 3, 4, 0, 0};

static double one[] = {1}, none[] = {0}, two[] = {2}, up_to_two[] = {1, 2}, four[] = {4};

static fr_scores score(fr_status (*baseline)(fr_scores *, const fr_eval_input *), const fr_config *config,
                       const fr_dataset *data, const float *embedding)
{
    fr_scores scores = {0};
    fr_device *device;
    assert_ok(fr_device_open(&device, FR_DEVICE_CPU, 2));
    fr_eval_input input = {.config = config, .data = data, .device = device, .embedding = embedding, .d = 2};
    assert_ok(baseline(&scores, &input));
    fr_device_close(device);
    return scores;
}

static void assert_row(const fr_scores *scores, int64_t i, double a, double b, double c)
{
    assert_close(scores->score[i * 3], a, 1e-6);
    assert_close(scores->score[i * 3 + 1], b, 1e-6);
    assert_close(scores->score[i * 3 + 2], c, 1e-6);
}

/* Penalty 1. a: 1, 1, 0, 0 in turns, nothing to learn: .5. b: 0, 1, 1, 1: centred X^T X + I = (2 -1; -1 2), right side
 * (-.5, .5), w = (-1/6, 1/6), constant .75. c, three prompts 0, 0, 1: (5/3 -2/3; -2/3 5/3), (1/3, -1/3), w = (1/7,
 * -1/7), constant 2/7. */
static void linear_by_hand(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = {0};
    config.linear.ridge = (fr_reals){1, one};
    fr_scores s = score(fr_baseline_linear, &config, &data, in_turns);
    assert_string_equal(s.name, "linear");
    assert_string_equal(s.setting, "ridge = 1");
    assert_row(&s, 6, .5, .75 - 1 / 6., 3 / 7.);
    assert_row(&s, 7, .5, .75 + 1 / 6., 1 / 7.);
    assert_row(&s, 8, .5, .75 + .2 / 6, 1.8 / 7);
    assert_row(&s, 9, .5, .75, 2 / 7.); /* the zero embedding: the constant alone */
    fr_scores_close(&s);
}

/* Without a penalty the matrix is singular (the two columns sum to 1): means of each place all the same. */
static void linear_without_penalty(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = {0};
    config.linear.ridge = (fr_reals){1, none};
    fr_scores s = score(fr_baseline_linear, &config, &data, in_turns);
    assert_row(&s, 6, .5, .5, .5);
    assert_row(&s, 7, .5, 1, 0);
    fr_scores_close(&s);
}

/* The matrix is shared by models observed alike, in whatever order they stand: each model alone, the others unobserved
 * somewhere else, gives what all together give. Dev chooses the penalty: at 1e9 all is mean, b for everyone. */
static void linear_sharing_and_choice(void **state)
{
    (void)state;
    float quality[30];
    fr_dataset data = small_data();
    memcpy(quality, small_quality, sizeof quality);
    data.quality = quality;
    quality[0] = NAN;
    fr_config config = {0};
    config.linear.ridge = (fr_reals){1, one};
    fr_scores s = score(fr_baseline_linear, &config, &data, in_turns);
    /* a on rows 1, 2, 3: x (0,1), (1,0), (0,1), q 1, 0, 0: right side sum (q - 1/3) x = (-1/3, 1/3), so w = (-1/7,
     * 1/7), constant 1/3 - (-1/7 1/3 + 1/7 2/3) = 2/7. */
    assert_row(&s, 6, 1 / 7., .75 - 1 / 6., 3 / 7.);
    assert_row(&s, 7, 3 / 7., .75 + 1 / 6., 1 / 7.);
    fr_scores_close(&s);
    quality[4] =
        NAN; /* b on rows 0, 2, 3: 0, 1, 1; x (1,0), (1,0), (0,1): right side (-1/3, 1/3), constant 2/3 + 1/21 */
    s = score(fr_baseline_linear, &config, &data, in_turns);
    assert_row(&s, 6, 1 / 7., 2 / 3. + 1 / 21. - 1 / 7., 3 / 7.);
    fr_scores_close(&s);

    static double grid[] = {1e9, 1e-3};
    data = small_data();
    config.linear.ridge = (fr_reals){2, grid};
    s = score(fr_baseline_linear, &config, &data, by_source);
    assert_string_equal(s.setting, "ridge = 0.001");
    fr_scores_close(&s);
    config.linear.ridge = (fr_reals){0, NULL};
    fr_eval_input input = {.config = &config, .data = &data, .embedding = by_source, .d = 2};
    assert_fails(fr_baseline_linear(&s, &input), FR_USAGE, "linear.ridge");
}

static fr_config avengers_config(double *k, int64_t count, int64_t nearest)
{
    fr_config config = {0};
    config.avengers.k = (fr_reals){count, k};
    config.avengers.restarts = 3;
    config.avengers.beta = 2;
    config.avengers.nearest = config.avengers.pro_nearest = nearest;
    config.avengers.pro_quality = .3;
    return config;
}

/* Cluster at (1, 0): a 1, b .5, c 0. At (0, 1): a 0, b 1, c 1 (one prompt), of which b has the higher training mean. */
static void avengers_by_hand(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = avengers_config(two, 1, 1);
    fr_scores s = score(fr_baseline_avengers, &config, &data, by_source);
    assert_string_equal(s.name, "avengers");
    assert_string_equal(s.setting, "k = 2");
    assert_row(&s, 6, 1, .5, 1 / 3.);
    assert_row(&s, 7, 1 / 3., 1, .5);
    assert_row(&s, 8, 1 / 3., 1, .5); /* (.6, .8) is nearer to (0, 1) */
    fr_scores_close(&s);

    /* Both clusters: exp(2 x .6) to exp(2 x .8). More wanted than there are. */
    config = avengers_config(two, 1, 5);
    s = score(fr_baseline_avengers, &config, &data, by_source);
    double p = 1 / (1 + exp(-.4));
    assert_row(&s, 8, (1 - p) + p / 3, (1 - p) / 2 + p, (1 - p) / 3 + p / 2);
    fr_scores_close(&s);

    /* One cluster answers b to everyone, which is right for one of two dev prompts. */
    config = avengers_config(up_to_two, 2, 1);
    s = score(fr_baseline_avengers, &config, &data, by_source);
    assert_string_equal(s.setting, "k = 2");
    assert_row(&s, 6, 1, .5, 1 / 3.);
    fr_scores_close(&s);

    config.avengers.k.count = 0;
    fr_eval_input input = {.config = &config, .data = &data, .embedding = by_source, .d = 2};
    assert_fails(fr_baseline_avengers(&s, &input), FR_USAGE, "avengers.k");
}

/* c is unobserved in the second cluster: there it counts with its training mean, .4, above a's 0. */
static void avengers_unobserved(void **state)
{
    (void)state;
    float quality[30];
    fr_dataset data = small_data();
    memcpy(quality, small_quality, sizeof quality);
    quality[2] = .8f;
    quality[8] = NAN;
    data.quality = quality;
    fr_config config = avengers_config(two, 1, 1);
    fr_scores s = score(fr_baseline_avengers, &config, &data, by_source);
    assert_row(&s, 7, 1 / 3., 1, .5);
    fr_scores_close(&s);
    quality[2] = 0; /* mean 0: equal to a there, and a's training mean is higher */
    s = score(fr_baseline_avengers, &config, &data, by_source);
    assert_row(&s, 7, .5, 1, 1 / 3.);
    fr_scores_close(&s);
}

/* Quality .3, cheapness .7. (0, 1): qualities 0, 1, 1; costs .03, .02, .04, normalised .5, 0, 1: a .35, b 1, c .3.
 * (1, 0): qualities 1, .5, 0; costs .01, .02, .04, normalised 0, 1/3, 1: a 1, b .617, c 0. */
static void avengers_pro_by_hand(void **state)
{
    (void)state;
    float cost[30];
    fr_dataset data = small_data();
    fr_config config = avengers_config(two, 1, 1);
    fr_scores s = score(fr_baseline_avengers_pro, &config, &data, by_source);
    assert_string_equal(s.name, "avengers_pro");
    assert_string_equal(s.setting, "k = 2");
    assert_row(&s, 6, 1, .5, 1 / 3.);
    assert_row(&s, 7, .5, 1, 1 / 3.);
    fr_scores_close(&s);

    /* b's price unknown: as dear as the dearest; b .3, a .3 x 0 + .7 x (1 - 0) = .7, c .3 x 1 + 0; b before c by mean.
     */
    memcpy(cost, small_cost, sizeof cost);
    data.cost = cost;
    for (int i = 0; i < 10; i++)
        cost[3 * i + 1] = NAN;
    s = score(fr_baseline_avengers_pro, &config, &data, by_source);
    assert_row(&s, 7, 1, .5, 1 / 3.);
    fr_scores_close(&s);

    for (int i = 0; i < 30; i++)
        cost[i] = NAN;
    s = score(fr_baseline_avengers_pro, &config, &data, by_source);
    assert_string_equal(s.setting, "k = 2, by quality alone: no cost is known");
    assert_row(&s, 7, 1 / 3., 1, .5);
    fr_scores_close(&s);
}

/* (.6, .8) is .4 from rows 0 and 1 and .2 from rows 2 and 3: votes of 2.5 and 5. */
static void neighbours_by_distance(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = {0};
    config.eval.knn_k = (fr_reals){1, four};
    fr_scores s = score(fr_baseline_knn, &config, &data, by_source);
    assert_string_equal(s.setting, "k = 4");
    assert_row(&s, 8, .5, .75, 1 / 3.);
    fr_scores_close(&s);
    config.eval.knn_weights = FR_DISTANCE;
    s = score(fr_baseline_knn, &config, &data, by_source);
    assert_string_equal(s.setting, "k = 4, by distance");
    assert_close(s.score[24], 5 / 15., 1e-5);
    assert_close(s.score[25], 12.5 / 15, 1e-5);
    assert_close(s.score[26], 5 / 10., 1e-5);
    assert_close(s.score[18], 1, 1e-5); /* at a training prompt only its own votes count */
    fr_scores_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_by_hand),
        cmocka_unit_test(linear_without_penalty),
        cmocka_unit_test(linear_sharing_and_choice),
        cmocka_unit_test(avengers_by_hand),
        cmocka_unit_test(avengers_unobserved),
        cmocka_unit_test(avengers_pro_by_hand),
        cmocka_unit_test(neighbours_by_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

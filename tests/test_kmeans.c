/* k-means: partitions known by hand, empty clusters, determinism, optimality; nearest centres against the definition.
 */
#include "discover/kmeans.h"
#include "test.h"

#include "base/memory.h"
#include "base/rng.h"

#include <omp.h>

static double squares_of(int32_t *member, float *centre, const float *x, int64_t n, int64_t d, int64_t k,
                         int64_t restarts, int64_t iterations, uint64_t seed)
{
    double squares;
    assert_ok(fr_kmeans(member, centre, &squares, x, n, d, k, restarts, iterations, seed));
    return squares;
}

/* Three pairs on a line: means .5, 10.5, 21, squared distances 4 x .25 + 2 x 1 = 3. */
static void pairs_on_a_line(void **state)
{
    (void)state;
    const float x[6] = {0, 10, 20, 1, 11, 22};
    int32_t member[6];
    float centre[3];
    assert_close(squares_of(member, centre, x, 6, 1, 3, 10, 100, 1), 3, 1e-9);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(member[i], member[i + 3]);
        assert_close(centre[member[i]], i == 0 ? .5 : i == 1 ? 10.5 : 21, 1e-6);
    }
    assert_int_not_equal(member[0], member[1]);
    assert_int_not_equal(member[1], member[2]);
    assert_int_not_equal(member[0], member[2]);
    /* One cluster: sum x^2 - (sum x)^2 / n = 1106 - 64^2 / 6. */
    assert_close(squares_of(member, centre, x, 6, 1, 1, 1, 100, 1), 1106 - 64 * 64 / 6., 1e-3);
    assert_close(centre[0], 64 / 6., 1e-5);
}

/* More clusters than rows: one row each, the rest empty with a zero centre. As many: no cluster is empty. */
static void few_rows(void **state)
{
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    int32_t member[3];
    float centre[10];
    for (int i = 0; i < 10; i++)
        centre[i] = NAN;
    assert_close(squares_of(member, centre, x, 3, 2, 5, 3, 10, 7), 0, 0);
    int seen[5] = {0};
    for (int i = 0; i < 3; i++) {
        seen[member[i]]++;
        assert_close(centre[2 * member[i]], x[2 * i], 0);
        assert_close(centre[2 * member[i] + 1], x[2 * i + 1], 0);
    }
    for (int j = 0; j < 5; j++) {
        assert_int_equal(seen[j], j < 3);
        assert_true(j < 3 || (centre[2 * j] == 0 && centre[2 * j + 1] == 0));
    }
}

/* Fewer different rows than clusters: an empty cluster takes a row, so that all three are used. */
static void equal_rows(void **state)
{
    (void)state;
    const float x[5] = {2, 2, 2, 2, 9};
    int32_t member[5];
    float centre[3];
    for (uint64_t seed = 0; seed < 20; seed++) {
        int size[3] = {0};
        assert_close(squares_of(member, centre, x, 5, 1, 3, 2, 50, seed), 0, 0);
        for (int i = 0; i < 5; i++)
            size[member[i]]++;
        for (int j = 0; j < 3; j++)
            assert_true(size[j] > 0);
        assert_close(centre[member[4]], 9, 0);
        assert_int_equal(size[member[4] == 0], 3); /* of two equal centres the first is nearer; the other takes a row */
    }
}

static float *blobs(int64_t n, int64_t d, int64_t blob, double spread)
{
    float *x = FR_NEW(float, n *d);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            x[i * d + j] = (float)(fr_rng_normal(5, 1, (uint64_t)(i % blob * d + j)) +
                                   spread * fr_rng_normal(5, 2, (uint64_t)(i * d + j)));
    return x;
}

/* What k-means promises at its end: every row is in the cluster of the nearest mean, and centres are means. Well
 * separated blobs are found. The same for any number of threads. */
static void blobs_are_found(void **state)
{
    (void)state;
    enum { N = 1500, D = 33, K = 20 };
    float *x = blobs(N, D, K, .05), *centre = FR_NEW(float, K *D), *again = FR_NEW(float, K *D);
    int32_t *member = FR_NEW(int32_t, N), *other = FR_NEW(int32_t, N);
    omp_set_num_threads(3);
    double sum = squares_of(member, centre, x, N, D, K, 10, 100, 3), check = 0;
    omp_set_num_threads(1);
    double same = squares_of(other, again, x, N, D, K, 10, 100, 3);
    assert_memory_equal(member, other, N * sizeof *member);
    assert_memory_equal(centre, again, K * D * sizeof *centre);
    assert_true(sum == same);
    for (int i = 0; i < N; i++) {
        assert_int_equal(member[i], member[i % K]);
        double best = INFINITY, own = 0;
        int nearest = -1;
        for (int k = 0; k < K; k++) {
            double distance = 0;
            for (int j = 0; j < D; j++)
                distance += pow(x[i * D + j] - centre[k * D + j], 2);
            if (distance < best)
                best = distance, nearest = k;
            if (k == member[i])
                own = distance;
        }
        assert_int_equal(nearest, member[i]);
        check += own;
    }
    assert_close(sum, check, 1e-4 * check);
    free(x);
    free(centre);
    free(again);
    free(member);
    free(other);
}

/* Rows between the blobs: more starts are never worse, and a start's draws do not depend on how many follow. */
static void restarts_help(void **state)
{
    (void)state;
    enum { N = 700, D = 8, K = 24 };
    float *x = blobs(N, D, 60, .4), *centre = FR_NEW(float, K *D);
    int32_t *member = FR_NEW(int32_t, N);
    double one = squares_of(member, centre, x, N, D, K, 1, 100, 11),
           five = squares_of(member, centre, x, N, D, K, 5, 100, 11),
           twenty = squares_of(member, centre, x, N, D, K, 20, 100, 11);
    assert_true(five <= one && twenty <= five && twenty < one);
    free(x);
    free(centre);
    free(member);
}

static void nearest_centres(void **state)
{
    (void)state;
    /* Centre 3 is centre 1 at another length: equal cosine, the smaller number first. */
    const float centre[8] = {1, 0, 0, 1, -1, 0, 0, 5}, x[6] = {3, 4, 0, 0, -2, 0};
    int32_t index[15];
    float similarity[15];
    fr_nearest_centres(index, similarity, x, 3, centre, 4, 2, 5);
    const int32_t want[15] = {1, 3, 0, 2, -1, 0, 1, 2, 3, -1, 2, 1, 3, 0, -1};
    const float cosine[15] = {.8f, .8f, .6f, -.6f, -INFINITY, 0, 0, 0, 0, -INFINITY, 1, 0, 0, -1, -INFINITY};
    for (int i = 0; i < 15; i++) {
        assert_int_equal(index[i], want[i]);
        if (isfinite(cosine[i]))
            assert_close(similarity[i], cosine[i], 1e-6);
        else
            assert_true(similarity[i] == cosine[i]);
    }
}

static void nearest_centres_by_definition(void **state)
{
    (void)state;
    enum { N = 300, D = 50, K = 37, NEAR = 4 };
    float *x = blobs(N + K, D, 19, 1), *similarity = FR_NEW(float, N *NEAR);
    const float *centre = x + N * D;
    int32_t *index = FR_NEW(int32_t, N * NEAR);
    fr_nearest_centres(index, similarity, x, N, centre, K, D, NEAR);
    for (int i = 0; i < N; i++) {
        double cosine[K];
        for (int k = 0; k < K; k++) {
            double xy = 0, xx = 0, yy = 0;
            for (int j = 0; j < D; j++) {
                double a = x[i * D + j], b = centre[k * D + j];
                xy += a * b, xx += a * a, yy += b * b;
            }
            cosine[k] = xy / sqrt(xx * yy);
        }
        for (int l = 0; l < NEAR; l++) {
            int better = 0;
            for (int k = 0; k < K; k++)
                better += cosine[k] > cosine[index[i * NEAR + l]];
            assert_int_equal(better, l);
            assert_close(similarity[i * NEAR + l], cosine[index[i * NEAR + l]], 1e-6);
        }
    }
    free(x);
    free(similarity);
    free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_on_a_line),
        cmocka_unit_test(few_rows),
        cmocka_unit_test(equal_rows),
        cmocka_unit_test(blobs_are_found),
        cmocka_unit_test(restarts_help),
        cmocka_unit_test(nearest_centres),
        cmocka_unit_test(nearest_centres_by_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

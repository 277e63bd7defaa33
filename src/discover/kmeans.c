/* k-means. Distances to all centres come out of a GEMM in f32; only centres that its rounding cannot tell from the
 * nearest are measured again, in f64. So ties are true ties, and neither the instruction set nor the number of threads
 * moves a row. */
#include "kmeans.h"

#include "discover_internal.h"

#include "base/rng.h"
#include "comm/comm.h"
#include "device/tables.h"
#include "finerouter/log.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 256, CENTRES = 1024 }; /* of a block of products: 1 MB a thread */

typedef struct clustering {
    const float *x; /* (n, d) */
    int64_t n, d, k;
    float *centre;    /* (k, d) */
    int32_t *member;  /* (n) */
    double *distance; /* (n) squared, of a row to the centre of its cluster */
} clustering;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static double squared_distance(const float *a, const float *b, int64_t d)
{
    double sum = 0;
    for (int64_t j = 0; j < d; j++) {
        double difference = (double)a[j] - b[j];
        sum += difference * difference;
    }
    return sum;
}

static double dot(const float *a, const float *b, int64_t d)
{
    double sum = 0;
    for (int64_t j = 0; j < d; j++)
        sum += (double)a[j] * b[j];
    return sum;
}

/* product (rows, count) = x centre^T */
static void products(float *product, const float *x, int64_t rows, const float *centre, int64_t count, int64_t d)
{
    fr_kernels_cpu()->gemm(NULL, product, x, centre, NULL, rows, count, d, false, true, d, d, count, 1, 0, false);
}

/* ---- starts ---- */

/* Distance of a row to a new centre, quickly: it only weighs a draw. The sum runs in the order the compiler chose, the
 * same in each run. */
static float quick_distance(const float *a, const float *b, int64_t d)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < d; j++) {
        float difference = a[j] - b[j];
        sum += difference * difference;
    }
    return sum;
}

/* The first row at which the running sum of weights exceeds u times their total. */
static int64_t draw(const double *weight, int64_t n, double u)
{
    double total = 0, sum = 0;
    int64_t last = 0;
    for (int64_t i = 0; i < n; i++)
        total += weight[i];
    for (int64_t i = 0; i < n; i++) {
        sum += weight[i];
        if (weight[i] > 0)
            last = i;
        if (sum > u * total)
            return i;
    }
    return last; /* u total was rounded up; or all weights are 0 */
}

/* k-means++: the first centre is any row, every other a row drawn by its squared distance to the nearest centre so
 * far. */
static void start(clustering *c, uint64_t seed, int64_t restart)
{
    uint64_t stream = fr_stream("kmeans", (uint64_t)restart, 0);
    for (int64_t j = 0; j < c->k && !fr_interrupt_wanted(); j++) { /* lloyd tells of it */
        int64_t row = j == 0 ? fr_rng_below(seed, stream, 0, c->n)
                             : draw(c->distance, c->n, fr_rng_uniform(seed, stream, (uint64_t)j));
        float *centre = c->centre + j * c->d;
        memcpy(centre, c->x + row * c->d, (size_t)c->d * sizeof *centre);
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < c->n; i++) {
            double distance = quick_distance(c->x + i * c->d, centre, c->d);
            if (j == 0 || distance < c->distance[i])
                c->distance[i] = distance;
        }
    }
}

/* ---- Lloyd ---- */

/* |x - c|^2 = |x|^2 + |c|^2 - 2 x c: for one row the first term is left out of what is compared. */
static void nearest_of_block(clustering *c, const float *product, const float *square, int64_t row, int64_t first,
                             int64_t count, double slack)
{
    float least = INFINITY;
    for (int64_t j = 0; j < count; j++) {
        float value = square[first + j] - 2 * product[j];
        least = value < least ? value : least;
    }
    for (int64_t j = 0; j < count; j++) {
        if (square[first + j] - 2 * product[j] > least + slack)
            continue;
        double distance = squared_distance(c->x + row * c->d, c->centre + (first + j) * c->d, c->d);
        if (distance < c->distance[row]) {
            c->distance[row] = distance;
            c->member[row] = (int32_t)(first + j);
        }
    }
}

/* Each row to its nearest centre. Rounding of a difference of two such values, by the standard bound on a product of d
 * terms: 2 d eps (|x| |c| + |c|^2). */
static void assign(clustering *c)
{
    float *square = FR_NEW(float, c->k), most = 0;
    for (int64_t j = 0; j < c->k; j++) {
        square[j] = (float)dot(c->centre + j * c->d, c->centre + j * c->d, c->d);
        most = square[j] > most ? square[j] : most;
    }
#pragma omp parallel
    {
        float *product = FR_NEW(float, ROWS *smaller(c->k, CENTRES));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < c->n; i += ROWS) {
            int64_t rows = smaller(ROWS, c->n - i);
            for (int64_t r = i; r < i + rows; r++)
                c->distance[r] = INFINITY;
            for (int64_t j = 0; j < c->k; j += CENTRES) {
                int64_t count = smaller(CENTRES, c->k - j);
                products(product, c->x + i * c->d, rows, c->centre + j * c->d, count, c->d);
                for (int64_t r = 0; r < rows; r++) {
                    const float *x = c->x + (i + r) * c->d;
                    double slack =
                        2 * (double)(c->d + 4) * FLT_EPSILON * (sqrt(dot(x, x, c->d) * (double)most) + (double)most);
                    nearest_of_block(c, product + r * count, square, i + r, j, count, slack);
                }
            }
        }
        free(product);
    }
    free(square);
}

/* An empty cluster takes the row farthest from its centre out of a cluster that has others, the first of equals. */
static void fill_empty(clustering *c)
{
    int64_t *size = FR_NEW(int64_t, c->k);
    for (int64_t i = 0; i < c->n; i++)
        size[c->member[i]]++;
    for (int64_t j = 0; j < c->k; j++) {
        if (size[j] > 0)
            continue;
        int64_t farthest = -1;
        for (int64_t i = 0; i < c->n; i++)
            if (size[c->member[i]] > 1 && (farthest < 0 || c->distance[i] > c->distance[farthest]))
                farthest = i;
        size[c->member[farthest]]--;
        c->member[farthest] = (int32_t)j;
        c->distance[farthest] = 0;
        size[j] = 1;
    }
    free(size);
}

static void move_centres(clustering *c)
{
    fr_groups groups = fr_groups_create(c->member, c->n, c->k);
#pragma omp parallel
    {
        double *sum = FR_NEW(double, c->d);
#pragma omp for schedule(dynamic)
        for (int64_t j = 0; j < c->k; j++) {
            int64_t count = groups.start[j + 1] - groups.start[j];
            memset(sum, 0, (size_t)c->d * sizeof *sum);
            for (int64_t m = groups.start[j]; m < groups.start[j + 1]; m++)
                for (int64_t l = 0; l < c->d; l++)
                    sum[l] += c->x[groups.member[m] * c->d + l];
            for (int64_t l = 0; l < c->d; l++)
                c->centre[j * c->d + l] = (float)(sum[l] / (double)count);
        }
        free(sum);
    }
    fr_groups_close(&groups);
}

/* Until no row moves. sum: of squared distances to the means, infinity where they are not finite. */
static fr_status lloyd(clustering *c, int64_t iterations, double *sum)
{
    int32_t *before = FR_NEW(int32_t, c->n);
    size_t bytes = (size_t)c->n * sizeof *before;
    for (int64_t iteration = 0; iteration < iterations && !fr_interrupt_wanted(); iteration++) {
        assign(c);
        fill_empty(c);
        if (iteration > 0 && memcmp(before, c->member, bytes) == 0)
            break;
        move_centres(c);
        memcpy(before, c->member, bytes);
    }
    free(before);
    if (fr_interrupt_wanted())
        return fr_interrupted();
    *sum = 0;
    for (int64_t i = 0; i < c->n; i++)
        *sum += squared_distance(c->x + i * c->d, c->centre + c->member[i] * c->d, c->d);
    if (isnan(*sum))
        *sum = INFINITY;
    return FR_OK;
}

/* The first of the smallest. */
static int64_t best_of(const double *sum, int64_t restarts)
{
    int64_t best = 0;
    for (int64_t r = 1; r < restarts; r++)
        best = sum[r] < sum[best] ? r : best;
    return best;
}

/* This rank's starts, every ranks-th: their sums, others stay as they are; the best is left in member and centre. */
static fr_status own_starts(clustering *c, int32_t *member, float *centre, double *sum, int64_t restarts,
                            int64_t iterations, uint64_t seed)
{
    double best = INFINITY;
    for (int64_t restart = fr_comm_rank(); restart < restarts; restart += fr_comm_ranks()) {
        fr_comm_at("k-means, start", restart);
        start(c, seed, restart);
        FR_TRY(lloyd(c, iterations, &sum[restart]));
        if (restart >= fr_comm_ranks() && !(sum[restart] < best))
            continue;
        best = sum[restart];
        memcpy(member, c->member, (size_t)c->n * sizeof *member);
        memcpy(centre, c->centre, (size_t)(c->k * c->d) * sizeof *centre);
    }
    return FR_OK;
}

fr_status fr_kmeans(int32_t *member, float *centre, double *squares, const float *x, int64_t n, int64_t d, int64_t k,
                    int64_t restarts, int64_t iterations, uint64_t seed)
{
    FR_CHECK(n > 0 && d > 0 && k > 0 && restarts > 0 && iterations > 0,
             "k-means of %lld x %lld rows into %lld clusters, %lld starts, %lld iterations", (long long)n, (long long)d,
             (long long)k, (long long)restarts, (long long)iterations);
    clustering c = {.x = x, .n = n, .d = d, .k = smaller(k, n)};
    c.centre = FR_NEW(float, c.k *d);
    c.member = FR_NEW(int32_t, n);
    c.distance = FR_NEW(double, n);
    double *sum = FR_NEW(double, restarts);
    memset(centre, 0, (size_t)(k * d) * sizeof *centre);
    fr_status status = fr_comm_agree(own_starts(&c, member, centre, sum, restarts, iterations, seed));
    if (status == FR_OK) {
        fr_comm_unite(sum, (size_t)restarts * sizeof *sum);
        int64_t best = best_of(sum, restarts);
        int owner = (int)(best % fr_comm_ranks());
        fr_comm_broadcast(member, (size_t)n * sizeof *member, owner);
        fr_comm_broadcast(centre, (size_t)(c.k * d) * sizeof *centre, owner);
        if (squares)
            *squares = sum[best];
    }
    free(sum);
    free(c.centre);
    free(c.member);
    free(c.distance);
    return status;
}

/* ---- nearest centres by cosine ---- */

/* Rows of unit length; a zero row stays zero. */
static void unit_rows(float *unit, const float *x, int64_t n, int64_t d)
{
    for (int64_t i = 0; i < n; i++) {
        double square = dot(x + i * d, x + i * d, d), scale = square > 0 ? 1 / sqrt(square) : 0;
        for (int64_t j = 0; j < d; j++)
            unit[i * d + j] = (float)(x[i * d + j] * scale);
    }
}

/* Puts a centre into its place among the best, descending, equal ones by number; falls off the end if there is none. */
static void insert(int32_t *index, float *similarity, int64_t nearest, int32_t centre, float value)
{
    int64_t place = nearest;
    while (place > 0 && value > similarity[place - 1])
        place--;
    if (place == nearest)
        return;
    memmove(similarity + place + 1, similarity + place, (size_t)(nearest - 1 - place) * sizeof *similarity);
    memmove(index + place + 1, index + place, (size_t)(nearest - 1 - place) * sizeof *index);
    similarity[place] = value;
    index[place] = centre;
}

/* One row against all centres: what the products cannot rule out is measured in f64. */
static void nearest_of_row(int32_t *index, float *similarity, int64_t nearest, const float *product, const float *row,
                           const float *centre, int64_t k, int64_t d)
{
    float slack = 2 * (float)(d + 4) * FLT_EPSILON;
    for (int64_t l = 0; l < nearest; l++) {
        index[l] = -1;
        similarity[l] = -INFINITY;
    }
    for (int64_t j = 0; j < k; j++)
        if (!(product[j] + slack < similarity[nearest - 1]))
            insert(index, similarity, nearest, (int32_t)j, (float)dot(row, centre + j * d, d));
}

void fr_nearest_centres(int32_t *index, float *similarity, const float *x, int64_t n, const float *centre, int64_t k,
                        int64_t d, int64_t nearest)
{
    FR_CHECK(n >= 0 && k >= 0 && d > 0 && nearest > 0, "%lld nearest of %lld centres", (long long)nearest,
             (long long)k);
    float *unit = FR_NEW(float, k *d);
    unit_rows(unit, centre, k, d);
#pragma omp parallel
    {
        float *row = FR_NEW(float, ROWS *d), *product = FR_NEW(float, ROWS *k);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < n; i += ROWS) {
            int64_t rows = smaller(ROWS, n - i);
            unit_rows(row, x + i * d, rows, d);
            products(product, row, rows, unit, k, d);
            for (int64_t r = 0; r < rows; r++)
                nearest_of_row(index + (i + r) * nearest, similarity + (i + r) * nearest, nearest, product + r * k,
                               row + r * d, unit, k, d);
        }
        free(row);
        free(product);
    }
    free(unit);
}

/* How much two labelings agree. */
#include "discover_internal.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Counts of equal keys: what both figures need of a labeling or of the pair of them. */
typedef struct tally {
    int64_t groups;
    double pairs;   /* sum n_g (n_g - 1) / 2 */
    double entropy; /* -sum n_g/n ln(n_g/n) */
} tally;

static tally count_keys(uint64_t *key, int64_t n)
{
    qsort(key, (size_t)n, sizeof *key, by_value);
    tally t = {0};
    for (int64_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && key[j] == key[i]; j++)
            ;
        double size = (double)(j - i), share = size / (double)n;
        t.groups++;
        t.pairs += size * (size - 1) / 2;
        t.entropy -= share * log(share);
    }
    return t;
}

/*   ARI = (S_ab - S_a S_b / S) / ((S_a + S_b) / 2 - S_a S_b / S),   S_x pairs of rows together in x, S all pairs
 *   NMI = 2 (H_a + H_b - H_ab) / (H_a + H_b) */
void fr_partition_agreement(double *ari, double *nmi, const int32_t *a, const int32_t *b, int64_t n)
{
    uint64_t *key[3]; /* a, b, both */
    int64_t rows = 0;
    for (int x = 0; x < 3; x++)
        key[x] = FR_NEW(uint64_t, n);
    for (int64_t i = 0; i < n; i++) {
        if (a[i] < 0 || b[i] < 0)
            continue;
        key[0][rows] = (uint64_t)a[i];
        key[1][rows] = (uint64_t)b[i];
        key[2][rows++] = (uint64_t)a[i] << 32 | (uint64_t)b[i];
    }
    tally t[3];
    for (int x = 0; x < 3; x++) {
        t[x] = count_keys(key[x], rows);
        free(key[x]);
    }
    bool same = t[0].groups == t[2].groups && t[1].groups == t[2].groups; /* equal up to names */
    double all = (double)rows * (double)(rows - 1) / 2, expected = t[0].pairs * t[1].pairs / all;
    double entropies = t[0].entropy + t[1].entropy, shared = entropies - t[2].entropy;
    if (ari)
        *ari = rows < 2 ? NAN : same ? 1 : (t[2].pairs - expected) / ((t[0].pairs + t[1].pairs) / 2 - expected);
    if (nmi)
        *nmi = rows < 2 ? NAN : same ? 1 : shared > 0 ? 2 * shared / entropies : 0;
}

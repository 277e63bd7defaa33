/* Groups of equal labels, medians. */
#include "discover_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

fr_groups fr_groups_create(const int32_t *label, int64_t n, int64_t count)
{
    fr_groups groups = {.count = count, .start = FR_NEW(int64_t, count + 1)};
    for (int64_t i = 0; i < n; i++)
        if (label[i] >= 0)
            groups.start[label[i] + 1]++;
    for (int64_t g = 0; g < count; g++)
        groups.start[g + 1] += groups.start[g];
    groups.member = FR_NEW(int64_t, groups.start[count]);
    int64_t *next = FR_NEW(int64_t, count);
    memcpy(next, groups.start, (size_t)count * sizeof *next);
    for (int64_t i = 0; i < n; i++)
        if (label[i] >= 0)
            groups.member[next[label[i]]++] = i;
    free(next);
    return groups;
}

void fr_groups_close(fr_groups *groups)
{
    free(groups->start);
    free(groups->member);
    *groups = (fr_groups){0};
}

int64_t fr_labels_compact(int32_t *label, int64_t n, int64_t bound)
{
    int32_t *number = FR_NEW(int32_t, bound); /* new label + 1 */
    int32_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (label[i] < 0)
            continue;
        FR_CHECK(label[i] < bound, "label %d of %lld", label[i], (long long)bound);
        if (number[label[i]] == 0)
            number[label[i]] = ++count;
        label[i] = number[label[i]] - 1;
    }
    free(number);
    return count;
}

static void swap(float *a, float *b)
{
    float t = *a;
    *a = *b;
    *b = t;
}

/* Afterwards value[k] is the k-th smallest, nothing before it is larger and nothing behind it is smaller (Hoare). */
static void select_kth(float *value, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (value[middle] < value[low])
            swap(&value[middle], &value[low]);
        if (value[high] < value[low])
            swap(&value[high], &value[low]);
        if (value[high] < value[middle])
            swap(&value[high], &value[middle]);
        float pivot = value[middle];
        int64_t i = low, j = high;
        while (i <= j) {
            while (value[i] < pivot)
                i++;
            while (pivot < value[j])
                j--;
            if (i <= j)
                swap(&value[i++], &value[j--]);
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            return;
    }
}

float fr_median(float *value, int64_t n)
{
    if (n == 0)
        return NAN;
    select_kth(value, n, n / 2);
    float upper = value[n / 2];
    if (n % 2)
        return upper;
    float lower = value[0];
    for (int64_t i = 1; i < n / 2; i++)
        lower = value[i] > lower ? value[i] : lower;
    return lower + (upper - lower) / 2;
}

static bool normalise(float *x, int64_t d)
{
    double squares = 0;
    for (int64_t j = 0; j < d; j++)
        squares += (double)x[j] * (double)x[j];
    if (squares < 1e-24)
        return false;
    float scale = (float)(1 / sqrt(squares));
    for (int64_t j = 0; j < d; j++)
        x[j] *= scale;
    return true;
}

/* Columns are taken BLOCK at a time, so that a row's cache lines are read once. */
enum { BLOCK = 16 };

static void column_medians(float *centre, const float *embedding, const int64_t *rows, int64_t count, int64_t d)
{
    float *column = FR_NEW(float, count *BLOCK);
    for (int64_t first = 0; first < d; first += BLOCK) {
        int64_t columns = d - first < BLOCK ? d - first : BLOCK;
        for (int64_t i = 0; i < count; i++)
            for (int64_t j = 0; j < columns; j++)
                column[j * count + i] = embedding[rows[i] * d + first + j];
        for (int64_t j = 0; j < columns; j++)
            centre[first + j] = fr_median(column + j * count, count);
    }
    free(column);
}

void fr_centre(float *centre, const float *embedding, const int64_t *rows, int64_t count, int64_t d)
{
    FR_CHECK(count > 0, "centre of %lld prompts", (long long)count);
    column_medians(centre, embedding, rows, count, d);
    if (normalise(centre, d))
        return;
    /* Medians can cancel to zero where means do not; where both do, any member is as central as another. */
    for (int64_t j = 0; j < d; j++) {
        double sum = 0;
        for (int64_t i = 0; i < count; i++)
            sum += (double)embedding[rows[i] * d + j];
        centre[j] = (float)(sum / (double)count);
    }
    if (!normalise(centre, d))
        memcpy(centre, embedding + rows[0] * d, (size_t)d * sizeof *centre);
}

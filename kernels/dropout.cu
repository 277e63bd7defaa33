/* Dropout. Element e (global index) takes word e % 4 of Philox counter e / 4. */
#include "flat.cuh"
#include "philox.h"

template <class T> struct dropout_elements {
    T *y;
    const T *x;
    int64_t n;
    uint64_t seed, stream;
    int64_t first;
    uint32_t threshold;
    float scale;

    /* Elements first + i on; for N > 1 their first is the first of a counter. */
    template <int N> __device__ void run(int64_t i) const
    {
        float v[N];
        fr_read<N>(v, x + i);
#pragma unroll
        for (int k = 0; k < N; k += 4) {
            uint32_t word[4];
            int64_t e = first + i + k;
            philox4(word, word + 1, word + 2, word + 3, seed, stream, static_cast<uint64_t>(e / 4));
            if (N == 1)
                word[0] = e % 4 == 0 ? word[0] : e % 4 == 1 ? word[1] : e % 4 == 2 ? word[2] : word[3];
#pragma unroll
            for (int j = 0; j < (N < 4 ? N : 4); j++)
                v[k + j] *= word[j] >= threshold ? scale : 0.0f;
        }
        fr_write<N>(y + i, v);
    }
};

/* For pointers and starts that do not fit: what counter i, counted from the first element's, gives, one by one. */
template <class T> struct dropout_counters {
    dropout_elements<T> of;

    template <int N> __device__ void run(int64_t i) const
    {
        uint32_t word[4];
        int64_t counter = of.first / 4 + i;
        philox4(word, word + 1, word + 2, word + 3, of.seed, of.stream, static_cast<uint64_t>(counter));
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int64_t at = 4 * counter + j - of.first;
            if (at >= 0 && at < of.n)
                of.y[at] = fr_round<T>(fr_float(of.x[at]) * (word[j] >= of.threshold ? of.scale : 0.0f));
        }
    }
};

template <class T>
static void dropout(fr_queue *q, void *y, const void *x, int64_t n, double p, uint64_t seed, uint64_t stream,
                    int64_t first)
{
    dropout_elements<T> elements = {static_cast<T *>(y),
                                    static_cast<const T *>(x),
                                    n,
                                    seed,
                                    stream,
                                    first,
                                    philox_threshold(p),
                                    static_cast<float>(p < 1 ? 1 / (1 - p) : 0)};
    if (first % 4 == 0 && fr_aligned<T>(y, 0) && fr_aligned<T>(x, 0)) {
        fr_flat<fr_vector<T>::N>(q, n, true, elements);
        return;
    }
    dropout_counters<T> counters = {elements};
    fr_flat<1>(q, n > 0 ? (first + n - 1) / 4 - first / 4 + 1 : 0, false, counters);
}
FR_TRUNK(dropout)

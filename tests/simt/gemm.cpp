/* gemm by plain loops: on a device it is cuBLASLt, which does not run here. Sums in f64, rounded once. */
#include "cuda.cuh"

template <class T, class C>
static void multiply(C *c, const T *a, const T *b, const T *bias, int64_t m, int64_t n, int64_t k, bool ta, bool tb,
                     int64_t lda, int64_t ldb, int64_t ldc, double alpha, double beta)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            const T *x = ta ? a + i : a + i * lda, *y = tb ? b + j * ldb : b + j;
            int64_t xs = ta ? lda : 1, ys = tb ? 1 : ldb;
            for (int64_t l = 0; l < k; l++)
                sum += static_cast<double>(fr_float(x[l * xs])) * static_cast<double>(fr_float(y[l * ys]));
            double old = beta == 0 ? 0 : beta * static_cast<double>(fr_float(c[i * ldc + j]));
            double added = bias ? static_cast<double>(fr_float(bias[j])) : 0;
            c[i * ldc + j] = fr_round<C>(static_cast<float>(alpha * sum + old + added));
        }
}

template <class T>
static void gemm(fr_queue *, void *c, const void *a, const void *b, const void *bias, int64_t m, int64_t n, int64_t k,
                 bool ta, bool tb, int64_t lda, int64_t ldb, int64_t ldc, double alpha, double beta, bool wide)
{
    const T *a_ = static_cast<const T *>(a), *b_ = static_cast<const T *>(b), *bias_ = static_cast<const T *>(bias);
    if (wide)
        multiply(static_cast<float *>(c), a_, b_, bias_, m, n, k, ta, tb, lda, ldb, ldc, alpha, beta);
    else
        multiply(static_cast<T *>(c), a_, b_, bias_, m, n, k, ta, tb, lda, ldb, ldc, alpha, beta);
}
FR_TRUNK(gemm)

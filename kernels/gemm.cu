/* Matrix products on the GPU: cuBLASLt. A plan per class of shapes holds the algorithm: the library's first suggestion,
 * which is the same each time, or with FINEROUTER_GEMM=timed in the environment the fastest of several when the class is
 * first seen, which may be another in another process, and with it the last bits. The library is loaded when a GPU is
 * opened, so that the program also starts where it is absent.
 *
 * cuBLASLt thinks in columns. A row-major (m,n) matrix is a column-major (n,m) one, so c = op(a) op(b) is computed as
 * c^T = op(b)^T op(a)^T, with b in the place of cuBLASLt's A; its bias, one value per row of c^T, is ours per column. */
#include "cuda.cuh"
#include "gemm_plans.h"

#include <cublasLt.h>
#include <dlfcn.h>

namespace
{

#define FR_CUBLAS(X)                                                                                                   \
    X(cublasLtCreate)                                                                                                  \
    X(cublasLtDestroy)                                                                                                 \
    X(cublasLtMatmul)                                                                                                  \
    X(cublasLtMatmulDescCreate)                                                                                        \
    X(cublasLtMatmulDescDestroy)                                                                                       \
    X(cublasLtMatmulDescSetAttribute)                                                                                  \
    X(cublasLtMatrixLayoutCreate)                                                                                      \
    X(cublasLtMatrixLayoutDestroy)                                                                                     \
    X(cublasLtMatrixLayoutSetAttribute)                                                                                \
    X(cublasLtMatmulPreferenceCreate)                                                                                  \
    X(cublasLtMatmulPreferenceDestroy)                                                                                 \
    X(cublasLtMatmulPreferenceSetAttribute)                                                                            \
    X(cublasLtMatmulAlgoGetHeuristic)

struct library {
    void *handle;
#define FR_MEMBER(name) decltype(&::name) name;
    FR_CUBLAS(FR_MEMBER)
#undef FR_MEMBER
} lt;

enum { PLANS = 1024, CANDIDATES = 8, RUNS = 3 };
const size_t WORKSPACE = size_t(32) << 20;
const double WORTH_TIMING = 1e8; /* multiply-adds; below, the first suggestion is taken */

/* What must be equal for two products to share an algorithm: all but the exact number of rows, of which only the class
 * counts (batches of packed tokens differ by a few). */
struct key {
    int64_t m, n, k, lda, ldb, ldc; /* m, k: classes */
    int32_t ta, tb, bias, accumulate, real, result;
    int32_t aligned; /* bytes every pointer is a multiple of */
};

struct plan {
    key at;
    cublasLtMatmulDesc_t description;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t algorithm;
};

} // namespace

struct fr_gemm_plans {
    cublasLtHandle_t handle;
    void *workspace;
    plan *list[PLANS];
    int count;
};

static void check(cublasStatus_t status, const char *what)
{
    if (status != CUBLAS_STATUS_SUCCESS) {
        fprintf(stderr, "%s:%d: %s: cuBLASLt status %d\n", __FILE__, __LINE__, what, static_cast<int>(status));
        abort();
    }
}

static void check_cuda(cudaError_t error, const char *what)
{
    if (error != cudaSuccess) {
        fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, what, cudaGetErrorString(error));
        abort();
    }
}

#define FR_STRING_(x) #x
#define FR_STRING(x) FR_STRING_(x)

const char *fr_gemm_load(void)
{
    if (lt.handle)
        return nullptr;
    void *handle = dlopen("libcublasLt.so." FR_STRING(CUBLAS_VER_MAJOR), RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return dlerror();
#define FR_SYMBOL(name)                                                                                                \
    lt.name = reinterpret_cast<decltype(&::name)>(dlsym(handle, #name));                                               \
    if (!lt.name)                                                                                                      \
        return dlerror();
    FR_CUBLAS(FR_SYMBOL)
#undef FR_SYMBOL
    lt.handle = handle;
    return nullptr;
}

fr_gemm_plans *fr_gemm_plans_create(void)
{
    fr_gemm_plans *plans = static_cast<fr_gemm_plans *>(calloc(1, sizeof *plans));
    check(lt.cublasLtCreate(&plans->handle), "cublasLtCreate");
    check_cuda(cudaMalloc(&plans->workspace, WORKSPACE), "workspace of the GEMM");
    return plans;
}

static void close_plan(plan *p)
{
    lt.cublasLtMatrixLayoutDestroy(p->a);
    lt.cublasLtMatrixLayoutDestroy(p->b);
    lt.cublasLtMatrixLayoutDestroy(p->c);
    lt.cublasLtMatmulDescDestroy(p->description);
    free(p);
}

void fr_gemm_plans_close(fr_gemm_plans *plans)
{
    if (!plans)
        return;
    for (int i = 0; i < plans->count; i++)
        close_plan(plans->list[i]);
    cudaFree(plans->workspace);
    lt.cublasLtDestroy(plans->handle);
    free(plans);
}

/* Sizes up to 256 by powers of two, above in steps of an eighth of the power below: at most an eighth apart. */
static int64_t size_class(int64_t n)
{
    int64_t power = 1;
    while (power * 2 <= n)
        power *= 2;
    if (n <= 256)
        return power == n ? n : 2 * power;
    int64_t step = power / 8;
    return (n + step - 1) / step * step;
}

static int32_t alignment_of(const void *a, const void *b, const void *c, const void *bias)
{
    uintptr_t bits = reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b) | reinterpret_cast<uintptr_t>(c) |
                     reinterpret_cast<uintptr_t>(bias) | 256;
    return static_cast<int32_t>(bits & -bits);
}

static cublasLtMatrixLayout_t layout_create(int32_t type, int64_t rows, int64_t columns, int64_t stride)
{
    cublasLtMatrixLayout_t layout;
    check(lt.cublasLtMatrixLayoutCreate(&layout, static_cast<cudaDataType>(type), rows, columns, stride),
          "cublasLtMatrixLayoutCreate");
    return layout;
}

static void set_size(cublasLtMatrixLayout_t layout, uint64_t rows, uint64_t columns)
{
    check(lt.cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_ROWS, &rows, sizeof rows), "rows");
    check(lt.cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_COLS, &columns, sizeof columns),
          "columns");
}

template <class A>
static void describe(cublasLtMatmulDesc_t description, cublasLtMatmulDescAttributes_t attribute, A value)
{
    check(lt.cublasLtMatmulDescSetAttribute(description, attribute, &value, sizeof value), "description");
}

/* A product's operands. */
struct product {
    void *c;
    const void *a, *b, *bias;
    int64_t m, n, k;
    float alpha, beta;
};

/* The exact sizes of a product, which its plan's class only approximates. */
static void fit(plan *p, const product *x)
{
    set_size(p->a, p->at.tb ? x->k : x->n, p->at.tb ? x->n : x->k);
    set_size(p->b, p->at.ta ? x->m : x->k, p->at.ta ? x->k : x->m);
    set_size(p->c, x->n, x->m);
    if (x->bias)
        describe(p->description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, x->bias);
}

static cublasStatus_t multiply(fr_queue *q, fr_gemm_plans *plans, const plan *p, const product *x, void *out,
                               const cublasLtMatmulAlgo_t *algorithm)
{
    return lt.cublasLtMatmul(plans->handle, p->description, &x->alpha, x->b, p->a, x->a, p->b, &x->beta, x->c, p->c, out,
                             p->c, algorithm, plans->workspace, WORKSPACE, q->stream);
}

static int suggestions(fr_gemm_plans *plans, const plan *p, cublasLtMatmulHeuristicResult_t *result, int most)
{
    cublasLtMatmulPreference_t preference;
    uint64_t workspace = WORKSPACE;
    uint32_t aligned = static_cast<uint32_t>(p->at.aligned);
    check(lt.cublasLtMatmulPreferenceCreate(&preference), "preference");
    const cublasLtMatmulPreferenceAttributes_t each[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    for (auto attribute : each)
        check(lt.cublasLtMatmulPreferenceSetAttribute(preference, attribute, &aligned, sizeof aligned), "alignment");
    check(lt.cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                                  sizeof workspace),
          "workspace");
    int found = 0;
    cublasStatus_t status = lt.cublasLtMatmulAlgoGetHeuristic(plans->handle, p->description, p->a, p->b, p->c, p->c,
                                                              preference, most, result, &found);
    lt.cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS || found == 0) {
        fprintf(stderr, "%s:%d: cuBLASLt has no algorithm for m %ld, n %ld, k %ld (status %d)\n", __FILE__, __LINE__,
                static_cast<long>(p->at.m), static_cast<long>(p->at.n), static_cast<long>(p->at.k),
                static_cast<int>(status));
        abort();
    }
    return found;
}

/* Milliseconds of the best of a few runs; infinite where the algorithm does not run. */
static float time_of(fr_queue *q, fr_gemm_plans *plans, const plan *p, const product *x, void *out,
                     const cublasLtMatmulAlgo_t *algorithm, cudaEvent_t begin, cudaEvent_t end)
{
    float best = INFINITY;
    for (int run = 0; run <= RUNS; run++) { /* the first warms up */
        cudaEventRecord(begin, q->stream);
        if (multiply(q, plans, p, x, out, algorithm) != CUBLAS_STATUS_SUCCESS)
            return INFINITY;
        cudaEventRecord(end, q->stream);
        check_cuda(cudaEventSynchronize(end), "timing a product");
        float ms;
        cudaEventElapsedTime(&ms, begin, end);
        if (run > 0 && ms < best)
            best = ms;
    }
    return best;
}

static bool timed()
{
    const char *way = getenv("FINEROUTER_GEMM");
    return way && strcmp(way, "timed") == 0;
}

/* The first suggestion; or runs several on the real operands, into memory of their own, and keeps the fastest. */
static void choose(fr_queue *q, fr_gemm_plans *plans, plan *p, const product *x, size_t element)
{
    cublasLtMatmulHeuristicResult_t found[CANDIDATES];
    int count = suggestions(plans, p, found, timed() ? CANDIDATES : 1);
    p->algorithm = found[0].algo;
    void *out;
    if (count == 1 || static_cast<double>(x->m) * static_cast<double>(x->n) * static_cast<double>(x->k) < WORTH_TIMING)
        return;
    if (cudaMalloc(&out, static_cast<size_t>(x->m * p->at.ldc) * element) != cudaSuccess) {
        (void)cudaGetLastError(); /* no room to try: the first suggestion it is */
        return;
    }
    cudaEvent_t begin, end;
    cudaEventCreate(&begin);
    cudaEventCreate(&end);
    float best = INFINITY;
    for (int i = 0; i < count; i++) {
        float ms = time_of(q, plans, p, x, out, &found[i].algo, begin, end);
        if (ms < best) {
            best = ms;
            p->algorithm = found[i].algo;
        }
    }
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    check_cuda(cudaFree(out), "timing a product");
}

static plan *plan_create(fr_queue *q, fr_gemm_plans *plans, const key *at, const product *x)
{
    plan *p = static_cast<plan *>(calloc(1, sizeof *p));
    p->at = *at;
    check(lt.cublasLtMatmulDescCreate(&p->description, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
    describe(p->description, CUBLASLT_MATMUL_DESC_TRANSA, at->tb ? CUBLAS_OP_T : CUBLAS_OP_N);
    describe(p->description, CUBLASLT_MATMUL_DESC_TRANSB, at->ta ? CUBLAS_OP_T : CUBLAS_OP_N);
    describe(p->description, CUBLASLT_MATMUL_DESC_EPILOGUE, at->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT);
    p->a = layout_create(at->real, 1, 1, at->ldb);
    p->b = layout_create(at->real, 1, 1, at->lda);
    p->c = layout_create(at->result, 1, 1, at->ldc);
    fit(p, x);
    choose(q, plans, p, x, at->result == CUDA_R_32F ? 4 : 2);
    return p;
}

static plan *plan_for(fr_queue *q, fr_gemm_plans *plans, const key *at, const product *x)
{
    for (int i = 0; i < plans->count; i++)
        if (memcmp(&plans->list[i]->at, at, sizeof *at) == 0) {
            fit(plans->list[i], x);
            return plans->list[i];
        }
    if (plans->count == PLANS) {
        close_plan(plans->list[0]);
        memmove(plans->list, plans->list + 1, (PLANS - 1) * sizeof plans->list[0]);
        plans->count--;
    }
    return plans->list[plans->count++] = plan_create(q, plans, at, x);
}

/* c = beta c + bias, what a product over nothing leaves */
template <class C> __global__ void gemm_empty_kernel(C *c, const C *bias, int64_t m, int64_t n, int64_t ldc, float beta)
{
    for (int64_t i = fr_thread_index(); i < m * n; i += fr_thread_count()) {
        C *at = c + i / n * ldc + i % n;
        *at = fr_round<C>((beta == 0 ? 0 : beta * fr_float(*at)) + (bias ? fr_float(bias[i % n]) : 0));
    }
}

template <class C>
static void gemm_empty(fr_queue *q, void *c, const void *bias, int64_t m, int64_t n, int64_t ldc, double beta)
{
    fr_launch(q, gemm_empty_kernel<C>, dim3(fr_blocks(q, m * n, 256)), dim3(256), 0, static_cast<C *>(c),
              static_cast<const C *>(bias), m, n, ldc, static_cast<float>(beta));
}

template <class T>
static void gemm(fr_queue *q, void *c, const void *a, const void *b, const void *bias, int64_t m, int64_t n, int64_t k,
                 bool ta, bool tb, int64_t lda, int64_t ldb, int64_t ldc, double alpha, double beta, bool wide)
{
    if (m == 0 || n == 0)
        return;
    if (k == 0) {
        if (wide)
            gemm_empty<float>(q, c, bias, m, n, ldc, beta);
        else
            gemm_empty<T>(q, c, bias, m, n, ldc, beta);
        return;
    }
    fr_gemm_plans *plans = static_cast<fr_gemm_plans *>(q->gemm);
    const int32_t real = sizeof(T) == 4 ? CUDA_R_32F : CUDA_R_16BF;
    key at;
    memset(&at, 0, sizeof at);
    at.m = size_class(m);
    at.n = n;
    at.k = size_class(k);
    at.lda = lda;
    at.ldb = ldb;
    at.ldc = ldc;
    at.ta = ta;
    at.tb = tb;
    at.bias = bias != nullptr;
    at.accumulate = beta != 0;
    at.real = real;
    at.result = wide ? static_cast<int32_t>(CUDA_R_32F) : real;
    at.aligned = alignment_of(a, b, c, bias);
    const product x = {c, a, b, bias, m, n, k, static_cast<float>(alpha), static_cast<float>(beta)};
    plan *p = plan_for(q, plans, &at, &x);
    cublasStatus_t status = multiply(q, plans, p, &x, c, &p->algorithm);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) { /* not for this very size */
        cublasLtMatmulHeuristicResult_t found;
        suggestions(plans, p, &found, 1);
        status = multiply(q, plans, p, &x, c, &found.algo);
    }
    check(status, "cublasLtMatmul");
}

FR_TRUNK(gemm)

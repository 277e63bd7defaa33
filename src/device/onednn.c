/* The only file that knows oneDNN: f32 GEMM of the cpu backend. */
#include "finerouter/status.h"
#include "tables.h"

#include <dnnl.h>
#include <stdio.h>
#include <string.h>

/* Below this many multiply-adds a call into oneDNN (and waking its threads) costs more than the work. */
static const int64_t SMALL = 100000;

static const fr_kernels *plain;

/* c rows = bias + beta c: what sgemm, called with beta 1 (or 0 when there is nothing to keep), then adds to. */
static void add_bias(float *c, const float *bias, int64_t m, int64_t n, int64_t ldc, float beta)
{
    for (int64_t i = 0; i < m; i++, c += ldc) {
        if (beta == 0)
            memcpy(c, bias, (size_t)n * sizeof(float));
        else
            for (int64_t j = 0; j < n; j++)
                c[j] = beta * c[j] + bias[j];
    }
}

static void gemm(fr_queue *q, void *c, const void *a, const void *b, const void *bias, int64_t m, int64_t n, int64_t k,
                 bool ta, bool tb, int64_t lda, int64_t ldb, int64_t ldc, double alpha, double beta, bool wide)
{
    if (m * n * k < SMALL) {
        plain->gemm(q, c, a, b, bias, m, n, k, ta, tb, lda, ldb, ldc, alpha, beta, wide);
        return;
    }
    if (bias) {
        add_bias(c, bias, m, n, ldc, (float)beta);
        beta = 1;
    }
    dnnl_status_t status =
        dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, (float)alpha, a, lda, b, ldb, (float)beta, c, ldc);
    FR_CHECK(status == dnnl_success, "dnnl_sgemm: status %d at m %ld, n %ld, k %ld", (int)status, (long)m, (long)n,
             (long)k);
}

void fr_onednn_install(fr_kernels *table, const fr_kernels *small, const char *isa)
{
    plain = small;
    table->gemm = gemm;
    /* Fails after oneDNN's first use and on processors it does not know; then it keeps its own choice. */
    if (isa && strcmp(isa, "base") == 0)
        (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
    else if (isa && strcmp(isa, "avx2") == 0)
        (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
}

const char *fr_onednn_version(void)
{
    static char text[32];
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", version->major, version->minor, version->patch);
    return text;
}

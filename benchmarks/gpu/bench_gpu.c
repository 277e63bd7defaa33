/* Speed of everything on a GPU.
 *
 *     bench_gpu FOLDER [--device cuda-bf16|cuda|cpu] [--small] [--prompts n] PART...
 *
 * Parts: prepare (first: writes weights, token ids and rows into FOLDER, which peer_*.py read too), ceilings, encode,
 * train, latency, knn, rbo, heads. Prints JSON lines. Times are medians after warm-up, taken on the host's clock
 * between two synchronisations of the device; inputs are random, tokens are counted without padding. */
#include "bench.h"

#include "base/files.h"

#include <stdarg.h>

void bench_ok(fr_status status)
{
    if (status == FR_OK)
        return;
    fprintf(stderr, "bench_gpu: %s\n", fr_error_text());
    exit((int)status);
}

const char *bench_path(const bench *b, const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    return path;
}

void bench_write(const bench *b, const char *name, const void *data, size_t bytes)
{
    bench_ok(fr_file_write(bench_path(b, name), data, bytes));
}

void *bench_read(const bench *b, const char *name, size_t bytes)
{
    char *data;
    size_t there;
    bench_ok(fr_file_read(&data, &there, bench_path(b, name), 0));
    FR_CHECK(bytes == 0 || there == bytes, "%s has %zu bytes, want %zu", bench_path(b, name), there, bytes);
    return data;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(double *seconds, int count, double share)
{
    qsort(seconds, (size_t)count, sizeof *seconds, by_value);
    int at = (int)(share * count);
    return seconds[at < count ? at : count - 1];
}

double bench_median(bench *b, void (*work)(void *context), void *context, int repeat, int inner)
{
    double *seconds = FR_NEW(double, repeat);
    for (int run = -2; run < repeat; run++) {
        b->device->synchronize(b->device);
        double begin = fr_seconds();
        for (int i = 0; i < inner; i++)
            work(context);
        b->device->synchronize(b->device);
        if (run >= 0)
            seconds[run] = (fr_seconds() - begin) / inner;
    }
    double median = bench_quantile(seconds, repeat, .5);
    free(seconds);
    return median;
}

void bench_line(const bench *b, const char *name, const char *fields, ...)
{
    printf("{\"bench\": \"%s\", \"device\": \"%s\", ", name, b->device->description);
    va_list list;
    va_start(list, fields);
    vprintf(fields, list);
    va_end(list);
    printf("}\n");
    fflush(stdout);
}

/* ---- ceilings ---------------------------------------------------------------------------------------------------- */

typedef struct product {
    fr_tensor c, a, b;
} product;

static void run_product(void *context)
{
    product *p = context;
    fr_gemm(p->c, p->a, false, p->b, true, FR_NONE, 1, 0);
}

static void fill(fr_tensor tensor, uint64_t stream)
{
    int64_t n = fr_tensor_count(&tensor);
    float *x = FR_NEW(float, n);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)fr_rng_uniform(1, stream, (uint64_t)i) - .5f;
    fr_tensor_set(tensor, x);
    free(x);
}

static void gemm(bench *b, const char *what, int64_t m, int64_t n, int64_t k)
{
    fr_arena *arena = fr_arena_create(b->device);
    product p;
    for (int pass = 0; pass < 2; pass++) {
        p.a = fr_arena_tensor(arena, b->device->real, FR_SHAPE(m, k));
        p.b = fr_arena_tensor(arena, b->device->real, FR_SHAPE(n, k));
        p.c = fr_arena_tensor(arena, b->device->real, FR_SHAPE(m, n));
        if (pass == 0)
            fr_arena_commit(arena);
    }
    fill(p.a, 1);
    fill(p.b, 2);
    double seconds = bench_median(b, run_product, &p, 9, 4);
    bench_line(b, "gemm", "\"what\": \"%s\", \"m\": %ld, \"n\": %ld, \"k\": %ld, \"seconds\": %.3e, \"tflops\": %.2f",
               what, (long)m, (long)n, (long)k, seconds, 2e-12 * (double)m * (double)n * (double)k / seconds);
    fr_arena_close(arena);
}

typedef struct copying {
    fr_device *device;
    char *from, *to;
    size_t bytes;
} copying;

static void run_copy(void *context)
{
    copying *c = context;
    c->device->copy(c->device, c->to, c->from, c->bytes);
}

/* The largest product, those of the layers at 64 k tokens, and a copy. */
void bench_ceilings(bench *b)
{
    int64_t N = b->small ? 256 : 65536, most = b->small ? 256 : 8192;
    gemm(b, "ceiling", most, most, most);
    const int64_t width[2][2] = {{384, 1536}, {768, 3072}};
    const char *const name[2] = {"minilm", "base"};
    for (int s = 0; s < 2; s++) {
        char what[40];
        snprintf(what, sizeof what, "%s qkv", name[s]);
        gemm(b, what, N, 3 * width[s][0], width[s][0]);
        snprintf(what, sizeof what, "%s ffn1", name[s]);
        gemm(b, what, N, width[s][1], width[s][0]);
        snprintf(what, sizeof what, "%s ffn2", name[s]);
        gemm(b, what, N, width[s][0], width[s][1]);
    }
    copying c = {b->device, NULL, NULL, b->small ? 1u << 22 : 1ull << 32};
    c.from = b->device->allocate(b->device, c.bytes);
    c.to = b->device->allocate(b->device, c.bytes);
    double seconds = bench_median(b, run_copy, &c, 9, 1);
    bench_line(b, "copy", "\"bytes\": %zu, \"seconds\": %.3e, \"gigabytes_per_s\": %.1f", 2 * c.bytes, seconds,
               2e-9 * (double)c.bytes / seconds);
    b->device->release(b->device, c.from);
    b->device->release(b->device, c.to);
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static const struct part {
    const char *name;
    void (*run)(bench *b);
} parts[] = {
    {"prepare", bench_prepare}, {"ceilings", bench_ceilings}, {"encode", bench_encode}, {"train", bench_train},
    {"latency", bench_latency}, {"knn", bench_knn},           {"rbo", bench_rbo},       {"heads", bench_heads},
};
enum { PARTS = sizeof parts / sizeof *parts };

static int usage(void)
{
    fprintf(stderr, "usage: bench_gpu FOLDER [--device cuda-bf16|cuda|cpu] [--small] [--prompts n] "
                    "prepare|ceilings|encode|train|latency|knn|rbo|heads ...\n");
    return FR_USAGE;
}

static const struct part *part_named(const char *name)
{
    for (int i = 0; i < PARTS; i++)
        if (strcmp(parts[i].name, name) == 0)
            return &parts[i];
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return usage();
    setenv("FINEROUTER_GEMM", "timed", 0); /* the products' fastest algorithms, as in a long run */
    bench b = {.folder = argv[1]};
    int kind = FR_DEVICE_CUDA_BF16, first = 2;
    for (; first < argc && strncmp(argv[first], "--", 2) == 0; first++) {
        if (strcmp(argv[first], "--small") == 0) {
            b.small = true;
        } else if (strcmp(argv[first], "--prompts") == 0 && first + 1 < argc) {
            b.prompts = atoll(argv[++first]);
        } else if (strcmp(argv[first], "--device") == 0 && first + 1 < argc) {
            const char *name = argv[++first];
            kind = strcmp(name, "cpu") == 0    ? FR_DEVICE_CPU
                   : strcmp(name, "cuda") == 0 ? FR_DEVICE_CUDA
                                               : FR_DEVICE_CUDA_BF16;
        } else {
            return usage();
        }
    }
    for (int i = first; i < argc; i++)
        if (!part_named(argv[i]))
            return usage();
    fr_log_level(0);
    bench_ok(fr_make_folders(b.folder));
    bench_ok(fr_device_open(&b.device, kind, 0));
    for (int i = first; i < argc; i++)
        part_named(argv[i])->run(&b);
    fr_device_close(b.device);
    return 0;
}

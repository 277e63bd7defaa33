/* Devices, tensors, arenas; operations that only add or scan; and that a wrong shape aborts with a line that names it.
 */
#include "op_cases.h"

#include "device/tables.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static fr_device *cpu, *ref;
static const char *program; /* argv[0]: under valgrind /proc/self/exe is valgrind */

static fr_tensor place(fr_arena *arena, fr_dtype dtype, int rank, const int64_t *shape)
{
    return fr_arena_tensor(arena, dtype, rank, shape);
}

static void test_device_errors(void **state)
{
    (void)state;
    fr_device *device;
    assert_fails(fr_device_open(&device, FR_DEVICE_CUDA, 0), FR_FAILED, "built without CUDA");
    assert_null(device);
    assert_fails(fr_device_open(&device, FR_DEVICE_CPU, -1), FR_USAGE, "threads: -1");
    setenv("FINEROUTER_ISA", "sse9", 1);
    assert_fails(fr_device_open(&device, FR_DEVICE_CPU, 0), FR_USAGE, "sse9");
    unsetenv("FINEROUTER_ISA");
    assert_non_null(strstr(cpu->description, "oneDNN"));
    assert_string_equal(ref->kernels->name, "f64");
    assert_null(fr_kernels_isa("neon"));
}

/* In a process of its own, since the choice is made once: FINEROUTER_ISA takes the lesser table. */
static void test_forced_isa(void **state)
{
    (void)state;
    char text[256], command[4200];
    snprintf(command, sizeof command, "FINEROUTER_ISA=base '%s' --isa", program);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(text, sizeof text, pipe));
    assert_int_equal(pclose(pipe), 0);
    assert_non_null(strstr(text, "cpu: f32,"));
}

static void test_arena_and_tensors(void **state)
{
    (void)state;
    fr_arena *arena = fr_arena_create(ref);
    fr_tensor a, b;
    for (int pass = 0; pass < 2; pass++) {
        a = place(arena, FR_F64, FR_SHAPE(4, 3));
        b = place(arena, FR_I32, FR_SHAPE(5));
        if (pass == 0) {
            assert_null(a.data);
            fr_arena_commit(arena);
        }
    }
    assert_int_equal(fr_arena_bytes(arena), 128 + 64); /* 96 and 20 bytes, each to whole 64 */
    assert_int_equal((uintptr_t)a.data % 64, 0);
    assert_int_equal((char *)b.data - (char *)a.data, 128);
    float x[12], got[12];
    for (int i = 0; i < 12; i++)
        x[i] = (float)i / 3;
    fr_tensor_set(a, x);
    fr_tensor_get(a, got);
    assert_memory_equal(x, got, sizeof x);
    fr_tensor rows = fr_tensor_rows(a, 1, 2);
    assert_int_equal(rows.shape[0], 2);
    fr_tensor_get(fr_tensor_view(rows, FR_SHAPE(6)), got);
    assert_memory_equal(x + 3, got, 6 * sizeof(float));
    double exact[12], third[12] = {1.0 / 3, 1e-300};
    fr_tensor_set_f64(a, third);
    fr_tensor_get_f64(a, exact);
    assert_memory_equal(exact, third, sizeof exact);
    fr_tensor_copy(fr_tensor_rows(a, 3, 1), fr_tensor_rows(a, 0, 1));
    fr_tensor_get_f64(a, exact);
    assert_true(exact[9] == 1.0 / 3 && exact[10] == 1e-300);
    fr_tensor_zero(a);
    fr_tensor_get_f64(a, exact);
    for (int i = 0; i < 12; i++)
        assert_true(exact[i] == 0);
    fr_arena_close(arena);
    fr_arena_close(NULL);
}

/* axpy, pull, sum_squares, find_nonfinite, gather_rows, column_sum by hand, on both devices, at odd and at parallel
 * sizes. */
static void test_flat_operations(void **state)
{
    (void)state;
    fr_device *devices[] = {cpu, ref};
    static const int64_t sizes[] = {1, 31, 33, 40001};
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < 4; s++) {
            fr_device *d = devices[t];
            int64_t n = sizes[s];
            fr_arena *arena = fr_arena_create(d);
            fr_tensor x, y, z;
            for (int pass = 0; pass < 2; pass++) {
                x = place(arena, d->real, FR_SHAPE(n));
                y = place(arena, d->real, FR_SHAPE(n));
                z = place(arena, d->real, FR_SHAPE(n));
                if (pass == 0)
                    fr_arena_commit(arena);
            }
            fill_value(x, 3);
            fill_value(y, 1);
            fill_value(z, 0.5);
            fr_axpy(y, x, -0.5);          /* y = 1 - 1.5 = -0.5 */
            fr_pull(y, x, FR_NONE, 0.25); /* y = -0.5 + 0.75 = 0.25 */
            fr_pull(y, x, z, 2);          /* y = 0.25 + 2 (3 - 0.5) = 5.25 */
            double *got = tensor_values(y);
            for (int64_t i = 0; i < n; i++)
                assert_true(got[i] == 5.25);
            assert_true(fr_sum_squares(x) == 9.0 * (double)n);
            assert_int_equal(fr_find_nonfinite(y), -1);
            static const double bad[] = {NAN, INFINITY, -INFINITY};
            for (int b = 0; b < 3; b++) {
                got[n - 1] = bad[b];
                got[n / 2] = bad[b];
                fr_tensor_set_f64(y, got);
                assert_int_equal(fr_find_nonfinite(y), n / 2);
            }
            assert_true(isnan(fr_sum_squares(y)) || isinf(fr_sum_squares(y)));
            free(got);
            fr_arena_close(arena);
        }
}

static void test_gather_rows(void **state)
{
    (void)state;
    fr_arena *arena = fr_arena_create(cpu);
    fr_tensor x, y, rows;
    for (int pass = 0; pass < 2; pass++) {
        x = place(arena, FR_F32, FR_SHAPE(3, 2));
        y = place(arena, FR_F32, FR_SHAPE(4, 2));
        rows = place(arena, FR_I64, FR_SHAPE(4));
        if (pass == 0)
            fr_arena_commit(arena);
    }
    fr_tensor_set(x, (float[]){0, 1, 10, 11, 20, 21});
    fr_tensor_set_raw(rows, (int64_t[]){2, 0, 2, 1});
    fr_gather_rows(y, x, rows);
    float got[8], want[8] = {20, 21, 0, 1, 20, 21, 10, 11};
    fr_tensor_get(y, got);
    assert_memory_equal(got, want, sizeof want);
    fr_arena_close(arena);
}

/* NaN in, NaN out: nothing on the way may swallow it. */
static void test_nan_passes(void **state)
{
    (void)state;
    fr_device *devices[] = {cpu, ref};
    for (int t = 0; t < 2; t++)
        for (int c = 0; c < OP_CASES; c++) {
            op_run r;
            op_run_open(&r, &op_cases[c], devices[t], 9, 5);
            double *x = tensor_values(r.in[0]);
            for (int64_t i = 0; i < fr_tensor_count(&r.in[0]); i++)
                x[i] = NAN;
            fr_tensor_set_f64(r.in[0], x);
            free(x);
            r.op->forward(&r);
            assert_true(fr_find_nonfinite(r.out[0]) >= 0);
            op_run_close(&r);
        }
}

/* Runs what in a child whose stderr is read back; the child must abort, and say `part`. */
static void expect_abort(void (*what)(fr_arena *arena), const char *part)
{
    int ends[2];
    char text[512] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        signal(SIGABRT, SIG_DFL);
        fr_arena *arena = fr_arena_create(cpu);
        fr_arena_tensor(arena, FR_F32, FR_SHAPE(1000000));
        fr_arena_commit(arena);
        what(arena);
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t got; (got = read(ends[0], text + used, sizeof text - 1 - used)) > 0;)
        used += (size_t)got;
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status) || !strstr(text, part))
        fail_msg("want an abort that says \"%s\", got status %d and \"%s\"", part, status, text);
}

static void wrong_width(fr_arena *a)
{
    fr_tensor y = place(a, FR_F32, FR_SHAPE(4, 32)), m = place(a, FR_F32, FR_SHAPE(4)),
              w = place(a, FR_F32, FR_SHAPE(1, 31));
    fr_layernorm_forward(y, y, m, m, y, FR_NONE, w, w, 1e-5);
}

static void wrong_type(fr_arena *a)
{
    fr_gelu_forward(place(a, FR_F32, FR_SHAPE(4)), place(a, FR_F64, FR_SHAPE(4)));
}

static void wrong_inner(fr_arena *a)
{
    fr_linear_forward(place(a, FR_F32, FR_SHAPE(4, 8)), place(a, FR_F32, FR_SHAPE(4, 5)),
                      place(a, FR_F32, FR_SHAPE(8, 6)), FR_NONE);
}

static void not_there(fr_arena *a)
{
    fr_axpy(place(a, FR_F32, FR_SHAPE(4)), FR_NONE, 1);
}

static void wrong_row(fr_arena *a)
{
    fr_tensor x = place(a, FR_F32, FR_SHAPE(3, 2)), y = place(a, FR_F32, FR_SHAPE(1, 2)),
              rows = place(a, FR_I64, FR_SHAPE(1));
    fr_tensor_set_raw(rows, (int64_t[]){3});
    fr_gather_rows(y, x, rows);
}

static void wrong_sequences(fr_arena *a)
{
    fr_tensor x = place(a, FR_F32, FR_SHAPE(5, 2)), y = place(a, FR_F32, FR_SHAPE(2, 2)),
              cu = place(a, FR_I32, FR_SHAPE(3));
    fr_tensor_set_raw(cu, (int32_t[]){0, 3, 4});
    fr_pool_forward(y, x, cu, false);
}

static void wrong_label(fr_arena *a)
{
    fr_tensor l = place(a, FR_F32, FR_SHAPE(1, 2)), label = place(a, FR_I32, FR_SHAPE(1)),
              w = place(a, FR_F32, FR_SHAPE(2));
    fr_tensor_set_raw(label, (int32_t[]){2});
    fr_bce(FR_NONE, l, label, w, 1);
}

static void wrong_rows(fr_arena *a)
{
    fr_tensor_rows(place(a, FR_F32, FR_SHAPE(3, 2)), 2, 2);
}

static void test_checks(void **state)
{
    (void)state;
    expect_abort(wrong_width, "fr_layernorm_forward: w is f32 1 x 31, want f32 32");
    expect_abort(wrong_type, "x is f64 4, want f32");
    expect_abort(wrong_inner, "b is f32 8 x 6, want f32 8 x 5");
    expect_abort(not_there, "fr_axpy: x is on another device than the first tensor, or not there");
    expect_abort(wrong_row, "rows[0] is 3, want 0 .. 2");
    expect_abort(wrong_sequences, "cu runs from 0 to 4, want 0 to 5");
    expect_abort(wrong_label, "label[0] is 2, want -1 .. 1");
    expect_abort(wrong_rows, "rows 2 .. 4 of a tensor");
}

static int setup(void **state)
{
    (void)state;
    return fr_device_open(&cpu, FR_DEVICE_CPU, 0) || fr_device_open(&ref, FR_DEVICE_REF, 0);
}

static int teardown(void **state)
{
    (void)state;
    fr_device_close(cpu);
    fr_device_close(ref);
    return 0;
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc > 1 && strcmp(argv[1], "--isa") == 0) {
        if (setup(NULL))
            return 1;
        puts(cpu->description);
        return teardown(NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_errors),
        cmocka_unit_test(test_forced_isa),
        cmocka_unit_test(test_arena_and_tensors),
        cmocka_unit_test(test_flat_operations),
        cmocka_unit_test(test_gather_rows),
        cmocka_unit_test(test_nan_passes),
        cmocka_unit_test(test_checks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

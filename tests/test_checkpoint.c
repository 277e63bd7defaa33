/* Killed, stopped and resumed trainings give the bits of an uninterrupted one. Children are this program started again,
 * so that a kill is a real one. */
#include "train_data.h"

#include "base/files.h"
#include "finerouter/log.h"
#include "train/checkpoint.h"

#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char key[] = "0123456789abcdef0123456789abcdef", other_key[] = "f123456789abcdef0123456789abcdef";
static const char *folder, *program; /* argv[0]: under valgrind /proc/self/exe is valgrind */

/* ---- the child: trains one of the three things and writes what came out ---- */

static void setup(planted *p, int device)
{
    planted_open(p, 300, 3, 3, 12, 2, device);
    plant_linear(p, .3, .1);
    const char *settings[] = {"train.checkpoint_seconds=0",
                              "classifier.epochs=8",
                              "classifier.patience=0",
                              "qe.epochs=8",
                              "qe.patience=0",
                              "qe.hidden=3",
                              "qe.dropout=0.1",
                              "qe.task_epochs=8",
                              "qe.batch=32",
                              "classifier.batch=32"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        assert_ok(fr_config_set(&p->config, settings[i]));
}

static const uint8_t candidates[9] = {1, 0, 1, 1, 1, 1, 0, 1, 0};

static fr_status run_what(planted *p, char what, const char *checkpoint, float *out)
{
    if (what == 'c') {
        fr_classifier *classifier;
        FR_TRY(fr_classifier_train(&classifier, &p->training, p->label, p->role, 3, p->centre, false, checkpoint, key,
                                   true));
        fr_status status = fr_classifier_logits(classifier, out, NULL, p->data.N);
        fr_classifier_close(classifier);
        return status;
    }
    fr_estimator *estimator;
    FR_TRY(fr_estimator_train(&estimator, &p->training, what == '1' ? checkpoint : NULL, key));
    float *h = FR_NEW(float, p->data.N * p->d);
    fr_status status = fr_estimator_hidden(estimator, h, NULL, p->data.N);
    if (status == FR_OK && what == '2')
        status = fr_estimator_train_tasks(estimator, &p->training, p->label, candidates, 3, checkpoint, key);
    if (status == FR_OK)
        status = fr_estimator_apply(estimator, out, h, what == '2' ? p->label : NULL, p->data.N);
    free(h);
    fr_estimator_close(estimator);
    return status;
}

/* test_checkpoint --train c|1|2 cpu|ref checkpoint out */
static int child(char **argv)
{
    planted p;
    float out[900];
    fr_log_level(0);
    fr_interrupt_install();
    setup(&p, strcmp(argv[3], "ref") == 0 ? FR_DEVICE_REF : FR_DEVICE_CPU);
    fr_status status = run_what(&p, argv[2][0], argv[4], out);
    if (status == FR_OK)
        status = fr_file_write(argv[5], out, sizeof out);
    if (status != FR_OK)
        fprintf(stderr, "%s\n", fr_error_text());
    planted_close(&p);
    return status;
}

/* ---- the parent ---- */

static pid_t start(const char *what, const char *device, const char *checkpoint, const char *out)
{
    extern char **environ;
    char *argv[] = {(char *)program,    (char *)"--train", (char *)what, (char *)device,
                    (char *)checkpoint, (char *)out,       NULL};
    pid_t pid;
    assert_int_equal(posix_spawnp(&pid, program, NULL, NULL, argv, environ), 0);
    return pid;
}

static int finish(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Waits until the checkpoint was replaced `times` times, then sends the signal. Returns as finish does. */
static int stop_after(pid_t pid, const char *checkpoint, int times, int signal_number)
{
    struct stat before = {0}, now;
    stat(checkpoint, &before);
    for (int turn = 0; turn < 500000 && times > 0; turn++) {
        nanosleep(&(struct timespec){0, 200000}, NULL);
        if (stat(checkpoint, &now) == 0 &&
            (now.st_ino != before.st_ino || now.st_mtim.tv_nsec != before.st_mtim.tv_nsec)) {
            before = now;
            times--;
        }
        if (waitpid(pid, NULL, WNOHANG) == pid)
            fail_msg("the training ended before it was stopped");
    }
    kill(pid, signal_number);
    return finish(pid);
}

static void resumed_equals(const char *what, const char *device)
{
    char checkpoint[128], a[128], b[128];
    snprintf(checkpoint, sizeof checkpoint, "%s/%s-%s.checkpoint", folder, what, device);
    snprintf(a, sizeof a, "%s/%s-%s.whole", folder, what, device);
    snprintf(b, sizeof b, "%s/%s-%s.resumed", folder, what, device);
    assert_int_equal(finish(start(what, device, checkpoint, a)), 0);
    assert_false(fr_file_exists(checkpoint));
    assert_int_equal(stop_after(start(what, device, checkpoint, b), checkpoint, 3, SIGKILL), -SIGKILL);
    assert_true(fr_file_exists(checkpoint));
    assert_int_equal(stop_after(start(what, device, checkpoint, b), checkpoint, 2, SIGTERM), FR_INTERRUPTED);
    assert_int_equal(stop_after(start(what, device, checkpoint, b), checkpoint, 5, SIGKILL), -SIGKILL);
    assert_false(fr_file_exists(b));
    assert_int_equal(finish(start(what, device, checkpoint, b)), 0);
    assert_false(fr_file_exists(checkpoint));
    char *x, *y;
    size_t nx, ny;
    assert_ok(fr_file_read(&x, &nx, a, 0));
    assert_ok(fr_file_read(&y, &ny, b, 0));
    assert_int_equal(nx, 900 * sizeof(float));
    assert_int_equal(nx, ny);
    assert_memory_equal(x, y, nx);
    free(x);
    free(y);
}

static void test_classifier_resumes(void **state)
{
    (void)state;
    resumed_equals("c", "cpu");
}

static void test_phase1_resumes(void **state)
{
    (void)state;
    resumed_equals("1", "cpu");
    resumed_equals("1", "ref");
}

static void test_phase2_resumes(void **state)
{
    (void)state;
    resumed_equals("2", "cpu");
}

/* ---- the file ---- */

static void test_file(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/file", folder);
    double a[3] = {1, 2, 3}, a2[3] = {0};
    int64_t b = 7, b2 = 0;
    bool found;
    fr_block in[2] = {{"numbers", a, sizeof a}, {"count", &b, sizeof b}},
             out[2] = {{"numbers", a2, sizeof a2}, {"count", &b2, sizeof b2}};
    assert_ok(fr_checkpoint_read(path, key, out, 2, &found));
    assert_false(found);
    assert_ok(fr_checkpoint_write(path, key, in, 2));
    assert_ok(fr_checkpoint_read(path, key, out, 2, &found));
    assert_true(found);
    assert_memory_equal(a, a2, sizeof a);
    assert_int_equal(b2, 7);
    b2 = 0;
    assert_fails(fr_checkpoint_read(path, other_key, out, 2, &found), FR_FAILED, "another config");
    assert_int_equal(b2, 0);
    assert_fails(fr_checkpoint_read(path, key, out, 1, &found), FR_FAILED, "delete it");
    fr_block wider[2] = {{"numbers", a2, sizeof a2 - 8}, {"count", &b2, sizeof b2}};
    assert_fails(fr_checkpoint_read(path, key, wider, 2, &found), FR_FAILED, "other sizes");

    /* Every truncation and every flipped byte is noticed. */
    char *data;
    size_t bytes;
    assert_ok(fr_file_read(&data, &bytes, path, 0));
    for (size_t n = 0; n < bytes; n++) {
        assert_ok(fr_file_write(path, data, n));
        assert_fails(fr_checkpoint_read(path, key, out, 2, &found), FR_FAILED, "delete it");
    }
    for (size_t n = 0; n < bytes; n++) {
        data[n] ^= 1;
        assert_ok(fr_file_write(path, data, bytes));
        assert_fails(fr_checkpoint_read(path, key, out, 2, &found), FR_FAILED, "delete it");
        data[n] ^= 1;
    }
    assert_int_equal(b2, 0);
    free(data);
    fr_checkpoint_remove(path);
    fr_checkpoint_remove(path);
    fr_checkpoint_remove(NULL);
}

static void test_refused_by_training(void **state)
{
    (void)state;
    planted p;
    setup(&p, FR_DEVICE_CPU);
    char path[128];
    snprintf(path, sizeof path, "%s/refused", folder);
    int64_t x = 1;
    fr_block block = {"x", &x, sizeof x};
    float out[900];
    for (const char *what = "c12"; *what; what++) {
        assert_ok(fr_checkpoint_write(path, other_key, &block, 1));
        assert_fails(run_what(&p, *what, path, out), FR_FAILED, "another config");
        assert_ok(fr_file_write(path, "cut", 3));
        assert_fails(run_what(&p, *what, path, out), FR_FAILED, path);
    }
    planted_close(&p);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "--train") == 0)
        return child(argv);
    program = argv[0];
    fr_log_level(0);
    folder = test_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_refused_by_training),
        cmocka_unit_test(test_classifier_resumes),
        cmocka_unit_test(test_phase1_resumes),
        cmocka_unit_test(test_phase2_resumes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

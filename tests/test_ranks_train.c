/* Training on several ranks is training on one: the same losses step by step but for the order of sums, the same
 * parameters on every rank, and a checkpoint that goes on on another number of ranks. Ranks are this program started
 * again by mpirun. */
#include "mpirun.h"
#include "train_texts.h"

#include "comm/comm.h"
#include "finerouter/log.h"
#include "train/checkpoint.h"

#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_RANKS = 4, MOST_EPOCHS = 64, PROMPTS = 240 };
static const char key[] = "0123456789abcdef0123456789abcdef";
static const char *folder, *program;

/* ---- the ranks ---- */

/* Letters of a case: [c]lassifier or [q]uality estimator; [f]rozen trunk or [e]ncoder; [c]pu or [r]ef; [w]hole: every
 * epoch is one step, whose loss the log tells, or [b]atches of fewer rows than there may be ranks. */
static const char *const cases[] = {"cfcw", "cfrw", "cecw", "cerw", "qfcw", "qfrw",
                                    "qecw", "qerw", "cfrb", "cecb", "qfcb", "qerb"};
enum { CASES = sizeof cases / sizeof *cases };

static void set(planted *p, const char *format, const char *value)
{
    char text[80];
    snprintf(text, sizeof text, format, value);
    assert_ok(fr_config_set(&p->config, text));
}

static void setup(texts *t, const char *name, const char *epochs)
{
    char encoder[300];
    snprintf(encoder, sizeof encoder, "%s/encoder.%d", folder, fr_comm_rank());
    assert_ok(fr_make_folders(encoder));
    texts_open(t, name[2] == 'c' ? FR_DEVICE_CPU : FR_DEVICE_REF, fr_format("%s", encoder));
    bool whole = name[3] == 'w';
    set(&t->p, "encoder.train=%s", name[1] == 'f' ? "frozen" : "full");
    set(&t->p, "classifier.batch=%s", whole ? "1000" : "3");
    set(&t->p, "qe.batch=%s", whole ? "1000" : "3");
    set(&t->p, "classifier.epochs=%s", epochs ? epochs : whole ? "12" : "2");
    set(&t->p, "qe.epochs=%s", epochs ? epochs : whole ? "12" : "2");
    const char *settings[] = {"classifier.patience=0",
                              "qe.patience=0",
                              "qe.hidden=5",
                              "qe.dropout=0.1",
                              "qe.ridge=2",
                              "classifier.dropout=0.1",
                              "qe.early_stop=routed",
                              "train.checkpoint_seconds=0"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        assert_ok(fr_config_set(&t->p.config, settings[i]));
    if (name[1] == 'f')
        t->p.training.tokens = NULL;
}

/* out (PROMPTS, 2): logits or estimates of all prompts. */
static fr_status train(texts *t, char what, const char *checkpoint, float *out)
{
    if (what == 'c') {
        fr_classifier *classifier;
        FR_TRY(fr_classifier_train(&classifier, &t->p.training, t->p.label, t->p.role, 2, t->p.centre, false,
                                   checkpoint, key, false));
        fr_status status = fr_classifier_logits(classifier, out, NULL, PROMPTS);
        fr_classifier_close(classifier);
        return status;
    }
    fr_estimator *estimator;
    FR_TRY(fr_estimator_train(&estimator, &t->p.training, checkpoint, key));
    float h[PROMPTS * 16];
    fr_status status = fr_estimator_hidden(estimator, h, NULL, PROMPTS);
    if (status == FR_OK)
        status = fr_estimator_apply(estimator, out, h, NULL, PROMPTS);
    fr_estimator_close(estimator);
    return status;
}

/* Leaves FOLDER/RUN.CASE.log and every rank's FOLDER/RUN.CASE.out.RANK. */
static fr_status one_case(const char *run, const char *name, const char *checkpoint, const char *epochs)
{
    texts t;
    float out[2 * PROMPTS] = {0};
    setup(&t, name, epochs);
    char *log = fr_format("%s/%s.%s.log", folder, run, name),
         *path = fr_format("%s/%s.%s.out.%d", folder, run, name, fr_comm_rank());
    fr_status status = fr_is_root() ? fr_log_open(log) : FR_OK;
    if (status == FR_OK)
        status = train(&t, name[0], checkpoint, out);
    fr_log_close();
    if (status == FR_OK)
        status = fr_file_write(path, out, sizeof out);
    free((char *)t.p.training.encoder_folder);
    free(log);
    free(path);
    texts_close(&t);
    return status;
}

/* test_ranks_train --rank FOLDER RUN [CASE CHECKPOINT-OR-EMPTY EPOCHS] */
static int rank(int argc, char **argv)
{
    fr_log_level(0);
    fr_interrupt_install();
    fr_status status = fr_comm_start();
    if (status == FR_USAGE)
        return NO_RANKS;
    folder = argv[2];
    char *pid = fr_format("%d", (int)getpid()), *path = fr_format("%s/pid.%d", folder, fr_comm_rank());
    if (status == FR_OK)
        status = fr_file_write(path, pid, strlen(pid));
    if (argc > 4)
        status = status == FR_OK ? one_case(argv[3], argv[4], argv[5][0] ? argv[5] : NULL, argv[6]) : status;
    for (int i = 0; i < CASES && argc <= 4 && status == FR_OK; i++)
        status = one_case(argv[3], cases[i], NULL, NULL);
    free(pid);
    free(path);
    return fr_comm_end(status);
}

/* ---- the parent ---- */

/* One case where it is given. */
static pid_t start(int ranks, const char *run, const char *name, const char *checkpoint, const char *epochs)
{
    return ranks_start(ranks, program, (const char *const[]){"--rank", folder, run, name, checkpoint, epochs, NULL});
}

typedef struct course {
    int count;
    double loss[MOST_EPOCHS], dev[MOST_EPOCHS];
    float out[2 * PROMPTS];
} course;

static double number_at(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    return at && strncmp(at + strlen(name), "null", 4) != 0 ? strtod(at + strlen(name), NULL) : NAN;
}

/* What the root logged, and what every rank wrote: the same bytes. */
static void read_course(course *c, const char *run, const char *name, int ranks)
{
    char *log = fr_format("%s/%s.%s.log", folder, run, name), *text;
    size_t bytes;
    c->count = 0;
    assert_ok(fr_file_read(&text, &bytes, log, 0));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (strstr(line, "\"event\":\"epoch\"")) {
            assert_true(c->count < MOST_EPOCHS);
            c->loss[c->count] = number_at(line, "\"loss\":");
            c->dev[c->count++] = number_at(line, "\"dev_loss\":");
        }
    free(text);
    free(log);
    for (int r = 0; r < ranks; r++) {
        char *path = fr_format("%s/%s.%s.out.%d", folder, run, name, r);
        assert_ok(fr_file_read(&text, &bytes, path, 0));
        assert_int_equal(bytes, sizeof c->out);
        if (r == 0)
            memcpy(c->out, text, bytes);
        assert_memory_equal(c->out, text, bytes);
        free(text);
        free(path);
    }
}

static double relative(double got, double want)
{
    return fabs(got - want) / fabs(want);
}

/* Losses agree, and every prompt is decided alike. Returns the worst relative difference of the losses. */
static double compare(const course *got, const course *want, const char *name, int ranks, double tolerance)
{
    double worst = 0;
    assert_int_equal(got->count, want->count);
    assert_true(want->count > 1);
    for (int i = 0; i < want->count; i++) {
        double d = fmax(relative(got->loss[i], want->loss[i]), relative(got->dev[i], want->dev[i]));
        if (!(d <= tolerance))
            fail_msg("%s on %d ranks, epoch %d: loss %.17g and dev loss %.17g, want %.17g and %.17g within %g of that",
                     name, ranks, i, got->loss[i], got->dev[i], want->loss[i], want->dev[i], tolerance);
        worst = fmax(worst, d);
    }
    for (int i = 0; i < PROMPTS; i++)
        assert_int_equal(got->out[2 * i] > got->out[2 * i + 1], want->out[2 * i] > want->out[2 * i + 1]);
    return worst;
}

/* Whether there is an mpirun, and MPI in this build. */
static bool ranks_work(void)
{
    static int code = -1;
    pid_t pid = code < 0 ? start(2, "try", "cfcb", "", "1") : 0;
    if (pid > 0)
        code = ranks_end(pid);
    if (code != 0 && code != NO_RANKS)
        fail_msg("mpirun ended with %d", code);
    return pid >= 0 && code == 0;
}

static void test_losses(void **state)
{
    (void)state;
    if (!ranks_work())
        skip();
    static course want[CASES], got;
    double worst[2] = {0};
    assert_int_equal(ranks_end(start(0, "alone", NULL, NULL, NULL)), 0);
    for (int i = 0; i < CASES; i++)
        read_course(&want[i], "alone", cases[i], 1);
    for (int ranks = 2; ranks <= MOST_RANKS; ranks++) {
        char run[8];
        snprintf(run, sizeof run, "on%d", ranks);
        assert_int_equal(ranks_end(start(ranks, run, NULL, NULL, NULL)), 0);
        for (int i = 0; i < CASES; i++) {
            bool ref = cases[i][2] == 'r';
            read_course(&got, run, cases[i], ranks);
            double d = compare(&got, &want[i], cases[i], ranks, ref ? 1e-9 : 1e-6);
            worst[ref] = fmax(worst[ref], d);
        }
    }
    print_message("losses of up to %d ranks within %.2g of those of one, in f64 %.2g\n", MOST_RANKS, worst[0],
                  worst[1]);
}

static void test_again(void **state)
{
    (void)state;
    if (!ranks_work())
        skip();
    static course first, second;
    assert_int_equal(ranks_end(start(2, "first", "qecw", "", "12")), 0);
    assert_int_equal(ranks_end(start(2, "second", "qecw", "", "12")), 0);
    read_course(&first, "first", "qecw", 2);
    read_course(&second, "second", "qecw", 2);
    assert_memory_equal(&first, &second, sizeof first);
}

/* Waits until the checkpoint was replaced `times` times; false when the run ended before. */
static bool await(const char *checkpoint, int times, pid_t pid)
{
    struct stat before = {0}, now;
    int status;
    for (int turn = 0; turn < 100000 && times > 0; turn++) {
        nanosleep(&(struct timespec){0, 200000}, NULL);
        if (waitpid(pid, &status, WNOHANG) == pid)
            return false;
        if (stat(checkpoint, &now) == 0 && now.st_ino != before.st_ino) {
            before = now;
            times--;
        }
    }
    return times == 0;
}

/* One of two ranks is asked to stop; three go on. In f64: after dozens of steps of a text encoder an f32 rounding has
 * grown beyond 1e-6. */
static void stop_and_resume(const char *name)
{
    static course want, got;
    char *checkpoint = fr_format("%s/%s.checkpoint", folder, name), *text;
    assert_int_equal(ranks_end(start(0, "whole", name, "", "60")), 0);
    pid_t pid = start(2, "stopped", name, checkpoint, "60");
    if (!await(checkpoint, 5, pid))
        fail_msg("%s: the run ended before it could be stopped", name);
    char *path = fr_format("%s/pid.1", folder);
    size_t bytes;
    assert_ok(fr_file_read(&text, &bytes, path, 0));
    kill((pid_t)atoi(text), SIGTERM);
    assert_int_equal(ranks_end(pid), FR_INTERRUPTED);
    assert_true(fr_file_exists(checkpoint));
    assert_int_equal(ranks_end(start(3, "stopped", name, checkpoint, "60")), 0);
    assert_false(fr_file_exists(checkpoint));
    read_course(&want, "whole", name, 1);
    read_course(&got, "stopped", name, 3); /* the log goes on where it stood */
    compare(&got, &want, name, 3, 1e-9);
    free(text);
    free(path);
    free(checkpoint);
}

static void test_stop(void **state)
{
    (void)state;
    if (!ranks_work())
        skip();
    stop_and_resume("qerw");
    stop_and_resume("cerw");
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc > 1 && strcmp(argv[1], "--rank") == 0)
        return rank(argc, argv);
    const char *settings[] = {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                              "OMPI_MCA_rmaps_base_oversubscribe"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        setenv(settings[i], "1", 0);
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0); /* more ranks than cores */
    folder = test_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

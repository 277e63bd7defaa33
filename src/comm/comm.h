/* comm.h - the ranks of a run.
 *
 * `finerouter run` under mpirun or srun is one process a device, and every process is a rank: all of them run the same
 * code over the same config and data. What takes long is shared out (a batch, a range of rows, a set of tasks) and put
 * together again by the functions below; the rest every rank computes alike, so that no rank ever waits for a decision
 * of another. Only the root, rank 0, writes files, logs and shows progress. Without a launcher there is one rank, and
 * nothing here costs anything.
 *
 * Every function marked "together" is called by all ranks in the same order. A failure of one rank needs no agreement:
 * it prints its line and ends the job (fr_comm_end, watch.h). */
#ifndef FR_COMM_H
#define FR_COMM_H

#include "device/device.h"

/* Finds out whether a launcher started this process as one of several, and joins the others. Errors: launched as
 * several without MPI in this build; srun without an MPI plugin; ranks of other versions of this program. */
FR_NODISCARD fr_status fr_comm_start(void);

/* Leaves the others, prints the error of `status` once for all ranks, and returns the exit code. */
int fr_comm_end(fr_status status);

int fr_comm_rank(void);  /* 0 .. fr_comm_ranks() - 1 */
int fr_comm_ranks(void); /* 1 without a launcher */
bool fr_is_root(void);
int fr_comm_local_rank(void); /* among the ranks of this node */
int fr_comm_local_ranks(void);
const char *fr_comm_host(void); /* name of this node */

/* Cores that this rank may use: those its launcher bound it to, or its part of the node's. */
int fr_comm_cores(void);

/* ---- putting together (host memory) ---- */

void fr_comm_barrier(void);                                  /* together */
void fr_comm_broadcast(void *data, size_t bytes, int from);  /* together */
void fr_comm_sum(void *data, int64_t count, fr_dtype dtype); /* together; F32, F64, I32, I64; same bits on every rank */
void fr_comm_sum_tensor(fr_tensor tensor);                   /* together; on the tensor's device */

/* Together. Rank r brings the rows first[r] .. first[r+1]-1 of `rows` (bytes each) and gets all others; first (ranks +
 * 1) is the same on all. */
void fr_comm_gather(void *rows, const int64_t *first, size_t bytes);

/* Together. items (ranks): each rank brings its own, items[fr_comm_rank()], of `bytes`, and gets all others. */
void fr_comm_each(void *items, size_t bytes);

/* Together. A result that was shared out: every byte of it is made by one rank, and zero on the others. All get the
 * whole, to the bit (also -0 and NaN). bytes: a multiple of 4. */
void fr_comm_unite(void *data, size_t bytes);

/* Together. Sends to the next rank (the last one to the root) and receives from the one before; `bytes` may differ
 * between ranks, and received_bytes is what the sender sends. */
void fr_comm_ring(void *received, size_t received_bytes, const void *sent, size_t bytes);

/* ---- agreeing ---- */

/* Together. FR_OK if all ranks bring FR_OK; else every rank gets a status that is not, FR_INTERRUPTED before
 * FR_FAILED. */
FR_NODISCARD fr_status fr_comm_agree(fr_status status);
bool fr_comm_any(bool flag); /* together: whether one of the ranks brings true */

/* Together. FR_USAGE on ranks whose text differs from the root's: names the rank, `what`, and the first line that
 * differs. */
FR_NODISCARD fr_status fr_comm_same(const char *what, const char *text);

/* ---- sharing out ---- */

/* Contiguous shares of n items of about equal weight (NULL: each weighs 1): part p has first[p] .. first[p+1]-1; first
 * (parts + 1). Depends on nothing else, so that all ranks find the same. */
void fr_shares(int64_t *first, const double *weight, int64_t n, int64_t parts);

/* Items to parts, heaviest first, each to the part with the least so far (ties: the lower one); owner (n). */
void fr_deal(int32_t *owner, const double *weight, int64_t n, int64_t parts);

/* From true to false this rank works on something of its own: it is the one rank there is, and nothing here talks to
 * the others, however deep below it is called. For whole trainings that are dealt out: a fold, a baseline. Not nested;
 * what such work writes to files is up to it. */
void fr_comm_apart(bool apart);

/* ---- what it cost, and where a rank is ---- */

typedef struct fr_comm_cost {
    double seconds; /* inside the functions above, waiting for slower ranks included */
    int64_t bytes;  /* handed to them by this rank */
} fr_comm_cost;
fr_comm_cost fr_comm_spent(void); /* since the start */

/* Where this rank is, for the line that names a lost one: "quality estimator", 57; -1: no step. Cheap; what must live
 * on. */
void fr_comm_at(const char *what, int64_t step);

#endif

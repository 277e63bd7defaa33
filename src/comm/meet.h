/* meet.h - how the ranks find the root for the watch's star: it listens, and tells the others where. */
#ifndef FR_COMM_MEET_H
#define FR_COMM_MEET_H

#include "finerouter/status.h"
#include "wire.h"

typedef struct fr_meeting {
    uint8_t token[16]; /* random: who knows it is one of us */
    char host[256];
    uint16_t port; /* 0: the root cannot listen */
    int32_t addresses;
    uint32_t address[16]; /* IPv4, of all interfaces; loopback last */
    double lost_after, stuck_after;
} fr_meeting;

/* Root: *listener accepts connections on every interface. */
FR_NODISCARD fr_status fr_meeting_open(fr_meeting *meeting, int *listener, const char *host);

/* The others: connects to the root, and waits until it has answered. */
FR_NODISCARD fr_status fr_meeting_join(fr_wire *wire, const fr_meeting *meeting, int rank, const char *host);

/* Root: takes those who knock into `waiting` (n of them), the longest waiting one out if it is full. */
void fr_meeting_accept(int listener, fr_wire *waiting, int n, int *next);

/* Whether wire->in, which has come in whole, introduces a rank (1 .. ranks - 1). */
bool fr_meeting_knows(const fr_meeting *meeting, const fr_message *hello, int ranks);

#endif

/* wire.h - messages of the watch's star (watch.h), over TCP. Both ends are the same version of the same program (comm.c
 * checks that first), so a message is a struct. */
#ifndef FR_COMM_WIRE_H
#define FR_COMM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FR_HELLO = 1, /* a rank introduces itself: token, text = its host */
    FR_BEAT,      /* still there: step, ticket, text = place; the root answers each with its own */
    FR_STOP,      /* a rank was asked to stop: all stop */
    FR_LEAVE,     /* a rank's work is over: code, flag = the text only tells that others failed, ticket, text */
    FR_END,       /* the root's verdict: code, flag = all leave in good order, else at once */
};

typedef struct fr_message {
    int32_t kind, rank, code, flag;
    int64_t step, ticket;
    uint8_t token[16];
    uint32_t bytes; /* of text, its NUL included; set by fr_wire_send */
    char text[2048];
} fr_message;

/* A connection, and what has come in of the next message. fd -1: none. */
typedef struct fr_wire {
    int fd;
    size_t got;
    fr_message in;
} fr_wire;

/* Neither waits. A full connection drops the message: its reader is frozen, and will be found so. */
void fr_wire_send(fr_wire *wire, fr_message *message);
int fr_wire_receive(fr_wire *wire); /* 1: wire->in is a message; 0: not yet; -1: closed or broken, and closed here */
void fr_wire_close(fr_wire *wire);

#endif

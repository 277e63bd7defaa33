#include "meet.h"

#include "base/memory.h"
#include "finerouter/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_ADDRESSES = 16, ROUNDS = 2 };
static const double patience = 5; /* seconds for one address to answer; a host that is there does in milliseconds */

static void set_fast(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- the root ---- */

static void add_addresses(fr_meeting *meeting, const struct ifaddrs *list, bool loopback)
{
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
            !!(i->ifa_flags & IFF_LOOPBACK) != loopback || meeting->addresses == MOST_ADDRESSES)
            continue;
        struct sockaddr_in in;
        memcpy(&in, i->ifa_addr, sizeof in);
        meeting->address[meeting->addresses++] = in.sin_addr.s_addr;
    }
}

fr_status fr_meeting_open(fr_meeting *meeting, int *listener, const char *host)
{
    snprintf(meeting->host, sizeof meeting->host, "%s", host);
    struct ifaddrs *list;
    if (getrandom(meeting->token, sizeof meeting->token, 0) != (ssize_t)sizeof meeting->token || getifaddrs(&list) != 0)
        return fr_fail(FR_FAILED, "%s: cannot list its network addresses: %s", host, strerror(errno));
    add_addresses(meeting, list, false);
    add_addresses(meeting, list, true);
    freeifaddrs(list);
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t size = sizeof any;
    *listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*listener < 0 || bind(*listener, (struct sockaddr *)&any, size) != 0 || listen(*listener, SOMAXCONN) != 0 ||
        getsockname(*listener, (struct sockaddr *)&any, &size) != 0)
        return fr_fail(FR_FAILED, "%s: cannot listen for the other ranks: %s", host, strerror(errno));
    meeting->port = ntohs(any.sin_port);
    return FR_OK;
}

void fr_meeting_accept(int listener, fr_wire *waiting, int n, int *next)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        fr_wire_close(&waiting[*next]);
        waiting[*next].fd = fd;
        set_fast(fd);
        *next = (*next + 1) % n;
    }
}

bool fr_meeting_knows(const fr_meeting *meeting, const fr_message *hello, int ranks)
{
    return hello->kind == FR_HELLO && memcmp(hello->token, meeting->token, sizeof hello->token) == 0 &&
           hello->rank > 0 && hello->rank < ranks;
}

/* ---- the others ---- */

/* Waits until the socket can be read or written; false: not in time. */
static bool ready(int fd, short events, double until)
{
    struct pollfd p = {fd, events, 0};
    for (;;) {
        double left = until - fr_seconds();
        int got = poll(&p, 1, left < 0 ? 0 : (int)(left * 1e3) + 1);
        if (got != -1 || errno != EINTR)
            return got > 0;
    }
}

/* 0, or the errno of what went wrong. */
static int knock(fr_wire *wire, uint32_t address, const fr_meeting *meeting, int rank, const char *host)
{
    double until = fr_seconds() + patience;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(meeting->port), .sin_addr.s_addr = address};
    *wire = (fr_wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (wire->fd < 0 || (connect(wire->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS))
        return errno;
    if (!ready(wire->fd, POLLOUT, until))
        return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        return error;
    set_fast(wire->fd);
    fr_message hello = {.kind = FR_HELLO, .rank = rank};
    memcpy(hello.token, meeting->token, sizeof hello.token);
    snprintf(hello.text, sizeof hello.text, "%s", host);
    fr_wire_send(wire, &hello);
    int got;
    while ((got = fr_wire_receive(wire)) == 0)
        if (!ready(wire->fd, POLLIN, until))
            return ETIMEDOUT;
    /* Another machine may have this address too: only the root answers. */
    return got == 1 && wire->in.kind == FR_BEAT ? 0 : ECONNREFUSED;
}

fr_status fr_meeting_join(fr_wire *wire, const fr_meeting *meeting, int rank, const char *host)
{
    int error = EADDRNOTAVAIL, n = meeting->addresses;
    bool near = strcmp(host, meeting->host) == 0; /* loopback, the last one, comes first */
    for (int round = 0; round < ROUNDS; round++)
        for (int a = 0; a < n; a++) {
            int now = knock(wire, meeting->address[near ? n - 1 - a : a], meeting, rank, host);
            if (now == 0)
                return FR_OK;
            fr_wire_close(wire);
            error = now;
        }
    fr_buffer list = {0};
    for (int a = 0; a < n; a++) {
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &meeting->address[a], text, sizeof text);
        fr_buffer_addf(&list, "%s%s", a ? ", " : "", text);
    }
    fr_status status = fr_fail(FR_FAILED,
                               "rank %d on %s cannot reach rank 0 on %s at port %d of %s (%s); want a network on which "
                               "the nodes reach each other",
                               rank, host, meeting->host, meeting->port, n ? list.data : "no address", strerror(error));
    fr_buffer_close(&list);
    return status;
}

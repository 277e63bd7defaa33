#include "wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const size_t head = offsetof(fr_message, text);

void fr_wire_close(fr_wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
    wire->got = 0;
}

void fr_wire_send(fr_wire *wire, fr_message *message)
{
    if (wire->fd < 0)
        return;
    message->bytes = (uint32_t)strlen(message->text) + 1;
    size_t size = head + message->bytes;
    ssize_t sent;
    do {
        sent = send(wire->fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    /* The rest of a message in pieces would never arrive in time. Broken connections are found by the reader. */
    if (sent >= 0 && (size_t)sent < size)
        shutdown(wire->fd, SHUT_RDWR);
}

int fr_wire_receive(fr_wire *wire)
{
    if (wire->fd < 0)
        return -1;
    for (;;) {
        size_t want = head;
        if (wire->got >= head) {
            uint32_t bytes = wire->in.bytes;
            if (bytes < 1 || bytes > sizeof wire->in.text)
                break;
            want += bytes;
            if (wire->got == want) {
                wire->in.text[bytes - 1] = '\0';
                wire->got = 0;
                return 1;
            }
        }
        ssize_t now = recv(wire->fd, (char *)&wire->in + wire->got, want - wire->got, MSG_DONTWAIT);
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (now <= 0)
            break;
        wire->got += (size_t)now;
    }
    fr_wire_close(wire);
    return -1;
}

/* The least a UDP relay can do, in C: what the native engine is measured against.
 *
 * Puts the SPP header in front of each client datagram and sends them to one transceiver as GSO trains; takes its trains
 * with GRO, strips the headers and sends each datagram to the client that its header names. It looks nothing up and
 * checks nothing. Like the engine it keeps the DSCP, and with a wait lets packets gather, none for longer. Says its batch
 * sizes when its input ends.
 *
 * usage: baseline PUBLIC_HOST PUBLIC_PORT UPSTREAM_HOST UPSTREAM_PORT TRANSCEIVER_HOST TRANSCEIVER_PORT WAIT_US
 */
#include "udp.h"

#define SLOTS 256
#define STRIDE 2112
#define TRAINS 16
#define TRAIN_ROOM 65536

static uint8_t clients[SLOTS][STRIDE], returns[TRAINS][TRAIN_ROOM];
static struct mmsghdr in[SLOTS], back[TRAINS], out[SLOTS];
static struct iovec in_slices[SLOTS], back_slices[TRAINS], out_slices[SLOTS];
static struct sockaddr_in in_names[SLOTS], out_names[SLOTS];
static union {
    struct cmsghdr align;
    char bytes[2 * CMSG_SPACE(sizeof(int))];
} in_controls[SLOTS], back_controls[TRAINS], out_controls[SLOTS];
static struct {
    unsigned long long batches, gathered, packets, trains, train_packets;
} totals;

static const uint8_t MAPPED[12] = {[10] = 0xFF, [11] = 0xFF};

static void write_header(uint8_t *header, const struct sockaddr_in *client, const struct sockaddr_in *proxy) {
    header[0] = 0x56, header[1] = 0xEC;
    memcpy(header + 2, MAPPED, 12), memcpy(header + 14, &client->sin_addr, 4);
    memcpy(header + 18, MAPPED, 12), memcpy(header + 30, &proxy->sin_addr, 4);
    memcpy(header + 34, &client->sin_port, 2), memcpy(header + 36, &proxy->sin_port, 2);
}

static int receive_clients(int fd) {
    int count = 0;
    while (count < SLOTS) {
        for (int i = count; i < SLOTS && i < count + 64; i++) {
            in[i].msg_hdr.msg_namelen = sizeof in_names[i];
            in[i].msg_hdr.msg_controllen = sizeof in_controls[i];
        }
        int room = SLOTS - count < 64 ? SLOTS - count : 64, got = recvmmsg(fd, in + count, room, MSG_DONTWAIT, NULL);
        if (got > 0) count += got;
        if (got < room) break;
    }
    return count;
}

static void flush_train(int fd, struct sockaddr_in *to, struct iovec *train, size_t members, size_t segment, uint8_t class) {
    send_train(fd, to, train, members, (uint16_t)segment, class);
    totals.trains++, totals.train_packets += members;
}

static void send_upstream(int fd, struct sockaddr_in *transceiver, const struct sockaddr_in *proxy, int count) {
    struct iovec train[MAX_SEGMENTS];
    size_t members = 0, first = 0;
    uint8_t marked = 0;
    for (int i = 0; i < count; i++) {
        write_header(clients[i], &in_names[i], proxy);
        size_t bytes = SPP_BYTES + in[i].msg_len;
        uint8_t class = class_of(&in[i].msg_hdr);
        int alike = bytes == first && class == marked;
        if (members && !(alike && members < MAX_SEGMENTS && (members + 1) * first <= MAX_TRAIN_BYTES)) {
            flush_train(fd, transceiver, train, members, first, marked);
            members = 0;
        }
        if (!members) first = bytes, marked = class;
        train[members++] = (struct iovec){clients[i], bytes};
    }
    if (members) flush_train(fd, transceiver, train, members, first, marked);
}

static int receive_returns(int fd) {
    for (int i = 0; i < TRAINS; i++) back[i].msg_hdr.msg_controllen = sizeof back_controls[i];
    return recvmmsg(fd, back, TRAINS, MSG_DONTWAIT, NULL);
}

static void flush_downstream(int fd, int count) {
    for (int done = 0; done < count;) {
        int sent = sendmmsg(fd, out + done, (unsigned)(count - done), MSG_DONTWAIT);
        done += sent > 0 ? sent : 1;
    }
}

/* Returns how many datagrams there were. */
static int send_downstream(int fd, int trains) {
    int count = 0, all = 0;
    for (int t = 0; t < trains; t++) {
        size_t segment = segment_bytes(&back[t].msg_hdr, back[t].msg_len);
        uint8_t class = class_of(&back[t].msg_hdr);
        for (size_t at = 0; at + SPP_BYTES < back[t].msg_len; at += segment) {
            uint8_t *datagram = returns[t] + at;
            size_t bytes = back[t].msg_len - at < segment ? back[t].msg_len - at : segment;
            out_names[count].sin_family = AF_INET;
            memcpy(&out_names[count].sin_addr, datagram + 14, 4), memcpy(&out_names[count].sin_port, datagram + 34, 2);
            out_slices[count] = (struct iovec){datagram + SPP_BYTES, bytes - SPP_BYTES};
            out[count].msg_hdr.msg_control = class ? &out_controls[count] : NULL;
            out[count].msg_hdr.msg_controllen = class ? CMSG_SPACE(sizeof(int)) : 0;
            if (class) put_int(CMSG_FIRSTHDR(&out[count].msg_hdr), IP_TOS, class);
            all++;
            if (++count == 64) flush_downstream(fd, count), count = 0;
        }
    }
    flush_downstream(fd, count);
    return all;
}

static void set_up(void) {
    for (int i = 0; i < SLOTS; i++) {
        in_slices[i] = (struct iovec){clients[i] + SPP_BYTES, STRIDE - SPP_BYTES};
        in[i].msg_hdr = (struct msghdr){
            .msg_name = &in_names[i], .msg_iov = &in_slices[i], .msg_iovlen = 1, .msg_control = &in_controls[i]};
        out[i].msg_hdr = (struct msghdr){.msg_name = &out_names[i],
                                         .msg_namelen = sizeof out_names[i],
                                         .msg_iov = &out_slices[i],
                                         .msg_iovlen = 1};
    }
    for (int i = 0; i < TRAINS; i++) {
        back_slices[i] = (struct iovec){returns[i], TRAIN_ROOM};
        back[i].msg_hdr =
            (struct msghdr){.msg_iov = &back_slices[i], .msg_iovlen = 1, .msg_control = &back_controls[i]};
    }
}

/* What the engine asks of its sockets, too: the class of each datagram, and no fragments from the public one. */
static void like_the_engine(int public, int upstream) {
    int on = 1, discover = IP_PMTUDISC_DO;
    if (setsockopt(public, IPPROTO_IP, IP_RECVTOS, &on, sizeof on)) die("IP_RECVTOS");
    if (setsockopt(upstream, IPPROTO_IP, IP_RECVTOS, &on, sizeof on)) die("IP_RECVTOS");
    if (setsockopt(public, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover)) die("IP_MTU_DISCOVER");
}

/* Sleeps so that a packet is sent within `most` of its arrival: until `most` after the last receive, less what handling a
 * batch and waking up took lately, as the engine does. */
static void gather(uint64_t received_at, uint64_t most) {
    static uint64_t late, handling;
    uint64_t handled = now_ns() - received_at;
    handling = (handling * 7 + (handled < most / 2 ? handled : most / 2)) / 8;
    uint64_t end = received_at + most - late - handling;
    if (now_ns() >= end) return;
    sleep_until(end);
    uint64_t by = now_ns() - end;
    late = (late * 7 + (by < most / 4 ? by : most / 4)) / 8;
}

int main(int argc, char **argv) {
    if (argc != 8) return fprintf(stderr, "see the head of baseline.c for its arguments\n"), 2;
    struct sockaddr_in proxy = ipv4(argv[1], argv[2]), transceiver = ipv4(argv[5], argv[6]);
    int public = udp_socket(proxy, 0), upstream = udp_socket(ipv4(argv[3], argv[4]), 1);
    uint64_t wait = (uint64_t)atoi(argv[7]) * 1000u;
    struct pollfd ends[3] = {{public, POLLIN, 0}, {upstream, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    like_the_engine(public, upstream);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    set_up();
    printf("{\"ready\": true}\n"), fflush(stdout);
    for (int busy = 0;;) {
        if (!busy) poll(ends, 3, -1);
        if (ends[2].revents) break;
        uint64_t received_at = now_ns();
        int datagrams = receive_clients(public), trains = receive_returns(upstream);
        send_upstream(upstream, &transceiver, &proxy, datagrams);
        int returned = trains > 0 ? send_downstream(public, trains) : 0;
        totals.batches += datagrams + returned > 0, totals.packets += (unsigned)(datagrams + returned);
        busy = wait && (datagrams > 0 || trains > 0);
        if (busy) totals.gathered++, gather(received_at, wait);
    }
    printf("{\"batches\": %llu, \"gathered\": %llu, \"packets\": %llu, \"trains\": %llu, \"train_packets\": %llu}\n", totals.batches,
           totals.gathered, totals.packets, totals.trains, totals.train_packets);
    return 0;
}

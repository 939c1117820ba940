/* Clients and a transceiver in one thread: paces datagrams through relays and back, and says what came.
 *
 * Client i has the address CLIENT_NET + 1 + i and the port CLIENT_PORT; the whole network must be local here (`ip route
 * add local`). The transceiver sends every train back as it came: the SPP header is the same in both directions. Each
 * datagram carries when it was sent, its flow and its number, so the clients see loss, order and round trip time, and
 * how long each of them heard nothing. One way is the time from before the send call to the kernel's time stamp of the
 * arrival at the transceiver, so it has no part in when this program gets to read. Datagrams that a client sends
 * directly to a third socket here at the same times show what of that is not the relay's. With CHECKS each client also
 * sends its STUN check at once and every 2.5 s, as libwebrtc does: FLOWS checks of CHECK_BYTES each, one after the other
 * in the file. With MOVES_PER_S the clients take turns to move: one goes on from an address that nobody had, FLOWS above
 * its last, and sends its check from there first.
 *
 * It spins, so it needs a core of its own, and always ends after WARM_UP_S + SECONDS + 1. What it missed because something
 * else ran on that core it does not make good by a burst, which would be measured as the relay's delay: it counts as
 * unsent.
 * usage: load RELAY_HOST RELAY_PORT TRANSCEIVER_HOST TRANSCEIVER_PORT CLIENT_NET CLIENT_PORT FLOWS BYTES
 *             CLIENT_PACKETS_PER_S SECONDS DSCP [CHECKS [MOVES_PER_S]]
 */
#include "udp.h"

#define BATCH 64
#define TRAIN_ROOM 65536
#define WARM_UP_S 1
#define RTT_CLASSES 200000 /* of a microsecond each */
#define CHECK_BYTES 108
#define DIRECT_EVERY_NS 250000
#define MOST_BEHIND_NS 1e6
#define CHECK_EVERY_NS 2500000000ull

struct stamp {
    uint8_t rtp[12];
    uint32_t flow, number;
    uint64_t sent_at;
} __attribute__((packed));

struct totals {
    uint64_t sent, unsent, upstream, received, reordered, moves;
};

static uint32_t *next_number, *last_seen, *host_of, flows;
static uint64_t *heard_at, *longest_gap;
static uint8_t *checks;
static uint32_t rtt_class[RTT_CLASSES], up_class[RTT_CLASSES], direct_class[RTT_CLASSES];
static struct totals totals;
static struct sockaddr_in relay, client_net, direct_end;
static uint8_t mark; /* of all that is sent */
static uint8_t trains[16][TRAIN_ROOM];

/* The clock of the kernel's time stamps. */
static uint64_t stamp_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A datagram of `bytes` of the next flow, from that flow's address. */
static void prepare(struct mmsghdr *message, uint8_t *datagram, size_t bytes, uint32_t flow, uint64_t now) {
    struct stamp stamp = {.rtp = {0x80, 111}, .flow = flow, .number = ++next_number[flow], .sent_at = now};
    memcpy(datagram, &stamp, sizeof stamp);
    message->msg_hdr.msg_iov->iov_len = bytes;
    struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(CMSG_FIRSTHDR(&message->msg_hdr));
    info->ipi_spec_dst.s_addr = htonl(host_of[flow]);
}

static void send_clients(int fd, size_t bytes, uint64_t due) {
    static uint8_t datagrams[BATCH][2048];
    static struct iovec slices[BATCH];
    static struct mmsghdr messages[BATCH];
    static union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } controls[BATCH];
    static uint32_t flow;
    int count = due < BATCH ? (int)due : BATCH;
    for (int i = 0; i < count; i++) {
        slices[i].iov_base = datagrams[i];
        messages[i].msg_hdr = (struct msghdr){.msg_name = &relay,
                                              .msg_namelen = sizeof relay,
                                              .msg_iov = &slices[i],
                                              .msg_iovlen = 1,
                                              .msg_control = &controls[i],
                                              .msg_controllen = sizeof controls[i]};
        struct cmsghdr *c = CMSG_FIRSTHDR(&messages[i].msg_hdr);
        c->cmsg_level = IPPROTO_IP, c->cmsg_type = IP_PKTINFO, c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        prepare(&messages[i], datagrams[i], bytes, flow, stamp_ns());
        flow = flow + 1 == flows ? 0 : flow + 1;
    }
    int sent = sendmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT);
    totals.sent += sent > 0 ? (uint64_t)sent : 0;
    totals.unsent += (uint64_t)(count - (sent > 0 ? sent : 0));
}

static int send_check(int fd, uint32_t flow) {
    struct iovec slice = {checks + (size_t)flow * CHECK_BYTES, CHECK_BYTES};
    char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
    struct msghdr message = {.msg_name = &relay,
                             .msg_namelen = sizeof relay,
                             .msg_iov = &slice,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = IPPROTO_IP, c->cmsg_type = IP_PKTINFO, c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(c);
    info->ipi_spec_dst.s_addr = htonl(host_of[flow]);
    return sendmsg(fd, &message, MSG_DONTWAIT) == CHECK_BYTES;
}

/* The checks that are due at `now`, spread evenly over the interval; `sent` counts those already sent. */
static uint64_t send_checks(int fd, uint64_t elapsed, uint64_t sent) {
    /* All at once first: a call begins with its check. */
    uint64_t due = flows + (uint64_t)((double)elapsed / (double)CHECK_EVERY_NS * flows);
    for (int burst = 0; sent < due && burst < BATCH && send_check(fd, (uint32_t)(sent % flows)); burst++) sent++;
    return sent;
}

static void move_clients(int fd, uint64_t due) {
    for (int burst = 0; totals.moves < due && burst < BATCH; burst++, totals.moves++) {
        uint32_t flow = (uint32_t)(totals.moves % flows);
        host_of[flow] += flows;
        send_check(fd, flow);
    }
}

static void heard(uint32_t flow, uint64_t now) {
    uint64_t gap = heard_at[flow] ? now - heard_at[flow] : 0;
    if (gap > longest_gap[flow]) longest_gap[flow] = gap;
    heard_at[flow] = now;
}

static void tally(uint32_t *classes, uint64_t nanos) {
    uint64_t micros = nanos / 1000;
    classes[micros < RTT_CLASSES ? micros : RTT_CLASSES - 1]++;
}

static void receive_clients(int fd) {
    static uint8_t datagrams[BATCH][2048];
    static struct iovec slices[BATCH];
    static struct mmsghdr messages[BATCH];
    for (int i = 0; i < BATCH; i++) {
        slices[i] = (struct iovec){datagrams[i], sizeof datagrams[i]};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &slices[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    uint64_t now = now_ns(), stamped = stamp_ns();
    for (int i = 0; i < count; i++) {
        if (datagrams[i][0] < 4) continue; /* its own check, echoed */
        struct stamp stamp;
        memcpy(&stamp, datagrams[i], sizeof stamp);
        heard(stamp.flow, now);
        tally(rtt_class, stamped - stamp.sent_at);
        totals.received++;
        totals.reordered += stamp.number <= last_seen[stamp.flow];
        last_seen[stamp.flow] = stamp.number;
    }
}

/* When the kernel got a message. */
static uint64_t arrived_ns(struct msghdr *message) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
        struct timespec t;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
    return stamp_ns();
}

static void tally_upstream(const uint8_t *train, size_t bytes, size_t segment, uint64_t arrived) {
    for (size_t at = 0; at + SPP_BYTES + sizeof(struct stamp) <= bytes; at += segment) {
        if (train[at + SPP_BYTES] < 4) continue; /* a check */
        struct stamp stamp;
        memcpy(&stamp, train + at + SPP_BYTES, sizeof stamp);
        tally(up_class, arrived - stamp.sent_at);
    }
}

/* The next message on a socket, 0 if there is none. */
static ssize_t receive(int fd, struct msghdr *message) {
    static struct iovec slice = {trains[0], TRAIN_ROOM};
    static char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct timespec))];
    static struct sockaddr_in from;
    *message = (struct msghdr){.msg_name = &from,
                               .msg_namelen = sizeof from,
                               .msg_iov = &slice,
                               .msg_iovlen = 1,
                               .msg_control = control,
                               .msg_controllen = sizeof control};
    ssize_t bytes = recvmsg(fd, message, MSG_DONTWAIT);
    return bytes < 0 ? 0 : bytes;
}

static void echo(int fd) {
    struct msghdr message;
    ssize_t bytes;
    for (int i = 0; i < 16 && (bytes = receive(fd, &message)); i++) {
        size_t segment = segment_bytes(&message, (size_t)bytes);
        tally_upstream(trains[0], (size_t)bytes, segment, arrived_ns(&message));
        totals.upstream += ((size_t)bytes + segment - 1) / segment;
        struct iovec all = {trains[0], (size_t)bytes};
        if (send_train(fd, message.msg_name, &all, 1, (uint16_t)segment, mark) < 0) totals.unsent += (size_t)bytes / segment;
    }
}

/* Without a relay: beside a datagram that goes through it, but not too often. */
static void send_direct(int fd, size_t bytes, uint64_t now) {
    static uint64_t sent_at;
    static uint8_t datagram[2048];
    if (now - sent_at < DIRECT_EVERY_NS) return;
    sent_at = now;
    struct stamp stamp = {.sent_at = stamp_ns()};
    memcpy(datagram, &stamp, sizeof stamp);
    if (sendto(fd, datagram, bytes, MSG_DONTWAIT, (struct sockaddr *)&direct_end, sizeof direct_end) < 0) die("direct");
}

static void receive_direct(int fd) {
    struct msghdr message;
    while (receive(fd, &message)) {
        struct stamp stamp;
        memcpy(&stamp, trains[0], sizeof stamp);
        tally(direct_class, arrived_ns(&message) - stamp.sent_at);
    }
}

static uint64_t quantile(const uint32_t *classes, double share) {
    uint64_t all = 0, below = 0;
    for (int i = 0; i < RTT_CLASSES; i++) all += classes[i];
    for (uint64_t i = 0; i < RTT_CLASSES; i++) {
        below += classes[i];
        if ((double)below >= share * (double)all) return i;
    }
    return RTT_CLASSES;
}

static int by_size(const void *a, const void *b) {
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

/* Clients still waiting have a gap that reaches until now. */
static void close_gaps(void) {
    uint64_t now = now_ns();
    for (uint32_t flow = 0; flow < flows; flow++) heard(flow, now);
    qsort(longest_gap, flows, sizeof *longest_gap, by_size);
}

static uint64_t gap_us(double share) {
    return longest_gap[(size_t)(share * (double)(flows - 1))] / 1000;
}

static void say_quantiles(const char *name, const uint32_t *classes) {
    printf(", \"%s\": {\"p50\": %llu, \"p99\": %llu, \"p99.9\": %llu}", name, (unsigned long long)quantile(classes, 0.5),
           (unsigned long long)quantile(classes, 0.99), (unsigned long long)quantile(classes, 0.999));
}

static void say(const char *event) {
    printf("{\"event\": \"%s\", \"at_ns\": %llu, \"sent\": %llu, \"unsent\": %llu, \"upstream\": %llu, "
           "\"received\": %llu, \"reordered\": %llu, \"moves\": %llu",
           event, (unsigned long long)now_ns(), (unsigned long long)totals.sent, (unsigned long long)totals.unsent,
           (unsigned long long)totals.upstream, (unsigned long long)totals.received,
           (unsigned long long)totals.reordered, (unsigned long long)totals.moves);
    say_quantiles("rtt_us", rtt_class), say_quantiles("one_way_us", up_class), say_quantiles("direct_us", direct_class);
    printf(", \"longest_gap_us\": {\"p50\": %llu, \"p99\": %llu, \"max\": %llu}}\n", (unsigned long long)gap_us(0.5),
           (unsigned long long)gap_us(0.99), (unsigned long long)gap_us(1.0));
    fflush(stdout);
}

/* The kernel says when each datagram came. */
static int stamped_socket(struct sockaddr_in address, int gro) {
    int opened = udp_socket(address, gro), on = 1;
    if (setsockopt(opened, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on)) die("SO_TIMESTAMPNS");
    return opened;
}

int main(int argc, char **argv) {
    if (argc < 12 || argc > 14) return fprintf(stderr, "see the head of load.c for its arguments\n"), 2;
    relay = ipv4(argv[1], argv[2]), client_net = ipv4(argv[5], argv[6]);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = client_net.sin_port};
    int transceiver = stamped_socket(ipv4(argv[3], argv[4]), 1), clients = udp_socket(any, 0);
    int direct = stamped_socket(ipv4(argv[3], "0"), 0), class = atoi(argv[11]) << 2;
    socklen_t name_bytes = sizeof direct_end;
    if (getsockname(direct, (struct sockaddr *)&direct_end, &name_bytes)) die("getsockname");
    if (setsockopt(clients, IPPROTO_IP, IP_TOS, &class, sizeof class)) die("IP_TOS");
    mark = (uint8_t)class;
    flows = (uint32_t)atoi(argv[7]);
    size_t bytes = (size_t)atoi(argv[8]);
    double per_ns = atof(argv[9]) / 1e9;
    uint64_t most_behind = (uint64_t)(per_ns * MOST_BEHIND_NS) + 1;
    uint64_t length = (uint64_t)(atof(argv[10]) * 1e9), started = now_ns(), warm_up = WARM_UP_S * 1000000000ull;
    next_number = calloc(flows, sizeof *next_number), last_seen = calloc(flows, sizeof *last_seen);
    heard_at = calloc(flows, sizeof *heard_at), longest_gap = calloc(flows, sizeof *longest_gap);
    host_of = calloc(flows, sizeof *host_of);
    for (uint32_t flow = 0; flow < flows; flow++) host_of[flow] = ntohl(client_net.sin_addr.s_addr) + 1 + flow;
    double moves_per_ns = argc == 14 ? atof(argv[13]) / 1e9 : 0;
    if (argc > 12) {
        checks = malloc((size_t)flows * CHECK_BYTES);
        FILE *file = fopen(argv[12], "rb");
        if (!file || fread(checks, CHECK_BYTES, flows, file) != flows) die(argv[12]);
        fclose(file);
    }
    uint64_t checks_sent = 0;
    int phase = 0;
    for (uint64_t now; (now = now_ns()) < started + warm_up + length + 1000000000ull;) {
        if (phase == 0 && now > started + warm_up) {
            phase = 1, memset(rtt_class, 0, sizeof rtt_class), say("start");
            memset(up_class, 0, sizeof up_class), memset(direct_class, 0, sizeof direct_class);
            memset(longest_gap, 0, flows * sizeof *longest_gap);
        } else if (phase == 1 && now > started + warm_up + length) {
            phase = 2, close_gaps(), say("stop");
        }
        uint64_t due = (uint64_t)((double)(now - started) * per_ns), done = totals.sent + totals.unsent;
        if (phase < 2 && due > done + most_behind) totals.unsent += due - done - most_behind, done = due - most_behind;
        if (checks && phase < 2) checks_sent = send_checks(clients, now - started, checks_sent);
        if (phase < 2) move_clients(clients, (uint64_t)((double)(now - started) * moves_per_ns));
        if (phase < 2 && due > done) send_clients(clients, bytes, due - done), send_direct(clients, bytes, now);
        echo(transceiver);
        receive_direct(direct);
        receive_clients(clients);
    }
    say("end");
    return 0;
}

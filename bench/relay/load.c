/* Clients and a transceiver in one thread: paces datagrams through relays and back, and says what came.
 *
 * Client i has the address CLIENT_NET + 1 + i and the port CLIENT_PORT; the whole network must be local here (`ip route
 * add local`). The transceiver sends every train back as it came: the SPP header is the same in both directions. Each
 * datagram carries when it was sent, its flow and its number, so the clients see loss, order and round trip time, and
 * how long each of them heard nothing. With CHECKS each client also sends its STUN check at once and every 2.5 s, as
 * libwebrtc does: FLOWS checks of CHECK_BYTES each, one after the other in the file.
 *
 * It spins, so it needs a core of its own, and always ends after WARM_UP_S + SECONDS + 1.
 * usage: load RELAY_HOST RELAY_PORT TRANSCEIVER_HOST TRANSCEIVER_PORT CLIENT_NET CLIENT_PORT FLOWS BYTES
 *             CLIENT_PACKETS_PER_S SECONDS [CHECKS]
 */
#include "udp.h"

#define BATCH 64
#define TRAIN_ROOM 65536
#define WARM_UP_S 1
#define RTT_CLASSES 200000 /* of a microsecond each */
#define CHECK_BYTES 108
#define CHECK_EVERY_NS 2500000000ull

struct stamp {
    uint8_t rtp[12];
    uint32_t flow, number;
    uint64_t sent_at;
} __attribute__((packed));

struct totals {
    uint64_t sent, unsent, upstream, received, reordered;
};

static uint32_t *next_number, *last_seen, flows;
static uint64_t *heard_at, *longest_gap;
static uint8_t *checks;
static uint32_t rtt_class[RTT_CLASSES], up_class[RTT_CLASSES];
static struct totals totals;
static struct sockaddr_in relay, client_net;
static uint8_t trains[16][TRAIN_ROOM];

/* A datagram of `bytes` of the next flow, from that flow's address. */
static void prepare(struct mmsghdr *message, uint8_t *datagram, size_t bytes, uint32_t flow, uint64_t now) {
    struct stamp stamp = {.rtp = {0x80, 111}, .flow = flow, .number = ++next_number[flow], .sent_at = now};
    memcpy(datagram, &stamp, sizeof stamp);
    message->msg_hdr.msg_iov->iov_len = bytes;
    struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(CMSG_FIRSTHDR(&message->msg_hdr));
    info->ipi_spec_dst.s_addr = htonl(ntohl(client_net.sin_addr.s_addr) + 1 + flow);
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
        prepare(&messages[i], datagrams[i], bytes, flow, now_ns());
        flow = flow + 1 == flows ? 0 : flow + 1;
    }
    int sent = sendmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT);
    totals.sent += sent > 0 ? (uint64_t)sent : 0;
    totals.unsent += (uint64_t)(count - (sent > 0 ? sent : 0));
}

/* The checks that are due at `now`, spread evenly over the interval; `sent` counts those already sent. */
static uint64_t send_checks(int fd, uint64_t elapsed, uint64_t sent) {
    /* All at once first: a call begins with its check. */
    uint64_t due = flows + (uint64_t)((double)elapsed / (double)CHECK_EVERY_NS * flows);
    for (int burst = 0; sent < due && burst < BATCH; burst++, sent++) {
        uint32_t flow = (uint32_t)(sent % flows);
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
        info->ipi_spec_dst.s_addr = htonl(ntohl(client_net.sin_addr.s_addr) + 1 + flow);
        if (sendmsg(fd, &message, MSG_DONTWAIT) < 0) break;
    }
    return sent;
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
    uint64_t now = now_ns();
    for (int i = 0; i < count; i++) {
        if (datagrams[i][0] < 4) continue; /* its own check, echoed */
        struct stamp stamp;
        memcpy(&stamp, datagrams[i], sizeof stamp);
        heard(stamp.flow, now);
        tally(rtt_class, now - stamp.sent_at);
        totals.received++;
        totals.reordered += stamp.number <= last_seen[stamp.flow];
        last_seen[stamp.flow] = stamp.number;
    }
}

/* One way, from client to transceiver: the same clock on both sides. */
static void tally_upstream(const uint8_t *train, size_t bytes, size_t segment) {
    uint64_t now = now_ns();
    for (size_t at = 0; at + SPP_BYTES + sizeof(struct stamp) <= bytes; at += segment) {
        if (train[at + SPP_BYTES] < 4) continue; /* a check */
        struct stamp stamp;
        memcpy(&stamp, train + at + SPP_BYTES, sizeof stamp);
        tally(up_class, now - stamp.sent_at);
    }
}

static void echo(int fd) {
    for (int i = 0; i < 16; i++) {
        struct sockaddr_in from;
        struct iovec slice = {trains[0], TRAIN_ROOM};
        char control[CMSG_SPACE(sizeof(int))];
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof from,
                                 .msg_iov = &slice,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        ssize_t bytes = recvmsg(fd, &message, MSG_DONTWAIT);
        if (bytes <= 0) return;
        size_t segment = segment_bytes(&message, (size_t)bytes);
        tally_upstream(trains[0], (size_t)bytes, segment);
        totals.upstream += ((size_t)bytes + segment - 1) / segment;
        struct iovec all = {trains[0], (size_t)bytes};
        if (send_train(fd, &from, &all, 1, (uint16_t)segment) < 0) totals.unsent += (size_t)bytes / segment;
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

static void say(const char *event) {
    printf("{\"event\": \"%s\", \"at_ns\": %llu, \"sent\": %llu, \"unsent\": %llu, \"upstream\": %llu, "
           "\"received\": %llu, \"reordered\": %llu, \"rtt_us\": {\"p50\": %llu, \"p99\": %llu, \"p99.9\": %llu}, "
           "\"one_way_us\": {\"p50\": %llu, \"p99\": %llu, \"p99.9\": %llu}, "
           "\"longest_gap_us\": {\"p50\": %llu, \"p99\": %llu, \"max\": %llu}}\n",
           event, (unsigned long long)now_ns(), (unsigned long long)totals.sent, (unsigned long long)totals.unsent,
           (unsigned long long)totals.upstream, (unsigned long long)totals.received,
           (unsigned long long)totals.reordered, (unsigned long long)quantile(rtt_class, 0.5),
           (unsigned long long)quantile(rtt_class, 0.99), (unsigned long long)quantile(rtt_class, 0.999),
           (unsigned long long)quantile(up_class, 0.5), (unsigned long long)quantile(up_class, 0.99),
           (unsigned long long)quantile(up_class, 0.999), (unsigned long long)gap_us(0.5), (unsigned long long)gap_us(0.99),
           (unsigned long long)gap_us(1.0));
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 11 && argc != 12) return fprintf(stderr, "see the head of load.c for its arguments\n"), 2;
    relay = ipv4(argv[1], argv[2]), client_net = ipv4(argv[5], argv[6]);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = client_net.sin_port};
    int transceiver = udp_socket(ipv4(argv[3], argv[4]), 1), clients = udp_socket(any, 0);
    flows = (uint32_t)atoi(argv[7]);
    size_t bytes = (size_t)atoi(argv[8]);
    double per_ns = atof(argv[9]) / 1e9;
    uint64_t length = (uint64_t)(atof(argv[10]) * 1e9), started = now_ns(), warm_up = WARM_UP_S * 1000000000ull;
    next_number = calloc(flows, sizeof *next_number), last_seen = calloc(flows, sizeof *last_seen);
    heard_at = calloc(flows, sizeof *heard_at), longest_gap = calloc(flows, sizeof *longest_gap);
    if (argc == 12) {
        checks = malloc((size_t)flows * CHECK_BYTES);
        FILE *file = fopen(argv[11], "rb");
        if (!file || fread(checks, CHECK_BYTES, flows, file) != flows) die(argv[11]);
        fclose(file);
    }
    uint64_t checks_sent = 0;
    int phase = 0;
    for (uint64_t now; (now = now_ns()) < started + warm_up + length + 1000000000ull;) {
        if (phase == 0 && now > started + warm_up) {
            phase = 1, memset(rtt_class, 0, sizeof rtt_class), say("start");
            memset(up_class, 0, sizeof up_class);
            memset(longest_gap, 0, flows * sizeof *longest_gap);
        } else if (phase == 1 && now > started + warm_up + length) {
            phase = 2, close_gaps(), say("stop");
        }
        uint64_t due = (uint64_t)((double)(now - started) * per_ns), done = totals.sent + totals.unsent;
        if (checks && phase < 2) checks_sent = send_checks(clients, now - started, checks_sent);
        if (phase < 2 && due > done) send_clients(clients, bytes, due - done);
        echo(transceiver);
        receive_clients(clients);
    }
    say("end");
    return 0;
}

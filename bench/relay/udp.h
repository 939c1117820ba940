/* What the load generator and the baseline share: batched UDP with GSO and GRO on Linux. */
#pragma once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define SPP_BYTES 38
#define MAX_SEGMENTS 64
#define MAX_TRAIN_BYTES 65507

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void sleep_until(uint64_t ns) {
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline struct sockaddr_in ipv4(const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die(host);
    return address;
}

static inline int udp_socket(struct sockaddr_in address, int gro) {
    int opened = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), buffer = 4 << 20, on = 1;
    if (opened < 0) die("socket");
    setsockopt(opened, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    setsockopt(opened, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (gro && setsockopt(opened, SOL_UDP, UDP_GRO, &on, sizeof on)) die("UDP_GRO");
    if (bind(opened, (struct sockaddr *)&address, sizeof address)) die("bind");
    return opened;
}

/* Segment size that GRO reports for a received message, or its whole length. */
static inline size_t segment_bytes(struct msghdr *message, size_t bytes) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) return (size_t) * (int *)CMSG_DATA(c);
    }
    return bytes;
}

/* Traffic class of a received message: its DSCP, without ECN. */
static inline uint8_t class_of(struct msghdr *message) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) return *CMSG_DATA(c) & 0xFC;
    }
    return 0;
}

static inline void put_int(struct cmsghdr *c, int type, int value) {
    c->cmsg_level = IPPROTO_IP, c->cmsg_type = type, c->cmsg_len = CMSG_LEN(sizeof value);
    memcpy(CMSG_DATA(c), &value, sizeof value);
}

/* One GSO send of equal segments, the last perhaps shorter. */
static inline ssize_t send_train(int fd, struct sockaddr_in *to, struct iovec *slices, size_t count, uint16_t segment,
                                 uint8_t class) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_name = to,
                             .msg_namelen = sizeof *to,
                             .msg_iov = slices,
                             .msg_iovlen = count,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(c), &segment, sizeof segment);
    if (class) put_int(CMSG_NXTHDR(&message, c), IP_TOS, class);
    else message.msg_controllen = CMSG_SPACE(sizeof segment);
    return sendmsg(fd, &message, MSG_DONTWAIT);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How requests reach a service. The core drives any number of transfers through one unit, in
 * the calling thread; http.c is the transport of every HTTPS backend, and the unit tests bring
 * one that answers from memory.
 */
#ifndef REMOTE_TRANSPORT_H
#define REMOTE_TRANSPORT_H

#include <stdint.h>

#include "remote/backend.h"

struct remote_transfer { /* one attempt of one call */
    struct remote_slot *slot;
    size_t endpoint;                /* index into the slot's endpoints */
    struct remote_request *request; /* cancel() may take its body */
    int64_t deadline_ms;            /* monotonic; the transport ends the transfer then */
    /* results */
    enum remote_rc rc; /* REMOTE_OK: a whole reply was read */
    bool sent;         /* some of the request may have reached the service */
    bool lasting;      /* trying the same endpoint again would end the same way */
    int status;
    int grpc_status; /* of a gRPC call: enum remote_grpc_status */
    unsigned retry_after_s;
    int64_t date;                   /* the reply's Date, seconds since 1970; 0: none */
    char header[REMOTE_HEADER_MAX]; /* that the request asked for; empty: not there */
    int64_t latency_us;
    struct remote_buf body;
    struct remote_error err;
    void *handle;                 /* the transport's */
    struct remote_transfer *next; /* the transport's list of finished ones */
};

struct remote_unit; /* a transport's own; begins with its struct remote_transport pointer */

struct remote_transport {
    /* A unit for one caller at a time; prefers one with a warm connection of this slot. */
    enum remote_rc (*acquire)(struct remote_slot *slot, struct remote_unit **ret,
                              struct remote_error *err);
    void (*release)(struct remote_unit *unit); /* no transfer is under way */
    /* Begins; the transfer and its request stay until wait() gave it back or cancel(). */
    enum remote_rc (*start)(struct remote_unit *unit, struct remote_transfer *transfer,
                            struct remote_error *err);
    void (*cancel)(struct remote_unit *unit, struct remote_transfer *transfer);
    /* A finished transfer, or NULL once the monotonic clock reached until_ms. */
    struct remote_transfer *(*wait)(struct remote_unit *unit, int64_t until_ms);
    /* Prepares and ends what a slot needs (TLS material, idle units). */
    enum remote_rc (*open)(struct remote_slot *slot, const struct remote_section *section,
                           struct remote_error *err);
    void (*close)(struct remote_slot *slot);
    void (*trim)(struct remote_slot *slot); /* ends idle units; may be NULL */
};

extern const struct remote_transport remote_transport_http;

#endif

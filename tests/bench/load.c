/*
 * load.c - puts load on one server, and measures each reply.
 *
 *     load --speak memferry|bare|redis|nats --socket PATH | --port PORT [--connections N]
 *          [--depth P] [--size BYTES] [--seconds S] [--warm-up S] [--rate N] [--count N]
 *
 * One thread, one epoll. Each connection keeps at most `depth` requests in flight. Without --rate
 * that is the closed loop of callers that wait (depth 1), and a latency is the time from just
 * before the send to the reply's arrival. With --rate requests are due at their times, in all that
 * many a second, and a latency counts from then. What comes within the warm-up is not counted.
 * --count ends it after so many replies instead. Prints one JSON object. Exit code 1: the server
 * refused something, closed, or answered nothing for ten seconds.
 */
#include "load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define SIZE_MAX_BYTES (1u << 20)

static void report(const struct load *load)
{
    const struct histogram *h = &load->latencies;
    double seconds =
        load->count > 0 ? (double)(load->drained_ns - load->begin_ns) / 1e9 : load->seconds;
    printf("{\"replies\": %llu, \"seconds\": %.3f, \"rate\": %.1f, \"p50_us\": %.1f, "
           "\"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, "
           "\"sent\": %llu, \"late_s\": %.3f}\n",
           (unsigned long long)h->total, seconds, (double)h->total / seconds,
           (double)histogram_quantile(h, 0.5) / 1e3, (double)histogram_quantile(h, 0.9) / 1e3,
           (double)histogram_quantile(h, 0.99) / 1e3, (double)histogram_quantile(h, 0.999) / 1e3,
           (double)h->max / 1e3, (unsigned long long)load->sent,
           load->count > 0 ? 0 : (double)(load->drained_ns - load->end_ns) / 1e9);
}

static unsigned number(const char *text, unsigned min, unsigned max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value < min || value > max) {
        fprintf(stderr, "load: %s is no number from %u to %u\n", text, min, max);
        exit(64);
    }
    return (unsigned)value;
}

static void read_option(struct load *load, int option, const char *value)
{
    if (option == 'l')
        load->speaker = speaker_find(value);
    else if (option == 's')
        load->socket = value;
    else if (option == 'p')
        load->port = number(value, 1, 65535);
    else if (option == 'c')
        load->connections = number(value, 1, LOAD_CONNECTIONS_MAX);
    else if (option == 'd')
        load->depth = number(value, 1, LOAD_DEPTH_MAX);
    else if (option == 'z')
        load->size = number(value, 256, SIZE_MAX_BYTES);
    else if (option == 't')
        load->seconds = strtod(value, NULL);
    else if (option == 'w')
        load->warm_up = strtod(value, NULL);
    else if (option == 'r')
        load->rate = strtod(value, NULL);
    else if (option == 'n')
        load->count = number(value, 1, UINT32_MAX);
    else
        exit(64);
}

static void read_options(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {
        {"speak", required_argument, NULL, 'l'},
        {"socket", required_argument, NULL, 's'},
        {"port", required_argument, NULL, 'p'},
        {"rate", required_argument, NULL, 'r'},
        {"connections", required_argument, NULL, 'c'},
        {"depth", required_argument, NULL, 'd'},
        {"size", required_argument, NULL, 'z'},
        {"seconds", required_argument, NULL, 't'},
        {"warm-up", required_argument, NULL, 'w'},
        {"count", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        read_option(load, option, optarg);
    if (!load->speaker || (!load->socket && load->port == 0) || load->seconds <= 0 ||
        load->rate < 0 || (load->rate > 0 && load->count > 0) || optind != argc) {
        fprintf(stderr, "load: needs --speak memferry|bare|redis|nats, --socket PATH or --port "
                        "PORT, and one of --rate and --count at most\n");
        exit(64);
    }
}

int main(int argc, char **argv)
{
    struct load *load = calloc(1, sizeof(*load));
    if (!load)
        return 1;
    *load = (struct load){.connections = 1, .depth = 1, .size = 600, .seconds = 1, .warm_up = 0.2};
    read_options(load, argc, argv);
    load_run(load);
    report(load);
    free(load);
    return 0;
}

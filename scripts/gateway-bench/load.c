/*
 * The load generator: N keep-alive connections, each sending the next request when the last reply has ended.
 *
 *   load --port P [--host 127.0.0.1] [--path /v1/chat/completions] [--connections N] [--requests M] [--warmup K]
 *        [--header 'Name: value']... [--body FILE]
 *
 * In C, because the machines that matter have few cores: a generator in Node takes as much CPU as the gateway and then
 * measures itself. One thread, epoll; it parses Content-Length and chunked replies and prints one JSON object:
 * count, seconds, requests per second, latency percentiles (nearest rank, microseconds, request written to last byte),
 * first-byte percentiles (to the first byte of the body), body bytes and failures. A reply other than 200, a broken
 * reply or a closed connection counts as failed; exit code 1 when any failed, so that no figure comes from errors.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, HEAD_BYTES_MAX = 16384, STALL_MS = 20000 };

typedef enum { HEAD, BODY_COUNTED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER } State;

typedef struct {
  int fd;
  State state;
  bool busy, chunked, ok;
  char line[HEAD_BYTES_MAX]; /* the head, or the chunk-size line, as far as it has come */
  size_t lineLength;
  unsigned long long left;
  double startUs, firstUs;
} Connection;

static Connection *connections;
static char *message;
static size_t messageLength;
static long started, finished, failed, total, warmup;
static double *latencies, *firsts, measureStartUs;
static unsigned long long bodyBytes;
static int epollFd;
static struct sockaddr_in address;
static char firstFailure[256];

static double nowUs(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void fatal(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(2);
}

static void begin(Connection *c) {
  if (started >= total + warmup) {
    c->busy = false;
    return;
  }
  if (started++ == warmup) measureStartUs = nowUs();
  c->state = HEAD;
  c->lineLength = 0;
  c->busy = true;
  c->firstUs = 0;
  c->startUs = nowUs();
  size_t sent = 0;
  while (sent < messageLength) { /* bodies are small; a full socket buffer is waited for */
    ssize_t n = send(c->fd, message + sent, messageLength - sent, MSG_NOSIGNAL);
    if (n > 0) sent += n;
    else if (errno != EAGAIN) return; /* the reading side will report the close */
  }
}

static void openConnection(Connection *c) {
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) fatal("cannot connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epollFd, EPOLL_CTL_ADD, c->fd, &event);
}

static void record(Connection *c) {
  long index = finished++ - warmup;
  if (index < 0) return;
  double end = nowUs();
  latencies[index] = end - c->startUs;
  firsts[index] = (c->firstUs > 0 ? c->firstUs : end) - c->startUs;
  if (!c->ok) failed++;
}

static void fail(Connection *c, const char *why) {
  if (!firstFailure[0]) snprintf(firstFailure, sizeof firstFailure, "%.200s", why);
  c->ok = false;
  close(c->fd);
  record(c);
  openConnection(c);
  begin(c);
}

static void done(Connection *c) {
  record(c);
  begin(c);
}

static bool headerIs(const char *head, const char *name, const char **value) {
  for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
    size_t length = strlen(name);
    if (strncasecmp(line + 2, name, length) || line[2 + length] != ':') continue;
    *value = line + 3 + length;
    while (**value == ' ') (*value)++;
    return true;
  }
  return false;
}

/* Collects bytes up to and with `end` ("\r\n" or "\r\n\r\n"), byte by byte after each '\n'; returns how many it took. */
static size_t collect(Connection *c, const char *bytes, size_t length, const char *end, bool *whole) {
  size_t endLength = strlen(end), taken = 0;
  while (taken < length && c->lineLength < HEAD_BYTES_MAX - 1) {
    const char *newline = memchr(bytes + taken, '\n', length - taken);
    size_t n = newline ? (size_t)(newline + 1 - bytes) - taken : length - taken;
    if (n > HEAD_BYTES_MAX - 1 - c->lineLength) n = HEAD_BYTES_MAX - 1 - c->lineLength;
    memcpy(c->line + c->lineLength, bytes + taken, n);
    c->lineLength += n;
    taken += n;
    *whole = c->lineLength >= endLength && memcmp(c->line + c->lineLength - endLength, end, endLength) == 0;
    if (*whole) break;
  }
  c->line[c->lineLength] = 0;
  return taken;
}

/* False when the head makes no sense. */
static bool readHead(Connection *c) {
  const char *value;
  c->ok = strncmp(c->line, "HTTP/1.1 200", 12) == 0;
  if (!c->ok && !firstFailure[0]) snprintf(firstFailure, sizeof firstFailure, "%.*s", (int)strcspn(c->line, "\r"), c->line);
  c->lineLength = 0;
  c->chunked = headerIs(c->line, "transfer-encoding", &value);
  if (c->chunked) return c->state = CHUNK_SIZE, true;
  if (!headerIs(c->line, "content-length", &value)) return false;
  c->left = strtoull(value, NULL, 10);
  c->state = BODY_COUNTED;
  return true;
}

static size_t skip(Connection *c, size_t length) {
  size_t n = c->left < length ? c->left : length;
  if (n > 0 && c->firstUs == 0) c->firstUs = nowUs();
  c->left -= n;
  if (c->state != CHUNK_END) bodyBytes += n;
  return n;
}

/* One step of the reply's state machine over the bytes at hand; -1 for a broken reply, sets *end at its last byte. */
static long step(Connection *c, const char *bytes, size_t length, bool *end) {
  bool whole = false;
  size_t n = 0;
  switch (c->state) {
    case HEAD:
      n = collect(c, bytes, length, "\r\n\r\n", &whole);
      if (whole && !readHead(c)) return -1;
      if (!whole && c->lineLength >= HEAD_BYTES_MAX - 1) return -1;
      *end = whole && c->state == BODY_COUNTED && c->left == 0;
      return n;
    case BODY_COUNTED:
      n = skip(c, length);
      *end = c->left == 0;
      return n;
    case CHUNK_SIZE:
      n = collect(c, bytes, length, "\r\n", &whole);
      if (!whole) return n;
      c->left = strtoull(c->line, NULL, 16);
      c->lineLength = 0;
      c->state = c->left > 0 ? CHUNK_DATA : TRAILER;
      return n;
    case CHUNK_DATA:
      n = skip(c, length);
      if (c->left == 0) c->state = CHUNK_END, c->left = 2;
      return n;
    case CHUNK_END:
      n = skip(c, length);
      if (c->left == 0) c->state = CHUNK_SIZE;
      return n;
    case TRAILER: /* no trailers are expected: the empty line ends the reply */
      n = collect(c, bytes, length, "\r\n", &whole);
      *end = whole;
      return n;
  }
  return -1;
}

static void readable(Connection *c) {
  static char bytes[262144];
  ssize_t got = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 && !c->busy) {
    close(c->fd);
    return;
  }
  if (got <= 0) return fail(c, "connection closed inside a reply");
  for (ssize_t at = 0; at < got;) {
    bool end = false;
    if (!c->busy) return;
    long n = step(c, bytes + at, got - at, &end);
    if (n < 0) return fail(c, "broken reply");
    at += n;
    if (end) done(c);
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Nearest rank: the smallest value that at least this share of all values does not exceed. */
static double percentile(const double *sorted, double share) {
  long rank = (long)(share * total + 0.999999);
  return sorted[rank < 1 ? 0 : rank - 1];
}

static void printSpread(const char *name, double *values) {
  double sum = 0;
  for (long i = 0; i < total; i++) sum += values[i];
  qsort(values, total, sizeof *values, ascending);
  printf("\"%s\":{\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f},", name, sum / total,
         percentile(values, 0.5), percentile(values, 0.9), percentile(values, 0.99), values[total - 1]);
}

static void report(void) {
  double seconds = (nowUs() - measureStartUs) / 1e6;
  printf("{\"requests\":%ld,\"failed\":%ld,\"seconds\":%.6f,\"requestsPerSec\":%.1f,", total, failed, seconds,
         total / seconds);
  printSpread("latencyUs", latencies);
  printSpread("firstByteUs", firsts);
  for (char *at = firstFailure; *at; at++)
    if (*at == '"' || *at == '\\' || *at < ' ') *at = '?';
  printf("\"bodyBytes\":%llu,\"firstFailure\":\"%s\"}\n", bodyBytes, firstFailure);
}

static char *readFile(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) fatal(path);
  fseek(file, 0, SEEK_END);
  *length = ftell(file);
  rewind(file);
  char *bytes = malloc(*length + 1);
  if (!bytes || fread(bytes, 1, *length, file) != *length) fatal(path);
  fclose(file);
  return bytes;
}

static void writeMessage(const char *path, const char *host, int port, const char *headers, const char *bodyPath) {
  size_t bodyLength = 0;
  char *body = bodyPath ? readFile(bodyPath, &bodyLength) : NULL;
  char *head;
  int headLength = asprintf(&head, "%s %s HTTP/1.1\r\nHost: %s:%d\r\n%s", body ? "POST" : "GET", path, host, port, headers);
  char *rest;
  int restLength = body ? asprintf(&rest, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", bodyLength)
                        : asprintf(&rest, "\r\n");
  messageLength = headLength + restLength + bodyLength;
  message = malloc(messageLength);
  memcpy(message, head, headLength);
  memcpy(message + headLength, rest, restLength);
  if (body) memcpy(message + headLength + restLength, body, bodyLength);
}

int main(int count, char **words) {
  const char *host = "127.0.0.1", *path = "/v1/chat/completions", *bodyPath = NULL;
  char headers[8192] = "";
  int port = 0, wanted = 1;
  total = 1000;
  for (int i = 1; i + 1 < count; i += 2) {
    const char *name = words[i], *value = words[i + 1];
    if (!strcmp(name, "--host")) host = value;
    else if (!strcmp(name, "--port")) port = atoi(value);
    else if (!strcmp(name, "--path")) path = value;
    else if (!strcmp(name, "--connections")) wanted = atoi(value);
    else if (!strcmp(name, "--requests")) total = atol(value);
    else if (!strcmp(name, "--warmup")) warmup = atol(value);
    else if (!strcmp(name, "--body")) bodyPath = value;
    else if (!strcmp(name, "--header")) snprintf(headers + strlen(headers), sizeof headers - strlen(headers), "%s\r\n", value);
    else return fprintf(stderr, "load: unknown flag %s\n", name), 2;
  }
  if (port <= 0 || wanted < 1 || wanted > CONNECTIONS_MAX || total < 1 || count % 2 == 0)
    return fprintf(stderr, "load: give --port, 1..%d --connections and at least one of --requests\n", CONNECTIONS_MAX), 2;
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fatal(host);
  writeMessage(path, host, port, headers, bodyPath);
  latencies = calloc(total, sizeof *latencies);
  firsts = calloc(total, sizeof *firsts);
  connections = calloc(wanted, sizeof *connections);
  epollFd = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < wanted; i++) openConnection(&connections[i]);
  for (int i = 0; i < wanted; i++) begin(&connections[i]);
  struct epoll_event events[256];
  while (finished < total + warmup) {
    int ready = epoll_wait(epollFd, events, 256, STALL_MS);
    if (ready == 0) return fprintf(stderr, "load: no byte for %d s after %ld replies\n", STALL_MS / 1000, finished), 2;
    for (int i = 0; i < ready; i++) readable(events[i].data.ptr);
  }
  report();
  return failed > 0 ? 1 : 0;
}

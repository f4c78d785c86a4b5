/*
 * A fast stand-in for llama-server, so that what a gateway costs is not hidden behind what a model costs.
 *
 * One thread, epoll, keep-alive HTTP/1.1. It takes llama-server's flags (those it does not know are skipped), so a
 * gateway can supervise it as the `binary` of a llama-server runtime, and answers with the shapes of llama-server:
 *
 *   POST /v1/chat/completions   whole body, or SSE: role chunk, 64 content chunks, finish chunk with timings, [DONE]
 *   POST /v1/completions        the same as SSE only, in text chunks
 *   GET  /health /props /slots /metrics /v1/models      POST /tokenize
 *
 * Each SSE event is its own HTTP chunk and its own write(), as the real server sends them. 67 writes cost more than the
 * rest of the stream together, so a request with `"user":"one-write"` gets the same bytes in one write: that shows what
 * a gateway costs when the upstream is no limit. (A body field, because every gateway passes `user` on.) There is no
 * delay between tokens unless UPSTREAM_TOKEN_DELAY_US is set. `max_tokens` shortens a reply and never lengthens it;
 * UPSTREAM_TOKENS is how long a stream is without it, 64 where it is not set.
 * The figures in `timings` are constants: nothing is computed here, and a gateway may only copy them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TOKENS = 64, CONNECTIONS_MAX = 4096, BODY_BYTES_MAX = 64 << 20, HEAD_BYTES_MAX = 64 << 10 };

typedef struct {
  char *bytes;
  size_t length, capacity;
} Buffer;

typedef struct {
  int fd;
  Buffer in, out; /* out holds only what the socket would not take at once */
  size_t outSent;
  int tokensLeft; /* > 0 while a delayed stream is running */
  int tokensAsked;
  bool includeUsage, oneWrite, closing, raw;
  long long nextTokenUs;
} Connection;

typedef struct {
  const char *method, *path, *body;
  size_t methodLength, pathLength, bodyLength;
} Request;

static Connection *connections[CONNECTIONS_MAX];
static int epollFd, delayedStreams;
static long tokenDelayUs;
static int streamTokens = TOKENS;
static const char *alias = "upstream", *apiKey = NULL;
static volatile sig_atomic_t stopping;

static void fatal(const char *what) {
  fprintf(stderr, "upstream: %s: %s\n", what, strerror(errno));
  exit(1);
}

static long long nowUs(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void append(Buffer *buffer, const char *bytes, size_t length) {
  if (buffer->length + length > buffer->capacity) {
    size_t capacity = buffer->capacity ? buffer->capacity : 16384;
    while (capacity < buffer->length + length) capacity *= 2;
    buffer->bytes = realloc(buffer->bytes, capacity);
    if (!buffer->bytes) fatal("out of memory");
    buffer->capacity = capacity;
  }
  memcpy(buffer->bytes + buffer->length, bytes, length);
  buffer->length += length;
}

static void drop(Connection *c) {
  if (c->tokensLeft > 0) delayedStreams--;
  connections[c->fd] = NULL;
  close(c->fd);
  free(c->in.bytes);
  free(c->out.bytes);
  free(c);
}

static void watch(Connection *c, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = c->fd};
  epoll_ctl(epollFd, EPOLL_CTL_MOD, c->fd, &event);
}

/* Sends now if nothing waits before it; what the socket refuses is kept until EPOLLOUT. */
static void sendBytes(Connection *c, const char *bytes, size_t length) {
  if (c->closing) return;
  if (c->out.length == c->outSent && !c->oneWrite) {
    ssize_t sent = send(c->fd, bytes, length, MSG_NOSIGNAL);
    if (sent == (ssize_t)length) return;
    if (sent < 0 && errno != EAGAIN) {
      c->closing = true;
      return;
    }
    if (sent > 0) bytes += sent, length -= sent;
  }
  append(&c->out, bytes, length);
  if (!c->oneWrite) watch(c, EPOLLIN | EPOLLOUT);
}

static void flushWaiting(Connection *c) {
  ssize_t sent = send(c->fd, c->out.bytes + c->outSent, c->out.length - c->outSent, MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno != EAGAIN) c->closing = true;
    return;
  }
  c->outSent += sent;
  bool more = c->outSent < c->out.length;
  if (!more) c->out.length = c->outSent = 0;
  watch(c, more ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void sendWhole(Connection *c, const char *status, const char *type, const char *body) {
  char reply[8192];
  int length = snprintf(reply, sizeof reply,
                        "HTTP/1.1 %s\r\nServer: llama.cpp\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", status, type,
                        strlen(body), body);
  sendBytes(c, reply, length);
}

static void sendJson(Connection *c, const char *body) { sendWhole(c, "200 OK", "application/json; charset=utf-8", body); }

static void sendEvent(Connection *c, const char *event) {
  char chunk[2048];
  int length = snprintf(chunk, sizeof chunk, "%zx\r\ndata: %s\n\n\r\n", strlen(event) + 8, event);
  sendBytes(c, chunk, length);
}

#define TIMINGS(N)                                                                                                     \
  "\"timings\":{\"cache_n\":0,\"prompt_n\":12,\"prompt_ms\":24.0,\"prompt_per_token_ms\":2.0,"                         \
  "\"prompt_per_second\":500.0,\"predicted_n\":" N ",\"predicted_ms\":%d.0,\"predicted_per_token_ms\":10.0,"           \
  "\"predicted_per_second\":100.0}"
#define USAGE "\"usage\":{\"completion_tokens\":%d,\"prompt_tokens\":12,\"total_tokens\":%d}"

/* Object head of every stream chunk after "choices"; kept in llama-server's field order. */
static const char *chunkTail(bool raw) {
  static char tail[512];
  snprintf(tail, sizeof tail,
           "\"created\":%ld,\"id\":\"chatcmpl-bench000000000000000000000000\",\"model\":\"%s\","
           "\"system_fingerprint\":\"b1-bench\",\"object\":\"%s\"",
           (long)time(NULL), alias, raw ? "text_completion" : "chat.completion.chunk");
  return tail;
}

static void sendToken(Connection *c, int index, const char *tail) {
  char event[1024];
  const char *form = c->raw ? "{\"choices\":[{\"text\":\" w%d\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}],%s}"
                            : "{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\" w%d\"}}],%s}";
  snprintf(event, sizeof event, form, index, tail);
  sendEvent(c, event);
}

static void sendStreamEnd(Connection *c, const char *tail) {
  char event[1536], timings[512];
  int n = c->tokensAsked;
  snprintf(timings, sizeof timings, TIMINGS("%d"), n, n * 10);
  /* As the real server: timings ride on the last object, whichever that is. */
  snprintf(event, sizeof event, "{\"choices\":[{\"finish_reason\":\"%s\",\"index\":0,%s}],%s%s%s}",
           n < streamTokens ? "length" : "stop", c->raw ? "\"text\":\"\"" : "\"delta\":{}", tail, c->includeUsage ? "" : ",", c->includeUsage ? "" : timings);
  sendEvent(c, event);
  if (c->includeUsage) {
    snprintf(event, sizeof event, "{\"choices\":[],%s," USAGE ",%s}", tail, n, n + 12, timings);
    sendEvent(c, event);
  }
  sendEvent(c, "[DONE]");
  sendBytes(c, "0\r\n\r\n", 5);
}

static void startStream(Connection *c) {
  const char *tail = chunkTail(c->raw);
  const char *head = "HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nContent-Type: text/event-stream\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n";
  char event[1024];
  c->oneWrite = c->oneWrite && tokenDelayUs == 0;
  sendBytes(c, head, strlen(head));
  snprintf(event, sizeof event,
           "{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}],%s}", tail);
  if (!c->raw) sendEvent(c, event);
  if (tokenDelayUs > 0) {
    c->tokensLeft = c->tokensAsked;
    c->nextTokenUs = nowUs() + tokenDelayUs;
    delayedStreams++;
    return;
  }
  for (int i = 1; i <= c->tokensAsked; i++) sendToken(c, i, tail);
  sendStreamEnd(c, tail);
  c->oneWrite = false;
  if (c->out.length > c->outSent) flushWaiting(c);
}

static void sendCompletion(Connection *c) {
  char content[TOKENS * 8], body[4096];
  size_t length = 0;
  int n = c->tokensAsked;
  content[0] = 0;
  for (int i = 1; i <= n; i++) length += snprintf(content + length, sizeof content - length, " w%d", i);
  snprintf(body, sizeof body,
           "{\"choices\":[{\"finish_reason\":\"%s\",\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"}}],"
           "\"created\":%ld,\"model\":\"%s\",\"system_fingerprint\":\"b1-bench\",\"object\":\"chat.completion\"," USAGE
           ",\"id\":\"chatcmpl-bench000000000000000000000000\"," TIMINGS("%d") "}",
           n < TOKENS ? "length" : "stop", content, (long)time(NULL), alias, n, n + 12, n, n * 10);
  sendJson(c, body);
}

/* Value text after `"name":` at any depth: enough for bodies this program is sent, and no JSON parser in the profile. */
static const char *member(const Request *request, const char *name) {
  const char *at = request->body, *end = request->body + request->bodyLength;
  while ((at = memmem(at, end - at, name, strlen(name)))) {
    at += strlen(name);
    const char *value = at;
    while (value < end && *value == ' ') value++;
    if (value == end || *value++ != ':') continue; /* a string value of that spelling, as in "role":"user" */
    while (value < end && *value == ' ') value++;
    return value < end ? value : NULL;
  }
  return NULL;
}

static bool memberIsTrue(const Request *request, const char *name) {
  const char *value = member(request, name);
  return value && request->body + request->bodyLength - value >= 4 && memcmp(value, "true", 4) == 0;
}

static void generate(Connection *c, const Request *request, bool raw) {
  const char *most = member(request, "\"max_tokens\"");
  bool stream = memberIsTrue(request, "\"stream\"");
  int asked = most ? atoi(most) : 0, longest = stream ? streamTokens : TOKENS;
  c->raw = raw;
  c->tokensAsked = asked > 0 && asked < longest ? asked : longest;
  c->includeUsage = memberIsTrue(request, "\"include_usage\"");
  const char *user = member(request, "\"user\"");
  c->oneWrite = user && strncmp(user, "\"one-write\"", 11) == 0;
  if (stream) startStream(c);
  else {
    c->oneWrite = false;
    sendCompletion(c);
  }
}

static void tokenize(Connection *c, const Request *request) {
  char body[4096] = "{\"tokens\":[";
  size_t length = strlen(body), count = request->bodyLength / 4 + 1;
  for (size_t i = 0; i < count && length < sizeof body - 16; i++) length += sprintf(body + length, i ? ",%zu" : "%zu", i);
  strcpy(body + length, "]}");
  sendJson(c, body);
}

static bool is(const Request *request, const char *method, const char *path) {
  return request->methodLength == strlen(method) && memcmp(request->method, method, request->methodLength) == 0 &&
         request->pathLength == strlen(path) && memcmp(request->path, path, request->pathLength) == 0;
}

static void answer(Connection *c, const Request *request, bool allowed) {
  char body[512];
  if (is(request, "GET", "/health")) return sendJson(c, "{\"status\":\"ok\"}");
  if (!allowed)
    return sendWhole(c, "401 Unauthorized", "application/json; charset=utf-8",
                     "{\"error\":{\"message\":\"Invalid API Key\",\"type\":\"authentication_error\",\"code\":401}}");
  if (is(request, "POST", "/v1/chat/completions")) return generate(c, request, false);
  if (is(request, "POST", "/v1/completions")) return generate(c, request, true);
  if (is(request, "POST", "/tokenize")) return tokenize(c, request);
  if (is(request, "GET", "/slots")) return sendJson(c, "[{\"id\":0,\"is_processing\":false}]");
  if (is(request, "GET", "/metrics"))
    return sendWhole(c, "200 OK", "text/plain; version=0.0.4", "llamacpp:requests_processing 0\n");
  if (is(request, "GET", "/props")) {
    snprintf(body, sizeof body,
             "{\"default_generation_settings\":{\"n_ctx\":4096},\"total_slots\":16,\"model_alias\":\"%s\","
             "\"chat_template\":\"\",\"modalities\":{\"vision\":false,\"audio\":false},\"build_info\":\"b1-bench\"}",
             alias);
    return sendJson(c, body);
  }
  if (is(request, "GET", "/v1/models")) {
    snprintf(body, sizeof body, "{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\"}]}", alias);
    return sendJson(c, body);
  }
  sendWhole(c, "404 Not Found", "application/json; charset=utf-8",
            "{\"error\":{\"code\":404,\"message\":\"File Not Found\",\"type\":\"not_found_error\"}}");
}

static const char *headerValue(const char *head, size_t length, const char *name) {
  size_t nameLength = strlen(name);
  for (const char *line = head; line && line + nameLength < head + length;) {
    line = memchr(line, '\n', head + length - line);
    if (!line) return NULL;
    line++;
    if (line + nameLength >= head + length || strncasecmp(line, name, nameLength) || line[nameLength] != ':') continue;
    const char *value = line + nameLength + 1;
    while (*value == ' ') value++;
    return value;
  }
  return NULL;
}

static bool keyMatches(const char *head, size_t length) {
  if (!apiKey) return true;
  const char *value = headerValue(head, length, "authorization");
  size_t keyLength = strlen(apiKey);
  return value && strncasecmp(value, "Bearer ", 7) == 0 && strncmp(value + 7, apiKey, keyLength) == 0 &&
         value[7 + keyLength] == '\r';
}

/* Walks a chunked body, joining it in place when asked to; its bytes on the wire, 0 while incomplete, -1 if malformed. */
static long dechunk(char *bytes, size_t available, size_t *bodyLength, bool join) {
  size_t at = 0, written = 0;
  for (;;) {
    char *lineEnd = memmem(bytes + at, available - at, "\r\n", 2), *end;
    if (!lineEnd) return available - at > 32 ? -1 : 0;
    unsigned long size = strtoul(bytes + at, &end, 16);
    if (end == bytes + at || size > BODY_BYTES_MAX) return -1;
    size_t start = lineEnd + 2 - bytes;
    if (available < start + size + 2) return 0;
    if (join) memmove(bytes + written, bytes + start, size);
    written += size;
    at = start + size + 2;
    if (size > 0) continue;
    *bodyLength = written;
    return at;
  }
}

/* Takes one whole request off the input buffer and answers it; false when more bytes are needed. */
static bool takeRequest(Connection *c) {
  char *head = c->in.bytes;
  char *headEnd = c->in.length ? memmem(head, c->in.length, "\r\n\r\n", 4) : NULL;
  if (!headEnd) {
    if (c->in.length > HEAD_BYTES_MAX) c->closing = true;
    return false;
  }
  size_t headLength = headEnd + 4 - head, wireLength;
  Request request = {.method = head, .body = head + headLength};
  const char *length = headerValue(head, headLength, "content-length");
  const char *encoding = headerValue(head, headLength, "transfer-encoding");
  if (encoding && strncasecmp(encoding, "chunked", 7) == 0) {
    long wire = dechunk(head + headLength, c->in.length - headLength, &request.bodyLength, false);
    if (wire < 0) c->closing = true;
    if (wire <= 0) return false;
    dechunk(head + headLength, c->in.length - headLength, &request.bodyLength, true);
    wireLength = wire;
  } else {
    wireLength = request.bodyLength = length ? strtoul(length, NULL, 10) : 0;
    if (wireLength > BODY_BYTES_MAX) c->closing = true;
    if (c->closing || c->in.length < headLength + wireLength) return false;
  }
  const char *space = memchr(head, ' ', headLength);
  if (!space) return (c->closing = true, false);
  request.methodLength = space - head;
  request.path = space + 1;
  request.pathLength = strcspn(request.path, " ?\r");
  answer(c, &request, keyMatches(head, headLength));
  size_t used = headLength + wireLength;
  memmove(c->in.bytes, c->in.bytes + used, c->in.length - used);
  c->in.length -= used;
  return true;
}

static void readable(Connection *c) {
  char bytes[65536];
  ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) c->closing = true;
  if (got > 0) append(&c->in, bytes, got);
  while (!c->closing && c->tokensLeft == 0 && takeRequest(c)) continue;
}

static void acceptAll(int listener) {
  int fd, on = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    if (fd >= CONNECTIONS_MAX) {
      close(fd);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection *c = calloc(1, sizeof *c);
    if (!c) fatal("out of memory");
    c->fd = fd;
    connections[fd] = c;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, &event);
  }
}

/* One token for every stream that is due, so that 16 slots advance together as in a batched decode. */
static int advanceStreams(void) {
  if (delayedStreams == 0) return -1;
  long long now = nowUs(), next = now + 1000000;
  for (int fd = 0; fd < CONNECTIONS_MAX; fd++) {
    Connection *c = connections[fd];
    if (!c || c->tokensLeft == 0) continue;
    while (c->tokensLeft > 0 && c->nextTokenUs <= now && !c->closing) {
      sendToken(c, c->tokensAsked - --c->tokensLeft, chunkTail(c->raw));
      c->nextTokenUs += tokenDelayUs;
      if (c->tokensLeft > 0) continue;
      delayedStreams--;
      sendStreamEnd(c, chunkTail(c->raw));
      while (takeRequest(c)) continue;
    }
    if (c->closing) drop(c);
    else if (c->tokensLeft > 0 && c->nextTokenUs < next) next = c->nextTokenUs;
  }
  long long waitUs = next - nowUs();
  return waitUs <= 0 ? 0 : (int)((waitUs + 999) / 1000);
}

static int listenOn(const char *host, int port) {
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  socklen_t size = sizeof address;
  if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1", &address.sin_addr) != 1) fatal("bad --host");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 512)) fatal("cannot listen");
  getsockname(fd, (struct sockaddr *)&address, &size);
  fprintf(stderr, "main: server is listening on http://%s:%d\n", host, ntohs(address.sin_port));
  return fd;
}

static const char *firstLine(const char *path) {
  static char line[512];
  FILE *file = fopen(path, "r");
  if (!file || !fgets(line, sizeof line, file)) fatal("cannot read --api-key-file");
  fclose(file);
  line[strcspn(line, "\r\n")] = 0;
  return line;
}

static void onStop(int signal) { stopping = signal; }

#include "upstream-help.h"

int main(int count, char **words) {
  const char *host = "127.0.0.1", *delay = getenv("UPSTREAM_TOKEN_DELAY_US"), *tokens = getenv("UPSTREAM_TOKENS");
  int port = 8080;
  apiKey = getenv("LLAMA_API_KEY");
  for (int i = 1; i < count; i++) {
    const char *next = i + 1 < count ? words[i + 1] : NULL;
    if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h")) return fputs(HELP, stdout), 0;
    if (!strcmp(words[i], "--version"))
      return fputs("version: 1 (bench)\nbuilt with gcc for the gateway benchmark\n", stderr), 0;
    if (!next) break;
    if (!strcmp(words[i], "--host")) host = next, i++;
    else if (!strcmp(words[i], "--port")) port = atoi(next), i++;
    else if (!strcmp(words[i], "--alias") || !strcmp(words[i], "-a")) alias = next, i++;
    else if (!strcmp(words[i], "--api-key")) apiKey = next, i++;
    else if (!strcmp(words[i], "--api-key-file")) apiKey = firstLine(next), i++;
  }
  tokenDelayUs = delay ? atol(delay) : 0;
  if (tokens && atoi(tokens) > 0) streamTokens = atoi(tokens);
  struct sigaction stop = {.sa_handler = onStop};
  sigaction(SIGTERM, &stop, NULL);
  sigaction(SIGINT, &stop, NULL);
  signal(SIGPIPE, SIG_IGN);
  epollFd = epoll_create1(EPOLL_CLOEXEC);
  int listener = listenOn(host, port);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
  epoll_ctl(epollFd, EPOLL_CTL_ADD, listener, &event);
  while (!stopping) {
    int ready = epoll_wait(epollFd, events, 256, advanceStreams());
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      Connection *c = fd == listener ? NULL : connections[fd];
      if (fd == listener) acceptAll(listener);
      if (!c) continue;
      if (events[i].events & EPOLLOUT) flushWaiting(c);
      if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) readable(c);
      if (c->closing) drop(c);
    }
  }
  return 0;
}

/*
 * Stands in for the kernel's side of TEE interfaces, for tests: preloaded into a process, it hands every call on a path
 * below STAND_IN_ROOT, and on what was opened there, to a server at the unix socket STAND_IN_SOCKET. A file is a connection.
 *
 * Request: op, argument, length (u32 each, native order), bytes. Reply: errno, value, length, bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { OPEN = 1, READ, WRITE, CLOSE, MKDIR, RMDIR, IOCTL };
#define MAX_FD 4096
static unsigned char ours[MAX_FD];
/* Calls that wait for their reply: their number must not be given out again under them. */
static int waiting[MAX_FD];

static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_close)(int);

static void setup(void) {
  if (real_close) return;
  real_read = dlsym(RTLD_NEXT, "read");
  real_write = dlsym(RTLD_NEXT, "write");
  real_close = dlsym(RTLD_NEXT, "close");
}

static int is_ours(int fd) { return fd >= 0 && fd < MAX_FD && ours[fd]; }

static int below_root(const char *path) {
  const char *root = getenv("STAND_IN_ROOT");
  return root && path && strncmp(path, root, strlen(root)) == 0;
}

static int put(int fd, const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
    if (n <= 0) return 0;
    at += n;
    length -= n;
  }
  return 1;
}

/* Fails where the file was closed under a call that still waits. */
static int get(int fd, void *bytes, size_t length) {
  char *at = bytes;
  while (length > 0) {
    ssize_t n = real_read(fd, at, length);
    if (n <= 0) return 0;
    at += n;
    length -= n;
  }
  return 1;
}

static int dial(void) {
  setup();
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, getenv("STAND_IN_SOCKET"), sizeof address.sun_path - 1);
  if (fd < 0 || fd >= MAX_FD || connect(fd, (void *)&address, sizeof address) != 0) abort();
  return fd;
}

/* Returns the reply's value, or -1 with errno. The reply's bytes go to out. */
static long exchange(int fd, uint32_t op, uint32_t argument, const void *in, uint32_t in_length, void *out,
                     uint32_t out_room) {
  uint32_t head[3] = {op, argument, in_length};
  int whole = put(fd, head, sizeof head) && put(fd, in, in_length) && get(fd, head, sizeof head);
  if (whole && head[2] > out_room) abort();
  if (!whole || !get(fd, out, head[2])) {
    errno = EIO;
    return -1;
  }
  if (head[0] != 0) {
    errno = head[0];
    return -1;
  }
  return head[1];
}

static long ask(int fd, uint32_t op, uint32_t argument, const void *in, uint32_t in_length, void *out,
                uint32_t out_room) {
  __atomic_add_fetch(&waiting[fd], 1, __ATOMIC_SEQ_CST);
  long result = exchange(fd, op, argument, in, in_length, out, out_room);
  int kept = errno;
  __atomic_sub_fetch(&waiting[fd], 1, __ATOMIC_SEQ_CST);
  errno = kept;
  return result;
}

static int open_ours(const char *path, int flags) {
  int fd = dial();
  if (ask(fd, OPEN, flags, path, strlen(path), NULL, 0) < 0) {
    int kept = errno;
    real_close(fd);
    errno = kept;
    return -1;
  }
  ours[fd] = 1;
  return fd;
}

#define OPENER(name)                                                        \
  int name(const char *path, int flags, ...) {                              \
    va_list list;                                                           \
    va_start(list, flags);                                                  \
    int mode = va_arg(list, int);                                           \
    va_end(list);                                                           \
    if (below_root(path)) return open_ours(path, flags);                    \
    int (*real)(const char *, int, int) = dlsym(RTLD_NEXT, #name);          \
    return real(path, flags, mode);                                         \
  }
OPENER(open)
OPENER(open64)

#define FOLDER(name, op, parameters, arguments)                             \
  int name parameters {                                                     \
    if (!below_root(path)) {                                                \
      int(*real) parameters = dlsym(RTLD_NEXT, #name);                      \
      return real arguments;                                                \
    }                                                                       \
    int fd = dial();                                                        \
    long result = ask(fd, op, 0, path, strlen(path), NULL, 0);              \
    int kept = errno;                                                       \
    real_close(fd);                                                         \
    errno = kept;                                                           \
    return result;                                                          \
  }
FOLDER(mkdir, MKDIR, (const char *path, mode_t mode), (path, mode))
FOLDER(rmdir, RMDIR, (const char *path), (path))

ssize_t read(int fd, void *buffer, size_t length) {
  setup();
  if (!is_ours(fd)) return real_read(fd, buffer, length);
  return ask(fd, READ, length, NULL, 0, buffer, length);
}

ssize_t write(int fd, const void *buffer, size_t length) {
  setup();
  if (!is_ours(fd)) return real_write(fd, buffer, length);
  return ask(fd, WRITE, 0, buffer, length, NULL, 0);
}

/* A register has no position: every read and write is of all of it. */
#define POSITIONED(name, buffer_type, op)                                   \
  ssize_t name(int fd, buffer_type buffer, size_t length, off_t offset) {   \
    setup();                                                                \
    if (is_ours(fd)) return op(fd, buffer, length);                         \
    ssize_t (*real)(int, buffer_type, size_t, off_t) = dlsym(RTLD_NEXT, #name); \
    return real(fd, buffer, length, offset);                                \
  }
POSITIONED(pread, void *, read)
POSITIONED(pread64, void *, read)
POSITIONED(pwrite, const void *, write)
POSITIONED(pwrite64, const void *, write)

int close(int fd) {
  setup();
  if (is_ours(fd)) {
    if (__atomic_load_n(&waiting[fd], __ATOMIC_SEQ_CST) == 0) ask(fd, CLOSE, 0, NULL, 0, NULL, 0);
    shutdown(fd, SHUT_RDWR);
    while (__atomic_load_n(&waiting[fd], __ATOMIC_SEQ_CST) != 0) usleep(1000);
    ours[fd] = 0;
  }
  return real_close(fd);
}

/* libuv closes files by number. */
long syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (number == SYS_close && is_ours(a[0])) return close(a[0]);
  long (*real)(long, ...) = dlsym(RTLD_NEXT, "syscall");
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The structures of the kernel's headers are flattened, and their parts laid back where they came from. */
static int tdx(int fd, unsigned long request, unsigned char *argument) {
  return ask(fd, IOCTL, request, argument, 64, argument + 64, 1024);
}

static int sev(int fd, unsigned long request, uint64_t *argument, int extended) {
  unsigned char in[112], out[16 + 4000 + 16384];
  memcpy(in, (void *)(uintptr_t)argument[1], extended ? 112 : 96);
  long result = ask(fd, IOCTL, request, in, extended ? 112 : 96, out, sizeof out);
  int kept = errno;
  memcpy(&argument[3], out, 8);
  if (result >= 0) {
    memcpy((void *)(uintptr_t)argument[2], out + 16, 4000);
    uint64_t certificates;
    memcpy(&certificates, in + 96, 8);
    if (extended && certificates % 4096 != 0) {
      errno = EINVAL;
      return -1;
    }
    if (extended) memcpy((void *)(uintptr_t)certificates, out + 4016, 16384);
  }
  errno = kept;
  return result;
}

static int nsm(int fd, unsigned long request, uint64_t *argument) {
  long result = ask(fd, IOCTL, request, (void *)(uintptr_t)argument[0], argument[1],
                    (void *)(uintptr_t)argument[2], argument[3]);
  if (result < 0) return -1;
  argument[3] = result;
  return 0;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void *argument = va_arg(list, void *);
  va_end(list);
  if (!is_ours(fd)) {
    int (*real)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, argument);
  }
  setup();
  switch (request & 0xffffffff) {
    case 0xc4405401: return tdx(fd, request, argument);
    case 0xc0205300: return sev(fd, request, argument, 0);
    case 0xc0205302: return sev(fd, request, argument, 1);
    case 0xc0200a00: return nsm(fd, request, argument);
    default: errno = ENOTTY; return -1;
  }
}

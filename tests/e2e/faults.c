/* Loaded before the C library (LD_PRELOAD), for tests that need a program to die, or its clock to jump, at a point that
 * nothing outside can hit. What it does is said by the environment:
 *   FAULT_UNDER     a folder: calls that change something in it are counted (write, fsync, fdatasync, rename, ftruncate)
 *   FAULT_KILL_AT   before call number so many the process kills itself; of a write, half is written
 *   FAULT_CLOCK     a file with a number: seconds by which the wall clock is off, read anew at each look
 * Compiled by faults.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;

static void* next_of(const char* name) { return dlsym(RTLD_NEXT, name); }

static int below(const char* path) {
  const char* under = getenv("FAULT_UNDER");
  return under != NULL && path != NULL && strncmp(path, under, strlen(under)) == 0;
}

static int watched(int fd) {
  char link[64], path[PATH_MAX];
  if (getenv("FAULT_KILL_AT") == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = '\0';
  return below(path);
}

/* Whether this call is the one. */
static int is_due(void) {
  const char* at = getenv("FAULT_KILL_AT");
  return at != NULL && atomic_fetch_add(&calls, 1) + 1 == atol(at);
}

static void die(void) { kill(getpid(), SIGKILL); }

ssize_t write(int fd, const void* data, size_t size) {
  ssize_t (*real)(int, const void*, size_t) = (ssize_t (*)(int, const void*, size_t))next_of("write");
  if (watched(fd) && is_due()) {
    real(fd, data, size / 2);
    die();
  }
  return real(fd, data, size);
}

#define BEFORE(name, condition, type, args, pass) \
  int name args {                                 \
    int(*real) args = (int(*) args)next_of(#name); \
    if ((condition) && is_due()) die();           \
    return real pass;                             \
  }
BEFORE(fsync, watched(fd), int, (int fd), (fd))
BEFORE(fdatasync, watched(fd), int, (int fd), (fd))
BEFORE(ftruncate, watched(fd), int, (int fd, off_t size), (fd, size))
BEFORE(ftruncate64, watched(fd), int, (int fd, off64_t size), (fd, size))
BEFORE(rename, below(to), int, (const char* from, const char* to), (from, to))

static double offset(void) {
  static __thread int inside;
  const char* name = getenv("FAULT_CLOCK");
  char text[32];
  if (name == NULL || inside) return 0;
  inside = 1;
  const int fd = open(name, O_RDONLY | O_CLOEXEC);
  const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  inside = 0;
  if (n <= 0) return 0;
  text[n] = '\0';
  return atof(text);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  int (*real)(clockid_t, struct timespec*) = (int (*)(clockid_t, struct timespec*))next_of("clock_gettime");
  const int result = real(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += (time_t)offset();
  return result;
}

int gettimeofday(struct timeval* now, void* zone) {
  int (*real)(struct timeval*, void*) = (int (*)(struct timeval*, void*))next_of("gettimeofday");
  const int result = real(now, zone);
  if (result == 0) now->tv_sec += (time_t)offset();
  return result;
}

time_t time(time_t* out) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}

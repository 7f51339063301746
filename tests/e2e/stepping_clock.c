// The system's clock, shifted by the seconds that a file holds: loaded into lictord by the tests (LD_PRELOAD), so that its
// clock steps while it runs and nothing else's does. TEST_CLOCK_FILE names a file of 8 bytes, a signed number.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t shift(void) {
  static volatile int64_t *seconds = NULL;
  if (seconds == NULL) {
    const char *const name = getenv("TEST_CLOCK_FILE");
    const int file = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    void *const memory = file < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0) close(file);
    if (memory == MAP_FAILED) abort();
    seconds = memory;
  }
  return *seconds;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  const long result = syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += shift();
  return (int)result;
}

int gettimeofday(struct timeval *restrict when, void *restrict zone) {
  struct timespec time;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &time);
  when->tv_sec = time.tv_sec;
  when->tv_usec = time.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *when) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (when != NULL) *when = now.tv_sec;
  return now.tv_sec;
}

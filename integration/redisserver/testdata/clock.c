/* Moves the real-time clock of the program it is loaded into by the nanoseconds at the start of the file CLOCK_OFFSET. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void map(void) {
	const char *path = getenv("CLOCK_OFFSET");
	int fd = path ? open(path, O_RDONLY) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) offset = p;
	if (fd >= 0) close(fd);
}

int clock_gettime(clockid_t id, struct timespec *at) {
	int failed = (int)syscall(SYS_clock_gettime, id, at);
	if (failed || !offset || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return failed;
	int64_t ns = (int64_t)at->tv_sec * 1000000000 + at->tv_nsec + *offset;
	at->tv_sec = ns / 1000000000;
	at->tv_nsec = ns % 1000000000;
	return 0;
}

int gettimeofday(struct timeval *at, void *zone) {
	struct timespec ts;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts)) return -1;
	at->tv_sec = ts.tv_sec;
	at->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *at) {
	struct timespec ts;
	if (clock_gettime(CLOCK_REALTIME, &ts)) return -1;
	if (at) *at = ts.tv_sec;
	return ts.tv_sec;
}

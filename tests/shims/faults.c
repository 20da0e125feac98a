/* Faults for tests, preloaded into callboard: each is off unless its variable is set.
 *   FAULT_SYNC_US    every fsync takes so many microseconds more: the stand-in for a real disk
 *   FAULT_KILL_AT    the process is killed at its n-th fsync, before it happens
 *   FAULT_STOP_AT    the process stops itself (SIGSTOP) when it opens the database's journal for the n-th time
 *   FAULT_KILL_OPEN  the process is killed when it opens a file whose path has this in it
 *   FAULT_DEAF       watches on files are granted and never tell of anything
 *   FAULT_NO_WATCHES there is no watch left to be had
 *   FAULT_SLOW_MARK  every read of 64 bytes, as only the pulse is read, takes so many milliseconds more before it happens
 *   FAULT_NO_LOCKS   advisory locks say yes and do nothing
 *   FAULT_FULL_AFTER the disk is full after so many written bytes
 *   FAULT_UNLINK_US  every unlink and rmdir takes so many microseconds more before it happens, as over a network
 *   FAULT_WALL_AHEAD the wall clock of the process is so many seconds ahead; file times are not
 *   FAULT_PEAK_FILE  no fault: the process writes its peak resident size (kB) there when it ends
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static long setting(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, name);

static void pause_us(long us) {
    struct timespec nap = {us / 1000000, us % 1000000 * 1000};
    if (us) nanosleep(&nap, 0);
}

static void before_sync(void) {
    static int count;
    long at = setting("FAULT_KILL_AT");
    if (at && ++count == at) kill(getpid(), SIGKILL);
    pause_us(setting("FAULT_SYNC_US"));
}

int fsync(int fd) { REAL(int, "fsync", int) before_sync(); return real(fd); }
int fdatasync(int fd) { REAL(int, "fdatasync", int) before_sync(); return real(fd); }

int unlink(const char *path) { REAL(int, "unlink", const char *) pause_us(setting("FAULT_UNLINK_US")); return real(path); }
int rmdir(const char *path) { REAL(int, "rmdir", const char *) pause_us(setting("FAULT_UNLINK_US")); return real(path); }

int clock_gettime(clockid_t id, struct timespec *time) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *)
    int failed = real(id, time);
    if (!failed && id == CLOCK_REALTIME) time->tv_sec += setting("FAULT_WALL_AHEAD");
    return failed;
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    REAL(ssize_t, "pread64", int, void *, size_t, off64_t)
    if (size == 64) pause_us(setting("FAULT_SLOW_MARK") * 1000);
    return real(fd, data, size, at);
}

int flock(int fd, int op) {
    REAL(int, "flock", int, int)
    return setting("FAULT_NO_LOCKS") ? 0 : real(fd, op);
}

int inotify_init1(int flags) {
    REAL(int, "inotify_init1", int)
    if (setting("FAULT_NO_WATCHES")) { errno = EMFILE; return -1; }
    return real(flags);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask) {
    REAL(int, "inotify_add_watch", int, const char *, uint32_t)
    return real(fd, path, setting("FAULT_DEAF") ? IN_DELETE_SELF : mask);
}

static int control(const char *name, int fd, int cmd, void *argument) {
    REAL(int, name, int, int, ...)
    if (setting("FAULT_NO_LOCKS")) {
        if (cmd == F_SETLK || cmd == F_SETLKW || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW) return 0;
        if (cmd == F_GETLK || cmd == F_OFD_GETLK) { ((struct flock *)argument)->l_type = F_UNLCK; return 0; }
    }
    return real(fd, cmd, argument);
}

#define CONTROL(name) \
    int name(int fd, int cmd, ...) { \
        va_list list; va_start(list, cmd); void *argument = va_arg(list, void *); va_end(list); \
        return control(#name, fd, cmd, argument); \
    }
CONTROL(fcntl)
CONTROL(fcntl64)

static void before_open(const char *path) {
    static int count;
    long at = setting("FAULT_STOP_AT");
    const char *mortal = getenv("FAULT_KILL_OPEN");
    if (mortal && strstr(path, mortal)) kill(getpid(), SIGKILL);
    size_t length = strlen(path);
    if (at && length > 8 && !strcmp(path + length - 8, "-journal") && ++count == at) kill(getpid(), SIGSTOP);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, #name, const char *, int, ...) \
        va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        before_open(path); \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

/* What is no file on a disk, such as the event by which threads wake each other, never fills up. */
static int is_full(int fd, size_t more) {
    static long written;
    long after = setting("FAULT_FULL_AFTER");
    struct stat meta;
    if (!after || fstat(fd, &meta) || !S_ISREG(meta.st_mode)) return 0;
    if (written + (long)more > after) { errno = ENOSPC; return 1; }
    written += more;
    return 0;
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t)
    return fd > 2 && is_full(fd, size) ? -1 : real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)
    return is_full(fd, size) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)
    return is_full(fd, size) ? -1 : real(fd, data, size, at);
}

__attribute__((destructor)) static void report_peak(void) {
    const char *report = getenv("FAULT_PEAK_FILE");
    FILE *status = report ? fopen("/proc/self/status", "r") : 0, *out = status ? fopen(report, "w") : 0;
    char line[256];
    long peak;
    while (out && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &peak) == 1) fprintf(out, "%ld\n", peak);
    if (out) fclose(out);
    if (status) fclose(status);
}

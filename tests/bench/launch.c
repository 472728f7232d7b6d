// launch REPORT PROGRAM ARGUMENTS...: runs PROGRAM, writes {"wall":s,"user":s,"sys":s,"rss":KiB,"rc":n} to REPORT.
//
// A small parent, because a child's peak memory as the kernel counts it (ru_maxrss) starts at the memory of the process
// that forked it: measured from Python, everything below about 12 MB reads as 12 MB.
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

int main(int count, char **words) {
  if (count < 3) return 2;
  struct timespec before, after;
  struct rusage used;
  pid_t child;
  int status;
  clock_gettime(CLOCK_MONOTONIC, &before);
  errno = posix_spawnp(&child, words[2], NULL, NULL, words + 2, environ);
  if (errno) { perror(words[2]); return 2; }
  if (wait4(child, &status, 0, &used) != child) { perror("wait4"); return 2; }
  clock_gettime(CLOCK_MONOTONIC, &after);
  double wall = (after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec) / 1e9;
  FILE *report = fopen(words[1], "w");
  if (!report) { perror(words[1]); return 2; }
  fprintf(report, "{\"wall\":%.6f,\"user\":%.6f,\"sys\":%.6f,\"rss\":%ld,\"rc\":%d}", wall, seconds(used.ru_utime),
          seconds(used.ru_stime), used.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return fclose(report) ? 2 : 0;
}

/* Starts the next daemon, with pauses after failed tries. */
#define _GNU_SOURCE
#include "holder.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIES_PER_MINUTE 5
#define MINUTE_MS 60000
#define CHILD_MS 200 /* between two checks for a daemon that has not connected yet */
#define SERVED_MS 500 /* a daemon that held the channel this long is not a failed try */
#define MAX_ARGUMENTS 64

static int64_t tries[TRIES_PER_MINUTE];
static unsigned tried;
static pid_t child; /* the last daemon started, until it is reaped; 0 for none */

void close_all_but_standard(void) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0) return;
#endif
  long end = sysconf(_SC_OPEN_MAX);
  for (int fd = 3; fd < (end > 0 && end < 65536 ? end : 65536); fd++) close(fd);
}

/* Every second try is of the second command, if there is one: the program of the first may be gone, also in part. */
static char *next_command(void) {
  if (tried % 2 != 0) return held.command;
  char *at = held.command;
  while (*at != 0) at += strlen(at) + 1;
  return at[1] != 0 ? at + 1 : held.command;
}

static void run_daemon(void) {
  char *arguments[MAX_ARGUMENTS + 1];
  int count = 0;
  for (char *at = next_command(); *at != 0 && count < MAX_ARGUMENTS; at += strlen(at) + 1) arguments[count++] = at;
  arguments[count] = NULL;
  setsid();
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  umask(077);
  int log = open(held.log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (log >= 0) {
    dup2(log, 1);
    dup2(log, 2);
  }
  close_all_but_standard();
  execv(arguments[0], arguments);
  _exit(127);
}

void reap_child(void) {
  if (child > 0 && waitpid(child, NULL, WNOHANG) != 0) child = 0;
}

void start_daemon(void) {
  int64_t now = now_ms();
  reap_child();
  if (child > 0) {
    held.next_try = now + CHILD_MS;
    return;
  }
  int64_t oldest = tries[tried % TRIES_PER_MINUTE];
  if (tried >= TRIES_PER_MINUTE && now - oldest < MINUTE_MS) {
    held.next_try = oldest + MINUTE_MS;
    return;
  }
  tries[tried % TRIES_PER_MINUTE] = now;
  held.next_try = now + (1000 << (tried % TRIES_PER_MINUTE));
  tried++;
  child = fork();
  if (child == 0) run_daemon();
}

void daemon_disconnected(void) {
  close(held.daemon_link);
  held.daemon_link = -1;
  held.alone_ms = 0;
  held.next_try = now_ms();
  if (held.served_since > 0 && held.next_try - held.served_since >= SERVED_MS) tried = 0;
  /* It died at once, perhaps because of a request that is resent. */
  else if (tried > 0) held.next_try += 1000 << ((tried - 1) % TRIES_PER_MINUTE);
  held.served_since = 0;
}

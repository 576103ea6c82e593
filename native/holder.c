/*
 * The holder of a mount: a small process beside the daemon that keeps the same open /dev/fuse file. While no daemon
 * runs, the kernel therefore lets programs wait. The holder starts the next daemon. It reads no requests and knows
 * nothing of the drive.
 *
 *   dagdrive_holder SOCKET LOCK LOG MEMORY_BYTES     prints a newline when SOCKET answers
 *
 * It also keeps the state for the next daemon: a shared memory (the daemon's layout, src/fuse/holder), and the unlocked
 * key in locked pages that are not in core dumps, not visible to debuggers of this user and not inherited by children.
 * Both are passed only to a process of the same user that the home's lock file names.
 *
 * Each message is one packet, and its first byte is the type. From the daemon: H hello, K key, C command line of the
 * next daemon, perhaps with an empty word and a second one for every second try, G descriptor of the channel, M
 * descriptor of the memory (created by a holder that died before its daemon), D drop channel and key. To the daemon: S
 * has-channel flag, length of the key, key, with the descriptors (memory, channel).
 *
 * The holder exits when the daemon disconnects and there is no channel, and when it has waited 30 s since the last
 * daemon disconnected. Time in which it did not run itself, because all processes are stopped, does not count. As long
 * as the channel lives, even SIGKILL cannot end a program whose request a dead daemon has read.
 */
#define _GNU_SOURCE
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define TICK_MS 500 /* a wait counts at most this much: more has passed only if this process was stopped */

holder_state held = {.memory = -1, .channel = -1, .daemon_link = -1};

/* Allocates memory for keys: never swapped, never in a core dump, never in a child. */
static void *locked_page(size_t bytes) {
  void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return NULL;
  /* Beyond the limit of locked memory it can be swapped, but is still in no dump and no child. */
  if (mlock(page, bytes) != 0 && errno != ENOMEM && errno != EPERM) return NULL;
  madvise(page, bytes, MADV_DONTDUMP);
  madvise(page, bytes, MADV_WIPEONFORK);
  return page;
}

/* Replaces a socket without listener, which a killed holder left. */
static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  bool is_stale = connect(probe, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED;
  close(probe);
  if (is_stale) unlink(path);
  umask(0177);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0) return fd;
  close(fd);
  return -1;
}

static void on_child(int signal) { (void)signal; /* only interrupts poll() in serve() */ }

static void welcome(int listener) {
  int link = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (link < 0) return;
  if (!is_daemon_of_this_home(link)) {
    close(link);
    return;
  }
  /* Only one daemon can hold the lock, so the previous one is dead. */
  if (held.daemon_link >= 0) close(held.daemon_link);
  held.daemon_link = link;
}

/* The time until something is due, at most a tick; -1 while there is a daemon. */
static int next_wait(int64_t now) {
  if (held.daemon_link >= 0) return -1;
  int64_t wait = PATIENCE_MS - held.alone_ms < TICK_MS ? PATIENCE_MS - held.alone_ms : TICK_MS;
  if (held.channel >= 0 && held.command[0] != 0 && held.next_try - now < wait) wait = held.next_try - now;
  return wait > 0 ? (int)wait : 0;
}

static void serve(int listener) {
  for (;;) {
    int64_t now = now_ms();
    reap_child();
    if (held.daemon_link < 0) {
      if (held.alone_ms >= PATIENCE_MS) return;
      if (held.channel >= 0 && held.command[0] != 0 && now >= held.next_try) start_daemon();
    }
    int wait = next_wait(now);
    struct pollfd fds[2] = {{.fd = listener, .events = POLLIN}, {.fd = held.daemon_link, .events = POLLIN}};
    int found = poll(fds, held.daemon_link >= 0 ? 2 : 1, wait);
    if (found < 0 && errno != EINTR) return;
    int64_t passed = now_ms() - now;
    if (held.daemon_link < 0) held.alone_ms += passed < TICK_MS ? passed : TICK_MS;
    if (found < 0) continue;
    if (held.daemon_link >= 0 && fds[1].revents != 0 && !receive_message()) {
      daemon_disconnected();
      if (held.channel < 0) return;
    }
    if (fds[0].revents != 0) welcome(listener);
  }
}

int main(int count, char **arguments) {
  if (count != 5) return 2;
  close_all_but_standard();
  held.lock_path = arguments[2];
  held.log_path = arguments[3];
  held.memory_bytes = strtol(arguments[4], NULL, 10);
  prctl(PR_SET_DUMPABLE, 0);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_child}, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  held.key = locked_page(4096);
  held.message = locked_page(MESSAGE_BYTES);
  held.memory = memfd_create("dagdrive", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (held.key == NULL || held.message == NULL || held.memory < 0 || held.memory_bytes <= 0 ||
      ftruncate(held.memory, held.memory_bytes) != 0)
    return 1;
  fcntl(held.memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  int listener = listen_at(arguments[1]);
  if (listener < 0) return 1;
  bool told = write(1, "\n", 1) == 1;
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3; i++) dup2(nothing, i);
  if (told) serve(listener);
  unlink(arguments[1]);
  return 0;
}

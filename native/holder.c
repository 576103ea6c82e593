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
 * next daemon, G descriptor of the channel, M descriptor of the memory (created by a holder that died before its
 * daemon), D drop channel and key. To the daemon: S has-channel flag, length of the key, key, with the descriptors
 * (memory, channel).
 *
 * The holder exits when the daemon disconnects and there is no channel, and 30 s after the last daemon disconnected.
 * As long as the channel lives, even SIGKILL cannot end a program whose request a dead daemon has read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define TRIES_PER_MINUTE 5
#define MINUTE_MS 60000
#define CHILD_MS 200 /* between two checks for a daemon that has not connected yet */
#define SERVED_MS 500 /* a daemon that held the channel this long is not a failed try */
#define MESSAGE_BYTES 16384
#define MAX_ARGUMENTS 64
#define MAX_KEY_BYTES 255
#define MOST_DESCRIPTORS 8 /* received at once; the kernel closes the others */

typedef struct {
  uint8_t length;
  uint8_t bytes[MAX_KEY_BYTES];
} secret;

static const char *lock_path, *log_path;
static secret *key;               /* a locked page */
static uint8_t *message;          /* locked, because it can hold a key */
static char command[MESSAGE_BYTES]; /* NUL-terminated, then an empty one; none: a service manager starts daemons */
static long memory_bytes;
static int memory = -1, channel = -1, daemon_link = -1;
static int64_t alone_since, next_try, served_since, tries[TRIES_PER_MINUTE];
static unsigned tried;
static pid_t child; /* the last daemon started, until it is reaped; 0 for none */

static int64_t now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* The parent may have passed on descriptors without close-on-exec, for example database files. */
static void close_all_but_standard(void) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0) return;
#endif
  long end = sysconf(_SC_OPEN_MAX);
  for (int fd = 3; fd < (end > 0 && end < 65536 ? end : 65536); fd++) close(fd);
}

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

/* The daemon that holds the lock of this home writes its pid into the lock file. */
static bool is_daemon_of_this_home(int link) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(link, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != geteuid()) return false;
  char text[256];
  int fd = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return false;
  text[got] = 0;
  const char *found = strstr(text, "\"pid\":");
  return found != NULL && strtol(found + 6, NULL, 10) == (long)peer.pid;
}

static bool send_state(int link) {
  union {
    char bytes[CMSG_SPACE(2 * sizeof(int))];
    struct cmsghdr align;
  } control = {0};
  int fds[2] = {memory, channel};
  size_t count = channel >= 0 ? 2 : 1;
  message[0] = 'S';
  message[1] = channel >= 0;
  message[2] = key->length;
  memcpy(message + 3, key->bytes, key->length);
  struct iovec iov = {.iov_base = message, .iov_len = 3 + (size_t)key->length};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                          .msg_controllen = CMSG_SPACE(count * sizeof(int))};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
  bool sent = sendmsg(link, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
  explicit_bzero(message, MESSAGE_BYTES);
  return sent;
}

static void drop_channel(void) {
  if (channel >= 0) close(channel);
  channel = -1;
  explicit_bzero(key, sizeof *key);
}

/* Whether it is the memory of an earlier holder: of the expected size, and sealed against shrinking. */
static bool is_valid_memory(int fd) {
  struct stat found;
  int seals = fcntl(fd, F_GET_SEALS);
  return fstat(fd, &found) == 0 && found.st_size == memory_bytes && seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

static void handle_message(ssize_t length, int received) {
  switch (message[0]) {
  case 'H':
    if (!send_state(daemon_link)) shutdown(daemon_link, SHUT_RDWR);
    break;
  case 'K':
    if (length - 1 > MAX_KEY_BYTES) break;
    key->length = (uint8_t)(length - 1);
    memcpy(key->bytes, message + 1, key->length);
    break;
  case 'C':
    memset(command, 0, sizeof command);
    memcpy(command, message + 1, (size_t)length - 1 < sizeof command - 2 ? (size_t)length - 1 : 0);
    break;
  case 'G':
    if (received < 0) break;
    if (channel >= 0) close(channel);
    channel = received;
    received = -1;
    served_since = now_ms();
    break;
  case 'M':
    if (received < 0 || !is_valid_memory(received)) break;
    close(memory);
    memory = received;
    received = -1;
    break;
  case 'D': drop_channel(); break;
  }
  if (received >= 0) close(received);
  explicit_bzero(message, MESSAGE_BYTES);
}

/* The one descriptor of a message, or -1. No message has more than one; then all are closed. */
static int received_descriptor(struct msghdr *header) {
  int kept = -1, count = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL; part = CMSG_NXTHDR(header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t bytes = part->cmsg_len - CMSG_LEN(0);
    for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
      if (kept >= 0) close(kept);
      kept = fd;
      count++;
    }
  }
  if (count < 2) return kept;
  close(kept);
  return -1;
}

/* Returns false when the daemon has disconnected. */
static bool receive_message(void) {
  union {
    char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = {.iov_base = message, .iov_len = MESSAGE_BYTES};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1,
                          .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t length = recvmsg(daemon_link, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (length < 0) return errno == EAGAIN || errno == EINTR;
  if (length == 0) return false;
  handle_message(length, received_descriptor(&header));
  return true;
}

static void run_daemon(void) {
  char *arguments[MAX_ARGUMENTS + 1];
  int count = 0;
  for (char *at = command; *at != 0 && count < MAX_ARGUMENTS; at += strlen(at) + 1) arguments[count++] = at;
  arguments[count] = NULL;
  setsid();
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  umask(077);
  int log = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (log >= 0) {
    dup2(log, 1);
    dup2(log, 2);
  }
  close_all_but_standard();
  execv(arguments[0], arguments);
  _exit(127);
}

static void on_child(int signal) { (void)signal; /* only interrupts poll() in serve() */ }

/* Until it is reaped, its pid cannot be reused. */
static void reap_child(void) {
  if (child > 0 && waitpid(child, NULL, WNOHANG) != 0) child = 0;
}

/*
 * Starts a daemon at once, then after 1, 2, 4 and 8 seconds; at most five a minute. A second daemon exits at the lock.
 */
static void start_daemon(void) {
  int64_t now = now_ms();
  reap_child();
  if (child > 0) {
    next_try = now + CHILD_MS;
    return;
  }
  int64_t oldest = tries[tried % TRIES_PER_MINUTE];
  if (tried >= TRIES_PER_MINUTE && now - oldest < MINUTE_MS) {
    next_try = oldest + MINUTE_MS;
    return;
  }
  tries[tried % TRIES_PER_MINUTE] = now;
  next_try = now + (1000 << (tried % TRIES_PER_MINUTE));
  tried++;
  child = fork();
  if (child == 0) run_daemon();
}

static void daemon_disconnected(void) {
  close(daemon_link);
  daemon_link = -1;
  alone_since = next_try = now_ms();
  if (served_since > 0 && alone_since - served_since >= SERVED_MS) tried = 0;
  /* It died at once, perhaps because of a request that is resent. */
  else if (tried > 0) next_try += 1000 << ((tried - 1) % TRIES_PER_MINUTE);
  served_since = 0;
}

static void welcome(int listener) {
  int link = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (link < 0) return;
  if (!is_daemon_of_this_home(link)) {
    close(link);
    return;
  }
  /* Only one daemon can hold the lock, so the previous one is dead. */
  if (daemon_link >= 0) close(daemon_link);
  daemon_link = link;
}

static void serve(int listener) {
  for (;;) {
    int64_t now = now_ms();
    reap_child();
    if (daemon_link < 0) {
      if (now - alone_since >= PATIENCE_MS) return;
      if (channel >= 0 && command[0] != 0 && now >= next_try) start_daemon();
    }
    int64_t until = alone_since + PATIENCE_MS;
    if (channel >= 0 && command[0] != 0 && next_try < until) until = next_try;
    int wait = daemon_link >= 0 ? -1 : until > now ? (int)(until - now) : 0;
    struct pollfd fds[2] = {{.fd = listener, .events = POLLIN}, {.fd = daemon_link, .events = POLLIN}};
    if (poll(fds, daemon_link >= 0 ? 2 : 1, wait) < 0) {
      if (errno != EINTR) return;
      continue;
    }
    if (daemon_link >= 0 && fds[1].revents != 0 && !receive_message()) {
      daemon_disconnected();
      if (channel < 0) return;
    }
    if (fds[0].revents != 0) welcome(listener);
  }
}

int main(int count, char **arguments) {
  if (count != 5) return 2;
  close_all_but_standard();
  lock_path = arguments[2];
  log_path = arguments[3];
  memory_bytes = strtol(arguments[4], NULL, 10);
  prctl(PR_SET_DUMPABLE, 0);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_child}, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  key = locked_page(4096);
  message = locked_page(MESSAGE_BYTES);
  memory = memfd_create("dagdrive", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (key == NULL || message == NULL || memory < 0 || memory_bytes <= 0 ||
      ftruncate(memory, memory_bytes) != 0)
    return 1;
  fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  int listener = listen_at(arguments[1]);
  if (listener < 0) return 1;
  alone_since = now_ms();
  bool told = write(1, "\n", 1) == 1;
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3; i++) dup2(nothing, i);
  if (told) serve(listener);
  unlink(arguments[1]);
  return 0;
}

/* mount(2) as root, fusermount3 and the descriptor that it passes for everyone else, and syncfs. */
#define _GNU_SOURCE
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define FUSERMOUNT_TIMEOUT_MS 30000

int mount_fuse(char *const strings[4], unsigned long flags) {
  const char *source = strings[0], *target = strings[1], *type = strings[2], *options = strings[3];
  /* The descriptor of a live connection mounts the same file system again. */
  bool is_again = strncmp(options, "fd=", 3) == 0;
  int fd = is_again ? fcntl(atoi(options + 3), F_DUPFD_CLOEXEC, 3) : open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  if (is_again) options += strcspn(options, ",") + (strchr(options, ',') != NULL);
  char data[MAX_STRING + 128];
  int length = snprintf(data, sizeof data, "fd=%d,rootmode=40000,user_id=%u,group_id=%u%s%s", fd, (unsigned)geteuid(),
                        (unsigned)getegid(), *options ? "," : "", options);
  int failure = 0;
  if (length < 0 || (size_t)length >= sizeof data) failure = EINVAL;
  else if (mount(source, target, type, flags, data) != 0) failure = errno;
  if (failure == 0) return fd;
  close(fd);
  return -failure;
}

/*
 * Receives one descriptor from the socket, or returns -errno. ENODATA if the socket was closed without one: fusermount3
 * refused.
 */
static int receive_descriptor(int sock, int timeout_ms) {
  struct pollfd ready = {.fd = sock, .events = POLLIN};
  int polled;
  do polled = poll(&ready, 1, timeout_ms);
  while (polled < 0 && errno == EINTR);
  if (polled < 0) return -errno;
  if (polled == 0) return -ETIMEDOUT;

  char byte;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t received;
  do received = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received < 0) return -errno;
  struct cmsghdr *header = received > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int)))
    return -ENODATA;
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

static char **environment_with(char *entry) {
  size_t count = 0;
  while (environ[count] != NULL) count++;
  char **copy = calloc(count + 2, sizeof *copy);
  if (copy == NULL) return NULL;
  size_t used = 0;
  for (size_t i = 0; i < count; i++)
    if (strncmp(environ[i], "_FUSE_COMMFD=", 13) != 0) copy[used++] = environ[i];
  copy[used] = entry;
  return copy;
}

/* Reads the output of the child until it ends, without the trailing newline. */
static void read_message(int fd, char *message) {
  size_t used = 0;
  while (used < MESSAGE_BYTES - 1) {
    ssize_t got = read(fd, message + used, MESSAGE_BYTES - 1 - used);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    used += (size_t)got;
  }
  while (used > 0 && message[used - 1] == '\n') used--;
  message[used] = 0;
}

static int wait_exit(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -errno;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

int mount_fusermount(const char *target, const char *options, char *message) {
  int sockets[2], errors[2], result = -EIO;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return -errno;
  if (pipe2(errors, O_CLOEXEC) != 0) {
    result = -errno;
    close(sockets[0]);
    close(sockets[1]);
    return result;
  }
  /* Above 3, so that dup2 below does not overwrite one that is still needed. */
  int comm = fcntl(sockets[1], F_DUPFD_CLOEXEC, 10), sink = fcntl(errors[1], F_DUPFD_CLOEXEC, 10);
  close(sockets[1]);
  close(errors[1]);
  char entry[] = "_FUSE_COMMFD=3";
  char **environment = environment_with(entry);
  char *arguments[] = {"fusermount3", "-o", (char *)options, "--", (char *)target, NULL};
  posix_spawn_file_actions_t actions;
  bool have_actions = posix_spawn_file_actions_init(&actions) == 0;
  pid_t child = -1;
  if (comm < 0 || sink < 0 || environment == NULL || !have_actions) result = -ENOMEM;
  else {
    posix_spawn_file_actions_adddup2(&actions, sink, 2);
    posix_spawn_file_actions_adddup2(&actions, comm, 3);
    result = -posix_spawnp(&child, "fusermount3", &actions, NULL, arguments, environment);
    if (result != 0) child = -1;
  }
  if (have_actions) posix_spawn_file_actions_destroy(&actions);
  free(environment);
  if (comm >= 0) close(comm);
  if (sink >= 0) close(sink);
  if (child > 0) {
    int fd = receive_descriptor(sockets[0], FUSERMOUNT_TIMEOUT_MS);
    if (fd == -ETIMEDOUT) kill(child, SIGKILL);
    read_message(errors[0], message);
    int ended = wait_exit(child);
    result = fd;
    if (fd >= 0 && ended != 0) {
      close(fd);
      result = ended;
    } else if (fd == -ENODATA) result = ended != 0 ? ended : -EPROTO;
    else if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
      result = -errno;
      close(fd);
    }
  }
  close(sockets[0]);
  close(errors[0]);
  return result;
}

int mount_syncfs(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = syncfs(fd) == 0 ? 0 : -errno;
  close(fd);
  return result;
}

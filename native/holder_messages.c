/* The holder's messages from and to the daemon; holder.c lists them. */
#define _GNU_SOURCE
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_DESCRIPTORS 8 /* received at once; the kernel closes the others */

bool is_daemon_of_this_home(int link) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(link, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != geteuid()) return false;
  char text[256];
  int fd = open(held.lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
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
  int fds[2] = {held.memory, held.channel};
  size_t count = held.channel >= 0 ? 2 : 1;
  held.message[0] = 'S';
  held.message[1] = held.channel >= 0;
  held.message[2] = held.key->length;
  memcpy(held.message + 3, held.key->bytes, held.key->length);
  struct iovec iov = {.iov_base = held.message, .iov_len = 3 + (size_t)held.key->length};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                          .msg_controllen = CMSG_SPACE(count * sizeof(int))};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
  bool sent = sendmsg(link, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
  explicit_bzero(held.message, MESSAGE_BYTES);
  return sent;
}

static void drop_channel(void) {
  if (held.channel >= 0) close(held.channel);
  held.channel = -1;
  explicit_bzero(held.key, sizeof *held.key);
}

/* Whether it is the memory of an earlier holder: of the expected size, and sealed against shrinking. */
static bool is_valid_memory(int fd) {
  struct stat found;
  int seals = fcntl(fd, F_GET_SEALS);
  return fstat(fd, &found) == 0 && found.st_size == held.memory_bytes && seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

static void handle_message(ssize_t length, int received) {
  switch (held.message[0]) {
  case 'H':
    if (!send_state(held.daemon_link)) shutdown(held.daemon_link, SHUT_RDWR);
    break;
  case 'K':
    if (length - 1 > MAX_KEY_BYTES) break;
    held.key->length = (uint8_t)(length - 1);
    memcpy(held.key->bytes, held.message + 1, held.key->length);
    break;
  case 'C':
    /* At least three zeros at the end: the last word's, and two empty words. */
    memset(held.command, 0, sizeof held.command);
    memcpy(held.command, held.message + 1, (size_t)length - 1 < sizeof held.command - 3 ? (size_t)length - 1 : 0);
    break;
  case 'G':
    if (received < 0) break;
    if (held.channel >= 0) close(held.channel);
    held.channel = received;
    received = -1;
    held.served_since = now_ms();
    break;
  case 'M':
    if (received < 0 || !is_valid_memory(received)) break;
    close(held.memory);
    held.memory = received;
    received = -1;
    break;
  case 'D': drop_channel(); break;
  }
  if (received >= 0) close(received);
  explicit_bzero(held.message, MESSAGE_BYTES);
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

bool receive_message(void) {
  union {
    char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = {.iov_base = held.message, .iov_len = MESSAGE_BYTES};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1,
                          .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t length = recvmsg(held.daemon_link, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (length < 0) return errno == EAGAIN || errno == EINTR;
  if (length == 0) return false;
  handle_message(length, received_descriptor(&header));
  return true;
}

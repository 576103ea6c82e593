/*
 * The daemon's end of the link to the holder (native/holder.c), and memory shared through a descriptor. No call here
 * waits for a mount.
 *   holderConnect(path)                       a descriptor, or -errno
 *   holderSend(link, bytes, fd)               0 or -errno; fd -1 sends none
 *   holderReceive(link, bytes, timeoutMs)     [length, fd, fd] with -1 for a missing descriptor; length is -errno on
 *                                             failure
 *   duplicate(fd)                             a descriptor of the same open file, close-on-exec, or -errno
 *   closeDescriptor(fd)                       0 or -errno; for descriptors opened here, which Node does not know
 *   releaseShared(memory, start, length)      frees its pages; they read as zeros afterwards; 0 or -errno
 *   shareBytes(bytes, fd, start)              replaces the pages of a Uint8Array by those of the shared memory from
 *                                             start on; both begin and end at a page boundary; 0 or -errno
 *   mapShared(fd, bytes)                      an ArrayBuffer over the shared memory, or -errno
 */
#define _GNU_SOURCE
#include "fuse_native.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool get_bytes(napi_env env, napi_value value, uint8_t **at, size_t *length) {
  napi_typedarray_type type;
  bool typed = false;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed ||
      napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok || type != napi_uint8_array)
    return false;
  *at = data;
  return data != NULL && *length > 0;
}

static bool get_arguments(napi_env env, napi_callback_info info, napi_value *arguments, size_t wanted) {
  size_t count = wanted;
  return napi_get_cb_info(env, info, &count, arguments, NULL, NULL) == napi_ok && count >= wanted;
}

static napi_value js_connect(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = 0;
  if (!get_arguments(env, info, arguments, 1) ||
      napi_get_value_string_utf8(env, arguments[0], NULL, 0, &length) != napi_ok)
    return dd_integer(env, -EINVAL);
  if (length >= sizeof address.sun_path) return dd_integer(env, -ENAMETOOLONG);
  napi_get_value_string_utf8(env, arguments[0], address.sun_path, sizeof address.sun_path, &length);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return dd_integer(env, -errno);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return dd_integer(env, fd);
  int failure = errno;
  close(fd);
  return dd_integer(env, -failure);
}

static napi_value js_send(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  int64_t link, fd;
  uint8_t *bytes;
  size_t length;
  if (!get_arguments(env, info, arguments, 3) || !dd_get_integer(env, arguments[0], 0, INT32_MAX, &link) ||
      !get_bytes(env, arguments[1], &bytes, &length) || !dd_get_integer(env, arguments[2], -1, INT32_MAX, &fd))
    return dd_integer(env, -EINVAL);
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {0};
  struct iovec iov = {.iov_base = bytes, .iov_len = length};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
  if (fd >= 0) {
    int given = (int)fd;
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof given);
    memcpy(CMSG_DATA(rights), &given, sizeof given);
  }
  ssize_t sent;
  do sent = sendmsg((int)link, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return dd_integer(env, sent < 0 ? -errno : 0);
}

static ssize_t receive(int link, uint8_t *bytes, size_t length, int timeout_ms, int fds[2]) {
  struct pollfd ready = {.fd = link, .events = POLLIN};
  int polled;
  do polled = poll(&ready, 1, timeout_ms);
  while (polled < 0 && errno == EINTR);
  if (polled <= 0) return polled < 0 ? -errno : -ETIMEDOUT;
  union {
    char bytes[CMSG_SPACE(2 * sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = {.iov_base = bytes, .iov_len = length};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t got = recvmsg(link, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) return -errno;
  struct cmsghdr *rights = got > 0 ? CMSG_FIRSTHDR(&header) : NULL;
  if (rights == NULL || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS) return got;
  size_t bytes_of_fds = rights->cmsg_len - CMSG_LEN(0);
  memcpy(fds, CMSG_DATA(rights), bytes_of_fds < 2 * sizeof(int) ? bytes_of_fds : 2 * sizeof(int));
  return got;
}

static napi_value js_receive(napi_env env, napi_callback_info info) {
  napi_value arguments[3], result;
  int64_t link, timeout_ms;
  uint8_t *bytes;
  size_t length;
  int fds[2] = {-1, -1};
  ssize_t got = -EINVAL;
  if (get_arguments(env, info, arguments, 3) && dd_get_integer(env, arguments[0], 0, INT32_MAX, &link) &&
      get_bytes(env, arguments[1], &bytes, &length) && dd_get_integer(env, arguments[2], 0, 60000, &timeout_ms))
    got = receive((int)link, bytes, length, (int)timeout_ms, fds);
  if (napi_create_array_with_length(env, 3, &result) != napi_ok) return NULL;
  napi_set_element(env, result, 0, dd_integer(env, got));
  napi_set_element(env, result, 1, dd_integer(env, fds[0]));
  napi_set_element(env, result, 2, dd_integer(env, fds[1]));
  return result;
}

static napi_value js_duplicate(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  int64_t fd;
  if (!get_arguments(env, info, arguments, 1) || !dd_get_integer(env, arguments[0], 0, INT32_MAX, &fd))
    return dd_integer(env, -EINVAL);
  int copy = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
  return dd_integer(env, copy < 0 ? -errno : copy);
}

static napi_value js_close(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  int64_t fd;
  if (!get_arguments(env, info, arguments, 1) || !dd_get_integer(env, arguments[0], 3, INT32_MAX, &fd))
    return dd_integer(env, -EINVAL);
  return dd_integer(env, close((int)fd) == 0 ? 0 : -errno);
}

static bool is_as_long_as(int fd, int64_t bytes) {
  struct stat found;
  return fstat(fd, &found) == 0 && found.st_size >= bytes;
}

static napi_value js_share(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  uint8_t *bytes;
  size_t length;
  int64_t fd, start;
  if (!get_arguments(env, info, arguments, 3) || !get_bytes(env, arguments[0], &bytes, &length) ||
      !dd_get_integer(env, arguments[1], 0, INT32_MAX, &fd) ||
      !dd_get_integer(env, arguments[2], 0, (double)(1LL << 40), &start) || (uintptr_t)bytes % 4096 != 0 ||
      length % 4096 != 0 || start % 4096 != 0 || !is_as_long_as((int)fd, start + (int64_t)length))
    return dd_integer(env, -EINVAL);
  void *at = mmap(bytes, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, (int)fd, (off_t)start);
  if (at == MAP_FAILED) return dd_integer(env, -errno);
  madvise(at, length, MADV_DONTDUMP);
  return dd_integer(env, 0);
}

static void unmap(napi_env env, void *data, void *hint) { munmap(data, (size_t)(uintptr_t)hint); }

static napi_value js_map(napi_env env, napi_callback_info info) {
  napi_value arguments[2], buffer;
  int64_t fd, bytes;
  if (!get_arguments(env, info, arguments, 2) || !dd_get_integer(env, arguments[0], 0, INT32_MAX, &fd) ||
      !dd_get_integer(env, arguments[1], 4096, 1 << 30, &bytes) || !is_as_long_as((int)fd, bytes))
    return dd_integer(env, -EINVAL);
  void *at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
  if (at == MAP_FAILED) return dd_integer(env, -errno);
  madvise(at, (size_t)bytes, MADV_DONTDUMP);
  if (napi_create_external_arraybuffer(env, at, (size_t)bytes, unmap, (void *)(uintptr_t)bytes, &buffer) == napi_ok)
    return buffer;
  munmap(at, (size_t)bytes);
  return dd_integer(env, -ENOMEM);
}

/* Returns unused pages of the shared memory to the system. */
static napi_value js_release(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  int64_t start, length;
  void *at = NULL;
  size_t bytes = 0;
  if (!get_arguments(env, info, arguments, 3) || napi_get_arraybuffer_info(env, arguments[0], &at, &bytes) != napi_ok ||
      at == NULL || !dd_get_integer(env, arguments[1], 0, (double)bytes, &start) ||
      !dd_get_integer(env, arguments[2], 0, (double)bytes - (double)start, &length) || start % 4096 != 0)
    return dd_integer(env, -EINVAL);
  return dd_integer(env, madvise((uint8_t *)at + start, (size_t)length, MADV_REMOVE) == 0 ? 0 : -errno);
}

void dd_export_holder(napi_env env, napi_value exports) {
  dd_export(env, exports, "holderConnect", js_connect, NULL);
  dd_export(env, exports, "holderSend", js_send, NULL);
  dd_export(env, exports, "holderReceive", js_receive, NULL);
  dd_export(env, exports, "duplicate", js_duplicate, NULL);
  dd_export(env, exports, "closeDescriptor", js_close, NULL);
  dd_export(env, exports, "releaseShared", js_release, NULL);
  dd_export(env, exports, "mapShared", js_map, NULL);
  dd_export(env, exports, "shareBytes", js_share, NULL);
}

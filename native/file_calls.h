/* Entry points for file calls that Node lacks. Included once, by seal.c. */
#ifndef DAGDRIVE_FILE_CALLS_H
#define DAGDRIVE_FILE_CALLS_H
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "napi_args.h"

/* punchHole(fd, offset, length): 0 or a negative errno. */
static napi_value punch_hole(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int64_t fd, offset, length;
  if (!get_args(env, info, args, 3) || !get_integer(env, args[0], &fd, "fd") || !get_integer(env, args[1], &offset, "offset") ||
      !get_integer(env, args[2], &length, "length"))
    return NULL;
  if (fd < 0 || fd > INT32_MAX || offset < 0 || length <= 0) return fail_range(env, "punchHole: bad argument"), NULL;
  int result;
  do result = fallocate((int)fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  while (result < 0 && errno == EINTR);
  return js_number(env, result < 0 ? -errno : 0);
}

/*
 * preadNoWait(fd, into, offset): reads without waiting for the disk. Returns the number of bytes, or a negative errno
 * (-EAGAIN: not in the page cache).
 */
static napi_value pread_no_wait(napi_env env, napi_callback_info info) {
  napi_value args[3];
  bytes into;
  int64_t fd, offset;
  if (!get_args(env, info, args, 3) || !get_integer(env, args[0], &fd, "fd") || !get_bytes(env, args[1], &into, "into") ||
      !get_integer(env, args[2], &offset, "offset"))
    return NULL;
  if (fd < 0 || fd > INT32_MAX || offset < 0) return fail_range(env, "preadNoWait: bad argument"), NULL;
  struct iovec io = {.iov_base = into.at, .iov_len = into.length};
  const ssize_t n = preadv2((int)fd, &io, 1, offset, RWF_NOWAIT);
  return js_number(env, n < 0 ? -errno : (double)n);
}

/* bytesToPage(bytes): number of bytes before the next page boundary. Direct I/O needs page-aligned memory. */
static napi_value bytes_to_page(napi_env env, napi_callback_info info) {
  napi_value args[1];
  bytes memory;
  if (!get_args(env, info, args, 1) || !get_bytes(env, args[0], &memory, "memory")) return NULL;
  const uintptr_t page = 4096;
  return js_number(env, (double)((page - (uintptr_t)memory.at % page) % page));
}

#endif

/* The channel as JavaScript sees it: its memory and its methods. fuse_channel.c describes them. */
#define _GNU_SOURCE
#include "fuse_channel.h"

#include <sys/uio.h>
#include <unistd.h>

#define HEADER_BYTES 16
#define MAX_SEGMENTS 1000

/* Looks up the channel of a method call. The channel lives as long as the environment. */

static channel *method(napi_env env, napi_callback_info info, size_t *count, napi_value *arguments) {
  void *data = NULL;
  if (napi_get_cb_info(env, info, count, arguments, NULL, &data) != napi_ok) return NULL;
  return data;
}

/* NULL without an argument. */
static channel *method_of_one(napi_env env, napi_callback_info info, napi_value *argument) {
  size_t count = 1;
  channel *ch = method(env, info, &count, argument);
  return count < 1 ? NULL : ch;
}

static napi_value js_reply(napi_env env, napi_callback_info info) {
  napi_value argument;
  channel *ch = method_of_one(env, info, &argument);
  uint32_t length;
  if (ch == NULL || napi_get_value_uint32(env, argument, &length) != napi_ok) return dd_integer(env, -EINVAL);
  if (ch->closed) return dd_integer(env, -EBADF);
  if (length < HEADER_BYTES || length > ch->out_bytes) return dd_integer(env, -EINVAL);
  ssize_t written;
  do written = write(ch->fd, ch->out, length);
  while (written < 0 && errno == EINTR);
  return dd_integer(env, written < 0 ? -errno : 0);
}

static napi_value js_reply_with(napi_env env, napi_callback_info info) {
  napi_value arguments[2], element;
  size_t count = 2;
  channel *ch = method(env, info, &count, arguments);
  uint32_t length, segments;
  bool is_list = false;
  if (ch == NULL || count < 2 || napi_get_value_uint32(env, arguments[0], &length) != napi_ok ||
      napi_is_array(env, arguments[1], &is_list) != napi_ok || !is_list ||
      napi_get_array_length(env, arguments[1], &segments) != napi_ok)
    return dd_integer(env, -EINVAL);
  if (ch->closed) return dd_integer(env, -EBADF);
  if (length < HEADER_BYTES || length > ch->out_bytes || segments > MAX_SEGMENTS) return dd_integer(env, -EINVAL);
  struct iovec iov[MAX_SEGMENTS + 1];
  iov[0] = (struct iovec){.iov_base = ch->out, .iov_len = length};
  size_t total = length;
  for (uint32_t i = 0; i < segments; i++) {
    napi_typedarray_type type;
    size_t bytes;
    void *data;
    if (napi_get_element(env, arguments[1], i, &element) != napi_ok) {
      napi_value ignored;
      napi_get_and_clear_last_exception(env, &ignored);
      return dd_integer(env, -EINVAL);
    }
    bool is_typed = false;
    if (napi_is_typedarray(env, element, &is_typed) != napi_ok || !is_typed ||
        napi_get_typedarray_info(env, element, &type, &bytes, &data, NULL, NULL) != napi_ok || type != napi_uint8_array)
      return dd_integer(env, -EINVAL);
    iov[i + 1] = (struct iovec){.iov_base = data, .iov_len = bytes};
    total += bytes;
  }
  if (total > UINT32_MAX) return dd_integer(env, -EINVAL);
  uint32_t announced = (uint32_t)total;
  memcpy(ch->out, &announced, sizeof announced);
  ssize_t written;
  do written = writev(ch->fd, iov, (int)segments + 1);
  while (written < 0 && errno == EINTR);
  return dd_integer(env, written < 0 ? -errno : 0);
}

static napi_value js_abort_at_exit(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2, length;
  channel *ch = method(env, info, &count, arguments);
  char path[256];
  bool keeps = false;
  if (ch == NULL || count < 1 || napi_get_value_string_utf8(env, arguments[0], path, sizeof path, &length) != napi_ok ||
      length >= sizeof path - 1)
    return dd_integer(env, -EINVAL);
  if (ch->closed) return dd_integer(env, -EBADF);
  if (count > 1) napi_get_value_bool(env, arguments[1], &keeps);
  ch->keeps = keeps;
  free(ch->abort_path);
  ch->abort_path = strdup(path);
  return dd_integer(env, ch->abort_path == NULL ? -ENOMEM : 0);
}

static napi_value js_stop(napi_env env, napi_callback_info info) {
  size_t count = 0;
  channel *ch = method(env, info, &count, NULL);
  if (ch == NULL) return dd_integer(env, -EINVAL);
  channel_close(ch);
  return dd_integer(env, 0);
}

static napi_value js_guard(napi_env env, napi_callback_info info) {
  napi_value argument;
  channel *ch = method_of_one(env, info, &argument);
  bool on;
  if (ch == NULL || napi_get_value_bool(env, argument, &on) != napi_ok) return dd_integer(env, -EINVAL);
  if (ch->closed) return dd_integer(env, -EBADF);
  return dd_integer(env, channel_guard(ch, on));
}

static void finalize_memory(napi_env env, void *data, void *hint) { channel_release_memory(hint); }

/* Creates the channel's JavaScript object, and everything that must exist before requests are delivered. */
napi_value channel_object(channel *ch, napi_value on_batch, napi_value on_end, size_t bytes) {
  napi_env env = ch->env;
  napi_value object, buffer, name;
  if (napi_create_object(env, &object) != napi_ok ||
      napi_create_string_utf8(env, "dagdrive:fuse", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, NULL, name, &ch->context) != napi_ok ||
      napi_create_reference(env, on_batch, 1, &ch->on_batch) != napi_ok ||
      napi_create_reference(env, on_end, 1, &ch->on_end) != napi_ok ||
      napi_create_external_arraybuffer(env, ch->memory->bytes, bytes, finalize_memory, ch->memory, &buffer) != napi_ok)
    return NULL;
  atomic_fetch_add(&ch->memory->users, 1);
  napi_set_named_property(env, object, "memory", buffer);
  dd_export(env, object, "reply", js_reply, ch);
  dd_export(env, object, "replyWith", js_reply_with, ch);
  dd_export(env, object, "abortAtExit", js_abort_at_exit, ch);
  dd_export(env, object, "guard", js_guard, ch);
  dd_export(env, object, "stop", js_stop, ch);
  return object;
}

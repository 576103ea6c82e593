/*
 * The channel to the kernel: reads requests from /dev/fuse in batches, and writes each reply with one call. JavaScript
 * parses and answers.
 *
 * openChannel({fd, arenaBytes, requestBytes, maxBatch, outBytes, mode, onBatch, onEnd}) returns a channel object, or
 * -errno (-EINVAL if a field is missing or wrong):
 *   memory             one ArrayBuffer: arenaBytes of requests, then maxBatch pairs (offset, length) of uint32, then
 *                      outBytes
 *   reply(length)      writes out[0 ... length); 0 or -errno
 *   replyWith(n, list) writes out[0 ... n) and the Uint8Arrays of list with one writev; sets the header's length field
 *   abortAtExit(path, keeps)  the file that gets "1" if the environment ends while the channel is open. With keeps,
 *                      only if a notification blocks then, because another server takes over the connection
 *   guard(on)          whether another thread is inside a notification. An ending environment waits for that thread,
 *                      which may wait for replies that never come, so the connection is aborted then (mode 0 only)
 *   stop()             closes the channel and fd; onEnd is not called
 * Mode 0 polls on the environment's own event loop (uv_poll). Mode 1 reads on a separate thread and needs no libuv.
 * The channel owns fd. onBatch(count) is called once for each batch; the requests are valid until it returns.
 * onEnd(errno) is called once, when reading fails permanently: ENODEV after an unmount, ECONNABORTED after an abort.
 */
#define _GNU_SOURCE
#include "fuse_channel.h"

#include <fcntl.h>
#include <unistd.h>

typedef struct {
  channel *channels;
} instance;

void channel_release_memory(shared_memory *memory) {
  if (atomic_fetch_sub(&memory->users, 1) != 1) return;
  free(memory->bytes);
  free(memory);
}

uint32_t channel_read_batch(channel *ch, int *failure) {
  size_t offset = 0;
  uint32_t count = 0;
  *failure = 0;
  while (count < ch->max_batch && offset + ch->request_bytes <= ch->arena_bytes) {
    ssize_t got = read(ch->fd, ch->arena + offset, ch->request_bytes);
    if (got > 0) {
      ch->index[count * 2] = (uint32_t)offset;
      ch->index[count * 2 + 1] = (uint32_t)got;
      count++;
      offset = (offset + (size_t)got + 7) & ~(size_t)7;
      continue;
    }
    if (got < 0 && (errno == EINTR || errno == ENOENT)) continue; /* ENOENT: the request was interrupted before it was read */
    if (got < 0 && errno == EAGAIN) break;
    *failure = got == 0 ? ENODEV : errno;
    break;
  }
  return count;
}

static void call(channel *ch, napi_ref function_ref, int64_t argument) {
  napi_value function, receiver, value, result;
  if (function_ref == NULL || napi_get_reference_value(ch->env, function_ref, &function) != napi_ok || function == NULL) return;
  if (napi_get_global(ch->env, &receiver) != napi_ok || (value = dd_integer(ch->env, argument)) == NULL) return;
  napi_status status = napi_make_callback(ch->env, ch->context, receiver, function, 1, &value, &result);
  bool pending = false;
  if (status == napi_ok || napi_is_exception_pending(ch->env, &pending) != napi_ok || !pending) return;
  napi_value error;
  if (napi_get_and_clear_last_exception(ch->env, &error) == napi_ok) napi_fatal_exception(ch->env, error);
}

static void drop_javascript(channel *ch) {
  if (ch->on_batch != NULL) napi_delete_reference(ch->env, ch->on_batch);
  if (ch->on_end != NULL) napi_delete_reference(ch->env, ch->on_end);
  if (ch->context != NULL) napi_async_destroy(ch->env, ch->context);
  ch->on_batch = ch->on_end = NULL;
  ch->context = NULL;
}

void channel_close(channel *ch) {
  if (ch->closed) return;
  ch->closed = true;
  if (ch->mode == MODE_POLL) channel_stop_poll(ch);
  else channel_stop_thread(ch);
  close(ch->fd);
  ch->fd = -1;
  if (!ch->delivering) drop_javascript(ch);
  free(ch->abort_path);
  ch->abort_path = NULL;
  channel_release_memory(ch->memory);
  ch->arena = ch->out = NULL;
  ch->index = NULL;
}

void channel_abort_connection(channel *ch) {
  if (ch->abort_path == NULL) return;
  int fd = open(ch->abort_path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t written = write(fd, "1", 1);
  (void)written; /* exiting: the error cannot be handled */
  close(fd);
}

static void on_environment_exit(napi_async_cleanup_hook_handle handle, void *data) {
  channel *ch = data;
  if (ch->closed) return; /* the handle is closing and removes the hook */
  if (!ch->keeps) channel_abort_connection(ch);
  channel_close(ch);
}

/* A callback may call stop(). The state it uses is freed only after it has returned. */
void channel_deliver(channel *ch, uint32_t count, int failure) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(ch->env, &scope) != napi_ok) return;
  ch->delivering = true;
  if (count > 0) call(ch, ch->on_batch, count);
  if (failure != 0 && !ch->closed) {
    if (ch->mode == MODE_POLL) uv_poll_stop(ch->poll);
    call(ch, ch->on_end, failure);
  }
  ch->delivering = false;
  if (ch->closed) drop_javascript(ch);
  napi_close_handle_scope(ch->env, scope);
}

static napi_value js_open_channel(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  channel_settings given;
  instance *state = NULL;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count < 1 ||
      napi_get_instance_data(env, (void **)&state) != napi_ok || state == NULL ||
      !channel_settings_of(env, argument, &given))
    return dd_integer(env, -EINVAL);
  int flags = fcntl((int)given.fd, F_GETFL);
  if (flags < 0 || fcntl((int)given.fd, F_SETFL, flags | O_NONBLOCK) < 0) return dd_integer(env, -errno);

  size_t bytes = (size_t)(given.arena_bytes + given.max_batch * 8 + given.out_bytes);
  channel *ch = calloc(1, sizeof *ch);
  shared_memory *memory = calloc(1, sizeof *memory);
  if (ch == NULL || memory == NULL || posix_memalign((void **)&memory->bytes, 4096, bytes) != 0) {
    free(ch);
    free(memory);
    return dd_integer(env, -ENOMEM);
  }
  memset(memory->bytes + given.arena_bytes, 0, bytes - (size_t)given.arena_bytes);
  atomic_store(&memory->users, 1);
  *ch = (channel){.next = state->channels, .env = env, .fd = (int)given.fd, .mode = (int)given.mode, .memory = memory,
                  .arena = memory->bytes, .index = (uint32_t *)(memory->bytes + given.arena_bytes),
                  .out = memory->bytes + given.arena_bytes + given.max_batch * 8,
                  .arena_bytes = (size_t)given.arena_bytes, .request_bytes = (size_t)given.request_bytes,
                  .out_bytes = (size_t)given.out_bytes, .max_batch = (uint32_t)given.max_batch};
  napi_value object = channel_object(ch, given.on_batch, given.on_end, bytes);
  int failure = object == NULL ? -ENOMEM : given.mode == MODE_POLL ? channel_start_poll(ch) : channel_start_thread(ch);
  if (failure != 0) {
    drop_javascript(ch);
    channel_release_memory(memory);
    ch->closed = true; /* the channel stays in the list: methods of the unfinished object may still refer to it */
    ch->memory = NULL;
  } else napi_add_async_cleanup_hook(env, on_environment_exit, ch, &ch->hook);
  state->channels = ch;
  return failure != 0 ? dd_integer(env, failure) : object;
}

static void free_instance(napi_env env, void *data, void *hint) {
  instance *state = data;
  for (channel *ch = state->channels; ch != NULL;) {
    channel *next = ch->next;
    free(ch);
    ch = next;
  }
  free(state);
}

NAPI_MODULE_INIT() {
  instance *state = calloc(1, sizeof *state);
  if (state == NULL || napi_set_instance_data(env, state, free_instance, NULL) != napi_ok) return NULL;
  dd_export(env, exports, "openChannel", js_open_channel, NULL);
  napi_set_named_property(env, exports, "compiledUvMajor", dd_integer(env, UV_VERSION_MAJOR));
  napi_set_named_property(env, exports, "runtimeUvMajor", dd_integer(env, uv_version() >> 16));
  dd_export_mount(env, exports);
  dd_export_holder(env, exports);
  return exports;
}

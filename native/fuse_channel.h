/*
 * A channel to the kernel: the declarations shared by fuse_channel.c, its methods (fuse_methods.c) and its two
 * ways to wait for requests (fuse_poll.c, fuse_thread.c).
 */
#ifndef DAGDRIVE_FUSE_CHANNEL_H
#define DAGDRIVE_FUSE_CHANNEL_H
#include "fuse_native.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <uv.h>

#define MODE_POLL 0
#define MODE_THREAD 1

/* The memory is freed when both the channel and its ArrayBuffer are gone. */
typedef struct {
  atomic_int users;
  uint8_t *bytes;
} shared_memory;

typedef struct channel {
  struct channel *next;
  napi_env env;
  int fd;
  int mode;
  bool closed, delivering, keeps;
  shared_memory *memory;
  uint8_t *arena, *out;
  uint32_t *index;
  size_t arena_bytes, request_bytes, out_bytes;
  uint32_t max_batch;
  napi_ref on_batch, on_end;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  char *abort_path;
  /* mode 0 */
  uv_poll_t *poll;
  uv_timer_t *guard;
  uv_idle_t *turn;
  int closing_handles;
  uint64_t slept_ns;
  uint32_t spins_missed;
  /* mode 1 */
  pthread_t thread;
  napi_threadsafe_function function;
  sem_t handled;
  int wake;
  atomic_bool stopping;
  uint32_t batch;
  int failure;
} channel;

/* fuse_channel.c */

/*
 * Reads all available requests. Each starts at a multiple of 8. Stops at max_batch, or if another request of maximum
 * size might not fit. *failure becomes 0, or the errno that ends the channel.
 */
uint32_t channel_read_batch(channel *ch, int *failure);
/* Delivers a batch to JavaScript, and then the end, if there is one. The channel may be closed when it returns. */
void channel_deliver(channel *ch, uint32_t count, int failure);
/*
 * A thread inside a notification keeps the connection alive although fd is closed, and the environment would wait for
 * that thread.
 */
void channel_abort_connection(channel *ch);

/* Closes the channel and its descriptor. The end is not delivered. */
void channel_close(channel *ch);
void channel_release_memory(shared_memory *memory);

/* fuse_settings.c */

typedef struct {
  int64_t fd, arena_bytes, request_bytes, max_batch, out_bytes, mode;
  napi_value on_batch, on_end;
} channel_settings;

/* false if any field is missing, of another type or out of its range. No exception is pending afterwards. */
bool channel_settings_of(napi_env env, napi_value object, channel_settings *out);

/* fuse_methods.c */

/* The object of a new channel; NULL after a failure. bytes is the length of its memory. */
napi_value channel_object(channel *ch, napi_value on_batch, napi_value on_end, size_t bytes);

/*
 * fuse_poll.c. The start returns 0 or -errno. A stop is complete when libuv has closed the handles, after the cleanup
 * hook.
 */
int channel_start_poll(channel *ch);
void channel_stop_poll(channel *ch);
/* 0 or a libuv error */
int channel_guard(channel *ch, bool on);

/* fuse_thread.c */
int channel_start_thread(channel *ch);
void channel_stop_thread(channel *ch);

#endif

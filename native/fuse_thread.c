/* Mode 1: a separate thread reads requests and passes each batch to the environment's thread. Needs no libuv. */
#define _GNU_SOURCE
#include "fuse_channel.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_thread_batch(napi_env env, napi_value function, void *context, void *data) {
  channel *ch = context;
  if (env != NULL && !ch->closed) channel_deliver(ch, ch->batch, ch->failure);
  sem_post(&ch->handled);
}

static void *thread_main(void *data) {
  channel *ch = data;
  struct pollfd fds[2] = {{.fd = ch->fd, .events = POLLIN}, {.fd = ch->wake, .events = POLLIN}};
  while (!atomic_load(&ch->stopping)) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR) break;
    if (atomic_load(&ch->stopping)) break;
    ch->batch = channel_read_batch(ch, &ch->failure);
    if (ch->batch == 0 && ch->failure == 0) continue;
    int failure = ch->failure;
    if (napi_call_threadsafe_function(ch->function, NULL, napi_tsfn_blocking) != napi_ok) break;
    while (sem_wait(&ch->handled) != 0) {
    }
    if (failure != 0) break;
  }
  return NULL;
}

int channel_start_thread(channel *ch) {
  napi_value name;
  ch->wake = eventfd(0, EFD_CLOEXEC);
  if (ch->wake < 0) return -errno;
  sem_init(&ch->handled, 0, 0);
  int failure = 0;
  if (napi_create_string_utf8(ch->env, "dagdrive:fuse", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(ch->env, NULL, NULL, name, 0, 1, NULL, NULL, ch, on_thread_batch, &ch->function) != napi_ok)
    failure = ENOMEM;
  else if ((failure = pthread_create(&ch->thread, NULL, thread_main, ch)) != 0)
    napi_release_threadsafe_function(ch->function, napi_tsfn_abort);
  if (failure != 0) close(ch->wake);
  return -failure;
}

void channel_stop_thread(channel *ch) {
  atomic_store(&ch->stopping, true);
  uint64_t one = 1;
  while (write(ch->wake, &one, sizeof one) < 0 && errno == EINTR) {
  }
  sem_post(&ch->handled);
  pthread_join(ch->thread, NULL);
  napi_release_threadsafe_function(ch->function, napi_tsfn_abort);
  close(ch->wake);
  if (ch->hook != NULL) napi_remove_async_cleanup_hook(ch->hook);
  ch->hook = NULL;
}

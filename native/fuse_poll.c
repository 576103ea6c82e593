/* Mode 0: the environment's own event loop waits for requests (uv_poll), and its thread handles them. */
#define _GNU_SOURCE
#include "fuse_channel.h"

#include <time.h>

#define GUARD_MS 1000
#define SPIN_NS 60000        /* time to poll for the next request before sleeping */
#define SPIN_AGAIN_NS 200000 /* a shorter sleep was not worth it */
#define SPINS_MISSED_MAX 8
#define PAUSES 16            /* between two polls, about 1 us */
#define TURN_NS 1000000      /* maximum time that requests may block the event loop */

/* Yields to the other hyperthread of the core. */
static inline void cpu_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/*
 * A program waits for each answer before its next request, which comes about 20 us later. Going to sleep and waking up
 * takes longer on an idle processor of a virtual machine. So this polls for a moment before sleeping, as long as that
 * pays off. *cut: the turn ended while polling.
 */
static uint32_t await_next(channel *ch, uint64_t end, int *failure, bool *cut) {
  *cut = false;
  if (ch->spins_missed >= SPINS_MISSED_MAX) return 0;
  uint64_t limit = now_ns() + SPIN_NS;
  *cut = limit > end;
  if (*cut) limit = end;
  while (now_ns() < limit) {
    uint32_t count = channel_read_batch(ch, failure);
    if (count == 0 && *failure == 0) {
      for (int i = 0; i < PAUSES; i++) cpu_pause();
      continue;
    }
    ch->spins_missed = 0;
    return count;
  }
  if (!*cut) ch->spins_missed++;
  return 0;
}

static void on_turn(uv_idle_t *handle);

/*
 * Delivers the requests that were read and those that follow. If the turn ends first, the next one starts after the
 * other events of the loop, without sleeping.
 */
static void serve(channel *ch, uint64_t begin, uint32_t count, int failure) {
  for (;;) {
    if (count > 0 || failure != 0) channel_deliver(ch, count, failure);
    if (ch->closed || failure != 0) return;
    bool cut;
    count = await_next(ch, begin + TURN_NS, &failure, &cut);
    if (count > 0 || failure != 0) continue;
    if (cut) uv_idle_start(ch->turn, on_turn);
    else ch->slept_ns = now_ns();
    return;
  }
}

static void on_turn(uv_idle_t *handle) {
  uv_idle_stop(handle);
  serve(handle->data, now_ns(), 0, 0);
}

static void on_readable(uv_poll_t *handle, int status, int events) {
  channel *ch = handle->data;
  int failure;
  uint64_t begin = now_ns();
  if (begin - ch->slept_ns < SPIN_AGAIN_NS) ch->spins_missed = 0;
  uint32_t count = channel_read_batch(ch, &failure);
  if (failure == 0 && status < 0 && count == 0) failure = EIO; /* libuv polls no further after an error */
  uv_idle_stop(ch->turn);
  serve(ch, begin, count, failure);
}

/* Also runs while Node waits for outstanding work before the cleanup hooks. Calls into JavaScript fail then. */
static void on_guard(uv_timer_t *handle) {
  channel *ch = handle->data;
  napi_handle_scope scope;
  napi_value global;
  bool has = false, alive = false;
  if (napi_open_handle_scope(ch->env, &scope) != napi_ok) return;
  if (napi_get_global(ch->env, &global) == napi_ok) alive = napi_has_named_property(ch->env, global, "Object", &has) == napi_ok;
  napi_close_handle_scope(ch->env, scope);
  if (!alive) channel_abort_connection(ch);
}

int channel_guard(channel *ch, bool on) {
  if (ch->guard == NULL) return 0;
  return on ? uv_timer_start(ch->guard, on_guard, GUARD_MS, GUARD_MS) : uv_timer_stop(ch->guard);
}

static void on_handle_closed(uv_handle_t *handle) {
  channel *ch = handle->data;
  free(handle);
  if (--ch->closing_handles > 0) return;
  if (ch->hook != NULL) napi_remove_async_cleanup_hook(ch->hook);
  ch->hook = NULL;
}

int channel_start_poll(channel *ch) {
  uv_loop_t *loop;
  if (napi_get_uv_event_loop(ch->env, &loop) != napi_ok) return -EIO;
  ch->poll = calloc(1, sizeof *ch->poll);
  ch->guard = calloc(1, sizeof *ch->guard);
  ch->turn = calloc(1, sizeof *ch->turn);
  int status = ch->poll == NULL || ch->guard == NULL || ch->turn == NULL ? -ENOMEM : uv_poll_init(loop, ch->poll, ch->fd);
  if (status != 0) {
    free(ch->poll);
    free(ch->guard);
    free(ch->turn);
    ch->guard = NULL;
    return status;
  }
  uv_timer_init(loop, ch->guard);
  uv_idle_init(loop, ch->turn);
  uv_unref((uv_handle_t *)ch->guard);
  uv_unref((uv_handle_t *)ch->turn);
  ch->poll->data = ch->guard->data = ch->turn->data = ch;
  status = uv_poll_start(ch->poll, UV_READABLE, on_readable);
  if (status == 0) return 0;
  uv_close((uv_handle_t *)ch->poll, (uv_close_cb)free);
  uv_close((uv_handle_t *)ch->guard, (uv_close_cb)free);
  uv_close((uv_handle_t *)ch->turn, (uv_close_cb)free);
  ch->guard = NULL;
  return status;
}

void channel_stop_poll(channel *ch) {
  uv_poll_stop(ch->poll);
  ch->closing_handles = 3;
  uv_close((uv_handle_t *)ch->poll, on_handle_closed);
  uv_close((uv_handle_t *)ch->guard, on_handle_closed);
  uv_close((uv_handle_t *)ch->turn, on_handle_closed);
  ch->poll = NULL;
  ch->guard = NULL;
}

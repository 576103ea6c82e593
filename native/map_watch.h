/*
 * A thread that bounds the resident mapped pages of some files, even while the JavaScript threads are busy. Included
 * once, by seal.c. It checks the resident file pages of the whole process. If there are too many, it unmaps the pages
 * of the watched mappings; they stay in the page cache.
 */
#ifndef DAGDRIVE_MAP_WATCH_H
#define DAGDRIVE_MAP_WATCH_H
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "memory_calls.h"
#include "single_faults.h"

enum { WATCHED_FILES = 16, CHECK_MS = 1000, BUSY_CHECK_MS = 10, HURRIED_CHECK_MS = 3 };
/* This growth since the last check counts as load. */
#define BUSY_BYTES (2 << 20)
/* Other mappings may exceed the bound by themselves. The next attempt waits for this much growth. */
#define STEP_BYTES (16 << 20)

/* Held while mappings are examined. Unwatching waits for it, so a watched file cannot be unmapped meanwhile. */
static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t watch_changed = PTHREAD_COND_INITIALIZER;
static char *watched[WATCHED_FILES];
static double watch_most;
static bool watch_runs;
/* Number of running loads that map hundreds of MiB within a tenth of a second. */
static int watch_hurries;

/* Resident file pages in bytes, without shared memory; 0 if the system does not report them. */
static double resident_file_bytes(int status) {
  char text[4096];
  ssize_t length = pread(status, text, sizeof text - 1, 0);
  if (length <= 0) return 0;
  text[length] = 0;
  const char *line = strstr(text, "\nRssFile:");
  return line ? strtod(line + 9, NULL) * 1024 : 0;
}

static bool is_any_watched(void) {
  for (int i = 0; i < WATCHED_FILES; i++)
    if (watched[i]) return true;
  return false;
}

static double single_faults(const char *path) { return each_mapping(path, fault_singly); }

static void each_watched(double (*act)(const char *path)) {
  for (int i = 0; i < WATCHED_FILES; i++)
    if (watched[i]) (void)act(watched[i]);
}

/* A map that has outgrown its address space is mapped anew. Looks at most once a second: a look is not cheap. */
static void watch_new_maps(void) {
  static time_t looked;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (now.tv_sec == looked) return;
  looked = now.tv_sec;
  each_watched(single_faults);
}

static void *watch_maps(void *none) {
  int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  double last = 0, least = 0;
  pthread_mutex_lock(&watch_lock);
  while (status >= 0 && is_any_watched()) {
    double now = resident_file_bytes(status);
    bool grows = now > last + BUSY_BYTES;
    int next_ms = grows ? BUSY_CHECK_MS : CHECK_MS;
    if (grows) watch_new_maps();
    if (now > watch_most && now > least + STEP_BYTES) {
      each_watched(forget_file);
      now = least = resident_file_bytes(status);
      next_ms = BUSY_CHECK_MS;
    }
    last = now;
    if (watch_hurries > 0) next_ms = HURRIED_CHECK_MS;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += next_ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&watch_changed, &watch_lock, &until);
  }
  watch_runs = false;
  pthread_mutex_unlock(&watch_lock);
  if (status >= 0) close(status);
  return none;
}

static bool start_watching(void) {
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  /* This thread handles no signals. */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = pthread_create(&thread, NULL, watch_maps, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (started) pthread_detach(thread);
  return started;
}

static void stop_watching(void *slot) {
  pthread_mutex_lock(&watch_lock);
  free(watched[(intptr_t)slot]);
  watched[(intptr_t)slot] = NULL;
  pthread_cond_signal(&watch_changed);
  pthread_mutex_unlock(&watch_lock);
}

/*
 * watchMapped(path, most): from now on, pages of this file are unmapped whenever more than `most` bytes of all mapped
 * files are resident. Returns a number for unwatchMapped, or -1. Ends when the calling thread ends.
 */
static napi_value watch_mapped(napi_env env, napi_callback_info info) {
  napi_value args[2];
  char path[4096];
  size_t length;
  double most;
  if (!get_args(env, info, args, 2)) return NULL;
  if (napi_get_value_string_utf8(env, args[0], path, sizeof path, &length) != napi_ok || length + 1 >= sizeof path ||
      napi_get_value_double(env, args[1], &most) != napi_ok || !(most > 0))
    return fail_range(env, "watchMapped: bad arguments"), NULL;
  int slot = -1;
  pthread_mutex_lock(&watch_lock);
  for (int i = 0; i < WATCHED_FILES && slot < 0; i++)
    if (!watched[i]) slot = i;
  if (slot >= 0) watched[slot] = strdup(path);
  if (slot >= 0 && !watched[slot]) slot = -1;
  if (slot >= 0) (void)single_faults(path);
  watch_most = most;
  if (slot >= 0 && !watch_runs) {
    watch_runs = start_watching();
    if (!watch_runs) {
      free(watched[slot]);
      watched[slot] = NULL;
      slot = -1;
    }
  }
  pthread_mutex_unlock(&watch_lock);
  if (slot >= 0) napi_add_env_cleanup_hook(env, stop_watching, (void *)(intptr_t)slot);
  return js_number(env, slot);
}

/* hurryWatch(1 or -1): a load that touches very many pages in a short time starts or ends. */
static napi_value hurry_watch(napi_env env, napi_callback_info info) {
  napi_value args[1];
  double change;
  if (!get_args(env, info, args, 1)) return NULL;
  if (napi_get_value_double(env, args[0], &change) != napi_ok || (change != 1 && change != -1))
    return fail_range(env, "hurryWatch: bad number"), NULL;
  pthread_mutex_lock(&watch_lock);
  watch_hurries += (int)change;
  if (watch_hurries < 0) watch_hurries = 0;
  pthread_cond_signal(&watch_changed);
  pthread_mutex_unlock(&watch_lock);
  return js_number(env, 0);
}

/* unwatchMapped(number): after it returns, the file is no longer accessed. */
static napi_value unwatch_mapped(napi_env env, napi_callback_info info) {
  napi_value args[1];
  double slot;
  if (!get_args(env, info, args, 1)) return NULL;
  if (napi_get_value_double(env, args[0], &slot) != napi_ok || !(slot >= 0 && slot < WATCHED_FILES))
    return fail_range(env, "unwatchMapped: bad number"), NULL;
  void *at = (void *)(intptr_t)slot;
  napi_remove_env_cleanup_hook(env, stop_watching, at);
  stop_watching(at);
  return js_number(env, 0);
}

#endif

/* Entry points that protect a process that holds keys. Included once, by seal.c. */
#ifndef DAGDRIVE_PROCESS_CALLS_H
#define DAGDRIVE_PROCESS_CALLS_H
#include <errno.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "napi_args.h"

/*
 * keepMemoryPrivate(): no core dump of this process, and no other program of the same user may trace it or read its
 * memory. Its own access to /proc/self stays. Programs it starts are not affected. Returns 0 or a negative errno.
 */
static napi_value keep_memory_private(napi_env env, napi_callback_info info) {
  const struct rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) < 0) return js_number(env, -errno);
#ifdef __linux__
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return js_number(env, -errno);
  return js_number(env, 0);
#else
  return js_number(env, -ENOSYS);
#endif
}

#endif

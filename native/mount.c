/*
 * Mounting and unmounting: mount(2) as root, otherwise fusermount3, which passes a descriptor; umount2; syncfs.
 * Every call runs on a threadpool thread, because it may wait for a mount that this process serves.
 * Each returns a promise of { result, message }: result is a descriptor, 0 or -errno; message is the output of
 * fusermount3. The FUSE descriptor of a mount is non-blocking and close-on-exec.
 */
#define _GNU_SOURCE
#include "fuse_native.h"
#include "mount.h"

#include <sys/mount.h>
#include <unistd.h>

enum job_kind { JOB_MOUNT, JOB_FUSERMOUNT, JOB_UMOUNT, JOB_SYNCFS, JOB_OPEN_DIRECTORY, JOB_OPEN_BENEATH, JOB_PLACE_BENEATH };

typedef struct {
  enum job_kind kind;
  char *strings[4];
  unsigned long flags;
  int result;
  char message[MESSAGE_BYTES];
  napi_async_work work;
  napi_deferred deferred;
} job;

static void execute(napi_env env, void *data) {
  job *j = data;
  switch (j->kind) {
  case JOB_MOUNT: j->result = mount_fuse(j->strings, j->flags); break;
  case JOB_FUSERMOUNT: j->result = mount_fusermount(j->strings[0], j->strings[1], j->message); break;
  case JOB_UMOUNT: j->result = umount2(j->strings[0], (int)j->flags) == 0 ? 0 : -errno; break;
  case JOB_SYNCFS: j->result = mount_syncfs(j->strings[0]); break;
  case JOB_OPEN_DIRECTORY: j->result = mount_open_directory(j->strings[0]); break;
  case JOB_OPEN_BENEATH: j->result = mount_open_beneath(j->strings[0]); break;
  case JOB_PLACE_BENEATH: j->result = mount_place_beneath(j->strings[0], j->strings[1]); break;
  }
}

static void free_job(job *j) {
  for (int i = 0; i < 4; i++) free(j->strings[i]);
  free(j);
}

static napi_value job_outcome(napi_env env, int result, const char *message) {
  napi_value outcome, text;
  if (napi_create_object(env, &outcome) != napi_ok) return NULL;
  napi_set_named_property(env, outcome, "result", dd_integer(env, result));
  if (napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &text) == napi_ok)
    napi_set_named_property(env, outcome, "message", text);
  return outcome;
}

static void complete(napi_env env, napi_status status, void *data) {
  job *j = data;
  if (status == napi_cancelled) j->result = -ECANCELED;
  napi_value outcome = job_outcome(env, j->result, j->message);
  bool kept = outcome != NULL && napi_resolve_deferred(env, j->deferred, outcome) == napi_ok;
  /* The environment is exiting, so the descriptor has no owner. */
  bool is_fd = j->kind == JOB_MOUNT || j->kind == JOB_FUSERMOUNT || j->kind == JOB_OPEN_DIRECTORY || j->kind == JOB_OPEN_BENEATH;
  if (!kept && j->result >= 0 && is_fd) close(j->result);
  napi_delete_async_work(env, j->work);
  free_job(j);
}

/* A copy of a string that has no NUL bytes and is shorter than MAX_STRING; NULL otherwise. */
static char *copy_string(napi_env env, napi_value value) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length >= MAX_STRING) return NULL;
  char *copy = malloc(length + 1);
  if (copy == NULL) return NULL;
  if (napi_get_value_string_utf8(env, value, copy, length + 1, &length) != napi_ok || strlen(copy) != length) {
    free(copy);
    return NULL;
  }
  return copy;
}

/* Starts a job with `strings` string arguments and, if `with_flags`, one number after them. */
static napi_value start(napi_env env, napi_callback_info info, enum job_kind kind, size_t strings, bool with_flags) {
  napi_value arguments[5], promise, name;
  size_t count = 5;
  napi_deferred deferred;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok) return NULL;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return NULL;
  job *j = calloc(1, sizeof *j);
  int failure = j == NULL ? ENOMEM : count < strings + (with_flags ? 1 : 0) ? EINVAL : 0;
  for (size_t i = 0; failure == 0 && i < strings; i++)
    if ((j->strings[i] = copy_string(env, arguments[i])) == NULL) failure = EINVAL;
  int64_t flags = 0;
  if (failure == 0 && with_flags && !dd_get_integer(env, arguments[strings], 0, 0xffffffffu, &flags)) failure = EINVAL;
  if (failure == 0) {
    j->kind = kind;
    j->flags = (unsigned long)flags;
    j->deferred = deferred;
    if (napi_create_string_utf8(env, "dagdrive:mount", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_async_work(env, NULL, name, execute, complete, j, &j->work) != napi_ok)
      failure = ENOMEM;
    else if (napi_queue_async_work(env, j->work) == napi_ok) return promise;
    else {
      napi_delete_async_work(env, j->work);
      failure = EAGAIN;
    }
  }
  if (j != NULL) free_job(j);
  napi_resolve_deferred(env, deferred, job_outcome(env, -failure, ""));
  return promise;
}

/* mount(source, target, type, options, flags) */
static napi_value js_mount(napi_env env, napi_callback_info info) { return start(env, info, JOB_MOUNT, 4, true); }

/* fusermount(target, options) */
static napi_value js_fusermount(napi_env env, napi_callback_info info) {
  return start(env, info, JOB_FUSERMOUNT, 2, false);
}

/* umount(target, flags) */
static napi_value js_umount(napi_env env, napi_callback_info info) { return start(env, info, JOB_UMOUNT, 1, true); }

/* syncfs(path) */
static napi_value js_syncfs(napi_env env, napi_callback_info info) { return start(env, info, JOB_SYNCFS, 1, false); }

/* openDirectory(path), openBeneath(path): return a descriptor (O_PATH) */
static napi_value js_open_directory(napi_env env, napi_callback_info info) {
  return start(env, info, JOB_OPEN_DIRECTORY, 1, false);
}
static napi_value js_open_beneath(napi_env env, napi_callback_info info) {
  return start(env, info, JOB_OPEN_BENEATH, 1, false);
}

/* placeBeneath(beside, target) */
static napi_value js_place_beneath(napi_env env, napi_callback_info info) {
  return start(env, info, JOB_PLACE_BENEATH, 2, false);
}

void dd_export_mount(napi_env env, napi_value exports) {
  dd_export(env, exports, "mount", js_mount, NULL);
  dd_export(env, exports, "fusermount", js_fusermount, NULL);
  dd_export(env, exports, "umount", js_umount, NULL);
  dd_export(env, exports, "syncfs", js_syncfs, NULL);
  dd_export(env, exports, "openDirectory", js_open_directory, NULL);
  dd_export(env, exports, "openBeneath", js_open_beneath, NULL);
  dd_export(env, exports, "placeBeneath", js_place_beneath, NULL);
}

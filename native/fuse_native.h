/* Shared by the parts of the dagdrive_fuse addon: argument checks that never throw and never crash. */
#ifndef DAGDRIVE_FUSE_NATIVE_H
#define DAGDRIVE_FUSE_NATIVE_H

#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Whether a JS value is an integer in low ... high. */
static inline bool dd_get_integer(napi_env env, napi_value value, double low, double high, int64_t *out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return false;
  if (!(number >= low && number <= high) || number != (double)(int64_t)number) return false;
  *out = (int64_t)number;
  return true;
}

static inline napi_value dd_integer(napi_env env, int64_t value) {
  napi_value result = NULL;
  if (napi_create_int64(env, value, &result) != napi_ok) return NULL;
  return result;
}

static inline void dd_export(napi_env env, napi_value target, const char *name, napi_callback callback, void *data) {
  napi_value function;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) == napi_ok)
    napi_set_named_property(env, target, name, function);
}

/* mount.c */
void dd_export_mount(napi_env env, napi_value exports);
/* holder_link.c */
void dd_export_holder(napi_env env, napi_value exports);

#endif

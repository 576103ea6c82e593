/* Argument checks: each getter returns false after throwing. */
#ifndef DAGDRIVE_NAPI_ARGS_H
#define DAGDRIVE_NAPI_ARGS_H
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
  uint8_t *at;
  size_t length;
} bytes;

typedef struct {
  uint32_t *at;
  size_t length;
} words;

static bool fail_range(napi_env env, const char *message) {
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message);
  return false;
}

static bool fail_type(napi_env env, const char *name, const char *wanted) {
  char message[96];
  snprintf(message, sizeof message, "%s: %s expected", name, wanted);
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

static bool get_args(napi_env env, napi_callback_info info, napi_value *args, size_t count) {
  size_t given = count;
  return napi_get_cb_info(env, info, &given, args, NULL, NULL) == napi_ok; /* missing arguments are undefined */
}

static bool get_typed(napi_env env, napi_value value, napi_typedarray_type type, void **at, size_t *length) {
  bool typed = false;
  napi_typedarray_type found;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed) return false;
  if (napi_get_typedarray_info(env, value, &found, length, at, NULL, NULL) != napi_ok || found != type) return false;
  return true;
}

/* Gets a Uint8Array or Buffer, also over shared memory. A detached one has length 0. `at` is never NULL. */
static bool get_bytes(napi_env env, napi_value value, bytes *out, const char *name) {
  static uint8_t nothing[1];
  void *at = NULL;
  if (!get_typed(env, value, napi_uint8_array, &at, &out->length)) return fail_type(env, name, "Uint8Array");
  out->at = at;
  if (!out->at) {
    out->at = nothing;
    out->length = 0;
  }
  return true;
}

static bool get_exact(napi_env env, napi_value value, bytes *out, size_t length, const char *name) {
  if (!get_bytes(env, value, out, name)) return false;
  return out->length == length ? true : fail_type(env, name, "another length");
}

static bool get_bytes_or_null(napi_env env, napi_value value, bytes *out, const char *name) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) == napi_ok && (type == napi_null || type == napi_undefined)) {
    out->at = NULL;
    out->length = 0;
    return true;
  }
  return get_bytes(env, value, out, name);
}

static bool get_words(napi_env env, napi_value value, words *out, const char *name) {
  void *at = NULL;
  if (!get_typed(env, value, napi_uint32_array, &at, &out->length)) return fail_type(env, name, "Uint32Array");
  out->at = at;
  if (!at) out->length = 0;
  return true;
}

/* Gets a safe integer, or a boolean. */
static bool get_integer(napi_env env, napi_value value, int64_t *out, const char *name) {
  bool flag;
  double number;
  if (napi_get_value_bool(env, value, &flag) == napi_ok) {
    *out = flag;
    return true;
  }
  if (napi_get_value_double(env, value, &number) != napi_ok) return fail_type(env, name, "integer");
  if (!(number >= -9007199254740991.0 && number <= 9007199254740991.0) || (double)(int64_t)number != number)
    return fail_type(env, name, "integer");
  *out = (int64_t)number;
  return true;
}

static napi_value js_number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

static napi_value js_bool(napi_env env, bool value) {
  napi_value result = NULL;
  napi_get_boolean(env, value, &result);
  return result;
}
#endif

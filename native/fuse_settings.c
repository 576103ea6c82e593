/* The settings of a channel: fields of one JavaScript object, each read by its name and checked. */
#include "fuse_channel.h"

/* NULL after an exception of a getter, which is dropped. */
static napi_value field(napi_env env, napi_value object, const char *name) {
  napi_value value = NULL, ignored;
  if (napi_get_named_property(env, object, name, &value) == napi_ok) return value;
  napi_get_and_clear_last_exception(env, &ignored);
  return NULL;
}

static bool integer(napi_env env, napi_value object, const char *name, double low, double high, int64_t *out) {
  napi_value value = field(env, object, name);
  return value != NULL && dd_get_integer(env, value, low, high, out);
}

static bool function(napi_env env, napi_value object, const char *name, napi_value *out) {
  napi_valuetype type;
  *out = field(env, object, name);
  return *out != NULL && napi_typeof(env, *out, &type) == napi_ok && type == napi_function;
}

bool channel_settings_of(napi_env env, napi_value object, channel_settings *out) {
  napi_valuetype type;
  return napi_typeof(env, object, &type) == napi_ok && type == napi_object &&
         integer(env, object, "fd", 0, INT32_MAX, &out->fd) &&
         integer(env, object, "arenaBytes", 8192, 64 << 20, &out->arena_bytes) && out->arena_bytes % 8 == 0 &&
         integer(env, object, "requestBytes", 8192, (double)out->arena_bytes, &out->request_bytes) &&
         integer(env, object, "maxBatch", 1, 1024, &out->max_batch) &&
         integer(env, object, "outBytes", 512, 1 << 20, &out->out_bytes) && out->out_bytes % 8 == 0 &&
         integer(env, object, "mode", MODE_POLL, MODE_THREAD, &out->mode) &&
         function(env, object, "onBatch", &out->on_batch) && function(env, object, "onEnd", &out->on_end);
}

/* State of the addon for each environment (one for each thread): cipher contexts and derived tables. */
#ifndef DAGDRIVE_CORE_H
#define DAGDRIVE_CORE_H
#include <openssl/rand.h>
#include <stdlib.h>

#include "leaf.h"
#include "napi_args.h"

typedef struct {
  EVP_CIPHER_CTX *seal_leaf, *open_leaf, *seal_record, *open_record;
  EVP_CIPHER_CTX *page_tag, *page_open; /* created at first use */
  uint64_t page_serial;
  uint8_t seal_record_key[32], open_record_key[32];
  bool seal_record_keyed, open_record_keyed;
  bool lanes; /* use the SHA extensions */
  gear_table gear;
  mac_key mac;
  uint8_t gear_bytes[1024], mac_bytes[32];
  bool gear_loaded, mac_loaded;
} core;

static void core_free(napi_env env, void *data, void *hint) {
  core *c = data;
  EVP_CIPHER_CTX_free(c->seal_leaf);
  EVP_CIPHER_CTX_free(c->open_leaf);
  EVP_CIPHER_CTX_free(c->seal_record);
  EVP_CIPHER_CTX_free(c->open_record);
  EVP_CIPHER_CTX_free(c->page_tag);
  EVP_CIPHER_CTX_free(c->page_open);
  OPENSSL_cleanse(c, sizeof *c);
  free(c);
}

static EVP_CIPHER_CTX *gcm_context(int encrypt) {
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
  if (ctx && !EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL, encrypt)) {
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
  }
  return ctx;
}

static core *core_of(napi_env env) {
  void *data = NULL;
  napi_get_instance_data(env, &data);
  return data;
}

static void core_use_gear(core *c, const uint8_t *bytes) {
  if (c->gear_loaded && memcmp(c->gear_bytes, bytes, 1024) == 0) return;
  memcpy(c->gear_bytes, bytes, 1024);
  gear_load(&c->gear, bytes);
  c->gear_loaded = true;
}

static bool core_use_mac(core *c, const uint8_t *key) {
  if (c->mac_loaded && memcmp(c->mac_bytes, key, 32) == 0) return true;
  memcpy(c->mac_bytes, key, 32);
  c->mac_loaded = false;
#if HAVE_SHA_LANES
  if (c->lanes) mac_key_load(&c->mac, key);
  else
#endif
    mac_key_load_evp(&c->mac, key);
  c->mac_loaded = true;
  return true;
}

#endif

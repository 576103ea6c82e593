/* Entry points for small records on the local disk. Included once, by seal.c. */
#ifndef DAGDRIVE_RECORD_H
#define DAGDRIVE_RECORD_H
#include "core.h"
#include "sha256.h"

/*
 * ---------------------------------------------------------------- local records: salt[16] || counter BE64 ||
 * ciphertext || tag
 */

#define RECORD_SALT ((size_t)16)
#define RECORD_HEAD (RECORD_SALT + 8)
#define RECORD_OVERHEAD (RECORD_HEAD + 16)
#define RECORD_MAX ((size_t)1 << 30)

/* Sets key and nonce of a record in the context. The key schedule is reused while the key stays the same. */
static bool record_init(EVP_CIPHER_CTX *ctx, uint8_t held[32], bool *keyed, const uint8_t *key, const uint8_t *counter, int encrypt) {
  uint8_t nonce[12] = {0};
  memcpy(nonce + 4, counter, 8);
  const bool same = *keyed && CRYPTO_memcmp(held, key, 32) == 0;
  *keyed = false;
  if (!EVP_CipherInit_ex(ctx, NULL, NULL, same ? NULL : key, nonce, encrypt)) return false;
  memcpy(held, key, 32);
  *keyed = true;
  return true;
}

/* sealRecord(key[32], salt[16], counter, aad, plain, out[plain + 40]) */
static napi_value seal_record(napi_env env, napi_callback_info info) {
  napi_value args[6];
  bytes key, salt, aad, plain, out;
  int64_t counter;
  int n;
  core *c = core_of(env);
  if (!get_args(env, info, args, 6) || !get_exact(env, args[0], &key, 32, "key") || !get_exact(env, args[1], &salt, RECORD_SALT, "salt") ||
      !get_integer(env, args[2], &counter, "counter") || !get_bytes(env, args[3], &aad, "aad") || !get_bytes(env, args[4], &plain, "plain") ||
      !get_bytes(env, args[5], &out, "out"))
    return NULL;
  if (counter < 0 || plain.length > RECORD_MAX || aad.length > RECORD_MAX || out.length != plain.length + RECORD_OVERHEAD)
    return fail_range(env, "record: bad length or counter"), NULL;
  memcpy(out.at, salt.at, RECORD_SALT);
  put_be64(out.at + RECORD_SALT, (uint64_t)counter);
  uint8_t *body = out.at + RECORD_HEAD;
  if (!record_init(c->seal_record, c->seal_record_key, &c->seal_record_keyed, key.at, out.at + RECORD_SALT, 1) ||
      (aad.length && !EVP_EncryptUpdate(c->seal_record, NULL, &n, aad.at, (int)aad.length)) ||
      (plain.length && !EVP_EncryptUpdate(c->seal_record, body, &n, plain.at, (int)plain.length)) ||
      !EVP_EncryptFinal_ex(c->seal_record, body + plain.length, &n) ||
      !EVP_CIPHER_CTX_ctrl(c->seal_record, EVP_CTRL_AEAD_GET_TAG, 16, body + plain.length))
    fail_range(env, "the cipher failed");
  return NULL;
}

/* openRecord(key[32], aad, sealed, out[sealed - 40]): true, or false if the tag is wrong. */
static napi_value open_record(napi_env env, napi_callback_info info) {
  napi_value args[4];
  bytes key, aad, sealed, out;
  int n;
  core *c = core_of(env);
  if (!get_args(env, info, args, 4) || !get_exact(env, args[0], &key, 32, "key") || !get_bytes(env, args[1], &aad, "aad") ||
      !get_bytes(env, args[2], &sealed, "sealed") || !get_bytes(env, args[3], &out, "out"))
    return NULL;
  if (sealed.length < RECORD_OVERHEAD || sealed.length > RECORD_MAX || aad.length > RECORD_MAX || out.length != sealed.length - RECORD_OVERHEAD)
    return fail_range(env, "record: bad length"), NULL;
  uint8_t tag[16];
  memcpy(tag, sealed.at + sealed.length - 16, 16);
  const bool ok =
      record_init(c->open_record, c->open_record_key, &c->open_record_keyed, key.at, sealed.at + RECORD_SALT, 0) &&
      (!aad.length || EVP_DecryptUpdate(c->open_record, NULL, &n, aad.at, (int)aad.length)) &&
      (!out.length || EVP_DecryptUpdate(c->open_record, out.at, &n, sealed.at + RECORD_HEAD, (int)out.length)) &&
      EVP_CIPHER_CTX_ctrl(c->open_record, EVP_CTRL_AEAD_SET_TAG, 16, tag) && EVP_DecryptFinal_ex(c->open_record, tag, &n) > 0;
  if (!ok && out.length) OPENSSL_cleanse(out.at, out.length);
  return js_bool(env, ok);
}

#endif

/* Shared by the parts of the holder: its state, and the functions of each part. */
#ifndef DAGDRIVE_HOLDER_H
#define DAGDRIVE_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MESSAGE_BYTES 16384
#define MAX_KEY_BYTES 255

typedef struct {
  uint8_t length;
  uint8_t bytes[MAX_KEY_BYTES];
} secret;

typedef struct {
  const char *lock_path, *log_path;
  secret *key;                 /* a locked page */
  uint8_t *message;            /* locked, because it can hold a key */
  char command[MESSAGE_BYTES]; /* words, an empty one, perhaps a second command; none: a service manager's task */
  long memory_bytes;
  int memory, channel, daemon_link; /* -1 for none */
  int64_t alone_ms; /* waited since the last daemon disconnected */
  int64_t next_try, served_since;
} holder_state;

/* holder.c */
extern holder_state held;

static inline int64_t now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* holder_messages.c */

/* The daemon that holds the lock of this home writes its pid into the lock file. */
bool is_daemon_of_this_home(int link);
/* Returns false when the daemon has disconnected. */
bool receive_message(void);

/* holder_start.c */

/* The parent may have passed on descriptors without close-on-exec, for example database files. */
void close_all_but_standard(void);
/* Until a daemon that ended is reaped, its pid cannot be reused. */
void reap_child(void);
/*
 * Starts a daemon at once, then after 1, 2, 4 and 8 seconds; at most five a minute. A second daemon exits at the lock.
 */
void start_daemon(void);
void daemon_disconnected(void);

#endif

/*
 * Mounting and unmounting: mount(2) as root, otherwise fusermount3, which passes a descriptor; umount2; syncfs.
 * Every call runs on a threadpool thread, because it may wait for a mount that this process serves.
 * Each returns a promise of { result, message }: result is a descriptor, 0 or -errno; message is the output of
 * fusermount3. The FUSE descriptor of a mount is non-blocking and close-on-exec.
 */
#define _GNU_SOURCE
#include "fuse_native.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define MAX_STRING 4096
#define MESSAGE_BYTES 512
#define FUSERMOUNT_TIMEOUT_MS 30000

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

static int run_mount(job *j) {
  const char *source = j->strings[0], *target = j->strings[1], *type = j->strings[2], *options = j->strings[3];
  int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  char data[MAX_STRING + 128];
  int length = snprintf(data, sizeof data, "fd=%d,rootmode=40000,user_id=%u,group_id=%u%s%s", fd, (unsigned)geteuid(),
                        (unsigned)getegid(), *options ? "," : "", options);
  int failure = 0;
  if (length < 0 || (size_t)length >= sizeof data) failure = EINVAL;
  else if (mount(source, target, type, j->flags, data) != 0) failure = errno;
  if (failure == 0) return fd;
  close(fd);
  return -failure;
}

/*
 * Receives one descriptor from the socket, or returns -errno. ENODATA if the socket was closed without one: fusermount3
 * refused.
 */
static int receive_descriptor(int sock, int timeout_ms) {
  struct pollfd ready = {.fd = sock, .events = POLLIN};
  int polled;
  do polled = poll(&ready, 1, timeout_ms);
  while (polled < 0 && errno == EINTR);
  if (polled < 0) return -errno;
  if (polled == 0) return -ETIMEDOUT;

  char byte;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t received;
  do received = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received < 0) return -errno;
  struct cmsghdr *header = received > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int)))
    return -ENODATA;
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

static char **environment_with(char *entry) {
  size_t count = 0;
  while (environ[count] != NULL) count++;
  char **copy = calloc(count + 2, sizeof *copy);
  if (copy == NULL) return NULL;
  size_t used = 0;
  for (size_t i = 0; i < count; i++)
    if (strncmp(environ[i], "_FUSE_COMMFD=", 13) != 0) copy[used++] = environ[i];
  copy[used] = entry;
  return copy;
}

/* Reads the output of the child until it ends, without the trailing newline. */
static void read_message(int fd, char *message) {
  size_t used = 0;
  while (used < MESSAGE_BYTES - 1) {
    ssize_t got = read(fd, message + used, MESSAGE_BYTES - 1 - used);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    used += (size_t)got;
  }
  while (used > 0 && message[used - 1] == '\n') used--;
  message[used] = 0;
}

static int wait_exit(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -errno;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int run_fusermount(job *j) {
  const char *target = j->strings[0], *options = j->strings[1];
  int sockets[2], errors[2], result = -EIO;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return -errno;
  if (pipe2(errors, O_CLOEXEC) != 0) {
    result = -errno;
    close(sockets[0]);
    close(sockets[1]);
    return result;
  }
  /* Above 3, so that dup2 below does not overwrite one that is still needed. */
  int comm = fcntl(sockets[1], F_DUPFD_CLOEXEC, 10), sink = fcntl(errors[1], F_DUPFD_CLOEXEC, 10);
  close(sockets[1]);
  close(errors[1]);
  char entry[] = "_FUSE_COMMFD=3";
  char **environment = environment_with(entry);
  char *arguments[] = {"fusermount3", "-o", (char *)options, "--", (char *)target, NULL};
  posix_spawn_file_actions_t actions;
  bool have_actions = posix_spawn_file_actions_init(&actions) == 0;
  pid_t child = -1;
  if (comm < 0 || sink < 0 || environment == NULL || !have_actions) result = -ENOMEM;
  else {
    posix_spawn_file_actions_adddup2(&actions, sink, 2);
    posix_spawn_file_actions_adddup2(&actions, comm, 3);
    result = -posix_spawnp(&child, "fusermount3", &actions, NULL, arguments, environment);
    if (result != 0) child = -1;
  }
  if (have_actions) posix_spawn_file_actions_destroy(&actions);
  free(environment);
  if (comm >= 0) close(comm);
  if (sink >= 0) close(sink);
  if (child > 0) {
    int fd = receive_descriptor(sockets[0], FUSERMOUNT_TIMEOUT_MS);
    if (fd == -ETIMEDOUT) kill(child, SIGKILL);
    read_message(errors[0], j->message);
    int ended = wait_exit(child);
    result = fd;
    if (fd >= 0 && ended != 0) {
      close(fd);
      result = ended;
    } else if (fd == -ENODATA) result = ended != 0 ? ended : -EPROTO;
    else if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
      result = -errno;
      close(fd);
    }
  }
  close(sockets[0]);
  close(errors[0]);
  return result;
}

/* From linux/openat2.h and linux/mount.h, which are missing in older headers. */
#define NO_SYMLINKS 0x04
#define TREE_CLONE 1
#define FROM_EMPTY_PATH 0x04
#define BENEATH 0x200

/* Opens a directory without following links. Before Linux 5.6, only the last name is protected. */
static int open_directory(const char *path) {
  struct {
    uint64_t flags, mode, resolve;
  } how = {O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, NO_SYMLINKS};
  long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  if (fd < 0 && errno == ENOSYS) fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd < 0 ? -errno : (int)fd;
}

/* Opens the directory beneath any mount on it, through a copy of its parent's mount. */
static int open_beneath(char *path) {
  char *slash = strrchr(path, '/');
  if (slash == NULL || slash[1] == 0) return -EINVAL;
  *slash = 0;
  int parent = open_directory(slash == path ? "/" : path);
  *slash = '/';
  if (parent < 0) return parent;
  int tree = (int)syscall(SYS_open_tree, parent, "", AT_EMPTY_PATH | TREE_CLONE | O_CLOEXEC);
  int result = tree < 0 ? -errno : openat(tree, slash + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (tree >= 0 && result < 0) result = -errno;
  close(parent);
  if (tree >= 0) close(tree);
  return result;
}

/*
 * Moves the mount at `beside` beneath the dead one at `target`, and detaches the dead one. Before Linux 6.5 the
 * directory is not covered for a moment.
 */
static int place_beneath(const char *beside, const char *target) {
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, beside, TREE_CLONE | O_CLOEXEC);
  int result = tree < 0 ? -errno : 0;
  if (result == 0) {
    bool is_beneath = syscall(SYS_move_mount, tree, "", AT_FDCWD, target, FROM_EMPTY_PATH | BENEATH) == 0;
    if (umount2(target, MNT_DETACH) != 0) result = -errno;
    else if (!is_beneath && syscall(SYS_move_mount, tree, "", AT_FDCWD, target, FROM_EMPTY_PATH) != 0) result = -errno;
  }
  if (tree >= 0) close(tree);
  umount2(beside, MNT_DETACH);
  return result;
}

static int run_syncfs(job *j) {
  int fd = open(j->strings[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = syncfs(fd) == 0 ? 0 : -errno;
  close(fd);
  return result;
}

static void execute(napi_env env, void *data) {
  job *j = data;
  switch (j->kind) {
  case JOB_MOUNT: j->result = run_mount(j); break;
  case JOB_FUSERMOUNT: j->result = run_fusermount(j); break;
  case JOB_UMOUNT: j->result = umount2(j->strings[0], (int)j->flags) == 0 ? 0 : -errno; break;
  case JOB_SYNCFS: j->result = run_syncfs(j); break;
  case JOB_OPEN_DIRECTORY: j->result = open_directory(j->strings[0]); break;
  case JOB_OPEN_BENEATH: j->result = open_beneath(j->strings[0]); break;
  case JOB_PLACE_BENEATH: j->result = place_beneath(j->strings[0], j->strings[1]); break;
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

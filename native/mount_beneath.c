/* Directories of mounts: opened without following links, or beneath a mount; a mount moved beneath a dead one. */
#define _GNU_SOURCE
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/openat2.h and linux/mount.h, which are missing in older headers. */
#define NO_SYMLINKS 0x04
#define TREE_CLONE 1
#define FROM_EMPTY_PATH 0x04
#define BENEATH 0x200

int mount_open_directory(const char *path) {
  struct {
    uint64_t flags, mode, resolve;
  } how = {O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, NO_SYMLINKS};
  long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  if (fd < 0 && errno == ENOSYS) fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd < 0 ? -errno : (int)fd;
}

int mount_open_beneath(char *path) {
  char *slash = strrchr(path, '/');
  if (slash == NULL || slash[1] == 0) return -EINVAL;
  *slash = 0;
  int parent = mount_open_directory(slash == path ? "/" : path);
  *slash = '/';
  if (parent < 0) return parent;
  int tree = (int)syscall(SYS_open_tree, parent, "", AT_EMPTY_PATH | TREE_CLONE | O_CLOEXEC);
  int result = tree < 0 ? -errno : openat(tree, slash + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (tree >= 0 && result < 0) result = -errno;
  close(parent);
  if (tree >= 0) close(tree);
  return result;
}

int mount_place_beneath(const char *beside, const char *target) {
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

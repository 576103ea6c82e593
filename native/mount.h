/* The calls behind mount.c. Each may wait for a mount that this process serves. They return -errno on failure. */
#ifndef DAGDRIVE_MOUNT_H
#define DAGDRIVE_MOUNT_H

#define MAX_STRING 4096
#define MESSAGE_BYTES 512

/* mount_calls.c */

/* mount(2) with the strings source, target, type, options. Returns the FUSE descriptor. */
int mount_fuse(char *const strings[4], unsigned long flags);
/* Returns the FUSE descriptor. Writes the output of fusermount3 to message, which has MESSAGE_BYTES. */
int mount_fusermount(const char *target, const char *options, char *message);
int mount_syncfs(const char *path);

/* mount_beneath.c */

/* Opens a directory without following links. Before Linux 5.6, only the last name is protected. */
int mount_open_directory(const char *path);
/* Opens the directory beneath any mount on it, through a copy of its parent's mount. Changes path temporarily. */
int mount_open_beneath(char *path);
/*
 * Moves the mount at `beside` beneath the dead one at `target`, and detaches the dead one. Before Linux 6.5 the
 * directory is not covered for a moment.
 */
int mount_place_beneath(const char *beside, const char *target);

#endif

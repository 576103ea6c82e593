/* Entry points for returning memory to the system. Included once, by seal.c. */
#ifndef DAGDRIVE_MEMORY_CALLS_H
#define DAGDRIVE_MEMORY_CALLS_H
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "napi_args.h"

/*
 * Calls `visit` for every shared mapping of this file. The caller ensures that the file is not unmapped meanwhile.
 * Returns the bytes of address space visited, or a negative errno.
 */
static double each_mapping(const char *path, void (*visit)(unsigned long start, unsigned long end)) {
  struct stat file;
  if (stat(path, &file) < 0) return -errno;
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  FILE *maps = fopen("/proc/self/maps", "re");
  if (!maps) return -errno;
  char *line = NULL;
  size_t room = 0;
  double visited = 0;
  while (getline(&line, &room, maps) > 0) {
    unsigned long start, end, inode;
    char flags[5];
    int at = 0;
    if (sscanf(line, "%lx-%lx %4s %*s %*s %lu %n", &start, &end, flags, &inode, &at) < 4) continue;
    /* The device number is not compared: for some file systems it differs from that of stat. */
    if (flags[3] != 's' || inode != (unsigned long)file.st_ino || at == 0) continue;
    const char *mapped = strrchr(line + at, '/');
    if (!mapped || strncmp(mapped + 1, name, strlen(name)) != 0) continue;
    visit(start, end);
    visited += (double)(end - start);
  }
  free(line);
  fclose(maps);
  return visited;
}

static void forget_range(unsigned long start, unsigned long end) {
  (void)madvise((void *)start, end - start, MADV_DONTNEED);
}

/* Unmaps the resident pages of the file. They stay in the page cache and are mapped again when touched. */
static double forget_file(const char *path) { return each_mapping(path, forget_range); }

/* forgetMapped(path): see forget_file. */
static napi_value forget_mapped(napi_env env, napi_callback_info info) {
  napi_value args[1];
  char path[4096];
  size_t length;
  if (!get_args(env, info, args, 1)) return NULL;
  if (napi_get_value_string_utf8(env, args[0], path, sizeof path, &length) != napi_ok || length + 1 >= sizeof path)
    return fail_range(env, "forgetMapped: bad path"), NULL;
  return js_number(env, forget_file(path));
}

/* trimHeap(): returns free memory of the C heap to the system, also from the middle of the heap. */
static napi_value trim_heap(napi_env env, napi_callback_info info) {
#ifdef __GLIBC__
  return js_number(env, malloc_trim(0));
#else
  return js_number(env, 0);
#endif
}

#endif

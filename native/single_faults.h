/*
 * Lets the kernel map one page for each touched page of a file mapping, instead of all its cached neighbours, which may
 * be more than 64 KiB. So the resident pages of a map grow with what is read. Linux has no call for this, but a mapping
 * that is registered for asynchronous write protection is treated so (Linux 6.7). Nothing is ever protected: no page is
 * marked, and no event is waited for. Included once, by seal.c.
 */
#ifndef DAGDRIVE_SINGLE_FAULTS_H
#define DAGDRIVE_SINGLE_FAULTS_H
#ifdef __linux__
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__linux__) && defined(SYS_userfaultfd) && defined(UFFD_USER_MODE_ONLY)
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15) /* newer than the headers */
#endif

/* Ends with the process. -1: this system cannot do it. */
static int open_single_faults(void) {
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC};
  if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/* Has no effect on a mapping that has it, or of a file that is open only for reading. */
static void fault_singly(unsigned long start, unsigned long end) {
  static int fd = -2;
  if (fd == -2) fd = open_single_faults();
  struct uffdio_register range = {.range = {start, end - start}, .mode = UFFDIO_REGISTER_MODE_WP};
  if (fd >= 0) (void)ioctl(fd, UFFDIO_REGISTER, &range);
}
#else
static void fault_singly(unsigned long start, unsigned long end) {
  (void)start;
  (void)end;
}
#endif
#endif

// A process with several threads, as every Go program is, cannot enter a user
// namespace. So the program that is to run in one is executed from here, before
// Go's runtime is there: see join in enter.go, which starts this program with the
// variable and waits until the other pipe end is closed (it runs) or brings errno.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

// words splits the command line, all of which is kept in the buffer.
static char **words(void)
{
	static char line[65536];
	static char *argv[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	size_t n = 0;
	ssize_t got;
	while ((got = read(fd, line + n, sizeof line - 1 - n)) > 0)
		n += got;
	close(fd);
	int argc = 0;
	for (size_t i = 0; i < n && argc < 4095; i++)
		if (i == 0 || !line[i - 1])
			argv[argc++] = line + i;
	return argv;
}

__attribute__((constructor)) static void enter(void)
{
	const char *task = getenv("_SKIFF_ENTER");
	int ns, report, program = 0;
	if (!task || sscanf(task, "%d:%d:%n", &ns, &report, &program) != 2 || !program)
		return;
	fcntl(report, F_SETFD, FD_CLOEXEC);
	fcntl(ns, F_SETFD, FD_CLOEXEC);
	char **argv = words();
	// The mount namespace is what belongs to the user namespace that was entered.
	if (argv && !setns(ns, CLONE_NEWUSER) && !unshare(CLONE_NEWNS)) {
		const char *path = task + program;
		char copy[4096];
		if (snprintf(copy, sizeof copy, "%s", path) < (int)sizeof copy) {
			unsetenv("_SKIFF_ENTER");
			execve(copy, argv, environ);
		} else {
			errno = ENAMETOOLONG;
		}
	}
	unsigned char failed = errno ? errno : EIO;
	if (write(report, &failed, 1) < 0)
		; // nobody is there to be told
	_exit(125);
}

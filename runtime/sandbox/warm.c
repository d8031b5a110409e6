// The first process to be moved between cgroups makes the kernel wait for all
// processors to pass a quiet state (cgroup_threadgroup_rwsem, an RCU grace
// period): about six milliseconds in which nothing is computed. Whoever moves
// another one shortly afterwards does not wait. So for a command line that will
// begin a process one of our own is moved to where it is already, while there is
// other work to do: before Go, because a program's constructors run two to three
// milliseconds ahead of its main.

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// slurp reads the beginning of a small file; what comes back ends with two zeros.
static ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, buf, size - 2);
	close(fd);
	if (n >= 0)
		buf[n] = buf[n + 1] = 0;
	return n;
}

// joins guesses whether the command line is one that puts a process into a
// container's cgroups, by its words: skiff's commands and their internal ones. A
// wrong guess costs next to nothing.
static int joins(void)
{
	static const char *const commands[] = {
		"run", "start", "restart", "exec", "start-stage", "exec-stage",
	};
	char words[4096];
	ssize_t n = slurp("/proc/self/cmdline", words, sizeof words);
	for (char *w = words; n > 0 && w < words + n; w += strlen(w) + 1)
		for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
			if (!strcmp(w, commands[i]))
				return 1;
	return 0;
}

// join_own writes to the own cgroup in the hierarchy without controllers, or the
// only one: nothing changes, but the kernel has waited.
static void join_own(void)
{
	char groups[8192], path[PATH_MAX];
	if (slurp("/proc/self/cgroup", groups, sizeof groups) < 0)
		return;
	const char *mount = "/sys/fs/cgroup/systemd";
	char *dir = strstr(groups, ":name=systemd:");
	if (dir) {
		dir += strlen(":name=systemd:");
	} else {
		mount = "/sys/fs/cgroup";
		dir = strncmp(groups, "0::", 3) ? strstr(groups, "\n0::") : groups - 1;
		if (!dir)
			return;
		dir += strlen("\n0::");
	}
	size_t len = strcspn(dir, "\n");
	if (strlen(mount) + len + sizeof "/cgroup.procs" > sizeof path)
		return;
	strcpy(path, mount);
	strncat(path, dir, len);
	strcat(path, "/cgroup.procs");
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		; // even a refusal comes after the wait
}

// skiff_joins says that the command line is such a one, skiff_warmer is the
// process that does it, for Warm to reap; 0 without one.
int skiff_joins, skiff_warmer;

// skiff_files is the soft limit of open files, which Go's package syscall raises.
unsigned long skiff_files;

__attribute__((constructor)) static void warm(void)
{
	if (getenv("_LIBCONTAINER_INITPIPE") || !(skiff_joins = joins()))
		return;
	struct rlimit files;
	if (!getrlimit(RLIMIT_NOFILE, &files))
		skiff_files = files.rlim_cur;
	if (geteuid())
		return; // an ordinary user's process cannot be helped
	// A process, since nothing here may have threads before Go has. It sends no
	// signal when it ends.
	int pid = syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (!pid) {
		join_own();
		_exit(0);
	}
	skiff_warmer = pid > 0 ? pid : 0;
}

package rootless

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrDisabled: this machine lets ordinary users have no user namespace.
var ErrDisabled = errors.New("user namespaces are disabled on this machine")

func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// explainClone says which switch keeps the user from having a namespace.
func explainClone(program string, err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), sysctl("user/max_user_namespaces") == "0":
		return fmt.Errorf("%w (sysctl user.max_user_namespaces is %s)", ErrDisabled, sysctl("user/max_user_namespaces"))
	case errors.Is(err, unix.EPERM) && sysctl("kernel/unprivileged_userns_clone") == "0":
		return fmt.Errorf("%w (sysctl -w kernel.unprivileged_userns_clone=1)", ErrDisabled)
	case errors.Is(err, unix.EPERM) && sysctl("kernel/yama/ptrace_scope") == "3":
		return fmt.Errorf("cannot set up a user namespace: sysctl kernel.yama.ptrace_scope is 3")
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (the kernel or a security policy such as seccomp forbids them)", ErrDisabled)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w (the kernel is built without them)", ErrDisabled)
	}
	return fmt.Errorf("cannot start %s in a user namespace: %w", program, errors.Unwrap(err))
}

// checkAppArmor tells of Ubuntu's restriction, under which a namespace can be
// made but nothing can be done in it.
func checkAppArmor() error {
	if sysctl("kernel/apparmor_restrict_unprivileged_userns") != "1" || os.Geteuid() == 0 {
		return nil
	}
	profile, err := os.ReadFile("/proc/self/attr/current")
	if err != nil || !strings.HasPrefix(string(profile), "unconfined") {
		return nil
	}
	return fmt.Errorf("%w (sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give skiff an AppArmor profile with \"userns,\")", ErrDisabled)
}

package fetch

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"skiff/rootfs/build/tarball"
)

// maxOutput bounds what is kept of git's output, in bytes.
const maxOutput = 8 << 20

// gitRunner runs git in a new repository.
type gitRunner struct {
	ctx    context.Context
	source *Source
	dir    string // work tree
	home   string
}

func (s *Source) newGitRunner(ctx context.Context) (*gitRunner, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, fmt.Errorf("cannot get the git repository %s: the program git is not installed", redacted(s.git.Remote))
	}
	dir, err := s.directory("git-")
	if err != nil {
		return nil, err
	}
	home, err := s.directory("home-")
	return &gitRunner{ctx, s, dir, home}, err
}

// withoutPassword is a URL without what it says of its user, but for SSH's.
func withoutPassword(remote string) string {
	u, err := url.Parse(remote)
	if err != nil || u.User == nil {
		return remote
	}
	if _, has := u.User.Password(); has {
		u.User = nil
	}
	return u.String()
}

// run runs git and gives what it prints.
func (g *gitRunner) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(g.ctx, maxTime, fmt.Errorf("it took more than %v", maxTime))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd := exec.CommandContext(ctx, "git", append(g.config(), args...)...)
	cmd.Dir, cmd.Env = g.dir, g.environment()
	// It ends with us (the kernel takes the thread for us), and in a process
	// namespace its helpers end with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 10 * time.Second
	var out, errs output
	cmd.Stdout, cmd.Stderr = &out, &errs
	watching := g.watch(ctx, stop)
	err := cmd.Run()
	stop(nil)
	<-watching
	g.tell(errs.String())
	if err == nil && out.full {
		err = fmt.Errorf("it prints more than %d bytes", maxOutput)
	}
	if err == nil {
		return out.String(), nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) || g.ctx.Err() != nil {
		err = cause
	} else if said := lastLine(errs.String()); said != "" {
		err = errors.New(said)
	}
	return "", fmt.Errorf("cannot get the git repository %s: git %s: %w", redacted(g.source.git.Remote), args[0], err)
}

func (g *gitRunner) tell(text string) {
	if g.source.opt.Output == nil {
		return
	}
	for line := range strings.Lines(text) {
		g.source.opt.Output(strings.TrimRight(line, "\n"))
	}
}

// lastLine is what a program has to say in the end.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// watch ends git when it leaves the file system no room. The channel is closed
// when that is over.
func (g *gitRunner) watch(ctx context.Context, stop context.CancelCauseFunc) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		dir, err := os.Open(g.dir)
		if err != nil {
			return
		}
		defer dir.Close()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := tarball.Room(int(dir.Fd())); err != nil {
					stop(err)
					return
				}
			}
		}
	}()
	return done
}

// config are options that hold for whatever the repository says.
func (g *gitRunner) config() []string {
	var out []string
	for _, c := range []string{
		"core.hooksPath=/dev/null", "core.fsmonitor=false", "credential.helper=", "init.defaultBranch=master",
		"protocol.file.allow=user", "protocol.ext.allow=never", "submodule.fetchJobs=1", "gc.auto=0",
		"advice.detachedHead=false", "core.symlinks=true", "core.autocrlf=false", "transfer.fsckObjects=false",
	} {
		out = append(out, "-c", c)
	}
	return out
}

// environment is git's: no settings of the machine or of the user, no prompts.
func (g *gitRunner) environment() []string {
	ssh := "ssh -o BatchMode=yes -o ConnectTimeout=30"
	env := []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + g.home,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false",
		"GIT_ALLOW_PROTOCOL=http:https:ssh:git", "GIT_PROTOCOL_FROM_USER=0", "GIT_SSH_COMMAND=" + ssh,
		"GIT_HTTP_LOW_SPEED_LIMIT=100", "GIT_HTTP_LOW_SPEED_TIME=" + strconv.Itoa(int(stall.Seconds())),
		"GIT_LFS_SKIP_SMUDGE=1", "GIT_CEILING_DIRECTORIES=" + g.source.opt.Scratch,
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
		"http_proxy", "https_proxy", "no_proxy", "all_proxy"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	if agent := g.source.opt.SSHAgent; agent != "" {
		env = append(env, "SSH_AUTH_SOCK="+agent)
	}
	return append(env, g.authentication()...)
}

// authentication is given by the environment, which others do not see as they do
// the command line. It is for the server of the repository only.
func (g *gitRunner) authentication() []string {
	opt := g.source.opt
	header := opt.AuthHeader
	if header == "" && opt.AuthToken != "" {
		header = "basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+opt.AuthToken))
	}
	u, err := url.Parse(g.source.git.Remote)
	if header == "" || err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http." + u.Scheme + "://" + u.Host + "/.extraheader",
		"GIT_CONFIG_VALUE_0=Authorization: " + header}
}

// output keeps the beginning of what is written to it.
type output struct {
	bytes.Buffer
	full bool
}

func (o *output) Write(p []byte) (int, error) {
	if o.Len()+len(p) > maxOutput {
		o.full = true
		o.Buffer.Write(p[:maxOutput-o.Len()])
		return len(p), nil
	}
	return o.Buffer.Write(p)
}

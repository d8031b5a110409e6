package build

import (
	"context"
	"fmt"
	"os"

	"skiff/rootfs/build/cache"
	"skiff/rootfs/imagecall"
)

// rememberShell keeps what a shell in the place of a program that failed needs: its
// files as it left them, its variables, network, devices and mounts. Of the
// mounts, those that are for one program only (tmpfs, and what is written to bind
// mounts) begin anew. release ends the mounts' use; it is called when the build ends, or
// when the step is not to have a shell, at once.
func (b *Builder) rememberShell(step imagecall.Step, release func()) {
	if !b.claimShell(step) {
		release()
		return
	}
	b.later(release)
}

// claimShell has the build end with a shell in the step, unless it is to have none or has
// one in another.
func (b *Builder) claimShell(step imagecall.Step) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.opt.ShellOnFailure || b.shell != nil {
		return false
	}
	step.Args, step.Terminal = []string{"/bin/sh"}, true
	step.Title = "shell after " + step.Title
	b.shell = &step
	return true
}

// discard ends a step that failed. The files of one that gets a shell stay until
// the build ends.
func (b *Builder) discard(w *cache.Work) error {
	b.mu.Lock()
	keep := b.shell != nil && b.shell.Upper == w.Upper
	b.mu.Unlock()
	if keep {
		b.later(func() { w.Discard() })
		return nil
	}
	return w.Discard()
}

// openShell lets the user look at what a failed program has left. It is called
// when the display has ended, because the terminal is the shell's then.
func (b *Builder) openShell(ctx context.Context) {
	if b.shell == nil {
		return
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	fmt.Fprintf(b.Err, "A shell in the step that failed; leave it with exit.\r\n")
	res, err := b.Runner.Run(ctx, *b.shell, [3]*os.File{null, null, null})
	if err == nil && res.Error != "" {
		fmt.Fprintln(b.Err, "cannot open a shell:", res.Error)
	}
}

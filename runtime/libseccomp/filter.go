package seccomp

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// rule is what was asked about one system call, by name: numbers differ between
// architectures.
type rule struct {
	call  ScmpSyscall
	act   ScmpAction
	conds []ScmpCondition
}

// ScmpFilter is a filter in the making. The zero value only answers which flags
// there are.
type ScmpFilter struct {
	byDefault ScmpAction
	archs     []ScmpArch
	rules     []rule

	noNewPrivs, log, ssb, waitKill bool
}

// NewFilter makes a filter for the native architecture without rules.
func NewFilter(byDefault ScmpAction) (*ScmpFilter, error) {
	native, err := GetNativeArch()
	if err != nil {
		return nil, err
	}
	if byDefault == ActInvalid {
		return nil, errors.New("invalid default action")
	}
	return &ScmpFilter{byDefault: byDefault, archs: []ScmpArch{native}, noNewPrivs: true}, nil
}

// AddArch has the filter also apply to programs of another architecture.
func (f *ScmpFilter) AddArch(a ScmpArch) error {
	if tableOf(a) == nil {
		return fmt.Errorf("no seccomp filter can be made for %v", a)
	}
	if !slices.Contains(f.archs, a) {
		f.archs = append(f.archs, a)
	}
	return nil
}

// AddRule sets the action for a system call.
func (f *ScmpFilter) AddRule(call ScmpSyscall, act ScmpAction) error {
	return f.AddRuleConditional(call, act, nil)
}

// AddRuleConditional sets the action for a system call all of whose conditions
// hold.
func (f *ScmpFilter) AddRuleConditional(call ScmpSyscall, act ScmpAction, conds []ScmpCondition) error {
	if act == ActInvalid {
		return errors.New("invalid action")
	}
	for _, c := range conds {
		if _, err := MakeCondition(c.Argument, c.Op, c.Operand1, c.Operand2); err != nil {
			return err
		}
	}
	f.rules = append(f.rules, rule{call, act, conds})
	return nil
}

// ExportBPF writes the compiled program, in the machine's byte order.
func (f *ScmpFilter) ExportBPF(to *os.File) error {
	program, err := f.compile()
	if err != nil {
		return err
	}
	_, err = to.Write(encode(program))
	return err
}

// SetOptimize chooses between layouts of the program in libseccomp; ours is
// always a tree.
func (f *ScmpFilter) SetOptimize(int) error { return nil }

// SetNoNewPrivsBit records whether loading sets no_new_privs.
func (f *ScmpFilter) SetNoNewPrivsBit(on bool) error { f.noNewPrivs = on; return nil }

// GetNoNewPrivsBit says so.
func (f *ScmpFilter) GetNoNewPrivsBit() (bool, error) { return f.noNewPrivs, nil }

// SetLogBit records whether actions other than allowing are logged.
func (f *ScmpFilter) SetLogBit(on bool) error { return set(&f.log, on, 3, "log flag") }

// GetLogBit says so.
func (f *ScmpFilter) GetLogBit() (bool, error) { return f.log, nil }

// SetSSB records whether the mitigation of speculative store bypass is left off.
func (f *ScmpFilter) SetSSB(on bool) error { return set(&f.ssb, on, 4, "SSB flag") }

// GetSSB says so.
func (f *ScmpFilter) GetSSB() (bool, error) { return f.ssb, nil }

// SetWaitKill records whether a wait for a notification's answer can be killed.
func (f *ScmpFilter) SetWaitKill(on bool) error { return set(&f.waitKill, on, 7, "wait-killable flag") }

// GetWaitKill says so.
func (f *ScmpFilter) GetWaitKill() (bool, error) { return f.waitKill, nil }

func set(bit *bool, on bool, level uint, what string) error {
	if on && apiLevel() < level {
		return &VersionError{Op: what}
	}
	*bit = on
	return nil
}

package libpod

import "skiff/state"

// defaultLogDriver is the log driver of a container that asks for none.
func (e *Engine) defaultLogDriver() string { return state.LogJSONFile }

// defaultCapabilities are those of a container that asks for none.
func (e *Engine) defaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
		"CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
}

package hostfacts

// Facts are what a runtime spec depends on, as plain data.
type Facts struct {
	Cgroup  Cgroup  `json:"cgroup"`
	Kernel  Version `json:"kernel"`
	Systemd bool    `json:"systemd,omitempty"`
	// UserNS, MappedUIDs and MappedGIDs: see the methods of Host.
	UserNS     bool   `json:"userNs,omitempty"`
	MappedUIDs uint32 `json:"mappedUids"`
	MappedGIDs uint32 `json:"mappedGids"`
	AppArmor   bool   `json:"apparmor,omitempty"`
	// AppArmorDefault is the profile for containers that ask for none; empty
	// where none is loaded.
	AppArmorDefault string            `json:"apparmorDefault,omitempty"`
	SELinux         bool              `json:"selinux,omitempty"`
	Seccomp         bool              `json:"seccomp,omitempty"`
	CPUs            int               `json:"cpus"`
	Capabilities    []string          `json:"capabilities"`
	CanRaise        bool              `json:"canRaise,omitempty"`
	Rlimits         map[string]Rlimit `json:"rlimits"`
	OOMScoreAdj     int               `json:"oomScoreAdj"`
}

// Facts reads all of them.
func (h *Host) Facts() Facts {
	f := Facts{
		Cgroup:       h.Cgroup(),
		Kernel:       h.Kernel(),
		UserNS:       h.UserNS(),
		MappedUIDs:   h.MappedUIDs(),
		MappedGIDs:   h.MappedGIDs(),
		AppArmor:     h.AppArmor(),
		SELinux:      h.SELinux(),
		Seccomp:      h.Seccomp(),
		Systemd:      h.Systemd(),
		CPUs:         h.CPUs(),
		Capabilities: h.Capabilities(),
		CanRaise:     h.CanRaise(),
		Rlimits:      h.Rlimits(),
		OOMScoreAdj:  h.OOMScoreAdj(),
	}
	if f.AppArmor {
		f.AppArmorDefault = h.AppArmorDefault()
	}
	return f
}

// AppArmorDefault is the first loaded one of the profiles that are made for
// containers in general, or empty.
func (h *Host) AppArmorDefault() string {
	for _, name := range []string{"skiff-default", "docker-default"} {
		if h.AppArmorLoaded(name) {
			return name
		}
	}
	return ""
}

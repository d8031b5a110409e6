package inspect

import (
	"fmt"

	"skiff/state"
)

// ExtraConfig is what Podman adds to a container's Config.
type ExtraConfig struct {
	Umask       string   `json:",omitempty"`
	Timeout     int      `json:",omitempty"`
	Timezone    string   `json:",omitempty"`
	SystemdMode bool     `json:",omitempty"`
	Secrets     []Secret `json:",omitempty"`
}

// Secret is a secret that the container has.
type Secret struct {
	Name string
	ID   string
	UID  int
	GID  int
	Mode uint32
}

func extraConfig(x state.Extras) ExtraConfig {
	out := ExtraConfig{Timeout: x.Timeout, Timezone: x.Timezone, SystemdMode: x.Systemd}
	if x.Umask != nil {
		out.Umask = fmt.Sprintf("%04o", *x.Umask)
	}
	for _, s := range x.Secrets {
		if s.Env == "" {
			out.Secrets = append(out.Secrets, Secret{s.Name, s.ID, s.UID, s.GID, s.Mode})
		}
	}
	return out
}

package libpod

import (
	"runtime"
	"runtime/debug"
	"time"
)

// VersionDocument is podman's document of a version.
type VersionDocument struct {
	APIVersion string
	Version    string
	GoVersion  string
	GitCommit  string
	BuiltTime  string
	Built      int64
	OsArch     string
	Os         string
}

// VersionInfo describes this program. version is its own; when and from what it
// was built is what the linker noted. It opens nothing.
func VersionInfo(version string) VersionDocument {
	v := VersionDocument{
		APIVersion: version, Version: version, GoVersion: runtime.Version(),
		OsArch: runtime.GOOS + "/" + runtime.GOARCH, Os: runtime.GOOS,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.GitCommit = s.Value
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				v.Built, v.BuiltTime = t.Unix(), t.Local().Format(time.ANSIC)
			}
		}
	}
	return v
}

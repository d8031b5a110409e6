package libpod

import (
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"skiff/libpod/inspect"
)

// BuildahVersion is that of the buildah whose options build has. Scripts ask for it
// to know what build can do.
const BuildahVersion = "1.42.0"

// VersionInfo describes this program; version is its own. It opens nothing:
// what it was built from is what the linker noted, and when is when the program
// file was written, if the linker does not know that either.
func VersionInfo(version string) inspect.Version {
	v := inspect.Version{
		APIVersion: version, Version: version, GoVersion: runtime.Version(),
		OsArch: runtime.GOOS + "/" + runtime.GOARCH, Os: runtime.GOOS,
	}
	built := time.Time{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.GitCommit = s.Value
			case "vcs.time":
				built, _ = time.Parse(time.RFC3339, s.Value)
			}
		}
	}
	if st, err := os.Stat("/proc/self/exe"); built.IsZero() && err == nil {
		built = st.ModTime()
	}
	if !built.IsZero() {
		v.Built, v.BuiltTime = built.Unix(), built.Local().Format(time.ANSIC)
	}
	return v
}

package cmd

import "skiff/libpod"

// buildValue is what an option of build may be given, where that is another than
// with other commands.
func buildValue(app *App, name string) (a answer, known bool) {
	switch name {
	case "file", "ignorefile", "build-arg-file", "iidfile", "metadata-file", "logfile":
		return files(), true
	case "output":
		a = choices("type=local,dest=", "type=tar,dest=", "type=oci,dest=", "type=docker,dest=", "type=image,name=", "type=registry,name=")
		a.how = completeNoSpace
	case "cache-from":
		a = choices("type=local,src=", "type=registry,ref=")
		a.how = completeNoSpace
	case "cache-to":
		a = choices("type=inline", "type=local,dest=", "type=registry,ref=")
		a.how = completeNoSpace
	case "secret":
		a = choices("id=")
		a.how |= completeNoSpace
	case "ssh", "builder":
		a = choices("default")
	case "progress":
		a = choices(progressAuto, progressPlain, progressQuiet, "rawjson", progressSteps, progressTTY)
	case "call":
		a = choices("build", "check", "outline", "targets")
	case "isolation":
		a = choices("default", "oci")
	case "allow":
		a = choices(libpod.AllowHostNetwork, libpod.AllowInsecure, libpod.AllowDevice)
	case "provenance", "sbom":
		a = choices("false")
	case "tag", "manifest":
		a = imageNames(app)
	case "platform":
		a = choices("linux/386", "linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64", "linux/ppc64le", "linux/riscv64", "linux/s390x")
	default:
		return a, false
	}
	return a, true
}

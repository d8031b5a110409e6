package seccomp

// Prepare reads the tables that a filter for native programs needs, which takes
// half a millisecond, so that who makes one later does not have to.
func Prepare() {
	native, err := GetNativeArch()
	if err != nil {
		return
	}
	nativeNames()
	foreign()
	for _, a := range kin(native) {
		tableOf(a).numbers()
	}
}

// Package builds proves that `skiff build` makes what others make: it builds the
// Dockerfiles of testdata/cases with skiff, with Debian's buildah and with the
// BuildKit in Debian's docker.io, and compares the images file by file and field by
// field. A difference fails the test unless the case, or testdata/known.txt, names
// it with its reason, and so does a named one that is gone. testdata/differences.md
// lists all of them.
//
// What the current BuildKit makes, which Debian has not, is recorded below
// testdata/results; so TestRecorded needs no other builder. To record again, have
// buildkitd and buildctl in a directory that SKIFF_BUILDKIT names and run
// `go test ./tests/builds -run Others -record`.
//
// Not here: skiff's own flags, its cache and its errors (tests/script), speed
// (tests/bench).
package builds

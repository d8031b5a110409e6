// Package peers runs command lines through Debian's Docker and through skiff
// called as docker, and compares exit status, output and effect.
//
// The command lines are data: testdata/*.txt, scenarios of several lines that
// both engines run, each in a network namespace, a directory and with images of
// its own. A difference fails the test unless the scenario names it with its
// reason, and a named difference that is gone fails it too. testdata/differences.md
// is the list of all of them, testdata/keys.txt those of whole documents.
//
// Not here: what skiff does beyond Docker (tests/script).
package peers

// Package parse turns the words of Docker's command line into state types.
//
// Everything here is pure: a value depends on the arguments only, never on the
// machine. What has to be looked at (does the host path exist, is the network
// there) is decided later, in libpod. Errors are whole sentences for the user
// and quote what was typed.
package parse

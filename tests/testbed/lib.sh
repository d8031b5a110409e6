# Shared by the test-bed scripts; sourced, never run. What is here: the work
# directory, messages, private run directories and cgroups that go away again.
# shellcheck shell=bash disable=SC2034,SC2016

export PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
TESTBED_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TESTBED_WORK=${TESTBED_WORK:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/skiff-testbed}

say() { printf 'testbed: %s\n' "$*" >&2; }
# 125 is the bed's own failure, as with a container engine.
die() { say "$*"; exit 125; }

need_root() { [ "$(id -u)" = 0 ] || die "must be run as root"; }
need() {
	local c
	for c; do command -v "$c" >/dev/null || die "$c is not installed (tests/prerequisites.sh test installs it)"; done
}

# prepare runs uml/prepare.sh so that it cannot outlive this script, and nothing
# of it stays mounted.
prepare() {
	setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
		"$TESTBED_DIR/uml/prepare.sh" &
	wait $! || die "cannot prepare $TESTBED_WORK"
}

# new_run_dir KIND sets run to a private directory that is held by a lock on
# descriptor 7, and removes directories whose holder was killed.
new_run_dir() {
	local d base=$TESTBED_WORK/run
	mkdir -p "$base" && chmod 700 "$base"
	exec 8>"$base/.lock" && flock 8
	for d in "$base"/*/; do
		if ! [ -e "$d/lock" ] || ! flock -n "$d/lock" true; then continue; fi
		d=${d%/}
		remove_cgroup /sys/fs/cgroup/{unified,systemd}"/testbed-${d##*.}"
		rm -rf "$d"
	done
	run=$(mktemp -d "$base/$1.XXXXXX")
	exec 7>"$run/lock" && flock 7
	exec 8>&-
}

# stop_child PID kills a child that this script started, and says nothing.
stop_child() {
	if [ -n "$1" ]; then
		kill -KILL "$1" 2>/dev/null || true
		wait "$1" 2>/dev/null || true
	fi
}

# put_request DIR USER COMMAND… writes what image/testbed-run reads.
put_request() {
	local dir=$1 user=$2
	shift 2
	mkdir -p "$dir"
	printf '%s\0' "$@" >"$dir/argv"
	printf '%s' "$user" >"$dir/user"
	: >"$dir/out"
}

# run_options ARGS… parses what uml/run.sh understands.
run_options() {
	mem=2048M timeout=600 share='' user='' disk='' command=()
	while [ $# -gt 0 ]; do
		case $1 in
		--mem) mem=$2 && shift 2 ;;
		--timeout) timeout=$2 && shift 2 ;;
		--share) share=$2 && shift 2 ;;
		--user) user=$2 && shift 2 ;;
		--disk) disk=$2 && shift 2 ;;
		--) shift && break ;;
		*) die "unknown option $1 (usage: run.sh [--mem 2048M] [--timeout S] [--user NAME] [--disk PATH] --share DIR -- COMMAND…)" ;;
		esac
	done
	[ $# -gt 0 ] || die "no command given"
	[ -d "$share" ] || die "--share needs a directory"
	share=$(cd "$share" && pwd -P)
	if [ -n "$disk" ]; then disk=$(realpath -m "$disk"); fi
	command=("$@")
}

# follow PID DIR SECONDS streams DIR/out until PID ends, then exits with the
# status that the guest left in DIR/status; 124 on timeout.
follow() {
	local rc=0
	# In the background, so that a signal to this script is served at once.
	setpriv --pdeathsig TERM timeout "$3" tail -c +1 -s 0.1 -f --pid="$1" "$2/out" 2>/dev/null 7>&- &
	wait $! || rc=$?
	if [ $rc = 124 ]; then
		say "timeout after $3 s"
		exit 124
	fi
	wait "$1" 2>/dev/null || true
	if [ ! -s "$2/status" ]; then
		say "the guest ended without a status; its console:"
		tail -n 30 "$2/console" >&2 || true
		exit 125
	fi
	exit "$(cat "$2/status")"
}

# cgroup2_root prints where this machine's cgroup v2 tree is (hybrid or pure).
cgroup2_root() { awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts; }

# remove_cgroup DIR… kills what is left in a v2 subtree and removes subtrees.
remove_cgroup() {
	local d i
	for d; do
		[ -d "$d" ] || continue
		[ -e "$d/cgroup.kill" ] && echo 1 >"$d/cgroup.kill"
		for i in $(seq 50); do
			find "$d" -depth -type d -exec rmdir {} \; 2>/dev/null
			[ -d "$d" ] || break
			sleep 0.1
		done
	done
}

# A user without cgroups of their own and without /dev/net/tun.
# refused PATTERN ARGS…: skiff ends with 125 and one line with the pattern.
refused() {
	pattern=$1 status=0 && shift
	skiff "$@" >"$top/said" 2>&1 || status=$?
	cat "$top/said"
	[ $status = 125 ] && [ "$(wc -l <"$top/said")" = 1 ] && grep -qE "^Error: .*$pattern" "$top/said"
}
dir=$1 top=$(mktemp -d /var/tmp/skiff-plain-XXXXXX)
trap 'skiff rm -af -t 0; unshare --user --map-root-user --map-auto rm -rf "$top"' EXIT
printf '#!/bin/sh\nexec timeout 60 %s --root %s --runroot %s "$@"\n' "$dir/skiff" "$top/data" "$top/run" >"$top/skiff"
chmod +x "$top/skiff"
PATH=$top:$PATH

skiff load -q -i "$dir/images/busybox-bed.tar"
skiff run --rm --network none busybox true
skiff run --rm --network host busybox true

# no group, no limits: a wish is refused, a default left out
if ! grep -q memory /sys/fs/cgroup/cgroup.controllers; then
	refused '--memory: this user has no such control group' run --rm --network none -m 64m busybox true
	refused '--cpus: ' run --rm --network none --cpus 0.5 busybox true
	refused '--pids-limit: ' run --rm --network none --pids-limit 9 busybox true
	printf '[containers]\npids_limit = 77\n' >"$top/containers.conf"
	CONTAINERS_CONF=$top/containers.conf skiff run --rm --network none busybox true
fi

# the network that is the default takes a device
if ! [ -w /dev/net/tun ]; then
	refused '/dev/net/tun: .*--network none or host' run --rm busybox true
fi
[ -z "$(skiff ps -aq)" ]

# nobody is left of a container without cgroups when its monitor is killed
skiff run -d --name box --network none busybox sh -c 'sleep 1001 & exec sleep 1000'
pid=$(skiff inspect --format '{{.State.Pid}}' box)
ns=$(readlink "/proc/$pid/ns/pid")
for p in /proc/[0-9]*; do
	case $(readlink "$p/exe") in "$top"/data/programs/monitor*) kill -KILL "${p#/proc/}" ;; esac
done
until skiff ps -a | grep 'Exited (137)'; do :; done
left() { # but for zombies, which are for process 1 to reap
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/ns/pid")" != "$ns" ] || grep -v ') Z ' "$p/stat" || :
	done
}
[ -z "$(left)" ]
skiff rm box

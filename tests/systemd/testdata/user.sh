# An ordinary user's session under systemd: limits come from the user's manager.
dir=$1 top=$(mktemp -d /var/tmp/skiff-user-XXXXXX)
cp "$dir/skiff" "$top/program"
printf '#!/bin/sh\nexec timeout 100 %s --root %s --runroot %s "$@"\n' "$top/program" "$top/data" "$top/run" >"$top/skiff"
chmod +x "$top/skiff"
PATH=$top:$PATH

skiff load -q -i "$dir/images/busybox-bed.tar"
skiff run --rm --network none -m 64m --pids-limit 33 --cpus 0.5 busybox \
	sh -c 'cd /sys/fs/cgroup && cat memory.max pids.max cpu.max' >"$top/out"
cat "$top/out"
[ "$(cat "$top/out")" = "67108864
33
50000 100000" ]
status=0
skiff run --name big -m 64m --network none busybox dd if=/dev/zero of=/dev/null bs=100M count=1 || status=$?
[ $status = 137 ]
[ "$(skiff inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' big)" = 'true 137' ]
skiff run -d --name box --network none busybox sleep 1000
[ "$(skiff exec box id -u)" = 0 ]
systemctl --user list-units --no-pager --plain | grep 'skiff-.*\.scope'
skiff rm -af -t 0
! systemctl --user list-units --no-pager --plain | grep 'skiff-.*\.scope'

# without the manager there is nothing to limit with
skiff --cgroup-manager cgroupfs run --rm --network none busybox true
status=0
skiff --cgroup-manager cgroupfs run --rm --network none -m 64m busybox true 2>"$top/err" || status=$?
[ $status = 125 ]
grep -q '^Error: .*--memory: this user has no such control group' "$top/err"

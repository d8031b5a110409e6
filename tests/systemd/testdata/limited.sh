# Limits arrive in the group of an ordinary user's container and are kept, and an
# OOM kill is reported as one. Arguments: skiff and its global options.
out=$(mktemp)
"$@" run --rm --network none -m 64m --pids-limit 33 --cpus 0.5 busybox \
	sh -c 'cd /sys/fs/cgroup && cat memory.max pids.max cpu.max' >"$out"
[ "$(cat "$out")" = "67108864
33
50000 100000" ]
# half a processor: in four seconds no more than two of work
"$@" run --rm --network none --cpus 0.5 busybox sh -c '
	timeout 4 sh -c "while :; do :; done"
	cat /sys/fs/cgroup/cpu.stat' >"$out" || [ $? = 143 ]
awk '$1 == "usage_usec" { used = $2 } $1 == "nr_throttled" { held = $2 }
	END { print used, held; exit !(used < 3000000 && held > 10) }' "$out"
"$@" run --rm --network none --pids-limit 5 busybox \
	sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait' 2>"$out" || [ $? = 2 ]
grep fork "$out"
status=0
"$@" run --name big -m 64m --network none busybox dd if=/dev/zero of=/dev/null bs=100M count=1 || status=$?
[ $status = 137 ]
[ "$("$@" inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' big)" = 'true 137' ]
"$@" rm big
rm "$out"

# An ordinary user's session under systemd: limits come from the user's manager,
# published ports through pasta. $1 is the shared directory.
dir=$1 top=$(mktemp -d /var/tmp/skiff-user-XXXXXX)
cp "$dir/skiff" "$top/program"
printf '#!/bin/sh\nexec timeout 100 %s --root %s --runroot %s "$@"\n' "$top/program" "$top/data" "$top/run" >"$top/skiff"
chmod +x "$top/skiff"
PATH=$top:$PATH

# until_says TEXT COMMAND…: again until the command prints a line with the text.
until_says() {
	want=$1 tries=0 && shift
	until "$@" 2>&1 | grep -F -- "$want"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ]
		sleep 0.1
	done
}

# fails COMMAND…: sh -e does not mind a `!` whose command succeeds.
fails() { ! "$@"; }
scopes() { systemctl --user list-units --no-pager --plain --no-legend 'skiff*'; }

skiff load -q -i "$dir/images/busybox-bed.tar"
skiff load -q -i "$dir/images/httpd-bed.tar"
sh -ex "$dir/limited.sh" skiff
[ -z "$(scopes)" ]
# inside a unit of the user's there are groups to use without asking systemd
systemd-run --user --quiet --wait --pipe --collect -E PATH="$PATH" -- \
	sh -ex "$dir/limited.sh" skiff --cgroup-manager cgroupfs

skiff run -d --name box --network none busybox sleep 1000
[ "$(skiff exec box id -u)" = 0 ]
[ "$(scopes | wc -l)" = 2 ] # its own and its monitor's
skiff rm -f -t 0 box

# a published port (pasta of Debian 12 does not start where SIGPIPE is ignored, as in
# services of systemd: skiff does not hand that on)
id=$(skiff run -d --name web -p 18080:80 -m 256m --pids-limit 99 --cpus 1 httpd)
until_says 'It works!' curl -sS http://127.0.0.1:18080/
until_says 'It works!' curl -sS http://192.0.2.2:18080/
[ "$(skiff port web)" = '80/tcp -> 0.0.0.0:18080' ]
skiff logs web 2>&1 | grep 'GET / HTTP'
[ "$(skiff exec web cat /sys/fs/cgroup/memory.max)" = 268435456 ]
skiff update -m 200m --pids-limit 77 --cpus 0.5 web
[ "$(skiff exec web sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max' | tr '\n' ' ')" = '209715200 77 50000 100000 ' ]
skiff stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' web | grep -E '^[0-9.]+MB / 209.7MB [0-9]+$'
skiff exec web hostname | grep "$(echo "$id" | cut -c1-12)"
skiff stop web
[ "$(skiff inspect --format '{{.State.Status}} {{.State.OOMKilled}}' web)" = 'exited false' ]
fails curl -sS http://127.0.0.1:18080/
skiff start web
until_says 'It works!' curl -sS http://127.0.0.1:18080/
skiff rm -f web
fails curl -sS http://127.0.0.1:18080/
fails pgrep -u "$(id -u)" -a pasta
until [ -z "$(scopes)" ]; do sleep 0.1; done
[ -z "$(skiff ps -aq)" ]

# without the manager there is nothing to limit with
skiff --cgroup-manager cgroupfs run --rm --network none busybox true
status=0
skiff --cgroup-manager cgroupfs run --rm --network none -m 64m busybox true 2>"$top/err" || status=$?
[ $status = 125 ]
grep -q '^Error: .*--memory: this user has no such control group' "$top/err"

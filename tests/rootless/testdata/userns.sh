# User namespaces of an ordinary user's containers.
dir=$1 top=$(mktemp -d /var/tmp/skiff-userns-XXXXXX)
trap 'skiff rm -af -t 0; unshare --user --map-root-user --map-auto rm -rf "$top"' EXIT
printf '#!/bin/sh\nexec timeout 60 %s --root %s --runroot %s "$@"\n' "$dir/skiff" "$top/data" "$top/run" >"$top/skiff"
chmod +x "$top/skiff"
PATH=$top:$PATH
# prints TEXT COMMAND…: the command prints just that.
prints() {
	want=$1 && shift
	got=$("$@")
	[ "$got" = "$want" ] || { echo "got: $got" >&2; return 1; }
}
skiff load -q -i "$dir/images/busybox-bed.tar"
u=$(id -u) g=$(id -g)

# the user keeps the id; the image's files belong to root
mkdir "$top/v"
prints "$u:$g 0:0" skiff run --rm --network none --userns keep-id -v "$top/v:/v" busybox \
	sh -c 'touch /v/mine /tmp/x && echo $(id -u):$(id -g) $(stat -c %u:%g /bin/busybox)'
prints "$u:$g" stat -c %u:%g "$top/v/mine"
prints '200:210' skiff run --rm --network none --userns keep-id:uid=200,gid=210 busybox sh -c 'echo $(id -u):$(id -g)'
! skiff run --rm --network none --userns keep-id busybox touch /etc/mine
skiff run --rm --network none --userns keep-id --user 0 busybox touch /etc/roots

# others do not have it
prints '0' skiff run --rm --network none --userns nomap busybox stat -c %u /bin/busybox
! skiff run --rm --network none --userns nomap -v "$top/v:/v" busybox touch /v/others
skiff run -d --name a --network none --userns auto:size=1000 busybox sleep 1000
skiff run -d --name b --network none --userns auto:size=2000 busybox sleep 1000
prints '0 1 1000' sh -c 'echo $(skiff exec a cat /proc/self/uid_map)'
prints '0 1001 2000' sh -c 'echo $(skiff exec b cat /proc/self/uid_map)'
skiff rm -f -t 0 a b
prints '0 1 9 20 0 1' sh -c 'echo $(skiff run --rm --network none --uidmap 0:1:9 --uidmap 20:0:1 busybox cat /proc/self/gid_map)'

# it goes on after a stop, and exec finds it
skiff run -d --name k --network none --userns keep-id busybox sleep 1000
skiff stop -t 0 k
skiff start k
prints "$u" skiff exec k id -u
prints 0 skiff exec -u 0 k id -u
prints private skiff inspect -f '{{.HostConfig.UsernsMode}}' k

# others join it: what they share belongs to the namespaces of the first one's start
skiff run -d --name m --network none --userns auto:size=900 busybox sleep 1000
prints '0 1 900 sleep' sh -c 'echo $(skiff run --rm --network container:m --userns container:m --pid container:m busybox cat /proc/self/uid_map /proc/1/comm)'
refused=$(skiff run --rm --network none --ipc container:k --pid container:m busybox true 2>&1) && exit 1
case $refused in *'cannot join the namespaces of both '*'start m with a namespace of k'* | *'start k with a namespace of m'*) ;; *) echo "$refused"; exit 1 ;; esac
skiff rm -f -t 0 m k

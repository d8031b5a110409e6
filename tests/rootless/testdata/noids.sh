# A user without subordinate ids: one warning a command, and one owner.
dir=$1 top=$(mktemp -d /var/tmp/skiff-noids-XXXXXX)
trap 'skiff rm -af -t 0; unshare --user --map-root-user rm -rf "$top"' EXIT
printf '#!/bin/sh\nexec timeout 60 %s --root %s --runroot %s "$@"\n' "$dir/skiff" "$top/data" "$top/run" >"$top/skiff"
chmod +x "$top/skiff"
PATH=$top:$PATH

skiff load -q -i "$dir/images/busybox-bed.tar"
skiff load -q -i "$dir/images/httpd-bed.tar"
skiff run --rm --network none busybox id -u >"$top/out" 2>"$top/err"
cat "$top/err"
[ "$(cat "$top/out")" = 0 ]
[ "$(wc -l <"$top/err")" = 1 ]
grep -q "no range in /etc/subuid" "$top/err"
skiff run --rm --network none httpd cat /usr/local/apache2/htdocs/index.html | grep 'It works!'
skiff run -d --name box --network none busybox sleep 1000
[ "$(skiff exec box id -u)" = 0 ]
status=0
skiff run --rm --network none -u 33 busybox true 2>"$top/err" || status=$?
[ $status = 125 ]
grep -q '^Error: .*cannot run as user 33: .*subordinate ids' "$top/err"
skiff stop -t 0 box
skiff rm box
skiff rmi -af

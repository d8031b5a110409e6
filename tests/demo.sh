#!/bin/bash
# Shows skiff at work: a web server from the image inside the binary, published
# on a free port, its page fetched, and how to stop it.
# Usage: demo.sh SKIFF
set -euo pipefail
skiff=$(realpath "$1")
name=skiff-welcome

"$skiff" rm -f "$name" >/dev/null 2>&1 || true
id=$("$skiff" run -d --name "$name" -p 8080-8099:80 -m 64m --cpus 0.5 --pids-limit 100 localhost/skiff-welcome)
address=$("$skiff" port "$name" 80/tcp | head -n 1)
address=http://127.0.0.1:${address##*:}/
page=$(curl -sS --fail --retry 20 --retry-delay 0 --retry-connrefused --max-time 10 "$address")

# The page as text: tags out, entities back.
sed -e '/<style>/,/<\/style>/d' -e 's/<title>.*<\/title>//' -e 's/<\/t[dh]><t[dh]>/   /g' -e 's/<[^>]*>//g' \
	-e 's/&#43;/+/g' -e 's/&#34;/"/g' -e 's/&lt;/</g' -e 's/&gt;/>/g' -e 's/&amp;/\&/g' <<<"$page" | sed '/^[[:space:]]*$/d'
cat <<TEXT

That was $address, served by container ${id:0:12} ($name).
Look at it:   $skiff ps;  $skiff logs $name
Stop it:      $skiff rm -f $name
TEXT

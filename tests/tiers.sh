#!/bin/bash
# Runs tiers of tests one after the other and fails if one of them fails.
# Usage: tiers.sh [unit] [root] [systemd] [rootless] [peers] [builds]
#   unit      tests beside the code, the rules on imports, the documents
#   root      scripts against bin/skiff on this machine
#   systemd   a subset of them under systemd with pure cgroup v2 (user-mode Linux)
#   rootless  as an unprivileged user of this machine
#   peers     command lines through Docker and skiff; not a part of `make test`
#   builds    Dockerfiles through buildah, Docker's BuildKit and skiff; neither is this
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
export SKIFF=${SKIFF:-$PWD/bin/skiff}
failed=()

# go_test TIER ARGS… runs go test and reports on it.
report=$(mktemp) || exit 2
trap 'rm -f "$report"' EXIT
go build -o "$report" ./tests/report || exit 2
go_test() {
	local tier=$1
	shift
	go test -json -count=1 "$@" 2>&1 | "$report" -skips tests/skips.txt || failed+=("$tier")
}

unit_packages() { go list ./... | grep -v -e /tests/script -e /tests/fault -e /tests/systemd -e /tests/rootless -e /tests/peers -e /tests/builds; }

# The scripts run without a way out to package archives: what they need of
# those is made before.
case " $* " in
*" root "* | *" systemd "* | *" rootless "* | *" peers "* | *" builds "*) go run ./tests/images/mk >/dev/null || exit 2 ;;
esac

for tier; do
	start=$SECONDS
	echo "== $tier"
	case $tier in
	unit) # shellcheck disable=SC2046
		go_test unit -timeout 15m $(unit_packages) ;;
	root)
		go_test root -timeout 20m ./tests/script ./tests/fault
		go_test root -timeout 10m -run 'Recorded|Cases' ./tests/builds ;;
	systemd) go_test systemd -timeout 25m ./tests/systemd ;;
	builds)
		go run ./tests/images/mk debian >/dev/null || exit 2
		go_test builds -timeout 40m ./tests/builds ;;
	peers) go_test peers -timeout 20m ./tests/peers ;;
	rootless) go_test rootless -timeout 15m ./tests/rootless ;;
	*) echo "tiers.sh: no tier $tier" >&2 && exit 2 ;;
	esac
	echo "== $tier: $((SECONDS - start)) s"
done
if [ ${#failed[@]} -gt 0 ]; then
	echo "FAILED: ${failed[*]}"
	exit 1
fi
echo "all tiers passed: $*"

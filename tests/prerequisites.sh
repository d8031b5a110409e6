#!/bin/bash
# Installs from the distribution what building (build), testing (test) or comparing with
# Docker (peers) or other builders (builds) needs
# and this machine lacks. Does nothing, and needs no root, where all is there.
# Usage: prerequisites.sh build|test|peers|builds
set -euo pipefail

fail() { echo "prerequisites: $*" >&2 && exit 1; }

# have THING: a command on the path, a file, a pkg-config module (lib:NAME) or
# an installed Debian package (deb:NAME).
have() {
	case $1 in
	lib:*) pkg-config --exists "${1#lib:}" 2>/dev/null ;;
	deb:*) dpkg-query -W -f '${Status}' "${1#deb:}" 2>/dev/null | grep -q 'ok installed' ;;
	/*) [ -e "$1" ] ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# THING PACKAGE, one a line.
build='
gcc gcc
musl-gcc musl-tools
pkg-config pkg-config
deb:libc6-dev libc6-dev
lib:libseccomp libseccomp-dev
git git
curl curl
/etc/ssl/certs/ca-certificates.crt ca-certificates
'
test='
ip iproute2
nft nftables
iptables iptables
newuidmap uidmap
pasta passt
busybox busybox-static
docker-registry docker-registry
htpasswd apache2-utils
skopeo skopeo
gpg gpg
gpg-agent gpg-agent
runc runc
crun crun
tmux tmux
strace strace
ps procps
flock util-linux
script bsdutils
zstd zstd
openssl openssl
mmdebstrap mmdebstrap
zsh zsh
fish fish
mke2fs e2fsprogs
ssh-agent openssh-client
bzip2 bzip2
xz xz-utils
setfattr attr
setcap libcap2-bin
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
'

peers='
/usr/sbin/dockerd docker.io
/usr/bin/docker docker.io
'

builds='
buildah buildah
dpkg-scanpackages dpkg-dev
'

go_version() {
	local have want
	command -v go >/dev/null || fail 'Go is not installed: see https://go.dev/doc/install'
	have=$(go env GOVERSION) want=$(awk '$1 == "go" { print $2 }' "$(dirname "$0")/../go.mod")
	if [ "$(printf '%s\n' "${have#go}" "$want" | sort -V | head -n 1)" != "$want" ]; then
		fail "Go $want or newer is needed, this is ${have#go}: see https://go.dev/doc/install"
	fi
}

# no_services keeps apt from starting what it installs (docker-registry would
# take port 5000).
no_services() {
	policy=/usr/sbin/policy-rc.d
	[ ! -e $policy ] || return 0
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
}

case ${1:-} in
build) wanted=$build ;;
test) wanted=$build$test ;;
peers) wanted=$build$test$peers ;;
builds) wanted=$build$test$peers$builds ;;
*) fail 'usage: prerequisites.sh build|test|peers|builds' ;;
esac

missing=() lacking=()
while read -r thing package; do
	[ -n "$thing" ] || continue
	have "$thing" || { missing+=("$package") && lacking+=("$thing"); }
done <<<"$wanted"
if [ ${#missing[@]} -gt 0 ]; then
	command -v apt-get >/dev/null || fail "missing: ${lacking[*]} (only Debian and Ubuntu are installed to by this script)"
	[ "$(id -u)" = 0 ] || fail "missing: ${missing[*]}; run as root, or: apt-get install --no-install-recommends ${missing[*]}"
	echo "prerequisites: installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	no_services
	apt-get update -q=2
	apt-get install -q=2 -y --no-install-recommends "${missing[@]}" >/dev/null ||
		fail "apt-get could not install ${missing[*]}"
fi
go_version

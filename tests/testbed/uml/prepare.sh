#!/bin/bash
# Makes what uml/run.sh needs, in $TESTBED_WORK: UML with its
# own C library in a small chroot (host/), a Debian 12 tree (root/) and an ext4
# image of it (root.img). Says and does nothing if they are there and up to date.
# Usage: prepare.sh [--force]    TESTBED_PACKAGES adds packages to the image.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
need_root
need mmdebstrap mke2fs apt-get dpkg-deb flock
start=$(date +%s)

packages=(systemd systemd-sysv dbus dbus-user-session libpam-systemd kmod procps
	iproute2 nftables iptables uidmap passt slirp4netns fuse-overlayfs
	busybox-static ca-certificates curl)
read -ra extra <<<"${TESTBED_PACKAGES:-}"
packages+=("${extra[@]}")

mkdir -p "$TESTBED_WORK"
chmod 755 "$TESTBED_WORK"
exec 9>"$TESTBED_WORK/prepare.lock"
flock 9
cd "$TESTBED_WORK"
stamp=$({ echo "${packages[*]}" && cat "$TESTBED_DIR"/uml/prepare.sh "$TESTBED_DIR"/image/*; } | sha256sum)
if [ "${1:-}" != --force ] && [ "$(cat stamp 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi
rm -rf --one-file-system stamp versions apt host root root.img kernel
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirrors are the ones that this machine's apt uses.
sources() { # LABEL
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(LABEL)' 'Created-By: Packages' |
		awk -v label="$1" '$3 == label && $2 ~ /^bookworm/ { print $1, $2 }' | sort -u
}
mirror=$(sources Debian | awk 'NR == 1 { print $1 }')
[ -n "$mirror" ] || die "no Debian 12 source known to apt: run apt-get update"

# fetch_uml downloads UML and the C library of sid with an apt of its own.
fetch_uml() {
	mkdir -p apt/state/lists/partial apt/cache/archives/partial apt/debs
	: >apt/status
	echo "deb [signed-by=$keyring] $mirror sid main" >apt/sources.list
	cat >apt/apt.conf <<-CONF
		Dir::State "$PWD/apt/state";
		Dir::State::status "$PWD/apt/status";
		Dir::Cache "$PWD/apt/cache";
		Dir::Etc::sourcelist "$PWD/apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Acquire::Languages "none";
		APT::Sandbox::User "root";
		#clear APT::Update;
		#clear DPkg;
	CONF
	apt-get -q=2 -c apt/apt.conf update
	(cd apt/debs && apt-get -q=2 -c ../apt.conf download user-mode-linux libc6 libgcc-s1)
	mkdir -p host/{dev,proc,tmp,share,testbed,image,disk,usr/lib,usr/lib64,usr/bin,usr/sbin} kernel
	ln -s usr/lib usr/lib64 usr/bin usr/sbin host/
	mknod -m 666 host/dev/null c 1 3
	mknod -m 666 host/dev/random c 1 8
	mknod -m 666 host/dev/urandom c 1 9
	local d
	for d in apt/debs/lib*.deb; do dpkg-deb --fsys-tarfile "$d" | tar -x -C host --keep-directory-symlink; done
	dpkg-deb -x apt/debs/user-mode-linux_*.deb kernel
	mv kernel/usr/bin/linux.uml host/usr/bin/
	rm -rf host/usr/share host/usr/lib/x86_64-linux-gnu/gconv
}

# add_modules puts into the image the modules that a container engine may want
# and what they depend on; the image's own kmod works that out.
add_modules() {
	local version dir m names
	version=$(ls kernel/usr/lib/uml/modules)
	dir=root/usr/lib/modules/$version
	mkdir -p root/usr/lib/modules
	mv kernel/usr/lib/uml/modules/* root/usr/lib/modules/
	names=(overlay fuse erofs squashfs loop veth dummy macvlan ipvlan vxlan
		geneve tun ifb 8021q bridge br_netfilter vrf)
	for m in "$dir"/kernel/net/{netfilter,sched,bridge,bridge/netfilter}/*.ko*; do
		m=${m##*/}
		names+=("${m%%.ko*}")
	done
	chroot root modprobe -a -S "$version" --show-depends "${names[@]}" 2>/dev/null |
		awk '$1 == "insmod" { sub(".*/modules/", "root/usr/lib/modules/", $2); print $2 }' | sort -u >kernel/wanted
	find "$dir/kernel" -name '*.ko*' | sort | comm -23 - kernel/wanted | xargs rm
	find "$dir/kernel" -type d -empty -delete
	chroot root depmod "$version"
	rm -rf kernel
}

# build_root makes the tree, without documentation and translations, in a mount
# namespace of its own: nothing stays mounted if it is interrupted.
build_root() {
	local line lists=()
	while read -r line; do lists+=("deb [signed-by=$keyring] $line main"); done \
		< <(sources Debian && sources Debian-Security)
	unshare --mount --propagation private mmdebstrap --quiet --mode=root --variant=essential --format=directory \
		--include="$(IFS=, && echo "${packages[*]}")" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt=force-unsafe-io --aptopt='Acquire::Languages "none"' \
		bookworm root "${lists[@]}"
	rm -rf root/var/lib/apt/lists/* root/var/cache/apt/* root/var/cache/debconf/*-old root/var/log/*.log
}

# configure_root makes it boot fast, without terminals, udev or timers.
configure_root() {
	install -m 755 "$TESTBED_DIR/image/testbed-run" root/usr/local/sbin/testbed-run
	install -m 644 "$TESTBED_DIR/image/testbed.service" root/etc/systemd/system/testbed.service
	mkdir -p root/testbed root/share root/etc/systemd/system/user@.service.d
	printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >root/etc/systemd/system/user@.service.d/delegate.conf
	printf '127.0.0.1 localhost testbed\n::1 localhost\n' >root/etc/hosts
	echo testbed >root/etc/hostname
	: >root/etc/machine-id
	: >root/etc/fstab
	rm -f root/etc/resolv.conf
	chroot root systemctl --quiet set-default multi-user.target
	chroot root systemctl --quiet enable testbed.service
	chroot root systemctl --quiet mask getty.target console-getty.service apt-daily.timer \
		apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
		e2scrub_reap.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
		systemd-pstore.service systemd-sysusers.service modprobe@{drm,dm_mod,loop,configfs}.service \
		2>/dev/null
	chroot root useradd --create-home --shell /bin/bash tester
	for f in subuid subgid; do echo tester:200000:65536 >root/etc/$f; done
}

fetch_uml &
fetch=$!
build_root
configure_root
wait $fetch || die "cannot fetch UML"
add_modules
mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=0 -N 262144 -L root -d root root.img 8G >/dev/null
{
	for d in apt/debs/*.deb; do dpkg-deb -W --showformat '${Package} ${Version}\n' "$d"; done
	echo "debian $(cat root/etc/debian_version)"
	echo "systemd $(dpkg-query --root=root -W -f '${Version}' systemd)"
} >versions
rm -rf apt
echo "$stamp" >stamp
say "prepared in $(($(date +%s) - start)) s: $(du -sh root | cut -f1) tree, $(du -sh root.img | cut -f1) image, $(paste -sd, versions)"

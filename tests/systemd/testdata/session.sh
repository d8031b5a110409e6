# As root on the bed: gives the machine a way out that leads nowhere, then runs a
# command in a login session of the user `tester`, with their own systemd.
# Usage: session.sh COMMAND…

# pasta takes address and routes of the interface with the default route. The
# other end is a namespace that answers for the gateway and has no way on.
ip netns add nowhere
ip link add up0 type veth peer name down0 netns nowhere
ip addr add 192.0.2.2/24 dev up0
ip link set up0 up
ip -n nowhere addr add 192.0.2.1/24 dev down0
ip -n nowhere link set down0 up
ip route add default via 192.0.2.1
[ -c /dev/net/tun ]

loginctl enable-linger tester
systemctl start "user@$(id -u tester).service"
exec systemd-run --quiet --collect --wait --pipe --uid=tester \
	-p PAMName=login -p WorkingDirectory=/share -E LANG=C.UTF-8 -E TERM=dumb \
	-E XDG_SESSION_CLASS=user -E XDG_SESSION_TYPE=tty -E PATH="$PATH" -- "$@"

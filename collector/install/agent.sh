#!/bin/sh
# Makes this machine a site: installs the agent, fetches the site's certificate with the one-time token on the standard input, and starts the
# service. Run again it goes on where it ended. `dockline-collector site add` prints the command that runs it.
set -eu
collector='[[.Collector]]'
version='[[.Version]]'

fail() {
	echo "dockline: $*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || fail "run this as root: sudo sh $0 ..."
[ $# = 1 ] || [ $# = 2 ] || fail "run this as site add prints it: sh $0 FINGERPRINT [PLUGINS], with the token on the standard input"
fingerprint=$1 plugins=${2:-}
authority=${0%.sh}
[ -s "$authority" ] || fail "$authority, the collector's authority, is not beside this script: run all of the command that site add prints"
IFS= read -r token || [ -n "${token:-}" ] || fail "no token on the standard input"

if command -v dpkg >/dev/null; then
	manager=dpkg
elif command -v rpm >/dev/null; then
	manager=rpm
else
	fail "this machine has neither dpkg nor rpm: unpack the archive of dockline $version instead"
fi
machine=$(uname -m)
case $machine in armv8*) machine=armv7l ;; esac # a 32 bit system on a 64 bit machine
case $machine/$manager in
[[range .Packages]][[.Machine]]/[[.Manager]]) file='[[.File]]' sum='[[.Sum]]' ;;
[[end]]*) fail "the collector has no package for $machine with $manager" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ "$(dockline-agent version 2>/dev/null || true)" != "$version" ]; then
	curl -fsS --retry 5 --retry-delay 2 -C - --cacert "$authority" -o "$work/$file" "$collector/install/$file" || fail "cannot fetch $file from $collector"
	echo "$sum  $work/$file" | sha256sum -c --status || fail "$file is not what the collector says that it is: run this again"
	case $manager in
	dpkg) dpkg -i "$work/$file" ;;
	rpm) rpm -U --replacepkgs "$work/$file" ;;
	esac
fi
set -- --collector "$collector" --fingerprint "$fingerprint" --token-file -
if [ -n "$plugins" ]; then # the section of agent.yaml in Base64, as site add --plugins has put it into the command
	echo "$plugins" | base64 -d >"$work/plugins.yaml" || fail "the last argument is not whole: copy the command again"
	set -- "$@" --plugins "$work/plugins.yaml"
fi
printf '%s\n' "$token" | dockline-agent enrol "$@"
dockline-agent config check
if [ -d /run/systemd/system ]; then
	systemctl is-enabled --quiet dockline-agent.service || dockline-agent install
	dockline-agent start
	dockline-agent status || true # what it lacks it says, and says again whenever it is asked
else
	echo "This machine does not run systemd: let its own supervisor run dockline-agent run."
fi

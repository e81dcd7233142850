#!/usr/bin/env bash
# archives.sh VERSION: unpacks what `make package` has put into dist/ and runs it: each agent says its version and writes a configuration for a
# site; where a plugin can be started too (this machine's own kind, and Windows under Wine), it is checked with one. ARM runs under qemu-user,
# of which the kernel knows nothing, so that no plugin starts there.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD version=$1
[ "${2:-}" = in-wine ] || folder=$(mktemp -d)
folder=${folder:-$3}

# look NAME PREFIX SUFFIX PLUGIN: what must be put before a program of the archive, behind its name, and whether plugins start.
look() {
	local home=$folder/$1 agent="$2 $folder/$1/dockline-agent$3" said
	tar -C "$folder" -xzf "$root/dist/$1.tar.gz"
	said=$($agent version | tr -d '\r')
	[ "$said" = "$version" ] || { echo "archives.sh: $1: the agent says it is $said, not $version" >&2; return 1; }
	$agent init --config "$home/agent.yaml" --data-dir "$home/data" --tenant main --site dc-east >/dev/null
	if [ "$4" = plugin ]; then
		sed -i "s|^plugins: .*|plugins: [{id: dock, path: '$home/dockline-plugin-sim$3', config: {seed: 1}}]|" "$home/agent.yaml"
	fi
	$agent config check --config "$home/agent.yaml" | tr -d '\r'
	# A check that finds nothing shows nothing.
	sed -i 's|^uplink:|uplinc:|' "$home/agent.yaml"
	if $agent config check --config "$home/agent.yaml" >/dev/null 2>&1; then
		echo "archives.sh: $1: a wrong key passes the check" >&2
		return 1
	fi
	echo "runs: $1"
}

if [ "${2:-}" = in-wine ]; then
	look "dockline-$version-windows-amd64" wine .exe plugin
	exit
fi
trap 'rm -rf "$folder"' EXIT
missing=0
for target in amd64 arm64/qemu-aarch64-static arm/qemu-arm-static; do
	qemu=${target#"${target%%/*}"} arch=${target%%/*} plugin=""
	qemu=${qemu#/}
	if [ "$arch" = "$(go env GOHOSTARCH)" ]; then
		qemu="" plugin=plugin
	elif [ -z "$qemu" ] || ! command -v "$qemu" >/dev/null; then
		echo "SKIP-SERVER: linux-$arch: not run here: apt-get install qemu-user-static"
		missing=1
		continue
	fi
	look "dockline-$version-linux-$arch" "$qemu" "" "$plugin"
done
testenv/wine.sh "$root/testenv/archives.sh" "$version" in-wine "$folder" || {
	[ $? = 77 ] || exit 1
	missing=1
}
exit $missing

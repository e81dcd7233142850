#!/usr/bin/env bash
# reproduce.sh [FILE]: makes the packages of the commit that is checked out twice, in two clones that differ in what must have no say: name of the folder,
# home, time zone, language, modes of new files, flags of Go, and the files' own times; and says which packages are not the same. With FILE, the SHA256SUMS of a release,
# makes them once and holds them against it. TARGETS="linux/amd64 ..." as package.sh takes it; FRESH=1 compiles the second time with an empty cache.
set -euo pipefail
cd "$(dirname "$0")/.."
against=${1:+$(realpath "$1")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset DOCKLINE_SIGN_CERT DOCKLINE_SIGN_GPG SOURCE_DATE_EPOCH # a signature is another one each time
GOMODCACHE=$(go env GOMODCACHE) GOPATH=$(go env GOPATH) GOPROXY=$(go env GOPROXY) GOSUMDB=$(go env GOSUMDB) GOCACHE=$(go env GOCACHE)
commit=$(git rev-parse HEAD) # of both, whatever is committed meanwhile
export GOMODCACHE GOPATH GOPROXY GOSUMDB GOCACHE # a home of its own has none

# build NAME VAR=VALUE...: a clone with its packages in dist, and what it said in NAME.log.
build() {
	local name=$1 clone=$work/$1
	shift
	git clone -q --no-hardlinks . "$clone"
	git -C "$clone" checkout -q --detach "$commit"
	mkdir -p "$work/home-$name"
	(cd "$clone" && env HOME="$work/home-$name" "$@" make package) >"$work/$name.log" 2>&1 || {
		tail -n 20 "$work/$name.log" >&2
		echo "reproduce.sh: the packages could not be made" >&2
		exit 1
	}
}

# compare FILE FILE: says of each package that both have whether it is the same.
compare() { join -j 2 <(sort -k 2 "$1") <(sort -k 2 "$2") | awk '$2 != $3 { print "differs: " $1; n++ } $2 == $3 { print "the same: " $1; m++ } END { exit n > 0 || m == 0 }'; }

if [ -n "$against" ]; then
	build once
	compare "$work/once/dist/SHA256SUMS" "$against"
	exit
fi
build one TZ=America/St_Johns LC_ALL=C
fresh=GOCACHE=$GOCACHE
[ -z "${FRESH:-}" ] || fresh=GOCACHE=$work/cache
(umask 077 && build another-and-longer-name TZ=Asia/Tokyo LC_ALL=C.UTF-8 GOFLAGS=-buildvcs=false GOAMD64=v3 TMPDIR="$work" "$fresh")
chmod -R u+w "$work"
cmp <(cut -c 67- "$work/one/dist/SHA256SUMS") <(cut -c 67- "$work/another-and-longer-name/dist/SHA256SUMS")
compare "$work/one/dist/SHA256SUMS" "$work/another-and-longer-name/dist/SHA256SUMS"

#!/usr/bin/env bash
# image.sh VERSION BINARY ARCH OUT.tar: the image that Containerfile describes, as an OCI archive (podman load, docker load, skopeo copy
# oci-archive:OUT.tar), without a builder, a registry or a network. The same binary gives the same bytes.
set -euo pipefail
version=$1 binary=$2 arch=$3 out=$4
tag=${version//[+~]/-} # a tag of an image has no other characters
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
epoch=${SOURCE_DATE_EPOCH:-0}
created=$(TZ=UTC date -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
blobs=$work/image/blobs/sha256
mkdir -p "$blobs" "$work/root/usr/bin" "$work/root/var/lib/dockline-collector" "$work/root/tmp"
install -m 755 "$binary" "$work/root/usr/bin/dockline-collector"

# pack FOLDER OWNER PATHS...: a tar to the standard output whose bytes depend on its files alone.
pack() { local folder=$1 owner=$2; shift 2; tar -C "$folder" --sort=name --mtime="@$epoch" --owner="$owner" --group="$owner" --numeric-owner --no-recursion -cf - "$@"; }

pack "$work/root" 0 usr usr/bin usr/bin/dockline-collector >"$work/layer-1"
pack "$work/root" 65532 tmp var/lib/dockline-collector >"$work/layer-2"

# keep FILE: puts it among the image's blobs, and prints its digest and size.
keep() { local digest; digest=$(sha256sum "$1" | cut -d' ' -f1); mv "$1" "$blobs/$digest"; echo "$digest $(stat -c %s "$blobs/$digest")"; }

layers='' diffs=''
for n in 1 2; do
	diffs=$diffs${diffs:+,}\"sha256:$(sha256sum "$work/layer-$n" | cut -d' ' -f1)\"
	gzip -9n <"$work/layer-$n" >"$work/layer-$n.gz"
	read -r digest size < <(keep "$work/layer-$n.gz")
	layers=$layers${layers:+,}"{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$digest\",\"size\":$size}"
done
variant=''
[ "$arch" = arm ] && variant=',"variant":"v7"'
cat >"$work/config" <<EOF
{"created":"$created","architecture":"$arch","os":"linux"$variant,"config":{"User":"65532:65532","ExposedPorts":{"8080/tcp":{},"8883/tcp":{}},"Entrypoint":["/usr/bin/dockline-collector"],"Cmd":["run","--config","/etc/dockline/collector.yaml"],"Volumes":{"/var/lib/dockline-collector":{}},"StopSignal":"SIGTERM","Labels":{"org.opencontainers.image.title":"dockline-collector","org.opencontainers.image.version":"$version","org.opencontainers.image.licenses":"Apache-2.0"}},"rootfs":{"type":"layers","diff_ids":[$diffs]}}
EOF
read -r digest size < <(keep "$work/config")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' "$digest" "$size" "$layers" >"$work/manifest"
read -r digest size < <(keep "$work/manifest")
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' "$digest" "$size" "$tag" >"$work/image/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/image/oci-layout"
tar -C "$work/image" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -cf "$out" .

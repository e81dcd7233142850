#!/usr/bin/env bash
# msi.sh VERSION FOLDER OUT.msi: packs FOLDER's dockline-agent.exe and all dockline-plugin-*.exe into a Windows Installer package. Needs wixl and
# msitools, no Windows. The same input gives the same bytes; what is signed (sign.sh, with a certificate from the environment) is as
# reproducible as its signatures are.
set -euo pipefail
export TZ=UTC LC_ALL=C # for sums and dates that do not depend on the machine
here=$(cd "$(dirname "$0")" && pwd)
version=$1 folder=$(cd "$2" && pwd) out=$(realpath "$3")
for tool in wixl msibuild msiinfo; do
	command -v "$tool" >/dev/null || { echo "msi.sh: $tool is not installed: apt-get install wixl msitools" >&2; exit 77; }
done
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || echo 1577836800)}

# Windows Installer compares three numbers and no more: v1.4.2, 1.4.2-rc1 and 1.4.2-7-gf4c3e81 are 1.4.2, what has no release is 0.0.0. Another
# build of the same three numbers replaces the one that is there.
numbers=0.0.0
if [[ $version =~ ^v?([0-9]+)\.([0-9]+)\.([0-9]+)($|[^0-9.]) ]]; then
	numbers=${BASH_REMATCH[1]}.${BASH_REMATCH[2]}.${BASH_REMATCH[3]}
	if [ "${BASH_REMATCH[1]}" -gt 255 ] || [ "${BASH_REMATCH[2]}" -gt 255 ] || [ "${BASH_REMATCH[3]}" -gt 65535 ]; then
		echo "msi.sh: $version: Windows Installer has room for 255.255.65535" >&2
		exit 2
	fi
fi

# uuid TEXT: always the same one for a text (RFC 9562, version 8: a hash of our own choice).
uuid() {
	local h
	h=$(printf 'dockline %s' "$1" | sha256sum)
	h=${h^^}
	echo "{${h:0:8}-${h:8:4}-8${h:13:3}-A${h:17:3}-${h:20:12}}"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$folder"/dockline-agent.exe "$folder"/dockline-plugin-*.exe "$work/"
"$here/sign.sh" "$work"/*.exe
touch -d "@$epoch" "$work"/*.exe # the cabinet keeps the time of a file

plugins="" references=""
for path in "$work"/dockline-plugin-*.exe; do
	name=$(basename "$path") id=${path##*/dockline-plugin-}
	id=Plugin_${id//[^A-Za-z0-9]/_}
	plugins+="<Component Id=\"$id\" Guid=\"$(uuid "component $name")\"><File Id=\"$id\" Name=\"$name\" Source=\"$name\" KeyPath=\"yes\" /></Component>"
	references+="<ComponentRef Id=\"$id\" />"
done
sed -e "s|<!-- plugins -->|$plugins|" -e "s|<!-- plugin references -->|$references|" "$here/agent.wxs" >"$work/agent.wxs"
content=$(cd "$work" && sha256sum ./*.exe agent.wxs)
package=$(uuid "package $numbers $content")

# What wixl does not know it drops with a warning, so nothing that it says is let pass.
(cd "$work" && wixl -a x64 -D ProductCode="$(uuid "product $numbers $content")" -D Version="$numbers" -D FullVersion="$version" -o agent.msi agent.wxs) >"$work/said" 2>&1 || true
if [ -s "$work/said" ] || [ ! -s "$work/agent.msi" ]; then
	echo "msi.sh: wixl:" >&2
	cat "$work/said" >&2
	exit 1
fi

# edit TABLE SED...: what wixl has no words for is set in the table as it lies in the package, in the form that Windows Installer exports.
edit() {
	msiinfo export "$work/agent.msi" "$1" | tr -d '\r' >"$work/before"
	sed -E "${@:2}" "$work/before" >"$work/$1.idt"
	! cmp -s "$work/before" "$work/$1.idt" || { echo "msi.sh: table $1 is not as it was expected: nothing to set" >&2; exit 1; }
	msibuild "$work/agent.msi" -i "$work/$1.idt"
}
# components of a 64 bit Windows;
edit Component 's#^([^\t]+\t\{[^\t]+\t[^\t]+\t)0\t#\1256\t#'
# names in two forms, the first for file systems with short names only;
n=0 names=()
for path in "$work"/*.exe; do
	n=$((n + 1))
	names+=(-e "s#\t($(basename "$path"))\t#\t$(printf 'DOCKL%03d.EXE' "$n")|\1\t#")
done
edit File "${names[@]}"
# a value in which Windows puts its own folder in place;
edit Registry 's#\t(%SystemRoot%)#\t\#%\1#'
# the same version again replaces (512: the upper bound is within), also where its build is another one;
edit Upgrade 's#\t1\t\tWIX_UPGRADE_DETECTED#\t513\t\tWIX_UPGRADE_DETECTED#'
# the old version goes within the transaction of the new one (InstallInitialize is 1500), which brings it back where it fails. Where wixl puts it, 1401 or
# 6601, depends on what else is in the table;
edit InstallExecuteSequence -e 's#^(RemoveExistingProducts\t.*\t)(1401|6601)$#\11501#' -e "\$a RemoveData\tREMOVE = \"ALL\" AND REMOVEDATA = \"1\" AND NOT UPGRADINGPRODUCTCODE\t3599\nForgetToken\tTOKEN\t6610"
# properties that an administrator's command line hands on to the installing service;
edit Property 's#^(SecureCustomProperties\t)#\1COLLECTOR;FINGERPRINT;REMOVEDATA;SITE;TENANT;TOKEN;#'
# the removal of everything, where it is asked for: a program of Windows (34), as the system, whose failure is no reason to keep the rest; and
# an end of the token before the properties are listed in a log, for an installer that does not know MsiHiddenProperties. The command that holds
# the token is hidden too (8192).
edit CustomAction -e 's#^(EnrolSite\t)3090\t#\111282\t#' -e "\$a RemoveData\t3170\tTARGETDIR\t\"[System64Folder]cmd.exe\" /c rmdir /s /q \"[CONFIGFOLDER]\"\t\nForgetToken\t51\tTOKEN\t\t"
# Of what was set together with something else it shows here that it was set.
holds() { msiinfo export "$work/agent.msi" "$1" | tr -d '\r' | grep -qE "$2" || { echo "msi.sh: table $1 has no row $2" >&2; exit 1; }; }
holds InstallExecuteSequence '^RemoveExistingProducts.*[^0-9]1501$'
holds InstallExecuteSequence '^RemoveData.*[^0-9]3599$'
holds InstallExecuteSequence '^ForgetToken.*[^0-9]6610$'
holds CustomAction '^EnrolSite[^0-9]11282[^0-9]'
holds CustomAction '^RemoveData[^0-9]3170[^0-9]'
# Summary: the package's own number and the time, which wixl takes from the machine.
stamp=$(date -u -d "@$epoch" '+%Y/%m/%d %H:%M:%S')
edit _SummaryInformation "s#^(12|13)\t.*#\1\t$stamp#; s#^9\t.*#9\t$package#; s#^2\t.*#2\tDockline agent $version#"
"$here/sign.sh" "$work/agent.msi"
mv "$work/agent.msi" "$out"
echo "$(basename "$out"): version $numbers, $(stat -c %s "$out") bytes"

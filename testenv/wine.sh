#!/usr/bin/env bash
# wine.sh COMMAND...: runs a command that calls wine, in a Windows of its own that is made for it and removed with it. Wine 8 of Debian 12
# (apt-get install --no-install-recommends wine wine64 binutils-mingw-w64-x86-64) lacks one DLL that every Go program loads; what stands in
# for it has no code of its own and sends the one call on. It lives here only, what ships is untouched.
set -euo pipefail
for tool in wine wineserver x86_64-w64-mingw32-dlltool; do
	PATH=$PATH:/usr/lib/wine command -v "$tool" >/dev/null && continue
	echo "SKIP-SERVER: $tool: not installed: apt-get install --no-install-recommends wine wine64 binutils-mingw-w64-x86-64"
	exit 77
done
folder=$(mktemp -d)
# What Wine leaves in the temp folder goes with the rest.
export PATH=$PATH:/usr/lib/wine TMPDIR=$folder WINEPREFIX=$folder/prefix WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=d"
unset DISPLAY
mkdir "$WINEPREFIX"

# off ends this Windows: in order, and what is still there then by its process number.
off() {
	wineserver -k || true
	timeout 20 wineserver -w || true
	local environ process
	for environ in $(grep -lzsxF "WINEPREFIX=$WINEPREFIX" /proc/[0-9]*/environ); do
		process=${environ#/proc/}
		[ "${process%/environ}" = $$ ] || kill -KILL "${process%/environ}" 2>/dev/null || true
	done
	rm -rf "$folder"
}
trap off EXIT

printf 'LIBRARY bcryptprimitives.dll\nEXPORTS\nProcessPrng = advapi32.SystemFunction036\n' >"$folder/forward.def"
printf '.globl DllMainCRTStartup\nDllMainCRTStartup:\nmovl $1, %%eax\nret\n' >"$folder/main.s"
mingw=x86_64-w64-mingw32
$mingw-as -o "$folder/main.o" "$folder/main.s"
$mingw-dlltool -d "$folder/forward.def" -e "$folder/exports.o"
$mingw-ld -shared -e DllMainCRTStartup -o "$folder/bcryptprimitives.dll" "$folder/main.o" "$folder/exports.o"

wineboot -i >/dev/null 2>&1 </dev/null
# A service may take two minutes to answer, not ten seconds, which are short on a busy machine.
wine reg add 'HKLM\System\CurrentControlSet\Control' /v ServicesPipeTimeout /t REG_DWORD /d 120000 /f >/dev/null 2>&1 </dev/null
wineserver -w
cp "$folder/bcryptprimitives.dll" "$WINEPREFIX/drive_c/windows/system32/"
# The machine stays on between two programs.
wineserver -p
wineboot >/dev/null 2>&1 </dev/null
"$@"

#!/bin/sh
# backup-window-sudoers: puts the sudo rule of backup-window back. TrueNAS CORE
# writes its sudoers anew at each boot; this is a task after it (Post Init).
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
sudoers=${1:-/usr/local/etc/sudoers}
rule='@RULE@'

if grep -qxF -- "$rule" "$sudoers"; then
    exit 0
fi
new=$(mktemp "$sudoers.XXXXXX")
trap 'rm -f "$new"' EXIT
cat "$sudoers" >"$new"
printf '\n%s\n' "$rule" >>"$new"
# A sudoers with a mistake would keep everybody from using sudo.
visudo -cf "$new" >/dev/null
chmod 0440 "$new"
mv -f "$new" "$sudoers"

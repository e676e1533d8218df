#!/bin/sh
# backup-window-dispatch: all that the key of backup-window may do on this host.
# It is the forced command of that key in authorized_keys. sshd runs it for every
# session, and it looks at what the session asked for.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

case ${SSH_ORIGINAL_COMMAND-} in
status)
    echo 'backup-window-dispatch 1 ready'
    ;;
check-sudo)
    if sudo -n /bin/sh -c : 2>/dev/null; then
        echo 'backup-window-dispatch 1 sudo-allows-more'
        exit 1
    elif sudo -n -l @COMMAND@ >/dev/null; then
        echo 'backup-window-dispatch 1 sudo-allowed'
    else
        echo 'backup-window-dispatch 1 sudo-refused'
        exit 1
    fi
    ;;
poweroff)
    exec sudo -n @COMMAND@
    ;;
*)
    echo 'backup-window-dispatch 1 refused' >&2
    exit 126
    ;;
esac

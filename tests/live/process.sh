# shellcheck shell=sh
# process.sh - what the scripts of the real servers share; they source it.
#
# They set HOME_DIR, PIDF (the file with the process's id), STOP_WAIT (seconds until it is killed), and is_ours, which
# says whether a process is this server: ids are used again. STOP_GROUP=yes ends the whole process group with it.

skip() {
  echo "$(basename "$0"): skipped: $*" >&2
  exit 77
}

need() { # program, package
  command -v "$1" > /dev/null || skip "$1 is missing; install $2"
}

# The pid file's process exists, is ours and is not on its way out.
alive() {
  [ -s "$PIDF" ] || return 1
  p=$(cat "$PIDF")
  is_ours "$p" 2> /dev/null && ! grep -q '^State:.[ZX]' "/proc/$p/status" 2> /dev/null
}

has_environment() { # PID, VARIABLE=VALUE
  tr '\0' '\n' < "/proc/$1/environ" | grep -qx "$2"
}

stop() { # SIGNAL
  alive || { rm -f "$PIDF"; return 0; }
  p=$(cat "$PIDF"); kill -"$1" "$p"
  all=$p; [ "${STOP_GROUP:-no}" = no ] || all=-$p
  t=0
  while alive; do
    t=$((t + 1))
    [ $t -le $((STOP_WAIT * 10)) ] || kill -KILL "$all" 2> /dev/null || true
    sleep 0.1
  done
  [ "$all" = "$p" ] || kill -KILL "$all" 2> /dev/null || true
  rm -f "$PIDF"
}

common() { # VERB, ARGUMENT: what is the same for every server; anything else shows the head of the script
  case $1 in
  stop)   stop TERM ;;
  kill9)  stop KILL ;;
  status) if alive && ready; then echo "up $(cat "$PIDF")"; else echo down; exit 3; fi ;;
  wipe)   stop KILL; rm -rf "$HOME_DIR" ;;
  wipe-after) tail --pid="$2" -f /dev/null; stop KILL; rm -rf "$HOME_DIR" ;;
  *)      sed -n '1d; /^#$/q; s/^# //p' "$0" >&2; exit 2 ;;
  esac
}

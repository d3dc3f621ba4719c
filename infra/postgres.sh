#!/usr/bin/env bash
# A throwaway PostgreSQL on loopback, for tests and benches, gone when it is no longer needed.
#   infra/postgres.sh COMMAND...   runs the command with REELMILL_POSTGRES set to the server's URL
#   infra/postgres.sh              prints the URL, the folder and the server's process, and waits until its standard
#                                  input is closed; signal HUP restarts the server at once, as after a crash
# Settings are in POSTGRES_SETTINGS, such as "fsync=on wal_level=minimal"; without it nothing is flushed to disk.
set -euo pipefail

readonly SETTINGS=${POSTGRES_SETTINGS:-fsync=off synchronous_commit=off full_page_writes=off}

bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || bin=$(dirname "$(command -v postgres || true)")
[ -x "$bin/initdb" ] || { echo "postgres: there is no PostgreSQL server; infra/setup.sh test installs it" >&2; exit 2; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/reelmill-postgres.XXXXXX")
# PostgreSQL does not run as root.
as_server=()
if [ "$(id -u)" -eq 0 ]; then
  chown postgres "$folder"
  as_server=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
  local setting
  local -a options=()
  for setting in $SETTINGS; do options+=(-c "$setting"); done
  "${as_server[@]}" "$bin/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories="$folder" -c max_connections=200 "${options[@]}" >>"$folder/log" 2>&1 </dev/null &
  server=$!
  until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do
    kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
    sleep 0.05
  done
}

stop() {
  # SIGQUIT: at once, without a checkpoint; nobody needs the data.
  kill -QUIT "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
}

restart() {
  stop
  start
}

server=
trap 'stop; rm -rf "$folder"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap restart HUP

(cd "$folder" && "${as_server[@]}" "$bin/initdb" -D data -U reelmill -A trust -E UTF8 --locale=C --no-sync >log 2>&1) || {
  cat "$folder/log" >&2
  exit 1
}
port=$(free_port)
start
REELMILL_POSTGRES=postgres://reelmill@127.0.0.1:$port/postgres
export REELMILL_POSTGRES

if [ $# -gt 0 ]; then
  "$@"
else
  echo "$REELMILL_POSTGRES $folder $$"
  # A signal interrupts the wait; only the end of the input ends it.
  while :; do
    status=0
    read -r -t 3600 _ || status=$?
    [ $status -ne 1 ] || break
  done
fi

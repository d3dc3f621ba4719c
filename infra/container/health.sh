#!/usr/bin/env bash
# reelmill-health [PATH [DATA]]: whether the daemon over data folder DATA answers PATH with 200. /healthz: it is alive;
# /readyz (the default): it reaches its store, has disk space and does not drain. The image has no other HTTP client.
set -euo pipefail

path=${1:-/readyz}
# Written by the daemon once it listens.
running=${2:-/var/lib/reelmill}/daemon.json
address=$(sed -n 's/.*"api": "http:\/\/\([^"]*\)".*/\1/p' "$running")
[ -n "$address" ] || { echo "no daemon in $running" >&2; exit 1; }
host=${address%:*}
host=${host#[}
exec 3<>"/dev/tcp/${host%]}/${address##*:}"
printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$path" "$address" >&3
read -r -t 4 _ status _ <&3
[ "$status" = 200 ] || { echo "$path: $status" >&2; exit 1; }

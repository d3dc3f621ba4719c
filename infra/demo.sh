#!/usr/bin/env bash
# Shows the whole path on this machine: starts the daemon in a temporary folder, uploads a clip through the S3 endpoint,
# watches the workflow, checks what came out, prints where everything is, stops cleanly. Exit 0 if every check passed.
# DEMO_CLEAN=1 removes the folder at the end. `make demo` builds first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly REELMILL=target/demo/reelmill
readonly CLIP=tests/fixtures/media/sintel_dragon_720p_18s.mp4
readonly UPLOAD=s3://uploads/incoming/sintel_dragon_720p_18s.mp4
readonly DURATION_TOLERANCE_S=0.1
readonly START_TIMEOUT_S=30
readonly STOP_TIMEOUT_S=30

home=$(mktemp -d "${TMPDIR:-/tmp}/reelmill-demo.XXXXXX")
readonly home data=$home/data
daemon=
failures=0

say() { printf '\n== %s\n' "$*"; }

check() { # check WHAT COMMAND...
  local what=$1
  shift
  if "$@"; then
    echo "  ok      $what"
  else
    echo "  FAILED  $what"
    failures=$((failures + 1))
  fi
}

die() {
  echo "demo: $*" >&2
  [ ! -s "$home/daemon.log" ] || tail -n 20 "$home/daemon.log" >&2
  exit 1
}

clean_up() {
  set +e
  if [ -n "$daemon" ]; then
    # The first signal asks to drain, the second to end at once.
    kill -TERM "$daemon" 2>/dev/null
    kill -TERM "$daemon" 2>/dev/null
    wait "$daemon" 2>/dev/null
  fi
  [ "${DEMO_CLEAN:-0}" != 1 ] || rm -rf "$home"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wait_for() { # wait_for SECONDS COMMAND...
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] && kill -0 "$daemon" 2>/dev/null || return 1
    sleep 0.1
  done
}

is_ready() {
  [ -s "$data/daemon.json" ] && curl -fso /dev/null "$(jq -r .api "$data/daemon.json")/readyz"
}

find_execution() {
  execution=$("$REELMILL" executions list --json --url "$api" | jq -er '.items[-1].id')
}

path_of() { # bucket and key → file
  printf '%s/buckets/%s/%s' "$data" "$1" "$2"
}

duration_of() {
  "$REELMILL" probe "$1" --json | jq -er .format.duration_s
}

lasts_as_long() { # lasts_as_long FILE SECONDS
  local duration
  duration=$(duration_of "$1") && jq -en --argjson a "$duration" --argjson b "$2" \
    --argjson most "$DURATION_TOLERANCE_S" '($a - $b | fabs) <= $most' >/dev/null
}

is_picture() {
  "$REELMILL" probe "$1" --json | jq -e '.video[0].width > 0' >/dev/null
}

# Every file that a playlist names exists, also in the playlists that it names.
is_whole() {
  local playlist=$1 uri
  local -a uris
  mapfile -t uris < <(sed -n 's/^[^#].*/&/p; s/^#EXT-X-MAP:.*URI="\([^"]*\)".*/\1/p' "$playlist")
  [ ${#uris[@]} -gt 0 ] || return 1
  for uri in "${uris[@]}"; do
    uri=$(dirname "$playlist")/$uri
    [ -s "$uri" ] || return 1
    case $uri in *.m3u8) is_whole "$uri" || return 1 ;; esac
  done
}

outputs_with_role() { # lines of bucket TAB key
  jq -r --arg role "$1" '.activities[].outputs[] | select(.role == $role) | [.bucket, .key] | @tsv' "$home/execution.json"
}

check_outputs() {
  local clip_s bucket key videos=0 masters=0 images=0
  clip_s=$(duration_of "$CLIP") || die "the clip cannot be probed"
  while IFS=$'\t' read -r bucket key; do
    videos=$((videos + 1))
    check "$key lasts as long as the clip ($clip_s s)" lasts_as_long "$(path_of "$bucket" "$key")" "$clip_s"
  done < <(outputs_with_role media)
  while IFS=$'\t' read -r bucket key; do
    masters=$((masters + 1))
    check "$key names playlists and segments that are there" is_whole "$(path_of "$bucket" "$key")"
  done < <(outputs_with_role master)
  while IFS=$'\t' read -r bucket key; do
    images=$((images + 1))
    check "$key is a picture" is_picture "$(path_of "$bucket" "$key")"
  done < <(outputs_with_role image)
  check "there are MP4s" [ "$videos" -gt 0 ]
  check "there is a master playlist" [ "$masters" -gt 0 ]
  check "there is a poster" [ "$images" -gt 0 ]
  check "the execution has a log" [ -s "$home/execution.log" ]
}

list_outputs() {
  jq -r '.activities[].outputs[] | [.size_bytes, .bucket + "/" + .key] | @tsv' "$home/execution.json" |
    awk -F '\t' '
      $2 ~ /\.(m4s|ts)$/ { segments++; bytes += $1; next }
      { printf "  %10d  %s\n", $1, $2 }
      END { if (segments) printf "  %10d  in %d segments\n", bytes, segments }'
}

[ -x "$REELMILL" ] || die "there is no $REELMILL; run make demo"

say "Starting the daemon in $home"
"$REELMILL" serve --data "$data" --workflows workflows --api 127.0.0.1:0 --s3-endpoint 127.0.0.1:0 \
  >"$home/daemon.out" 2>"$home/daemon.log" &
daemon=$!
wait_for $START_TIMEOUT_S is_ready || die "the daemon did not get ready in $START_TIMEOUT_S s"
sed 's/^/  /' "$home/daemon.out"
api=$(jq -r .api "$data/daemon.json")
s3=$(jq -r .s3_endpoint "$data/daemon.json")

say "Uploading the clip"
"$REELMILL" put "$CLIP" "$UPLOAD" --data "$data"

say "Watching the workflow that the upload starts"
wait_for 15 find_execution || die "the upload started no workflow"
"$REELMILL" executions show "$execution" --follow --url "$api" || check "execution $execution succeeds" false
"$REELMILL" executions show "$execution" --json --url "$api" >"$home/execution.json"
"$REELMILL" logs "$execution" --url "$api" >"$home/execution.log"

say "Checking what came out"
check_outputs

say "Stopping the daemon"
kill -TERM "$daemon"
wait_for $STOP_TIMEOUT_S [ ! -e "$data/daemon.json" ] || kill -KILL "$daemon" 2>/dev/null || true
status=0
wait "$daemon" || status=$?
daemon=
check "the daemon drains and ends with 0 (it ended with $status)" [ "$status" -eq 0 ]
check "no unfinished file is left in its scratch folder" [ -z "$(find "$data/scratch" -type f 2>/dev/null)" ]

say "What the upload became"
list_outputs
cat <<TEXT

  outputs    $data/buckets/
  log        $home/execution.log   ($(wc -l <"$home/execution.log") lines)
  execution  $home/execution.json
  S3 keys    $data/s3-credentials.json
TEXT

say "Try next: start it again with"
cat <<TEXT
  $REELMILL serve --data $data --workflows workflows --api ${api#http://} --s3-endpoint ${s3#http://}
and in another terminal
  export REELMILL_URL=$api AWS_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=\$(jq -r .access_key_id $data/s3-credentials.json)
  export AWS_SECRET_ACCESS_KEY=\$(jq -r .secret_access_key $data/s3-credentials.json)
  aws --endpoint-url $s3 s3 ls --recursive s3://media/
  $REELMILL executions list
  $REELMILL logs $execution
  $REELMILL put YOUR.mp4 s3://uploads/incoming/ --data $data
TEXT

if [ "$failures" -gt 0 ]; then
  echo
  echo "demo: $failures checks failed"
  exit 1
fi
echo
echo "demo: all checks passed"

#!/usr/bin/env bash
# Installs what building (`build`) or testing (`test`) Reelmill needs; does nothing if everything is installed.
# It installs packages on Debian and Ubuntu; on other systems it lists what is missing and exits 2.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly RUST_MIN=1.95
readonly VENV=.venv
readonly REQUIREMENTS=infra/requirements.txt
readonly -a BUILD_PACKAGES=(
  build-essential pkg-config clang libclang-dev
  libavcodec-dev libavformat-dev libavfilter-dev libavutil-dev libswscale-dev libswresample-dev
)
readonly -a DEMO_PACKAGES=(curl jq)
readonly -a TEST_PACKAGES=(ffmpeg mediainfo pgbouncer postgresql rclone)
readonly -a BROWSER_PACKAGES=(chromium chromium-driver)
readonly -a NODE_PACKAGES=(nodejs npm)
readonly NODE_MIN=18
# Programs of Cargo that tests use.
readonly TOOLS=.tools
readonly CARGO_DENY=0.20.2
# Folders whose package-lock.json names what tests use of npm: players of the web, a client of S3.
readonly -a NPM_FOLDERS=(tests/players tests/clients)

usage() {
  echo "usage: infra/setup.sh build|test" >&2
  exit 2
}

die() {
  echo "setup: $*" >&2
  exit 2
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "'$*' needs root, and there is no sudo; run it as root, then try again"
  fi
}

missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

# Mirrors and networks fail at times.
install_packages() {
  local attempt
  local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120)
  for attempt in 1 2 3; do
    if as_root "${apt[@]}" -qq update && as_root "${apt[@]}" -qq install --yes --no-install-recommends "$@"; then
      return
    fi
    echo "setup: apt failed (attempt $attempt of 3)" >&2
  done
  die "apt could not install: $*"
}

# On other systems packages have other names: look for their contents.
missing_things() {
  local thing
  for thing in cc clang pkg-config curl jq; do
    command -v "$thing" >/dev/null || echo "$thing"
  done
  for thing in libavcodec libavformat libavfilter libavutil libswscale libswresample; do
    pkg-config --exists "$thing" 2>/dev/null || echo "$thing"
  done
  [ "$1" = test ] || return 0
  for thing in ffmpeg mediainfo postgres rclone python3; do
    command -v "$thing" >/dev/null || echo "$thing"
  done
}

ask_for() {
  cat >&2 <<TEXT
setup: missing: $*
This script installs packages on Debian and Ubuntu only. Here, please install by hand:
  to build   a C compiler, pkg-config, clang with libclang, and FFmpeg 5.1 to 8 with its headers
             (libavcodec libavformat libavfilter libavutil libswscale libswresample, with libx264)
  make demo  curl and jq
  make test  the ffmpeg and mediainfo commands, PostgreSQL, and Python 3.10 or later with venv;
             rclone, for browsers Chromium and its driver, and for the players of the web Node 18 or later with npm
             (without those their tests are skipped)
for example:
  Fedora     dnf install gcc pkgconf clang-devel ffmpeg-devel curl jq ffmpeg mediainfo postgresql-server rclone python3
             (FFmpeg with libx264 comes from RPM Fusion)
  Arch       pacman -S base-devel clang ffmpeg curl jq mediainfo postgresql python
TEXT
  exit 2
}

check_rust() {
  command -v cargo >/dev/null || die "Rust $RUST_MIN or later is needed and there is no cargo on the PATH.
  Install it from https://rustup.rs and open a new shell."
  local found
  found=$(rustc --version | awk '{print $2}')
  [ "$(printf '%s\n' "$RUST_MIN" "${found%%-*}" | sort -V | head -n 1)" = "$RUST_MIN" ] ||
    die "Rust $RUST_MIN or later is needed; this is $found. Get it with: rustup update stable"
}

# The first Python that can make a virtual environment: a version manager's may, where the system's lacks a package.
find_python() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
}

venv_is_current() {
  [ -x "$VENV/bin/moto_server" ] && cmp -s "$REQUIREMENTS" "$VENV/requirements.txt"
}

make_venv() {
  local python
  python=$(find_python)
  [ -n "$python" ] || die "there is no Python 3.10 or later with venv, even after installing python3-venv"
  echo "setup: installing into $VENV: $(grep -v '^#' "$REQUIREMENTS" | tr '\n' ' ')"
  rm -rf "$VENV"
  "$python" -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check --retries 5 --requirement "$REQUIREMENTS"
  # The copy comes last: a venv without it is incomplete.
  cp "$REQUIREMENTS" "$VENV/requirements.txt"
}

has_node() {
  command -v npm >/dev/null && node -e "process.exit(Number(process.versions.node.split('.')[0]) < $NODE_MIN ? 1 : 0)" 2>/dev/null
}

stale_npm_folders() {
  local folder
  for folder in "${NPM_FOLDERS[@]}"; do
    cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed" || echo "$folder"
  done
}

# Without a network or a registry their tests are skipped, as without a browser.
install_npm_packages() {
  echo "setup: installing $1/package-lock.json"
  if npm ci --prefix "$1" --silent --ignore-scripts --no-audit --no-fund; then
    # The copy comes last: a folder without it is incomplete.
    cp "$1/package-lock.json" "$1/node_modules/.installed"
  else
    echo "setup: npm could not install them; the tests of $1 that need them are skipped" >&2
  fi
}

has_cargo_deny() {
  [ "$("$TOOLS/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $CARGO_DENY" ]
}

# It is built without optimisation: it runs for two seconds.
install_cargo_deny() {
  echo "setup: installing cargo-deny $CARGO_DENY into $TOOLS"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_TARGET_DIR="$TOOLS/build" \
    cargo install --quiet --locked --root "$TOOLS" --version "$CARGO_DENY" cargo-deny
  rm -rf "$TOOLS/build"
}

[ $# -eq 1 ] || usage
wanted=("${BUILD_PACKAGES[@]}" "${DEMO_PACKAGES[@]}")
case $1 in
  build) ;;
  test)
    wanted+=("${TEST_PACKAGES[@]}")
    # Ubuntu has no package of it; the tests of the console are skipped if it is not on the PATH.
    ! grep -qx 'ID=debian' /etc/os-release 2>/dev/null || wanted+=("${BROWSER_PACKAGES[@]}")
    # Node of another source than the system's brings its own npm, which the system's package conflicts with.
    command -v node >/dev/null || wanted+=("${NODE_PACKAGES[@]}")
    [ -n "$(find_python)" ] || wanted+=(python3-venv)
    ;;
  *) usage ;;
esac

check_rust

did=nothing
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if [ ${#missing[@]} -gt 0 ]; then
    echo "setup: installing with apt: ${missing[*]}"
    install_packages "${missing[@]}"
    did=something
  fi
else
  mapfile -t missing < <(missing_things "$1")
  [ ${#missing[@]} -eq 0 ] || ask_for "${missing[*]}"
fi
if [ "$1" = test ] && ! venv_is_current; then
  make_venv
  did=something
fi
if [ "$1" = test ] && ! has_cargo_deny; then
  install_cargo_deny
  did=something
fi
if [ "$1" = test ] && [ -n "$(stale_npm_folders)" ]; then
  if has_node; then
    for folder in $(stale_npm_folders); do install_npm_packages "$folder"; done
    did=something
  else
    echo "setup: there is no Node $NODE_MIN or later: tests of players and of the SDK for JavaScript are skipped" >&2
  fi
fi
if [ "$did" = nothing ]; then
  echo "setup: everything to $1 is there"
else
  echo "setup: done"
fi

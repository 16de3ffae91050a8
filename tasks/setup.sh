#!/bin/sh
# Brings what running (`run`) or developing (`dev`) needs: packages by npm, then the shipped extensions and the bundled
# programs by tasks/setup.ts. Does nothing that is already done. Two at once wait for each other.
set -eu
what=${1:-run}
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$here"
mkdir -p .build
tries=0
until mkdir .build/setup.lock 2>/dev/null; do
  owner=$(cat .build/setup.lock/pid 2>/dev/null || true)
  if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
    rm -rf .build/setup.lock
    continue
  fi
  [ "$tries" -eq 0 ] && echo "symphony: another set-up is under way, waiting for it" >&2
  tries=$((tries + 1))
  [ "$tries" -gt 600 ] && { echo "symphony: gave up waiting; remove $here/.build/setup.lock if no set-up runs" >&2; exit 3; }
  sleep 1
done
echo $$ > .build/setup.lock/pid
trap 'rm -rf .build/setup.lock' EXIT INT TERM

current() { [ -f "node_modules/.symphony-$1" ] && [ ! package-lock.json -nt "node_modules/.symphony-$1" ]; }
install() {
  command -v npm >/dev/null 2>&1 || { echo "symphony: npm is missing; install Node 20 or newer" >&2; exit 3; }
  echo "symphony: installing packages ($what), once" >&2
  # not `npm ci`: it refuses a lock file without the optional packages of platforms that a registry doesn't carry
  npm install --no-save --no-audit --no-fund --no-update-notifier --loglevel=error $1 >&2
}
# who develops keeps the packages for it
[ -f node_modules/.symphony-dev ] && what=dev
if [ "$what" = dev ]; then
  if ! current dev; then install ""; touch node_modules/.symphony-dev node_modules/.symphony-run; fi
elif ! current dev && ! current run; then
  install "--omit=dev"
  touch node_modules/.symphony-run
fi
bun=node_modules/bun/bin/bun.exe
# newer npms may not have run Bun's own install step
"$bun" --version >/dev/null 2>&1 || node node_modules/bun/install.js >&2
"$bun" --version >/dev/null 2>&1 || { echo "symphony: the Bun that npm installed doesn't start on this machine" >&2; exit 3; }
"$bun" tasks/setup.ts >&2
touch .build/ready

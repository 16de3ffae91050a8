#!/bin/sh
# Runs a task in a clone in any state: sets up first, then hands over to tasks/tasks.ts on Bun.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$here"
sh tasks/setup.sh dev
exec node_modules/bun/bin/bun.exe tasks/tasks.ts "$@"

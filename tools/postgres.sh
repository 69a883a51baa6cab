#!/bin/sh
# PostgreSQL's server, which the ledger's tests start for themselves in a directory of their own.
set -eu
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq && apt-get install -y -qq postgresql >/dev/null
else
  echo "install PostgreSQL to test the ledger on it: its package is called postgresql" >&2
  exit 1
fi

#!/usr/bin/env bash
# The report page is tested in a browser: installs Debian's chromium when that is possible, else says how to
# get it.
set -u
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  { apt-get install -y -qq chromium || { apt-get update -qq && apt-get install -y -qq chromium; }; } >/dev/null 2>&1
fi
command -v chromium >/dev/null && exit 0
echo "chromium is not installed: the tests of the report page will fail." >&2
echo "  Debian: sudo apt install chromium" >&2

#!/usr/bin/env bash
# Drawing needs Graphviz's `dot`: installs Debian's package when that is possible, else says how to get it.
set -u
command -v dot >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  { apt-get install -y -qq graphviz || { apt-get update -qq && apt-get install -y -qq graphviz; }; } >/dev/null 2>&1
fi
command -v dot >/dev/null && exit 0
echo "Graphviz is not installed: drawings will be left out." >&2
echo "  Debian, Ubuntu: sudo apt install graphviz;  macOS: brew install graphviz" >&2

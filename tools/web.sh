#!/usr/bin/env bash
# Fetches the layout library of the report page, exactly as archc/backends/web/package-lock.json pins it, and
# copies its built file and its licence beside the page's own scripts. The copies are kept in the repository:
# nobody needs npm to use or to build archc.
set -euo pipefail
cd "$(dirname "$0")/../archc/backends/web"
trap 'rm -rf node_modules' EXIT
npm ci --ignore-scripts --no-audit --no-fund --silent
built=node_modules/@dagrejs/dagre
sed '/^\/\/# sourceMappingURL/d' "$built/dist/dagre.min.js" >dagre.min.js
cp "$built/LICENSE" dagre.LICENSE

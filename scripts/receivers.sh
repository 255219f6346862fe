#!/usr/bin/env bash
# Programs that read what Parapet sends to Sentry, for tests/sentry_receivers.rs, in a Python environment: receivers.sh FOLDER.
set -euo pipefail
folder=$1

echo "installing what reads Parapet's Sentry events in the tests into $folder (a minute, once)"
failed() {
  rm -rf "$folder"
  echo "not installed; needed: Python 3.10 or later with venv (Debian: python3-venv) and its packages. sentry_receivers will fail"
  exit 1
}
mkdir -p "$(dirname "$folder")"
python3 -m venv "$folder" || failed
"$folder/bin/pip" install --quiet --disable-pip-version-check -r tests/support/receivers/requirements.txt || failed

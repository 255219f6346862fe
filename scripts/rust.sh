#!/usr/bin/env bash
# The pinned Rust toolchain with the wasm target: rust.sh VERSION. Does nothing when it is there.
set -euo pipefail
version=$1

if ! command -v rustup >/dev/null; then
  echo "rustup is missing: installing it with the official script from https://sh.rustup.rs"
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --no-modify-path --profile minimal --default-toolchain none
fi
have() { rustup component list --toolchain "$version" --installed 2>/dev/null; }
if ! { have | grep -q '^clippy' && have | grep -q '^rustfmt' && have | grep -q '^rust-std-wasm32-unknown-unknown'; }; then
  rustup toolchain install "$version" --no-self-update --profile minimal --component clippy,rustfmt --target wasm32-unknown-unknown
fi

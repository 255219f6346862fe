#!/usr/bin/env bash
# A build tool of exactly this version, kept in .tools/: cargo-tool.sh CRATE VERSION.
set -euo pipefail
crate=$1 version=$2
root=.tools/$crate-$version

echo "installing $crate $version into $root (minutes, once)"
# The tools run for a second; optimising them fully takes minutes.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
# The crate's own lock file is the safest choice, but it may name crates that a mirror no longer has.
cargo install "$crate" --version "=$version" --root "$root" --locked || cargo install "$crate" --version "=$version" --root "$root"

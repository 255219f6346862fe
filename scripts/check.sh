#!/usr/bin/env bash
# What must hold beside the tests. Every check runs; the failed ones are named at the end.
set -uo pipefail

readonly WASM_BUDGET_BYTES=$((600 * 1024)) # gzipped: what a cold start downloads and compiles
readonly DUPLICATES_ALLOWED=scripts/duplicate-dependencies.txt
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=()

check() {
  local name=$1
  shift
  printf '%-14s' "$name"
  if "$@" >"$scratch/output" 2>&1; then
    echo "ok   $(tail -n 1 "$scratch/output" | grep -oE '^\([^()]*\)$')"
  else
    echo "FAILED"
    sed 's/^/    /' "$scratch/output"
    failures+=("$name")
  fi
}

duplicates() {
  # Procedural macros run at build time and are not in the Worker.
  cargo tree --locked --target wasm32-unknown-unknown --edges normal,no-proc-macro --prefix none --format '{p}' |
    awk '{ print $1, $2 }' | sort -u | awk '{ count[$1]++ } END { for (crate in count) if (count[crate] > 1) print crate }' | sort >"$scratch/duplicates"
  grep -v '^#' "$DUPLICATES_ALLOWED" | awk 'NF { print $1 }' | sort >"$scratch/allowed"
  if ! diff "$scratch/allowed" "$scratch/duplicates" >"$scratch/difference"; then
    echo "Crates in the Worker in more than one version ('>' is new, '<' is no longer one), against $DUPLICATES_ALLOWED:"
    cat "$scratch/difference"
    return 1
  fi
}

wasm_size() {
  local bytes
  bytes=$(gzip -9 -c build/index_bg.wasm | wc -c)
  echo "($((bytes / 1024)) KB of $((WASM_BUDGET_BYTES / 1024)) KB gzipped)"
  [ "$bytes" -le "$WASM_BUDGET_BYTES" ]
}

migrations() {
  local apply=(wrangler d1 migrations apply DB --local --persist-to "$scratch/state")
  "${apply[@]}" && "${apply[@]}" | grep -q "No migrations to apply"
}

deployable() {
  wrangler deploy --dry-run --outdir "$scratch/out" && wrangler deploy --dry-run --env staging --outdir "$scratch/out-staging"
}

schemas() {
  cargo run --locked --quiet -- schema "$scratch/schema" && diff -r schema "$scratch/schema" ||
    { echo "schema/ is not what the code says: run \`cargo run -- schema\`"; return 1; }
}

export WRANGLER_SEND_METRICS=false CI=1
check format cargo fmt --check
check clippy cargo clippy --locked --quiet --all-targets -- -D warnings
check clippy-wasm cargo clippy --locked --quiet --target wasm32-unknown-unknown --lib -- -D warnings
check docs env RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --no-deps
check unused "$CARGO_MACHETE" --skip-target-dir
check duplicates duplicates
check wasm-size wasm_size
check schemas schemas
check migrations migrations
check config node scripts/check-config.mjs
check lock-file npm ci --dry-run --no-audit --no-fund
check deployable deployable

if [ ${#failures[@]} -gt 0 ]; then
  echo "make check: ${failures[*]} failed"
  exit 1
fi
echo "make check: all is well"

#!/usr/bin/env bash
# Runs every test, each file's output as it comes, and sums up.
set -uo pipefail
cd "$(dirname "$0")/../.."
mkdir -p target
began=$SECONDS
cargo test --no-fail-fast "$@" 2>&1 | tee target/test.log
status=${PIPESTATUS[0]}
awk -v seconds=$((SECONDS - began)) -v status="$status" '
  /^test result:/ { passed += $4; failed += $6; ignored += $8 }
  /LEFT OUT: / { sub(/.*LEFT OUT: /, ""); if (!seen[$0]++) left = left "\n  left out here: " $0 }
  /^test .* \.\.\. FAILED/ { names = names "\n  " $2 }
  END {
    printf "\n%d passed, %d failed, %d left out, in %d min %02d s%s%s\n", passed, failed, ignored, seconds / 60, seconds % 60, names, left
    if (status != 0 && failed == 0) print "cargo test itself failed: see above"
  }' target/test.log
exit "$status"

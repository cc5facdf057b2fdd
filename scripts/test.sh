#!/usr/bin/env bash
# The whole proof, stage by stage; stops at nothing, and ends with "N passed, N failed".
# STAGES="check release" runs some of them.
set -uo pipefail
cd "$(dirname "$0")/.."
JOBS=${JOBS:-$(nproc)}
STAGES=${STAGES:-"release check clang levels asan tsan python install"}
PYTHON=.venv/bin/python
passed=0 failed=0
started=$SECONDS

# step NAME COMMAND...: runs a command quietly; shows its output when it fails.
step() {
    local name=$1 log t0=$SECONDS; shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1)); printf 'ok    %-44s %4d s\n' "$name" $((SECONDS - t0))
    else
        failed=$((failed + 1)); printf 'FAIL  %-44s %4d s\n' "$name" $((SECONDS - t0)); tail -n 80 "$log"
    fi
    grep -hE '^(=+ .*(passed|failed).*=+|[0-9]+% tests passed.*)$' "$log" | sed 's/^/      /' || true
    rm -f "$log"
}
build() { cmake --preset "$1" && cmake --build --preset "$1" -j "$JOBS"; }
ctests() { local preset=$1; shift; ctest --test-dir "build/$preset" -j "$JOBS" --output-on-failure --no-tests=error "$@"; }
stage() { case " $STAGES " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

if stage release; then
    step "build: gcc, release" build release
    step "tests: release" ctests release
fi
if stage check; then step "checks" scripts/check.sh; fi
if stage clang; then step "build: clang 14, warnings are errors" build clang; fi
if stage levels; then
    for level in scalar avx2; do
        step "tests: kernels and searches at $level" env QV_SIMD=$level ctest --test-dir build/release -j "$JOBS" \
            --output-on-failure --no-tests=error -R 'simd|query|api|property'
    done
fi
if stage asan; then
    step "build: ASan + UBSan" build asan
    step "tests: ASan + UBSan" env ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
        ctest --test-dir build/asan -j "$JOBS" --output-on-failure --no-tests=error
fi
if stage tsan; then
    step "build: TSan" build tsan
    step "tests: TSan" ctests tsan -R 'pool|job|query|snapshot|commit|table|api'
fi
if stage python; then
    step "build: Python package" scripts/build-python.sh
    step "tests: Python" $PYTHON -m pytest -q -x --no-header tests/python
    step "tests: interop with pylance and lancedb" $PYTHON -m pytest -q --no-header tests/interop
    step "tests: command line" $PYTHON -m pytest -q --no-header tests/cli
    step "tests: examples in the documentation" $PYTHON -m pytest -q --no-header tests/docs
    step "types: mypy --strict over the stubs" $PYTHON -m mypy --strict bindings/python/quiver
fi
if stage install; then step "tests: installed library, pkg-config, CMake config" scripts/test-install.sh; fi

echo "total $((SECONDS - started)) s"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]

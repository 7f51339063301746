# The tests as steps of ./dev, which reads this file: each runs, is counted, and is told at the end.
# shellcheck shell=bash

passed=0 failed=0 skipped=0
failures=() failed_logs=()

# Adds a step to the totals. A step that ends badly without naming a case, or that runs nothing, is itself a failure.
settle() {  # step log exit-status passed skipped [failed name]…
  local step=$1 log=$2 status=$3 ok=$4 left_out=$5 name
  shift 5
  if ((status != 0 && $# == 0)); then
    set -- "ended with status $status"
  elif ((ok + left_out + $# == 0)); then
    set -- 'ran no test'
  fi
  passed=$((passed + ok)) failed=$((failed + $#)) skipped=$((skipped + left_out))
  for name; do failures+=("$step: $name"); done
  [[ $# == 0 || ! $log ]] || failed_logs+=("$log")
  say "$step: $ok passed, $# failed$( ((left_out == 0)) || printf ', %d skipped' "$left_out")"
}

matches() { grep -acE "$1" "$2" || true; }

# A sanitizer wants predictable addresses; where the kernel refuses, it has to do without.
plain_addresses=()
if setarch -R true 2>/dev/null; then plain_addresses=(setarch -R); fi

limited() {  # seconds command…: interrupted, then killed, when it hangs
  timeout --foreground -s INT -k 30 "$1" "${plain_addresses[@]}" "${@:2}"
}

# With the database servers that are installed, for the time of a command.
servers=(python3 tests/support/database_server.py run)

run_program() {  # step directory label [argument for GoogleTest]…
  local step=$1 program=$2/bin/test_$3 log=$log_dir/${1// /-}.log status=0 ok left_out
  local -a names
  shift 3
  say "$step …"
  if [[ ! -x $program ]]; then
    printf '%s does not exist\n' "$program" >"$log"
    settle "$step" "$log" 1 0 0 "no $program"
    return
  fi
  [[ $program != */test_store ]] || set -- "${servers[@]}" "$program" "$@"
  [[ $program == */test_store ]] || set -- "$program" "$@"
  limited 900 "$@" --gtest_color=no >"$log" 2>&1 </dev/null || status=$?
  ok=$(matches '\[       OK \] ' "$log")
  left_out=$(matches '\[  SKIPPED \] .* \([0-9]+ ms\)$' "$log")
  mapfile -t names < <(sed -n 's/.*\[  FAILED  \] \(.*\) ([0-9]* ms)$/\1/p' "$log")
  if ! grep -aqE '^\[==========\] .* ran\.' "$log"; then  # the program did not come to its end
    names+=("$(sed -n 's/.*\[ RUN      \] //p' "$log" | tail -n 1) (the program ended with status $status)")
  fi
  settle "$step" "$log" "$status" "$ok" "$left_out" "${names[@]}"
}

e2e_in=()
run_e2e() {  # step directory [argument for pytest]…
  local step=$1 directory=$2 log=$log_dir/${1// /-}.log status=0 summary tests=e2e
  local -a names
  shift 2
  [[ $step != cluster ]] || tests=cluster
  say "$step …"
  LICTOR_BIN_DIR=$directory/bin limited 1800 "${e2e_in[@]}" python3 -m pytest -q -rfEs --color=no --tb=short -p no:cacheprovider \
    "tests/$tests" "$@" </dev/null 2>&1 | tee "$log" || status=$?
  summary=$(grep -aE '^[0-9]+ .* in [0-9.]+s' "$log" | tail -n 1) || true
  mapfile -t names < <(sed -nE 's/^(FAILED|ERROR) ([^ ]+).*/\2/p' "$log")
  settle "$step" "$log" "$status" "$(number_of passed "$summary")" "$(number_of skipped "$summary")" "${names[@]}"
}

number_of() {  # word text: 3 of "3 passed, 1 failed"
  local number
  number=$(grep -oE "[0-9]+ $1" <<<"$2" | grep -oE '^[0-9]+') || number=0
  printf '%s' "$number"
}

run_tidy() {
  local log=$log_dir/tidy.log status=0
  local -a names
  say 'tidy …'
  tools/tidy >"$log" 2>&1 || status=$?
  grep -avE '^(ok|failed) +' "$log" || true
  mapfile -t names < <(sed -n 's/^failed \+//p' "$log")
  settle tidy "$log" "$status" "$(matches '^ok +' "$log")" 0 "${names[@]}"
}

build_or_fail() {  # preset target…
  if build "$@"; then return 0; fi
  settle "build $1" '' 1 0 0 'does not build (the messages are above)'
  return 1
}

test_asan() {
  build_or_fail dev || return 0
  local label
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
  for label in unit http store api fuzz; do run_program "asan $label" build-dev "$label"; done
  # What is freed goes back soon: the tests of memory measure the server, not ASan's quarantine.
  ASAN_OPTIONS+=:quarantine_size_mb=4:thread_local_quarantine_size_kb=64
  LICTOR_TIME_SCALE=4 run_e2e 'asan e2e' build-dev -m 'quick or replicas'
}

lists_tests() {  # program filter
  grep -q '^  ' <("${plain_addresses[@]}" "$1" --gtest_list_tests "--gtest_filter=$2")
}

# Under TSan only what is concurrent: the suites that say so in their name, all of http, the races end to end.
test_tsan() {
  build_or_fail tsan || return 0
  local label filter program
  export TSAN_OPTIONS=second_deadlock_stack=1
  for label in unit http store api fuzz; do
    filter='*Concurrent*.*:*Race*.*'
    [[ $label == http ]] && filter='*'
    program=build-tsan/bin/test_$label
    # A program that has none of them is left out; one that is not there is not.
    if [[ ! -x $program ]] || lists_tests "$program" "$filter"; then
      run_program "tsan $label" build-tsan "$label" "--gtest_filter=$filter"
    fi
  done
  LICTOR_TIME_SCALE=10 run_e2e 'tsan e2e' build-tsan -m race
}

finish() {
  local line log
  for line in "${failures[@]}"; do printf 'FAILED %s\n' "$line"; done
  for log in "${failed_logs[@]}"; do
    printf -- '---- the end of %s\n' "$log"
    tail -n 60 "$log"
  done
  printf '%d passed, %d failed%s\n' "$passed" "$failed" "$( ((skipped == 0)) || printf ', %d skipped' "$skipped")"
  ((failed == 0 && passed > 0)) || exit 1
}

test_part() {  # part [argument]…
  local part=$1
  shift
  case $part in
    unit | http | store | api | fuzz) ! build_or_fail release "test_$part" || run_program "$part" build "$part" "$@" ;;
    tidy) run_tidy ;;
    deploy)
      install_groups deploy
      ! build_or_fail release lictord lictor || run_e2e deploy build -k test_deploy "$@"
      ;;
    e2e | cluster) ! build_or_fail release lictord lictor || run_e2e "$part" build "$@" ;;
    postgresql) ! build_or_fail release lictord lictor || test_on_postgresql "$@" ;;
    asan) test_asan ;;
    tsan) test_tsan ;;
    *) die "no part '$part' in the tests: unit, http, store, api, fuzz, tidy, e2e, postgresql, cluster, deploy, asan, tsan" ;;
  esac
}

test_on_postgresql() {
  local -a e2e_in=("${servers[@]}")
  LICTOR_TEST_ON=postgresql run_e2e 'e2e on PostgreSQL' build "$@"
}

test_everything() {
  local label
  build_or_fail release || return 0
  for label in unit http store api fuzz; do run_program "$label" build "$label"; done
  run_tidy
  run_e2e e2e build
  test_on_postgresql
  run_e2e cluster build
  test_asan
  test_tsan
}

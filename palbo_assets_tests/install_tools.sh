#!/usr/bin/env bash
# Debian packages for tests and benchmarks: a browser, PostgreSQL, and the sequencing tools they compare with. Without root the tests that need them skip.
set -euo pipefail
missing=()
command -v chromium >/dev/null 2>&1 || missing+=(chromium)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
for tool in bcftools samtools dwgsim bwa freebayes salmon kallisto bowtie2; do command -v "$tool" >/dev/null 2>&1 || missing+=("$tool"); done
command -v rsem-calculate-expression >/dev/null 2>&1 || missing+=(rsem)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "not installed, so their tests will skip: ${missing[*]}"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
for package in "${missing[@]}"; do # one that this release lacks doesn't cost the others
  apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "could not install $package: its tests will skip"
done

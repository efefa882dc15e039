#!/usr/bin/env bash
# Whose is a passage? A small GPT for each author, and the likelihood of passages under each: two authors in under three
# minutes of one core. Texts of Project Gutenberg lose their header and licence; .gz is read as it is.
#
#   scripts/recipes/authorship.sh OUT NAME=FILE NAME=FILE [NAME=FILE …] [FLAGS OF lm compare train]
#
# The last 15% of each text is measured, in passages of 100 words, and nothing is learned from it; the last 10% of the rest
# ends training and calibrates. So no passage that is measured overlaps one that is learned from, and all stand in one block.
set -euo pipefail
out=${1:?usage: scripts/recipes/authorship.sh OUT NAME=FILE NAME=FILE [FLAGS]}
shift
classes=()
while [[ ${1:-} == *=* && ${1:-} != -* ]]; do
  classes+=(--class "$1")
  shift
done
exec "$(dirname "$0")/../../lm" compare train -o "$out" "${classes[@]}" --test 0.15 --passage-words 100 \
  --base-steps "${STEPS:-400}" --max-steps "${STEPS:-200}" --seed 0 --resume "$@"

#!/usr/bin/env bash
# Translation: the Transformer of 2017, small (3 + 3 layers, width 256, 4 heads; 5.0 million parameters), learns Multi30k
# (Elliott et al., 2016), captions of photographs in several languages, from nothing.
#
#   scripts/recipes/translation.sh SOURCES TARGETS TEST_SOURCES TEST_TARGETS OUT [FLAGS OF lm pretrain]
#
# Texts, packed or not, a sentence a line, line by line each other's translation: train.en.gz train.de.gz
# test_2016_flickr.en.gz test_2016_flickr.de.gz of https://github.com/multi30k/dataset, data/task1/raw (for research; the
# captions come from Flickr30k).
#
# English to German, on the 1,000 sentences of test_2016_flickr: BLEU 28.0 (4 beams), chrF 52.0 after 1500 steps, which is less
# than three and a half epochs; about 20 minutes of one core. Wu et al. (2021, "Good for misconceived reasons") have 41.0 for
# their tiny Transformer, which goes over the data far more often; STEPS in the environment says how long ours does.
set -euo pipefail
usage='usage: scripts/recipes/translation.sh SOURCES TARGETS TEST_SOURCES TEST_TARGETS OUT [FLAGS]'
from=${1:?$usage} to=${2:?$usage} test_from=${3:?$usage} test_to=${4:?$usage} out=${5:?$usage}
shift 5
lm="$(dirname "$0")/../../lm"
mkdir -p "$out.data"
lines() { { gzip -dc "$1" 2> /dev/null || cat "$1"; } | tr '\t' ' '; }
pairs() { paste <(lines "$1") <(lines "$2"); }
pairs "$from" "$to" > "$out.data/train.tsv"
pairs "$test_from" "$test_to" > "$out.data/test.tsv"
"$lm" pretrain "$out.data/train.tsv" --out "$out" --objective seq2seq --header source,target --validation 0.03 \
  --tokenizer bpe --vocab-size 4000 --width 256 --layers 3 --heads 4 --config-overrides d_ff=512 --context 64 --dropout 0.1 \
  --batch-size 64 --max-steps "${STEPS:-1500}" --learning-rate 1e-3 --warmup-steps 200 --min-lr 0 --beta2 0.98 --weight-decay 0.01 \
  --label-smoothing-factor 0.1 --eval-steps 400 --seed 1 --resume "$@"
exec "$lm" eval -m "$out" -d "$out.data/test.tsv" --header source,target --num-beams 4 --batch-size 32 --json

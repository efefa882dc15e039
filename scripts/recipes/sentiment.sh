#!/usr/bin/env bash
# Sentiment of film reviews: the encoder of models/encoder learns SST-2 (Socher et al., 2013), whole sentences.
#
#   scripts/recipes/sentiment.sh TRAIN DEV OUT [FLAGS OF lm finetune]
#
# TRAIN and DEV: lines of text, tab, 0 or 1 (https://github.com/clairett/pytorch-sentiment-classification, data/SST2; the
# Stanford Sentiment Treebank has no licence of its own, and is for research).
#
# On SST-2's 872 sentences of dev: accuracy 79.4% after three epochs of 6,920 sentences; three minutes of one core. Socher et
# al. (2013) have 81.8 for naive Bayes and 80.1 for means of word vectors on the test part; GLUE (Wang et al., 2019) 80.0 for
# a bag of word vectors and 85.9 for a BiLSTM, from ten times as many phrases; Turc et al. (2019) 83.2 for a BERT tiny, which
# has read 3.3 thousand million words before. Ours has read two million, most of them from novels of the 19th century.
set -euo pipefail
usage='usage: scripts/recipes/sentiment.sh TRAIN DEV OUT [FLAGS]'
train=${1:?$usage} dev=${2:?$usage} out=${3:?$usage}
shift 3
here=$(cd "$(dirname "$0")/../.." && pwd)
about=(--task classification --header text,label --format tsv)
"$here/lm" finetune -m "$here/models/encoder" --data "$train" --validation-data "$dev" "${about[@]}" --out "$out" \
  ${STEPS:+--max-steps "$STEPS"} --num-train-epochs 3 --batch-size 32 --learning-rate 5e-4 --warmup-ratio 0.1 \
  --weight-decay 0.01 --no-keep-best --seed 1 --resume "$@"
exec "$here/lm" eval -m "$out" --data "$dev" "${about[@]}" --batch-size 32 --json

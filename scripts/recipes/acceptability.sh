#!/usr/bin/env bash
# Acceptability: the encoder of models/encoder learns CoLA (Warstadt et al., 2019), sentences that linguists call right or wrong.
#
#   scripts/recipes/acceptability.sh TRAIN DEV OUT [FLAGS OF lm finetune]
#
# TRAIN and DEV: in_domain_train.tsv and in_domain_dev.tsv, lines of source, label, mark, sentence
# (https://nyu-mll.github.io/CoLA; for research).
#
# On CoLA's 527 sentences of in-domain dev: Matthews correlation 0.164, accuracy 68.7%, where always saying "right" has 0 and
# 69.3%; a minute and a half on one core. It is hard for small models: GLUE (Wang et al., 2019) has 0.000 for a bag of word
# vectors and 0.157 for a BiLSTM, Turc et al. (2019) 0.000 for a BERT tiny or mini and 0.278 for a small one, on the test part.
set -euo pipefail
usage='usage: scripts/recipes/acceptability.sh TRAIN DEV OUT [FLAGS]'
train=${1:?$usage} dev=${2:?$usage} out=${3:?$usage}
shift 3
here=$(cd "$(dirname "$0")/../.." && pwd)
about=(--task classification --header source,label,mark,text --format tsv)
"$here/lm" finetune -m "$here/models/encoder" --data "$train" --validation-data "$dev" "${about[@]}" --out "$out" \
  ${STEPS:+--max-steps "$STEPS"} --num-train-epochs 3 --batch-size 32 --learning-rate 3e-4 --warmup-ratio 0.1 \
  --weight-decay 0.01 --no-keep-best --seed 1 --resume "$@"
exec "$here/lm" eval -m "$out" --data "$dev" "${about[@]}" --batch-size 32 --json

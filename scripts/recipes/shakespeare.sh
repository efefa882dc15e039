#!/usr/bin/env bash
# Trains the model that ships in models/shakespeare: a character-level GPT of 2.7 million parameters, about 40 minutes on
# two cores. Run it on any text of your own:  scripts/recipes/shakespeare.sh my-text.txt my-model
# The shipped model was trained on tinyshakespeare (https://github.com/karpathy/char-rnn, data/tinyshakespeare/input.txt).
set -euo pipefail
text=${1:?usage: scripts/recipes/shakespeare.sh TEXT OUT}
out=${2:?usage: scripts/recipes/shakespeare.sh TEXT OUT}
exec "$(dirname "$0")/../../lm" pretrain "$text" --out "$out" \
  --tokenizer char --layers 6 --heads 6 --width 192 --context 128 --dropout 0.1 \
  --batch-size 16 --max-steps 6000 --learning-rate 0.003 --warmup-steps 100 --min-lr 0.02 --beta2 0.99 \
  --eval-steps 500 --seed 1337 --resume

#!/usr/bin/env bash
# Trains the model that ships in models/shakespeare: a character-level GPT of 4.8 million parameters, about 45 minutes on
# two cores. Run it on any text of your own:  scripts/recipes/shakespeare.sh my-text.txt my-model
# The shipped model was trained on tinyshakespeare (https://github.com/karpathy/char-rnn, data/tinyshakespeare/input.txt).
set -euo pipefail
text=${1:?usage: scripts/recipes/shakespeare.sh TEXT OUT}
out=${2:?usage: scripts/recipes/shakespeare.sh TEXT OUT}
exec "$(dirname "$0")/../../lm" pretrain "$text" --out "$out" \
  --tokenizer char --layers 6 --heads 4 --width 256 --context 256 --dropout 0.15 \
  --batch-size 12 --max-steps 3600 --learning-rate 0.002 --warmup-steps 100 --min-lr 0.03 --beta2 0.99 \
  --eval-steps 300 --seed 1337 --resume

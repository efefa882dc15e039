#!/usr/bin/env bash
# nanoGPT's small configuration for a CPU (4 layers, width 128, context 64, 2000 steps of 12 windows): two minutes on two
# cores. On tinyshakespeare nanoGPT reports a validation loss of 1.88 nats a character with a rate of 0.001; this is 0.003.
set -euo pipefail
text=${1:?usage: scripts/recipes/nanogpt-cpu.sh TEXT OUT}
out=${2:?usage: scripts/recipes/nanogpt-cpu.sh TEXT OUT}
exec "$(dirname "$0")/../../lm" pretrain "$text" --out "$out" \
  --tokenizer char --layers 4 --heads 4 --width 128 --context 64 --dropout 0 \
  --batch-size 12 --max-steps 2000 --learning-rate 0.003 --warmup-steps 100 --min-lr 0.1 --beta2 0.99 \
  --eval-steps 250 --seed 1337 --resume

#!/usr/bin/env bash
# Another author: a LoRA (Hu et al., 2021) of the GPT that ships in models/shakespeare, which learns to write in the manner of
# a text of yours, Darwin's for one (https://github.com/ml5js/ml5-data-and-models, datasets/text/darwin; in the public domain).
#
#   scripts/recipes/author.sh TEXT OUT [FLAGS OF lm finetune]
#
# On 3.3 million characters of Darwin: 2.022 nats a character before, 1.340 after 600 steps, which train a tenth as many values as
# the model has; 1.340 is also less than its 1.528 on its own author. About ten minutes of one core. Then it writes:
# "The origin of the procession. The works of man.  Carrier, in the possession of the same difference of the female".
set -euo pipefail
text=${1:?usage: scripts/recipes/author.sh TEXT OUT [FLAGS]} out=${2:?usage: scripts/recipes/author.sh TEXT OUT [FLAGS]}
shift 2
here=$(cd "$(dirname "$0")/../.." && pwd)
base="$here/models/shakespeare"
mkdir -p "$out.data"
# The model knows 65 characters. Every fiftieth paragraph is held out.
{ gzip -dc "$text" 2> /dev/null || cat "$text"; } | tr '"' "'" | LC_ALL=C tr -cd "A-Za-z \n!\$&',.3:;?-" |
  awk -v train="$out.data/train.txt" -v held="$out.data/held.txt" \
    'BEGIN { RS = ""; ORS = "\n\n" } { if (NR % 50 == 25) print > held; else print > train }'
about=(--task clm --format paragraphs --max-length 128)
echo 'Before:'
"$here/lm" eval -m "$base" -d "$out.data/held.txt" "${about[@]}" --batch-size 32 --json
"$here/lm" finetune -m "$base" -d "$out.data/train.txt" --validation-data "$out.data/held.txt" "${about[@]}" --out "$out" \
  --method lora --lora-r 16 --target-modules c_attn,c_proj,c_fc --learning-rate 5e-3 --warmup-steps 30 --weight-decay 0 \
  --batch-size 32 --max-steps "${STEPS:-600}" --eval-steps 200 --seed 1 --resume "$@"
echo 'After:'
"$here/lm" eval -m "$base" --adapter "$out" -d "$out.data/held.txt" "${about[@]}" --batch-size 32 --json
exec "$here/lm" generate -m "$base" --adapter "$out" 'The origin of ' -n 110 --temperature 0.7 --seed 1

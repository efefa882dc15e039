#!/usr/bin/env bash
# A classifier of CIFAR-10's photographs: three convolutions with batch norm, crops and flips.
#
#   scripts/recipes/cifar.sh TRAIN.bin TEST.bin OUT
#
# CIFAR's binary files, packed or not; CIFAR-100's with FORMAT=cifar100. With the first 5,000 training images alone and the next
# 1,000 to measure on: 69.5% in under three minutes. EPOCHS in the environment changes that; ARCH=cifar_resnet takes
# ResNet-20 (four times as long).
set -euo pipefail
[ $# = 3 ] || { echo "usage: $0 TRAIN.bin TEST.bin OUT" >&2; exit 2; }
cd "$(dirname "$0")/../.."
steps=()
[ -n "${STEPS:-}" ] && steps=(--max-steps "$STEPS")
format=${FORMAT:-cifar10}
./lm vision train -d "$1" --format "$format" --arch "${ARCH:-conv_net}" --augment crop --cutout 8 --epochs "${EPOCHS:-30}" \
  --batch-size 64 --optim sgd --learning-rate 0.05 --nesterov --label-smoothing-factor 0.1 -o "$3" "${steps[@]}"
./lm vision eval -m "$3" -d "$2" --format "$format" --json

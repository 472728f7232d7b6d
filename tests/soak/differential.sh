#!/bin/sh
# `make soak`: three hundred thousand changed archives, from another number every time, through the three readers.
PANTRY_SEED=${PANTRY_SEED:-$(date +%s)}
PANTRY_MUTATIONS=${PANTRY_MUTATIONS:-300000}
export PANTRY_SEED PANTRY_MUTATIONS
echo "soak/differential: PANTRY_SEED=$PANTRY_SEED PANTRY_MUTATIONS=$PANTRY_MUTATIONS"
exec "${CARGO:-cargo}" test --test differential what_we_take -- --nocapture

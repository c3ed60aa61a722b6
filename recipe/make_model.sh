#!/bin/sh
# The model in the box, made again: songs -> catalog -> training -> judged, and shipped if it is better.
#
#     recipe/make_model.sh MUSIC TEACHERS RUN
#
# Each step goes on where it stopped: run the same command again after a kill. Training begins with the model
# that was in the box when RUN was begun; START=random begins anew. SONGS, WORKERS (processes) and OPTIONS
# (KEY=VALUE for `soundkin train`) as in `make model`.
set -eu
music=$1 teachers=$2 run=$3
recipe=$(dirname "$0")
box=$recipe/../src/soundkin/default_model
mkdir -p "$run"

python "$recipe/make_songs.py" "$run/songs" --songs "${SONGS:-5000}" --workers "${WORKERS:-2}"
python "$recipe/make_catalog.py" "$music" "$run/songs" -o "$run/catalog.csv"

begun=$([ -e "$run/start" ] || [ -e "$run/training" ] && echo yes || echo no)
if [ "${START:-default}" = default ] && [ $begun = no ] && [ -e "$box/config.json" ]; then
    rm -rf "$run/start.tmp"
    cp -r "$box" "$run/start.tmp"
    mv "$run/start.tmp" "$run/start"
fi
set -- "$teachers"/*.onnx "$teachers"/*.parquet  # asked, and what they said of the music
taught=$(IFS=,; echo "$*")
set -- experiment=distilled "catalog=$run/catalog.csv" "run_dir=$run/training" "teacher=[$taught]"
set -- "$@" trainer.threads=1 data.examples.evenly=collection
if [ -e "$run/start" ]; then set -- "$@" "start=$run/start"; fi
soundkin train "$@" ${OPTIONS:-}

set -- --music "$music" --teachers "$teachers" --workers "${WORKERS:-2}"
python "$recipe/ship.py" "$run/training/model" "$@"
if [ -e "$run/start" ]; then
    python "$recipe/average.py" "$run/training" --start "$run/start" -o "$run/halfway"
    python "$recipe/ship.py" "$run/halfway/model" "$@"
fi

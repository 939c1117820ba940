#!/usr/bin/env bash
# Stops what control_plane.sh and simulated.sh started: down.sh DIR
cd "${RUN:-$1/run}" || exit 0
for n in kwok scheduler controllers apiserver etcd; do
  [ -e $n.pid ] && kill "$(cat $n.pid)" 2>/dev/null
done
for n in kwok scheduler controllers apiserver etcd; do
  p=$(cat $n.pid 2>/dev/null) || continue
  for _ in $(seq 100); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$p" 2>/dev/null; rm -f $n.pid
done
exit 0

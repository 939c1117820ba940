#!/usr/bin/env bash
# A control plane with simulated nodes, in a network namespace of its own (kfleet): kwok says of each pod that it is ready,
# and runs nothing. Whatever calls a pod's address is told at once that nobody is there.
#   simulated.sh DIR up NODES  |  simulated.sh DIR down  |  simulated.sh DIR exec CMD...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); dir=$(cd "$1" && pwd); cmd=$2; shift 2
export RUN=$dir/simulated
in_ns() { nsenter --net=/run/netns/kfleet "$@"; }
case $cmd in
down) "$here/down.sh" "$dir"; ip netns del kfleet 2>/dev/null || true ;;
exec) export PATH=$dir/bin:$PATH KUBECONFIG=$RUN/kubeconfig; exec nsenter --net=/run/netns/kfleet "$@" ;;
up)
  "$here/simulated.sh" "$dir" down
  ip netns add kfleet; ip -n kfleet link set lo up; ip -n kfleet route add unreachable default
  # The controllers' default of 20 requests a second is for clusters that share their server with others.
  CONTROLLER_FLAGS="--kube-api-qps 200 --kube-api-burst 300" in_ns "$here/control_plane.sh" "$dir"
  ( cd "$RUN"; PATH=$dir/bin:$PATH nsenter --net=/run/netns/kfleet setsid "$dir/bin/kwok" --kubeconfig kubeconfig \
      --manage-nodes-with-annotation-selector kwok.x-k8s.io/node=fake --cidr 10.244.0.0/16 --node-port 16446 \
      --server-address 127.0.0.1:16446 --config "$here/stages.yaml" > kwok.log 2>&1 < /dev/null & echo $! > kwok.pid )
  for i in $(seq "$1"); do
    cat <<N
---
apiVersion: v1
kind: Node
metadata:
  name: n$i
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: n$i, kubernetes.io/os: linux, topology.kubernetes.io/zone: z$((i % 3)), type: kwok}
status:
  addresses: [{type: InternalIP, address: 10.200.0.$i}, {type: Hostname, address: n$i}]
  allocatable: {cpu: "16", memory: 64Gi, pods: "110"}
  capacity: {cpu: "16", memory: 64Gi, pods: "110"}
N
  done > "$RUN/nodes.yaml"
  "$here/simulated.sh" "$dir" exec kubectl apply --filename "$RUN/nodes.yaml" >/dev/null
  "$here/simulated.sh" "$dir" exec kubectl wait --for=condition=Ready node --all --timeout=60s >/dev/null ;;
esac

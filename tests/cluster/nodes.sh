#!/usr/bin/env bash
# Control plane and two real nodes, each in a network namespace of its own on one bridge, and a client.
#   nodes.sh DIR up IMAGE.tar ...  |  nodes.sh DIR down  |  nodes.sh DIR exec NS CMD...  (NS: kcp kn1 kn2 kcl)
#   nodes.sh DIR kill NODE CONTAINER    SIGKILL to the containers of that name on n1 or n2
# The first image must be localhost/pause:1. Addresses: kcp 10.200.0.1, kn1 .11, kn2 .12, kcl .99.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); dir=$(cd "$1" && pwd); cmd=$2; shift 2
in_ns() { local ns=$1; shift; nsenter --net="/run/netns/$ns" "$@"; }
down() {
  for n in n1 n2; do [ ! -e "$dir/$n.pid" ] || { kill -9 "$(cat "$dir/$n.pid")" 2>/dev/null || true; rm -f "$dir/$n.pid"; }; done
  "$here/down.sh" "$dir"; sleep 1
  for n in kcp kn1 kn2 kcl kbr; do ip netns del $n 2>/dev/null || true; done
  find /sys/fs/cgroup -depth -type d -path '*/k8s.io*' -exec rmdir {} + 2>/dev/null || true
}
case $cmd in
down) down ;;
exec) ns=$1; shift; export PATH=$dir/bin:$PATH KUBECONFIG=$dir/run/kubeconfig; exec nsenter --net="/run/netns/$ns" "$@" ;;
kill)
  c() { "$dir/bin/ctr" -a "$dir/node-$1/run/containerd.sock" -n k8s.io "${@:2}"; }
  for id in $(c "$1" containers ls -q "labels.\"io.kubernetes.container.name\"==$2"); do
    c "$1" tasks kill -s SIGKILL "$id" 2>/dev/null || true # those that have ended before are listed as well
  done ;;
up)
  down
  ip netns add kbr; ip -n kbr link add br0 type bridge; ip -n kbr link set br0 up
  echo 0 | in_ns kbr tee /proc/sys/net/bridge/bridge-nf-call-iptables >/dev/null 2>&1 || true
  for x in kcp:1 kn1:11 kn2:12 kcl:99; do
    n=${x%:*}; ip netns add "$n"; ip -n "$n" link set lo up
    ip -n kbr link add "$n" type veth peer name eth0 netns "$n"; ip -n kbr link set "$n" master br0 up
    ip -n "$n" addr add "10.200.0.${x#*:}/24" dev eth0; ip -n "$n" link set eth0 up
    ip -n "$n" route add 10.244.1.0/24 via 10.200.0.11 2>/dev/null || true
    ip -n "$n" route add 10.244.2.0/24 via 10.200.0.12 2>/dev/null || true
  done
  for i in 1 2; do # the node's own subnet is its bridge's; service addresses need some route
    ip -n kn$i route del 10.244.$i.0/24; ip -n kn$i route add 10.96.0.0/16 dev eth0
    echo 1 | in_ns kn$i tee /proc/sys/net/ipv4/ip_forward >/dev/null
  done
  in_ns kcp env ADVERTISE=10.200.0.1 "$here/control_plane.sh" "$dir"
  for i in 1 2; do
    ( exec nsenter --net=/run/netns/kn$i setsid "$here/node.sh" "$dir" n$i $i 10.200.0.1$i "$dir/run/kubeconfig" "$@" ) \
      > "$dir/n$i.log" 2>&1 < /dev/null & echo $! > "$dir/n$i.pid"
  done
  for i in 1 2; do
    for _ in $(seq 120); do
      in_ns kcp "$dir/bin/kubectl" --kubeconfig "$dir/run/kubeconfig" wait --for=condition=Ready "node/n$i" --timeout=30s >/dev/null 2>&1 && continue 2; sleep 0.5
    done
    tail -3 "$dir/n$i.log" "$dir/node-n$i/kubelet.log" >&2; exit 1
  done ;;
esac

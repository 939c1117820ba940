#!/usr/bin/env bash
# Builds a Kubernetes from Go modules into DIR/bin: control plane, etcd, kubelet, kube-proxy, containerd; kwok, which simulates
# nodes; and kube-router, which enforces NetworkPolicies. DIR/crds gets the kinds of others that the chart uses.
#   build.sh DIR
# What is there at the wanted version is not built again. About 10 minutes of two idle cores at first; Go's caches make it
# seconds later.
set -euo pipefail
K8S=${K8S:-v1.36.3} ETCD=${ETCD:-v3.7.3}
CONTAINERD=${CONTAINERD:-v2.4.2} KWOK=${KWOK:-v0.8.0} KUBE_ROUTER=${KUBE_ROUTER:-v2.1.0}
PROMETHEUS_OPERATOR=${PROMETHEUS_OPERATOR:-v0.85.0} KEDA=${KEDA:-v2.21.0}
out=$(mkdir -p "${1:?usage: build.sh DIR}" && cd "$1" && pwd); shift
mkdir -p "$out/bin" "$out/src" "$out/stamp"
export GOFLAGS="-mod=mod -buildvcs=false -trimpath" GOWORK=off

moddir() { go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p'; }

# build NAME MODULE@VERSION LDFLAGS PACKAGE... : builds in a module of our own that starts as a copy of
# MODULE's go.mod and go.sum, with its relative replaces pointed at the published versions.
build() {
  local name=$1 mod=${2%@*} ver=${2#*@} ld=$3 t=$SECONDS d p; shift 3
  local src=$out/src/$name stamp=$out/stamp/$name-$ver
  [ -e "$stamp" ] && return 0
  rm -rf "$src"; mkdir -p "$src"; cd "$src"
  d=$(moddir "$mod@$ver")
  sed "s#^module .*#module build.local/$name#; /^toolchain /d" "$d/go.mod" > go.mod
  install -m 644 "$d/go.sum" go.sum
  sed -nE 's#^(replace)?[[:space:]]*([^ ]+) .*=> \.\.?/.*#\2#p' "$d/go.mod" | while read -r p; do
    case $p in
      k8s.io/*)       go mod edit -replace="$p=$p@v0.${ver#v1.}" ;;
      go.etcd.io/*)   go mod edit -replace="$p=$p@$ver" ;;
      *)              go mod edit -dropreplace="$p" ;;
    esac
  done
  go mod edit -require="$mod@$ver"
  go build -ldflags "-s -w $ld" -o "$out/bin/" "$@"
  touch "$stamp"; printf '%-20s %4ds\n' "$name" $((SECONDS - t))
}

# What the apiserver, kubelet and kubectl say they are.
kver() {
  local p; for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- '-X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s -X %s.gitTreeState=clean ' \
      $p "$K8S" $p $p "$(echo "$K8S" | cut -d. -f2)" $p
  done
}
k8s() { local n=$1 c; shift; for c; do set -- "$@" "k8s.io/kubernetes/cmd/$c"; shift; done
  build "$n" "k8s.io/kubernetes@$K8S" "$(kver)" "$@"; }

cluster() {
  export CGO_ENABLED=0
  k8s kube kube-apiserver kube-controller-manager kube-scheduler kubectl
  build etcd "go.etcd.io/etcd/server/v3@$ETCD" "" go.etcd.io/etcd/server/v3; mv "$out/bin/server" "$out/bin/etcd" 2>/dev/null || true
  build kwok "sigs.k8s.io/kwok@$KWOK" "-X sigs.k8s.io/kwok/pkg/consts.Version=$KWOK" sigs.k8s.io/kwok/cmd/kwok
}
node() {
  CGO_ENABLED=1 k8s kubelet kubelet kube-proxy
  export CGO_ENABLED=0
  build containerd "github.com/containerd/containerd/v2@$CONTAINERD" "" github.com/containerd/containerd/v2/cmd/{containerd,containerd-shim-runc-v2,ctr}
}
policies() {
  export CGO_ENABLED=0
  build kube-router "github.com/cloudnativelabs/kube-router/v2@$KUBE_ROUTER" "" github.com/cloudnativelabs/kube-router/v2/cmd/kube-router
}
crds() {
  local operator keda=$(moddir "github.com/kedacore/keda/v2@$KEDA") kind
  operator=$(moddir "github.com/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR")
  mkdir -p "$out/crds"
  for kind in podmonitors prometheusrules; do
    install -m 644 "$operator/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$out/crds/"
  done
  install -m 644 "$keda/config/crd/bases/keda.sh_scaledobjects.yaml" "$out/crds/"
}
cluster
node
policies
[ -e "$out/crds/keda.sh_scaledobjects.yaml" ] || crds

#!/usr/bin/env bash
# Starts etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback.
#   control_plane.sh DIR    DIR is what build.sh filled; state goes to RUN (DIR/run). Prints the kubeconfig's path.
# The API is on PORT (16443) of 127.0.0.1, etcd on PORT+1 and PORT+2.
# ADVERTISE=ip makes it listen everywhere and names that address in the kubeconfig (see nodes.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); dir=$(cd "$1" && pwd); port=${PORT:-16443}
bind=${ADVERTISE:+0.0.0.0} reconciler=${ADVERTISE:+lease}; bind=${bind:-127.0.0.1} reconciler=${reconciler:-none}
run=${RUN:-$dir/run}; bin=$dir/bin; export PATH=$bin:$PATH
rm -rf "$run"; mkdir -p "$run"; cd "$run"

# One CA; one serving certificate; one key that signs service account tokens.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=test-ca -keyout ca.key -out ca.crt 2>/dev/null
cert() { # NAME SUBJECT [SAN]
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" \
    -extfile <(echo "subjectAltName=${3:-DNS:$1}") 2>/dev/null
}
cert server /CN=kube-apiserver IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc${ADVERTISE:+,IP:$ADVERTISE}
cert admin /O=system:masters/CN=admin
cert proxy /CN=front-proxy
openssl genrsa -out sa.key 2048 2>/dev/null
cat > kubeconfig <<K
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://${ADVERTISE:-127.0.0.1}:$port", certificate-authority: $run/ca.crt}}]
users: [{name: u, user: {client-certificate: $run/admin.crt, client-key: $run/admin.key}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
K
export KUBECONFIG=$run/kubeconfig

start() { local n=$1; shift; setsid "$@" > "$n.log" 2>&1 < /dev/null & echo $! > "$n.pid"; }
start etcd etcd --data-dir etcd --unsafe-no-fsync --listen-client-urls "http://127.0.0.1:$((port+1))" \
  --advertise-client-urls "http://127.0.0.1:$((port+1))" --listen-peer-urls "http://127.0.0.1:$((port+2))" \
  --initial-advertise-peer-urls "http://127.0.0.1:$((port+2))" --initial-cluster "default=http://127.0.0.1:$((port+2))"
start apiserver kube-apiserver --etcd-servers "http://127.0.0.1:$((port+1))" --bind-address "$bind" \
  --advertise-address "${ADVERTISE:-127.0.0.1}" --secure-port "$port" --tls-cert-file server.crt --tls-private-key-file server.key \
  --client-ca-file ca.crt --service-account-key-file sa.key --service-account-signing-key-file sa.key \
  --service-account-issuer https://kubernetes.default.svc --service-cluster-ip-range 10.96.0.0/16 \
  --service-node-port-range 30000-32767 --authorization-mode Node,RBAC --allow-privileged \
  --kubelet-preferred-address-types InternalIP,Hostname \
  --requestheader-client-ca-file ca.crt --requestheader-allowed-names front-proxy --requestheader-extra-headers-prefix X-Remote-Extra- \
  --requestheader-group-headers X-Remote-Group --requestheader-username-headers X-Remote-User \
  --proxy-client-cert-file proxy.crt --proxy-client-key-file proxy.key --endpoint-reconciler-type "$reconciler" ${APISERVER_FLAGS:-}
until kubectl get --raw /readyz >/dev/null 2>&1; do
  kill -0 "$(cat apiserver.pid)" 2>/dev/null && [ $SECONDS -lt 90 ] || { tail -5 apiserver.log >&2; "$here/down.sh" "$dir"; exit 1; }
  sleep 0.2
done
echo "apiserver ready after ${SECONDS}s" >&2
start controllers kube-controller-manager --kubeconfig kubeconfig --leader-elect=false --secure-port=0 \
  --service-account-private-key-file sa.key --root-ca-file ca.crt --cluster-signing-cert-file ca.crt \
  --cluster-signing-key-file ca.key --use-service-account-credentials --allocate-node-cidrs \
  --cluster-cidr 10.244.0.0/16 --service-cluster-ip-range 10.96.0.0/16 \
  --horizontal-pod-autoscaler-sync-period 2s --node-monitor-grace-period 50s ${CONTROLLER_FLAGS:-}
start scheduler kube-scheduler --kubeconfig kubeconfig --leader-elect=false --secure-port=0
for _ in $(seq 100); do kubectl -n default get serviceaccount default >/dev/null 2>&1 && break; sleep 0.1; done
echo "$KUBECONFIG"

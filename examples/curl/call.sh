#!/usr/bin/env bash
# What is under the SDKs: models, an ephemeral key, a call. call.sh OFFER.sdp prints the SDP answer and hangs up.
set -euo pipefail
offer=$1
model=${MODEL:-agent}
api() { curl --silent --show-error --fail-with-body "$@"; }

api "$OPENAI_BASE_URL/models" --header "Authorization: Bearer $OPENAI_API_KEY"
echo

secret=$(api "$OPENAI_BASE_URL/realtime/client_secrets" --header "Authorization: Bearer $OPENAI_API_KEY" \
  --json "{\"session\": {\"type\": \"realtime\", \"model\": \"$model\"}}")
key=$(sed 's/.*"value": *"\([^"]*\)".*/\1/' <<<"$secret")

headers=$(mktemp)
trap 'rm "$headers"' EXIT
api "$OPENAI_BASE_URL/realtime/calls" --header "Authorization: Bearer $key" --header "Content-Type: application/sdp" \
  --data-binary "@$offer" --dump-header "$headers"

call=$(sed -n 's/^location: .*\/\(rtc_[^\r]*\)\r*$/\1/Ip' "$headers")
api --request POST "$OPENAI_BASE_URL/realtime/calls/$call/hangup" --header "Authorization: Bearer $OPENAI_API_KEY"
echo "hung up $call"

# Sourced by run where BACKENDS names a folder with loki, tempo, prometheus and alertmanager: the real things,
# each one process in the node's network, with the rules, the inhibition and the queries that podwhy ships.
# The Collector hands logs to Loki and spans to Tempo; Prometheus scrapes the agent; alerts end at a receiver
# that writes them into $OUT/alerts.jsonl.

backends=()
backend() { local name=$1; shift; nsenter --net="$NS/net" --uts="$NS/uts" --mount="$NS/mnt" -- "$@" > "$OUT/$name.log" 2>&1 & backends+=($!); }
answers() { in_node "$here/backends" ready "$1"; }
asks() { in_node "$here/backends" "$@"; }

start_backends() {
  local folder=$1 monitoring=$repository/deploy/monitoring configs=$repository/tests/backends
  mkdir -p "$OUT"/{loki/rules/fake,tempo,prometheus,alertmanager}
  cp "$monitoring/loki.rules.yaml" "$OUT/loki/rules/fake/"
  { cat "$configs/loki/loki.yaml"; printf 'ruler:\n  enable_api: true\n  alertmanager_url: http://127.0.0.1:9093\n  evaluation_interval: 15s\n  rule_path: %s/loki/scratch\n  storage: {type: local, local: {directory: %s/loki/rules}}\n  ring: {kvstore: {store: inmemory}}\n' "$OUT" "$OUT"; } > "$OUT/loki.yaml"
  backend loki env LOKI_DIR="$OUT/loki" LOKI_PORT=3100 LOKI_GRPC_PORT=9096 "$folder/loki" -config.file="$OUT/loki.yaml" -config.expand-env=true
  backend tempo env TEMPO_DIR="$OUT/tempo" TEMPO_PORT=3200 TEMPO_GRPC_PORT=9097 TEMPO_OTLP_GRPC_PORT=14317 TEMPO_OTLP_HTTP_PORT=14318 "$folder/tempo" "$configs/tempo/tempo.yaml"
  # The rules as they are: only looks at the agent are more frequent than usual.
  cat > "$OUT/prometheus.yaml" <<END
global: {scrape_interval: 5s, evaluation_interval: 5s}
rule_files: ["$monitoring/podwhy.rules.yaml"]
alerting: {alertmanagers: [{static_configs: [{targets: ["127.0.0.1:9093"]}]}]}
scrape_configs: [{job_name: podwhy, static_configs: [{targets: ["127.0.0.1:9474"]}]}]
END
  backend prometheus "$folder/prometheus" --config.file="$OUT/prometheus.yaml" --storage.tsdb.path="$OUT/prometheus" --web.listen-address=127.0.0.1:9090
  { cat "$monitoring/alertmanager.yaml"; printf 'route: {receiver: hook, group_by: [alertname, node], group_wait: 1s, group_interval: 5s}\nreceivers: [{name: hook, webhook_configs: [{url: "http://127.0.0.1:9099/"}]}]\n'; } > "$OUT/alertmanager.yaml"
  backend alertmanager "$folder/alertmanager" --config.file="$OUT/alertmanager.yaml" --storage.path="$OUT/alertmanager" --web.listen-address=127.0.0.1:9093 --cluster.listen-address=
  backend hook "$here/backends" hook 9099 "$OUT/alerts.jsonl"
  local each
  for each in 3100/ready 3200/ready 9090/-/ready 9093/-/ready; do
    wait_for 60 "what answers at $each" answers "$each" || die "no backend at $each: see $OUT"
  done
}

# While the node has no pod network: five minutes, as the rule says.
alerts_of_the_network() {
  within 60 "Prometheus scrapes the agent, and no rule of ours fails" asks prometheus
  within 420 "the alert on the pod network is delivered" asks alert "$OUT/alerts.jsonl" PodwhyNetworkNotReady
  within 30 "a spike of that node is inhibited, that of another is not" asks inhibition $NODE_NAME "$OUT/alerts.jsonl"
}

stop_backends() { local pid; for pid in "${backends[@]}"; do kill "$pid" 2> /dev/null; done; }

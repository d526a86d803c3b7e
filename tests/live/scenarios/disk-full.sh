# The disk of the kubelet is filled up to its eviction threshold: a pod is evicted, the next one refused; then it is freed.
# Pods that were there are moved away first: they would be evicted as well.
fail_limit=150
before() {
  objects | kc -n "$name" apply -f -; kc -n "$name" wait --for=condition=Ready pod/steady --timeout=30s
  in_node fallocate -l $(( $(in_node df --output=avail -B1 /var/lib/kubelet | tail -1) - 20000000 )) /var/lib/kubelet/filler
  wait_for 120 "the eviction" evicted
}
evicted() { [ "$(kc -n "$name" get pod steady -o jsonpath='{.status.reason}')" = Evicted ]; }
objects() { cat <<END
apiVersion: v1
kind: Pod
metadata: {name: steady}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: registry.test/busybox:1
    command: [sh, -c, "echo ready; sleep 3600"]
END
}
# AnyStarted is the last rung: a pod that starts once there is room.
fix() { in_node rm -f /var/lib/kubelet/filler; }
fixed() {
  wait_for 90 "the pressure to go" fits && kc -n "$name" delete pod steady && objects | sed 's/steady/again/' | kc -n "$name" apply -f -
}
fits() { [ "$(kc get node $NODE_NAME -o jsonpath='{.status.conditions[?(@.type=="DiskPressure")].status}')" = False ]; }
